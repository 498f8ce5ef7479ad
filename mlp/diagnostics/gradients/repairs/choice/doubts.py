"""Changes that make all right, and yet are hardly what was meant: another line may be the wrong one.

Lines that only read what forward kept; a change that leaves half of a derivative that was whole, s for s (1 - s), or
another power than that of the derivative of a root; a row and a column that get each other's names in a line that has
them in the usual order.
"""

import ast
import re
from functools import lru_cache

from mlp.diagnostics.gradients.repairs.search.second_terms import signed_factors
from mlp.diagnostics.gradients.repairs.search.slots import own_names

OF_PLACES = re.compile(r"unravel_index\(|divmod\(|nonzero\(|indices\(|\.shape\b")  # they give the row first
USUAL, TURNED = ("rc", "hw", "yx", "ij"), ("cr", "wh", "xy", "ji")  # row, column and the like by what tells them apart
OF_A_ROOT = ("3", "1.5", "-1.5", "-3")


@lru_cache(maxsize=1024)
def only_reads(line: str) -> bool:
    """Return whether a statement only gives names to what is kept: `x, w = cache["x"], w`, `x = self.take()`."""
    try:
        (statement,) = ast.parse(line).body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(statement, ast.Assign) or any(isinstance(one, ast.Subscript) for one in statement.targets):
        return False
    nodes = list(ast.walk(statement.value))
    entries = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.expr_context)
    of_cache = any(isinstance(node, ast.Subscript) for node in nodes) and all(isinstance(n, entries) for n in nodes)
    return of_cache or ast.unparse(statement.value) == "self.take()"


def halves_a_derivative(before: ast.stmt, after: ast.stmt) -> bool:
    """Return whether a change leaves a part of a derivative that was whole, of a sigmoid: s or 1 - s of s (1 - s)."""
    text = ast.unparse(after)
    return any(own_names(s, text) for s in sigmoids_in(before) - sigmoids_in(after))


def sigmoids_in(line: ast.stmt) -> set[str]:
    """Return the s for which a product of a line has both the factors s and 1 - s."""
    products = [signed_factors(node) for node in ast.walk(line) if isinstance(node, ast.BinOp)]
    texts = [{ast.unparse(factor) for sign, factor in product if sign == "*"} for product in products]
    return {s for factors in texts for s in factors if {f"1 - {s}", f"1.0 - {s}"} & factors}


def takes_a_power(before: ast.stmt, after: ast.stmt) -> bool:
    """Return whether a change gives another power to what has that of the derivative of a root: s**3, v**-1.5."""
    return len(powers_of_roots(after)) < len(powers_of_roots(before))


def powers_of_roots(line: ast.stmt) -> list[ast.BinOp]:
    """Return the powers in a line that the derivative of a root has."""
    powers = [node for node in ast.walk(line) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    return [node for node in powers if ast.unparse(node.right) in OF_A_ROOT]


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
