"""Factors that may be missing in backward: the derivatives of the functions that forward applies.

Forward says np.maximum(a, b), so (a >= b) may be missing; np.tanh(z) asks for 1 - np.tanh(z)^2, np.sqrt(d) for itself.
"""

import ast
from collections.abc import Collection, Iterator, Mapping

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


def slopes_of(forward: ast.FunctionDef, known: Collection[str], across: Mapping[str, str]) -> Iterator[str]:
    """Yield derivatives of what forward computes, of those parts whose names backward has, too.

    Args:
        known: names of backward. across: what backward calls the names of forward that it keeps.
    """
    assigned: dict[str, ast.expr] = {}  # what a local name of forward stands for
    for node in ast.walk(forward):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id] = node.value
    assigned.update({name: ast.parse(kept, mode="eval").body for name, kept in across.items()})
    yield from of_kept(forward)
    for node in ast.walk(forward):
        for text in (*of_node(node), *constants(node)):
            inlined = with_known(text, known, assigned)
            if names_within(inlined) <= {*known, *NUMBERS, "self"}:
                yield inlined


def names_across(forward: ast.FunctionDef, backward: ast.FunctionDef) -> dict[str, str]:
    """Return what backward calls local names of forward: self.b for self.b = b, p for cache = b, c and p, q = cache."""
    found, tuples = {}, []
    for node in ast.walk(forward):
        if isinstance(node, ast.Assign):
            pairs = [pair for target in node.targets for pair in in_pairs(target, node.value)]
            found.update(
                {v.id: ast.unparse(t) for t, v in pairs if isinstance(t, ast.Attribute) and isinstance(v, ast.Name)}
            )
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
            tuples.append(node)
    for node in ast.walk(backward):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
            pairs = [pair for kept in tuples for pair in in_pairs(node.targets[0], kept)]
            found.update({v.id: ast.unparse(t) for t, v in pairs if isinstance(v, ast.Name)})
    return found


def in_pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return (target, value), one by one for two tuples of one length; nothing for one tuple alone."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True)) if len(target.elts) == len(value.elts) else []
    return [] if isinstance(target, ast.Tuple) or isinstance(value, ast.Tuple) else [(target, value)]


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
    yield from inner_slopes(node.args[0])
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


def inner_slopes(node: ast.expr) -> Iterator[str]:
    """Yield the derivatives of a product with numbers by its other factor: (2 / 3) of 2 * x / 3, the x of np.tanh."""
    factors = [
        part for part in ast.walk(node) if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult | ast.Div)
    ]
    leaves = {id(side): side for part in factors for side in (part.left, part.right) if part in spine_of(node)}
    others = [one for one in leaves.values() if isinstance(one, ast.Name | ast.Attribute | ast.Subscript)]
    numbers = [one for one in leaves.values() if isinstance(one, ast.Constant)]
    if len(others) == 1 and len(numbers) > 1 and ast.unparse(node).count(ast.unparse(others[0])) == 1:
        yield f"({ast.unparse(node).replace(ast.unparse(others[0]), '1')})".replace("* 1 ", "").replace("(1 * ", "(")


def spine_of(node: ast.expr) -> list[ast.expr]:
    """Return a product and the products that it is made of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return [node, *spine_of(node.left), *spine_of(node.right)]
    return []


def constants(node: ast.AST) -> Iterator[str]:
    """Yield what forward multiplies with or divides by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        yield f"({ast.unparse(node)})"
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
