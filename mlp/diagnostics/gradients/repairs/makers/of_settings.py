"""Alternatives to a term that lacks a factor: a setting, 1 minus a setting, a bias correction, an array, a plain 2."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.operators import may_lack
from mlp.diagnostics.gradients.repairs.search.second_terms import held_by
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

STEP_COUNTS = (
    "t",
    "step",
    "n",
    "k",
    "i",
    "it",
    "iteration",
    "iterations",
    "epoch",
)  # what the number of a step is called
MOST_SETTINGS = 10  # of which a factor is made


def missing_shares(slot: Slot, values: Values, names: Sequence[str] = ()) -> Iterator[Alternative]:
    """Yield a term with the factor that it may lack, or with a division by it.

    Args:
        names: of arrays, which may be missing as factors, too; none in a loss, whose settings may also divide a term.
    """
    if not may_lack(slot):
        return
    node, text = slot.node, text_of(slot.node)
    factors, divisors = shares_of_settings(values)
    arrays = [name for name in names if isinstance(held_by(name, values), np.ndarray) or name.endswith("]")]
    for factor in ("2", "0.5", *factors, *(name for name in arrays if "+ 1" not in name and name != text)):
        yield f"the factor `{factor}` is missing in `{text}`", ast.BinOp(node, ast.Mult(), parsed(factor))
    roots = [f"(np.sqrt({name}) + {eps})" for name in arrays for eps in small_numbers(values)[:1]]
    for divisor in (*divisors, *roots) if names else settings_in(values):
        yield f"the division by `{divisor}` is missing in `{text}`", ast.BinOp(node, ast.Div(), parsed(divisor))


def missing_eps(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield what a root is taken of, or what is divided by, with the small number that keeps it from zero."""
    node, parent = slot.node, slot.parent
    in_root = slot.field == "args" and ast.unparse(parent.func).endswith("sqrt")
    in_power = isinstance(parent, ast.BinOp) and ast.unparse(parent).endswith("** 0.5") and slot.field == "left"
    below = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and slot.field == "right"
    for eps in small_numbers(values) if in_root or in_power or below else ():
        where = "the divisor" if below else "the root"
        text = f"`{eps}` is missing in {where}, which may be zero: `{text_of(node)} + {eps}` belongs here"
        yield text, ast.BinOp(node, ast.Add(), parsed(eps))


def small_numbers(values: Values) -> list[str]:
    """Return the names of the settings that keep a divisor from zero."""
    return [name for name in numbers_held(values, float) if re.search(r"eps(ilon)?\W*$", name)]


def powers(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a power in the place of a product with the number of the step: 1 - b ** t for 1 - b * t."""
    node = slot.node
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return
    names = [ast.unparse(one) for one in ast.walk(node.right) if isinstance(one, ast.Name | ast.Attribute)]
    if not any(name.removeprefix("self.") in STEP_COUNTS and type(values.get(name)) is int for name in names):
        return
    a, power = node.left, ast.BinOp(node.left, ast.Pow(), node.right)
    whole = power
    if isinstance(a, ast.BinOp) and isinstance(a.op, ast.Mult):
        power = ast.BinOp(a.right, ast.Pow(), node.right)
        whole = ast.BinOp(a.left, ast.Mult(), power)
    yield f"multiplied by `{text_of(node.right)}`, where the power `{ast.unparse(power)}` belongs", whole


def shares_of_settings(values: Values) -> tuple[list[str], list[str]]:
    """Return the factors that settings make, b and 1 - b, and what a bias correction divides by, 1 - b**t."""
    names, counts = settings_in(values), numbers_held(values, int)
    steps = sorted((name for name in counts if last_part(name) in STEP_COUNTS), key=likely_count)
    return [*names, *(f"(1 - {name})" for name in names)], [f"(1 - {name}**{t})" for name in names for t in steps[:1]]


def last_part(name: str) -> str:
    """Return t for self.t and state['t']."""
    return re.findall(r"\w+", name)[-1]


def likely_count(name: str) -> int:
    """Return the place of a name among those that the number of a step may have: t is likelier than i."""
    return STEP_COUNTS.index(last_part(name))


def settings_in(values: Values) -> list[str]:
    """Return the names of the settings, local ones first; none whose value another one has already."""
    found: dict[float, str] = {}
    for name, value in numbers_held(values, float).items():
        found.setdefault(value, name)
    return list(found.values())[:MOST_SETTINGS]


def numbers_held(values: Values, kind: type) -> dict[str, Any]:
    """Return all numbers of a type by their names, local ones first, then those of objects and dictionaries."""
    held = {name: value for name, value in values.items() if type(value) is kind}
    for name, value in values.items():
        if isinstance(value, dict):
            held |= {f"{name}[{key!r}]": v for key, v in value.items() if isinstance(key, str) and type(v) is kind}
    return {name: held[name] for name in sorted(held, key=lambda one: "." in one or "[" in one)}
