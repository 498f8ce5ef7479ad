"""Factors that may be missing in backward: the derivatives of the functions that forward applies.

Forward says np.maximum(a, b), so (a >= b) may be missing; np.tanh(z) asks for 1 - np.tanh(z)^2, np.sqrt(d) for itself.
"""

import ast
from collections.abc import Collection, Iterator

from mlp.diagnostics.gradients.repairs.search.moves import Exchange

NUMBERS = ("np", "math")
SLOPES = {
    "tanh": "(1 - np.tanh({0})**2)",
    "exp": "np.exp({0})",
    "log": "(1 / ({0}))",
    "sqrt": "(0.5 / np.sqrt({0}))",
    "abs": "np.sign({0})",
    "square": "(2 * ({0}))",
    "log1p": "(1 / (1 + {0}))",
    "sin": "np.cos({0})",
    "cos": "(-np.sin({0}))",
}


def slopes_of(forward: ast.FunctionDef, known: Collection[str]) -> Iterator[str]:
    """Yield derivatives of what forward computes, of those parts whose names backward has, too."""
    assigned = {}  # what a local name of forward stands for
    for node in ast.walk(forward):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id] = node.value
    yield from of_kept(forward)
    for node in ast.walk(forward):
        for text in (*of_node(node), *constants(node)):
            inlined = with_known(text, known, assigned)
            if names_within(inlined) <= {*known, *NUMBERS, "self"}:
                yield inlined


def of_kept(forward: ast.FunctionDef) -> Iterator[str]:
    """Yield the derivatives of activations by their values that forward keeps: self.s * (1 - self.s)."""
    for node in ast.walk(forward):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            name, value = ast.unparse(node.targets[0]), ast.unparse(node.value)
            if value.startswith("1 / (1 + np.exp(-") or "sigm" in value.partition("(")[0]:
                yield f"({name} * (1 - {name}))"
            elif value.startswith("np.tanh("):
                yield f"(1 - {name}**2)"
            elif value.startswith("np.maximum("):
                yield f"({name} > 0)"


def of_node(node: ast.AST) -> Iterator[str]:
    """Yield the derivatives of one operation."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
        power = node.right.value
        if isinstance(power, int) and power > 1:
            yield f"({power} * ({ast.unparse(node.left)})**{power - 1})"
    if not isinstance(node, ast.Call) or not node.args:
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    parts = [ast.unparse(arg) for arg in node.args]
    if name in SLOPES:
        yield SLOPES[name].format(parts[0])
        yield ast.unparse(node)
    elif name == "maximum" and len(parts) == 2:
        yield f"({parts[0]} > {parts[1]})"
        yield f"({parts[0]} <= {parts[1]})"
    elif name == "minimum" and len(parts) == 2:
        yield f"({parts[0]} < {parts[1]})"
        yield f"({parts[0]} >= {parts[1]})"
    elif name == "clip" and len(parts) == 3:
        yield f"({parts[0]} > {parts[1]})"
        yield f"({parts[0]} < {parts[2]})"
        yield f"(({parts[0]} > {parts[1]}) & ({parts[0]} < {parts[2]}))"
    elif name == "where" and len(parts) == 3:
        yield f"({parts[0]})"
        yield f"(~({parts[0]}))"
    elif "sigm" in name or name == "sig":
        yield f"({ast.unparse(node)} * (1 - {ast.unparse(node)}))"
        yield ast.unparse(node)


def constants(node: ast.AST) -> Iterator[str]:
    """Yield what forward multiplies with or divides by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        for part in (node.left, node.right):
            if not isinstance(part, ast.Constant):
                yield f"({ast.unparse(part)})"


def with_known(text: str, known: Collection[str], assigned: dict[str, ast.expr]) -> str:
    """Return an expression with the local names of forward written out that backward does not have."""
    for _ in range(2):
        tree = ast.parse(text, mode="eval").body
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & assigned.keys() - {*known}
        if not names:
            break
        text = ast.unparse(Exchange({name: ast.unparse(assigned[name]) for name in names}).visit(tree))
    return text


def names_within(text: str) -> set[str]:
    """Return the names in an expression; self.NAME counts as self."""
    return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
