"""A line of forward that is made of the same values as a documented formula, and computes something else.

    documented    h' = (1 - z) * n + z * h
    written       h = z * n + (1 - z) * h          the same five values: two of them are exchanged

Both are evaluated with random numbers in the place of their names. A line made of other values says nothing: it may be
another form of the same.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.repairs.search.slots import short
from mlp.diagnostics.gradients.repairs.sources import beside, helpers, source_of
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.diagnostics.gradients.written.documentation import (
    DocumentedFormula,
    documentation_of,
    formulas_in,
    without_steps,
)
from mlp.layers.machinery.base import Layer

SMALLEST = 3  # values of a formula: h = h, or y = x + b, says too little
OF_MATHEMATICS: dict[str, Callable[..., Any]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "max": np.maximum,
    "min": np.minimum,
    "relu": lambda x: np.maximum(x, 0.0),
}


def not_as_documented(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield the line of forward that computes something else than the formula of the documentation."""
    owner, name, _ = code_of(layer)
    first = source_of(owner, name)
    if first is None:
        return
    trees = [first.tree, *(one.tree for one in beside(first, None))]
    trees += [one.tree for helper in helpers(owner, first.tree) if (one := source_of(owner, helper)) is not None]
    lines = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    for formula in formulas_in(documentation_of(owner)):
        same = [(line, alike) for line in lines if (alike := made_of_the_same(line, formula)) is not None]
        if same and not any(same_values(formula.value, value) for _, value in same):
            line = same[0][0]
            text = (
                f"in line {line.lineno}, `{short(line)}`: the documentation says `{formula.text}`, which is something "
                "else, though it is made of the same values"
            )
            yield Diagnosis("another formula", "outputs", "training", text)
            return


def made_of_the_same(line: ast.Assign, formula: DocumentedFormula) -> ast.expr | None:
    """Return what a line assigns, in the names of a formula, if both have one target and are made of the same values.

    One name may be another one: sample_mean in the formula, and mu in the line.
    """
    target = Plain().visit(ast.parse(ast.unparse(line.targets[0]), mode="eval").body)
    if not isinstance(target, ast.Name) or target.id != formula.target:
        return None
    value = Plain().visit(ast.parse(ast.unparse(line.value), mode="eval").body)
    one, other = values_of(value), values_of(formula.value)
    here, there = one - other, other - one
    if sum(one.values()) < SMALLEST or sum(here.values()) != sum(there.values()):
        return None
    if not here:
        return value
    names = [*here, *there]
    if (
        len(here) != 1
        or len(there) != 1
        or not all(name.isidentifier() and name not in OF_MATHEMATICS for name in names)
    ):
        return None
    if names[0] in other or names[1] in one:  # it stands for something else already
        return None
    return Renamed(names[0], names[1]).visit(value)


class Plain(ast.NodeTransformer):
    """Writes m for self.m, p["m"], m[t], m_t and m_prev, and tanh for np.tanh."""

    def visit_Name(self, node: ast.Name) -> ast.AST:  # noqa: N802
        return ast.Name(without_steps(node.id), ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:  # noqa: N802
        if node.attr in ("data", "T"):
            return self.visit(node.value)
        return ast.Name(node.attr, ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:  # noqa: N802
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return ast.Name(node.slice.value, ast.Load())
        return self.visit(node.value)


class Renamed(ast.NodeTransformer):
    """Gives one name another one."""

    def __init__(self, one: str, other: str) -> None:
        self.one, self.other = one, other

    def visit_Name(self, node: ast.Name) -> ast.Name:  # noqa: N802
        return ast.Name(self.other if node.id == self.one else node.id, ast.Load())


def values_of(node: ast.expr) -> Counter[str]:
    """Return how often each name and number stands in an expression."""
    found: Counter[str] = Counter()
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            found[one.id] += 1
        elif isinstance(one, ast.Constant) and isinstance(one.value, int | float):
            found[str(float(one.value))] += 1
    return found


def same_values(one: ast.expr, other: ast.expr) -> bool:
    """Return whether two expressions have the same value for random numbers; also where one cannot be evaluated."""
    rng = np.random.default_rng(0)
    names = sorted(
        {n.id for tree in (one, other) for n in ast.walk(tree) if isinstance(n, ast.Name)} - OF_MATHEMATICS.keys()
    )
    for _ in range(3):
        space = {**OF_MATHEMATICS, **{name: rng.uniform(0.1, 0.9) for name in names}}
        try:
            results = [evaluated(tree, space) for tree in (one, other)]
        except (TypeError, ValueError, ArithmeticError, KeyError):
            return True
        if not np.isclose(results[0], results[1], rtol=1e-9):
            return False
    return True


def evaluated(node: ast.expr, space: dict[str, Any]) -> float:
    """Return the value of an expression of numbers, names and known functions; no other code is run."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return float(space[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -evaluated(node.operand, space)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return float(space[node.func.id](*(evaluated(argument, space) for argument in node.args)))
    if isinstance(node, ast.BinOp):
        a, b = evaluated(node.left, space), evaluated(node.right, space)
        operations: dict[type[ast.operator], Callable[[], float]] = {
            ast.Add: lambda: a + b,
            ast.Sub: lambda: a - b,
            ast.Mult: lambda: a * b,
            ast.MatMult: lambda: a * b,
            ast.Div: lambda: a / b,
            ast.Pow: lambda: a**b,
        }
        return operations[type(node.op)]()
    raise TypeError("This expression is none of numbers.")
