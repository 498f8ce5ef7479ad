"""Changes that make all right, and yet are hardly what was meant: another line may be the wrong one.

Lines that only read what forward kept; a change that leaves half of a derivative that was whole, s for s (1 - s), or
another power than that of the derivative of a root, or takes away the division that a derivative has; a row and a
column that get each other's names in a line that has them in the usual order.
"""

import ast
import re
from collections.abc import Collection
from functools import lru_cache

from mlp.diagnostics.gradients.repairs.search.second_terms import Factor, signed_factors
from mlp.diagnostics.gradients.repairs.search.slots import own_names

OF_PLACES = re.compile(r"unravel_index\(|divmod\(|nonzero\(|indices\(|\.shape\b")  # they give the row first
USUAL, TURNED = ("rc", "hw", "yx", "ij"), ("cr", "wh", "xy", "ji")  # row, column and the like by what tells them apart
OF_A_ROOT = ("3", "1.5", "-1.5", "-3")
OF_ROOTS = re.compile(r"sqrt|std\(|norm\(|\*\* \(?-?0\.5")
OF_TWICE = re.compile(r"2(\.0)? \* ")
OF_A_SQUARE = re.compile(r"(\S+) (\*\* 2|\* \1)$|np\.square\(")


@lru_cache(maxsize=1024)
def only_reads(line: str, *, of_self: bool = False) -> bool:
    """Return whether a statement only gives names to what is kept: `x, w = cache["x"], w`, `x = self.take()`.

    Args:
        of_self: whether `x = self.x` counts: two attributes may well be exchanged there, but no factor is missing.
    """
    try:
        (statement,) = ast.parse(line).body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(statement, ast.Assign) or any(isinstance(one, ast.Subscript) for one in statement.targets):
        return False
    nodes = list(ast.walk(statement.value))
    entries = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.expr_context)
    kept = any(isinstance(node, ast.Subscript) or (of_self and isinstance(node, ast.Attribute)) for node in nodes)
    return (kept and all(isinstance(node, entries) for node in nodes)) or ast.unparse(statement.value) == "self.take()"


def halves_a_derivative(before: ast.stmt, after: ast.stmt) -> bool:
    """Return whether a change leaves a part of a derivative that was whole, of a sigmoid: s or 1 - s of s (1 - s)."""
    text = ast.unparse(after)
    return any(own_names(s, text) for s in sigmoids_in(before) - sigmoids_in(after))


def sigmoids_in(line: ast.stmt) -> set[str]:
    """Return the s for which a product of a line has both the factors s and 1 - s."""
    texts = [{ast.unparse(factor) for sign, factor in product if sign == "*"} for product in products_in(line)]
    return {s for factors in texts for s in factors if {f"1 - {s}", f"1.0 - {s}"} & factors}


def takes_a_power(before: ast.stmt, after: ast.stmt) -> bool:
    """Return whether a change gives another power to what has that of the derivative of a root: s**3, v**-1.5."""
    return len(powers_of_roots(after)) < len(powers_of_roots(before))


def powers_of_roots(line: ast.stmt) -> list[ast.BinOp]:
    """Return the powers in a line that the derivative of a root has."""
    powers = [node for node in ast.walk(line) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    return [node for node in powers if ast.unparse(node.right) in OF_A_ROOT]


def takes_a_division(before: ast.stmt, after: ast.stmt, forward: str) -> bool:
    """Return whether a change takes away a division that a derivative has: 0.5 g / s of a root, -g / s**2 of 1 / s.

    Args:
        forward: its code, where a norm n of x may be made, whose derivative is x / n.
    """
    norms = norms_in(forward)
    if any(has(before) and not has(after) for has in (has_slope_of_root, has_slope_of_quotient)):
        return True
    return has_slope_of_norm(before, norms) and not has_slope_of_norm(after, norms)


@lru_cache(maxsize=64)
def norms_in(forward: str) -> frozenset[tuple[str, str]]:
    """Return (n, x) for each name in a function that is a root made of x: n = np.sqrt((x**2).sum())."""
    assigned = [node for node in ast.walk(ast.parse(forward)) if isinstance(node, ast.Assign)]
    roots = [node for node in assigned if OF_ROOTS.search(ast.unparse(node.value))]
    return frozenset((last_name(one.targets[0]), name) for one in roots for name in last_names(one.value))


def last_names(node: ast.AST) -> set[str]:
    """Return the names in code, x for self.x."""
    return {last_name(one) for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)}


def last_name(node: ast.AST) -> str:
    """Return a name, x for self.x."""
    return ast.unparse(node).rpartition(".")[2]


def has_slope_of_norm(line: ast.stmt, norms: Collection[tuple[str, str]]) -> bool:
    """Return whether a line has a product with x over its norm: dn * x / n."""
    for factors in products_in(line):
        above, below = ({last_name(one) for sign, one in factors if sign == wanted} for wanted in "*/")
        if any(n in below and x in above for n, x in norms):
            return True
    return False


def has_slope_of_root(line: ast.stmt) -> bool:
    """Return whether a line has half of something over something: 0.5 * dstd / std, dstd / (2 * std)."""
    for factors in products_in(line):
        texts = {(sign, ast.unparse(factor)) for sign, factor in factors}
        halves = texts & {("*", "0.5"), ("*", "-0.5"), ("/", "2"), ("/", "2.0")}
        below = {text for sign, text in texts - halves if sign == "/"}
        if any(OF_TWICE.match(text) for text in below) or (halves and below):
            return True
    return False


def has_slope_of_quotient(line: ast.stmt) -> bool:
    """Return whether a line has something negative over a square: -dy * x / s**2."""
    negative = any(isinstance(node, ast.USub) for node in ast.walk(line))
    below = [[ast.unparse(factor) for sign, factor in factors if sign == "/"] for factors in products_in(line)]
    return negative and any(OF_A_SQUARE.match(text) or texts.count(text) > 1 for texts in below for text in texts)


def products_in(line: ast.stmt) -> list[list[Factor]]:
    """Return the factors of all products in a line, with what stands before each."""
    return [signed_factors(node) for node in ast.walk(line) if isinstance(node, ast.BinOp)]


def turns_a_place(before: ast.stmt, after: ast.stmt) -> bool:
    """Return whether a change gives a row and a column each other's names, where they have the usual order.

    Functions that split an index give the row first, whatever the names are, unless these say the reverse.
    """
    if not isinstance(before, ast.Assign) or not isinstance(after, ast.Assign):
        return False
    names, others = pair_of(before), pair_of(after)
    if len(names) != 2 or others != names[::-1]:
        return False
    letters = telling_apart(*names)
    return letters in USUAL or (letters not in TURNED and bool(OF_PLACES.search(ast.unparse(before.value))))


def uses_a_turned_place(tree: ast.AST, text: str) -> bool:
    """Return whether a change exchanges two names where they are used, and where they are made is the column first."""
    found = re.match(r"`(\w+)` and `(\w+)` are exchanged", text)
    pairs = [pair_of(node) for node in ast.walk(tree) if isinstance(node, ast.Assign)] if found else []
    turned = [{*pair} for pair in pairs if len(pair) == 2 and telling_apart(*pair) in TURNED]
    return found is not None and {*found.groups()} in turned


def pair_of(line: ast.Assign) -> list[str]:
    """Return the names that a line gives to the parts of a tuple."""
    target = line.targets[0]
    return [ast.unparse(name) for name in target.elts] if isinstance(target, ast.Tuple) else []


def telling_apart(one: str, other: str) -> str:
    """Return the first letters that differ in two names: rc for max_row and max_col, hw for ih and iw."""
    pairs = zip(one.lower(), other.lower(), strict=False)
    return next((a + b for a, b in pairs if a != b), "")
