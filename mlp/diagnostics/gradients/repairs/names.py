"""The names that a function can use, and the expressions that may be missing in it as factors."""

import ast
import re
from collections.abc import Collection
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.terms.slopes import names_across, slopes_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size

FORMS = (
    "(1 - {})",
    "(1 - {}**2)",
    "({0} * (1 - {0}))",
    "({} > 0)",
    "np.exp({})",
    "(1 / (1 + np.exp(-{})))",
    "np.sqrt({})",
)
GRADIENT = re.compile(r"d(?!im$|ata$|epth$|$)|g|delta|up|err|top", re.IGNORECASE)  # names of gradients
OF_VALUES = re.compile(r"_?(tanh|sigm|sig$|exp$|log$|log1p|sqrt|square|abs|relu|softplus|softmax|act)", re.IGNORECASE)
EMPTY = ("zeros_like", "empty_like", "ones_like", "len", "range", "enumerate")
OF_PYTHON = (
    "range",
    "zip",
    "max",
    "min",
    "sum",
    "isinstance",
    "enumerate",
    "slice",
    "int",
    "float",
    "getattr",
    "round",
)
NO_SIZE = re.compile(r"sqrt|\*\*| / ")  # sums and products of sizes are sizes
TINY = 1e-3  # a number below is an eps, which is no factor
MOST_FACTORS = 100
MOST_NAMES, MOST_KNOWN_NAMES = 16, 40  # without and with their values


def names_in(tree: ast.FunctionDef, forward: ast.FunctionDef | None, values: Values) -> tuple[list[str], list[str]]:
    """Return the names that a function can use, and expressions that may be missing as factors in it.

    The factors are the settings of forward, the derivatives of what it computes and keeps, and sizes.
    """
    of_forward = [] if forward is None else list(ast.walk(forward))
    nodes = [*ast.walk(tree), *of_forward]
    attributes = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)]
    read = {ast.unparse(node) for node in of_forward if isinstance(getattr(node, "ctx", None), ast.Load)}
    inner = {n for n in read if isinstance(values.get(n), np.ndarray)}  # of a parameter: self.beta.value
    kept = [n for n in attributes if n.startswith("self.") and (n.removesuffix(".data").count(".") == 1 or n in inner)]
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    own = [arg.arg for arg in tree.args.args if arg.arg not in ("self", "cache")]
    stored = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    parts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Subscript) and is_part(node)]
    parts += map(neighbour, list(parts))
    arrays = [name for name in dict.fromkeys([*own, *kept, *parts, *stored]) if name not in called]
    arrays = [name for name in arrays if not isinstance(values.get(name), bool)]  # a mode is no number
    sizes = {name for name in [*own, *stored] if is_size(values.get(name))}
    made = (n for n in of_forward if isinstance(n, ast.Call | ast.BinOp) and needs_no_names(n, sizes))
    constants = list(dict.fromkeys(map(ast.unparse, made)))
    floats = [n.value for n in of_forward if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    numbers = [repr(value) for value in floats if value not in (0.0, 1.0) and value > TINY]
    means = forward is not None and ".mean(" in ast.unparse(forward)
    pixels = [f"({name}.shape[{a}] * {name}.shape[{a + 1}])" for name in own[:1] for a in (2, 1) if means]
    pixels += [f"{name}.shape[-1]" for name in own[:1] if means]
    pixels += [f"{name}.shape[1]" for name in kept if means and getattr(values.get(name), "ndim", 0) > 2][:2]
    held = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name)}
    settings = [
        ast.unparse(node)
        for node in of_forward
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and ast.unparse(node.value) in held
    ]
    rows = [name for name in arrays if is_row_of_numbers(values.get(name))]
    slopes = (
        [] if forward is None else list(dict.fromkeys(slopes_of(forward, [*own, *stored], names_across(forward, tree))))
    )
    slopes = [slope.strip("()") if slope.strip("()").replace(".", "").isidentifier() else slope for slope in slopes]
    factors = [
        *slopes[:12],
        *[setting for setting in dict.fromkeys(settings) if "'" in setting],
        "2",
        "0.5",
        "3",
        *pixels,
        *(f"{name}[:, None]" for name in rows),
        *(f"({name} > 0)[:, None]" for name in rows[:4]),
        *(f"{name}[{at}]" for name in arrays if is_mask(values.get(name)) for at in (":, None", "..., None")),
        *constants,
        *[name for name, value in values.items() if type(value) is float and value not in (0.0, 1.0) and value > TINY][
            :6
        ],
        *numbers,
        *arrays,
        *slopes,
        f"np.sqrt({own[0]}.shape[-1])" if own else "2",
    ]
    for name in arrays:
        if name not in own and (name not in stored or forward is None or len(arrays) < 10):
            factors += [form.format(name) for form in FORMS]
    if own:
        factors += [f"{own[0]}.shape[{axis}]" for axis in (0, -1)] + [f"({own[0]}.size // len({own[0]}))"]
    if values:
        arrays += [name for name, value in values.items() if is_size(value) and name not in arrays]
    return arrays[: MOST_KNOWN_NAMES if values else MOST_NAMES], list(dict.fromkeys(factors))[:MOST_FACTORS]


def is_row_of_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1


def is_mask(value: Any) -> bool:
    """Return whether a value is an array of several axes that holds true or false, or 0 and 1."""
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return False
    return value.dtype.kind == "b" or bool(np.isin(value, (0, 1)).all())


def of_upstream(tree: ast.FunctionDef, values: Values, *, backward: bool) -> frozenset[str]:
    """Return the names in backward that hold gradients: its argument, and all that is made of it.

    Backward is linear in them, so no product has two of them, and no sum has one of them beside another array. That of
    a loss may take its cache alone, and has none.
    """
    arguments = [arg.arg for arg in tree.args.args if arg.arg != "self"]
    arguments = [name for name in arguments if not isinstance(values.get(name), tuple | list | dict)]
    known = {arg for arg in arguments if GRADIENT.match(arg)} or set(
        arguments if backward and len(arguments) == 1 else ()
    )
    before = -1
    while len(known) > before:
        before = len(known)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AugAssign) and node.value is not None and uses(node.value, known):
                pairs = assigned_pairs(node)
                known |= {name for target, value in pairs if uses(value, known) for name in names_of_target(target)}
    return frozenset(known)


def unused_in(tree: ast.FunctionDef, forward: ast.FunctionDef | None) -> list[str]:
    """Return the names that are given a value in a function, and never used: what they are for may be missing.

    Attributes that forward gives a value to, and the function never reads, come last.
    """
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    arguments = [arg.arg for arg in tree.args.args if arg.arg not in ("self", "cache")]
    stored = [*arguments, *(node.id for node in names if isinstance(node.ctx, ast.Store))]
    unused = [name for name in dict.fromkeys(stored) if name not in loaded and name != "_"][:6]
    text = ast.unparse(tree)
    attributes = [node for node in ast.walk(forward or tree) if isinstance(node, ast.Attribute)]
    kept = [ast.unparse(node) for node in attributes if isinstance(node.ctx, ast.Store)]
    return [*unused, *[name for name in dict.fromkeys(kept) if not re.search(rf"{re.escape(name)}\b", text)][:6]]


def numbers_and_targets(tree: ast.FunctionDef, forward: ast.FunctionDef | None) -> tuple[list[float], list[str]]:
    """Return the numbers that forward has, and what the lines of backward give values to, as often as they do."""
    constants = [node.value for node in ast.walk(forward or tree) if isinstance(node, ast.Constant)]
    floats = [value for value in dict.fromkeys(constants) if isinstance(value, float)]
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return floats, [ast.unparse(target) for node in assignments for target in node.targets]


def functions_in(tree: ast.FunctionDef, forward: ast.FunctionDef | None) -> list[str]:
    """Return the functions that forward and backward apply to an array, as "np.tanh({})", "window_sum({}, n)".

    Those are functions of single values, and the user's own ones, if backward knows their other arguments.
    """
    calls = [node for one in (forward, tree) if one is not None for node in ast.walk(one) if isinstance(node, ast.Call)]
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = []
    for node in calls:
        name, rest = ast.unparse(node.func), node.args[1:]
        of_values = bool(OF_VALUES.match(name.rpartition(".")[2])) and not rest
        own = (name.isidentifier() and name not in OF_PYTHON and name.islower()) or name.startswith("self.")
        simple = all(isinstance(one, ast.Constant) or (isinstance(one, ast.Name) and one.id in known) for one in rest)
        if node.args and not node.keywords and (of_values or (own and rest and simple)):
            found.append(f"{name}({', '.join(['{}', *map(ast.unparse, rest)])})")
    return list(dict.fromkeys(found))


def assigned_pairs(node: ast.Assign | ast.AugAssign) -> list[tuple[ast.expr, ast.expr]]:
    """Return (target, value) of an assignment, one by one where two tuples are assigned."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        return list(zip(targets[0].elts, node.value.elts, strict=False))
    return [(target, node.value) for target in targets]


def names_of_target(target: ast.expr) -> list[str]:
    """Return the names that an assignment gives values to: dx in dx[i], self.dW in self.dW."""
    while isinstance(target, ast.Subscript | ast.Starred):
        target = target.value
    if isinstance(target, ast.Tuple):
        return [name for one in target.elts for name in names_of_target(one)]
    return [ast.unparse(target)]


def uses(node: ast.AST, known: Collection[str]) -> bool:
    """Return whether a value in an expression is one of some names; sizes of them do not count."""
    if isinstance(node, ast.Attribute) and node.attr in ("shape", "size", "ndim", "dtype"):
        return False
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in EMPTY:
        return False
    if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in known:
        return True
    return any(uses(child, known) for child in ast.iter_child_nodes(node))


def names_read(tree: ast.AST) -> set[str]:
    """Return the names and the attributes of self that a function reads."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    own = [one for one in nodes if isinstance(one, ast.Name) or getattr(one.value, "id", "") == "self"]
    return {ast.unparse(node) for node in own if isinstance(node.ctx, ast.Load)} - {"np", "self"}


def is_part(node: ast.Subscript) -> bool:
    """Return whether a subscript is read and has one index, a name, a sum or a text: h[t], self.h[t + 1], s["m"]."""
    word = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    last = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice  # h[:, t] as well
    return isinstance(node.ctx, ast.Load) and (word or isinstance(last, ast.Name | ast.BinOp))


def neighbour(part: str) -> str:
    """Return the next one of a part: self.h[t + 1] for self.h[t], and the reverse."""
    moved = part.removesuffix(" + 1]").removesuffix(" - 1]")
    return f"{part[:-1]} + 1]" if moved == part else f"{moved}]"


def needs_no_names(node: ast.AST, sizes: Collection[str]) -> bool:
    """Return whether an expression of forward needs no local names but those of sizes: np.sqrt(D), 1 - self.p."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {"np", "math", "self"}
    return not names or (names <= {*sizes} and bool(NO_SIZE.search(ast.unparse(node))))
