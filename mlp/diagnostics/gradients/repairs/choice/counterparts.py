"""Where a factor belongs that is missing in backward: in the gradient of what forward multiplies by it."""

import ast
import re
from collections.abc import Iterator

from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.names import assigned_pairs, names_of_target
from mlp.diagnostics.gradients.repairs.search.brackets import spine
from mlp.diagnostics.gradients.repairs.search.second_terms import Factor, signed_factors
from mlp.diagnostics.gradients.repairs.search.slots import parsed

MISSING = re.compile(r"the (factor|division by) `([^`]+)` is missing in `")
OF_GRADIENTS = ("d{}", "g{}", "grad{}", "{}grad", "delta{}", "dld{}")
Assigned = tuple[str, ast.expr]  # a name and what it gets


def belongs_elsewhere(edit: Edit, tree: ast.FunctionDef, forward: str) -> bool:
    """Return whether a factor is missing that belongs in another line by forward, which backward has.

    Of s = q k f that is the line of ds, and of s = h f the line of dh, if there is one.

    Args:
        tree: of backward. forward: its code.
    """
    found = MISSING.match(edit.text)
    if found is None or not forward:
        return False
    arguments = {arg.arg for arg in tree.args.args}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    lines = [(node.lineno, pair) for node in nodes for pair in products_given(node) if pair[0] not in arguments]
    for names in multiplied(ast.parse(forward), (found[1] == "factor", ast.unparse(parsed(found[2])))):
        meant = [line for line, (target, _) in lines if any(names_gradient_of(target, name) for name in names)]
        if meant:
            return edit.line not in meant
    return False


def multiplied(forward: ast.AST, missing: tuple[bool, str]) -> tuple[set[str], set[str]]:
    """Return the names that forward multiplies by a factor alone, h of s = h f, and those of products with it, s.

    Args:
        missing: whether it is a factor, and no division; and what is missing.
    """
    is_factor, text = missing
    pairs = [pair for node in ast.walk(forward) for pair in products_given(node)]
    alike = {text, *(ast.unparse(value) for target, value in pairs if target == text)}
    alike |= {target for target, value in pairs if ast.unparse(value) == text}
    forms = alike if is_factor else {form for one in alike for form in spelled(("/", parsed(one)))}
    forms |= {target for target, value in pairs if ast.unparse(value) in forms}
    alone, products = set(), set()
    for target, value in pairs:
        first, rest = spine(value)
        for factors in map(signed_factors, (first, *(term for _, term in rest))):
            others = [one for one in factors if not forms & spelled(one)]
            if 0 < len(others) < len(factors):
                products.add(target)
                plain = len(others) == 1 and isinstance(others[0][1], ast.Name | ast.Attribute)
                alone |= {ast.unparse(others[0][1])} if plain else set()
    return alone, products


def spelled(factor: Factor) -> set[str]:
    """Return a factor as code; a division as 1 / n."""
    text = ast.unparse(factor[1])
    return {text} if factor[0] == "*" else {f"1 / {text}", f"1.0 / {text}"}


def products_given(node: ast.AST) -> Iterator[Assigned]:
    """Yield what a statement gives to names; of s *= f the product s f."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        for target, value in assigned_pairs(node):
            whole = ast.BinOp(target, node.op, value) if isinstance(node, ast.AugAssign) else value
            yield from ((name, whole) for name in names_of_target(target))


def names_gradient_of(target: str, name: str) -> bool:
    """Return whether a name says that it holds the gradient of another one: ds, self.d_s or grad_s of self.s."""
    one, other = (text.rpartition(".")[2].replace("_", "").lower() for text in (target, name))
    return one in [form.format(other) for form in OF_GRADIENTS]
