"""Alternatives to a sum of products: a factor of one term that belongs to another term, to both of them, or to none."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

from mlp.diagnostics.gradients.repairs.names import uses
from mlp.diagnostics.gradients.repairs.operators import function_of
from mlp.diagnostics.gradients.repairs.search.brackets import SUMS, is_rest, joined, spine
from mlp.diagnostics.gradients.repairs.search.second_terms import Factor, as_product, signed_factors
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of

MOST_TERMS = 4


@dataclass(frozen=True)
class Term:
    """A product: its factors, and whether a minus stands before them."""

    factors: tuple[Factor, ...]
    negative: bool = False

    @property
    def text(self) -> str:
        return ("-" if self.negative else "") + as_product(self.factors)

    def lacks(self, factor: Factor, upstream: Collection[str]) -> bool:
        """Return whether a factor may be missing: it is not there, and no product has two gradients."""
        there = any(is_same_factor(factor, one) for one in self.factors)
        return not there and not (uses(factor[1], upstream) and uses(parsed(self.text), upstream))

    def having(self, new: Factor, old: Factor | None = None) -> "Term":
        """Return the term with one factor more, or with one in the place of another."""
        if old is not None:
            return Term(tuple(new if one is old else one for one in self.factors), self.negative)
        return Term((new, *self.factors) if new[0] == "*" else (*self.factors, new), self.negative)

    def without(self, old: Factor) -> "Term":
        """Return the term with one factor less."""
        rest = tuple(one for one in self.factors if one is not old)
        return Term(rest or (("*", ast.Constant(1)),), self.negative)


def factors_of_terms(slot: Slot, upstream: Collection[str] = ()) -> Iterator[Alternative]:
    """Yield b + f a for f b + a, g b + f a for f b + g a, f b + f a for f b + a, and b + a for f b + f a.

    The terms are those of a sum, or the two branches of np.where. A factor is a name, a part of an array, or 1 - f.

    Args:
        upstream: names of gradients.
    """
    node, nodes = slot.node, terms_beside(slot)
    terms = [term_of(one) for one in nodes]
    for text, changed in moved_factors(terms, upstream) if 1 < len(terms) <= MOST_TERMS else ():
        new = [
            one if before is now else parsed(now.text) for one, before, now in zip(nodes, terms, changed, strict=True)
        ]
        if isinstance(node, ast.Call):
            right: ast.expr = ast.Call(node.func, [node.args[0], *new], node.keywords)
        else:
            signs = [sign for sign, _ in spine(node)[1]]
            right = joined(new[0], list(zip(signs, new[1:], strict=True)))
        yield f"{text}: `{ast.unparse(right)}` belongs here", right


def terms_beside(slot: Slot) -> list[ast.expr]:
    """Return the terms of a whole sum, or the two branches of np.where; none for anything else."""
    node, parent = slot.node, slot.parent
    if function_of(node) == "where" and len(node.args) == 3:
        return [*node.args[1:]]
    part = isinstance(parent, ast.BinOp) and isinstance(parent.op, SUMS) and slot.field == "left"
    if part or not isinstance(node, ast.BinOp) or not isinstance(node.op, SUMS):
        return []
    first, rest = spine(node)
    return [first, *(term for _, term in rest)]


def term_of(node: ast.expr) -> Term:
    """Return a term with its factors: those of -f b are f and b."""
    (sign, first), *rest = signed_factors(node)
    if isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub):
        return Term((*signed_factors(first.operand), *rest), negative=True)
    return Term(((sign, first), *rest))


def moved_factors(terms: list[Term], upstream: Collection[str]) -> Iterator[tuple[str, list[Term]]]:
    """Yield what is wrong, and all terms with their factors in other places."""

    def changed(i: int, one: Term, j: int, other: Term) -> list[Term]:
        return [one if k == i else other if k == j else term for k, term in enumerate(terms)]

    for i, j in permutations(range(len(terms)), 2):
        a, b = terms[i], terms[j]
        own = f"`{text_of(parsed(a.text))}`", f"`{text_of(parsed(b.text))}`"
        for f in [f for f in a.factors if movable(f) and b.lacks(f, upstream)]:
            if len(a.factors) > 1:
                yield f"{words_of_factor(f)} of {own[0]} belongs to {own[1]}", changed(i, a.without(f), j, b.having(f))
            yield f"{words_of_factor(f)} is missing in {own[1]}", changed(i, a, j, b.having(f))
            rest = f[0], share_beside(f[1])
            if b.lacks(rest, upstream):
                yield f"{words_of_factor(rest)} is missing in {own[1]}", changed(i, a, j, b.having(rest))
    for i, j in combinations(range(len(terms)), 2):
        a, b = terms[i], terms[j]
        for f in [f for f in a.factors if movable(f)]:
            for g in [g for g in b.factors if movable(g)]:
                if is_same_factor(f, g):
                    yield (
                        f"{words_of_factor(f)} is one too many in both terms",
                        changed(i, a.without(f), j, b.without(g)),
                    )
                elif f[0] == g[0] and uses(f[1], upstream) == uses(g[1], upstream):
                    names = " and ".join(f"`{ast.unparse(one[1])}`" for one in (f, g))
                    yield f"the factors {names} are exchanged", changed(i, a.having(g, f), j, b.having(f, g))


def movable(factor: Factor) -> bool:
    """Return whether a factor may belong to another term: a name, a part of an array, or 1 - f."""
    return isinstance(factor[1], ast.Name | ast.Attribute | ast.Subscript) or is_rest(factor[1])


def share_beside(node: ast.expr) -> ast.expr:
    """Return 1 - f for f, and f for 1 - f."""
    return node.right if isinstance(node, ast.BinOp) else ast.BinOp(ast.Constant(1), ast.Sub(), node)


def is_same_factor(one: Factor, other: Factor) -> bool:
    """Return whether two factors are the same."""
    return one[0] == other[0] and ast.unparse(one[1]) == ast.unparse(other[1])


def words_of_factor(factor: Factor) -> str:
    """Return a factor in words."""
    return f"the {'factor' if factor[0] == '*' else 'division by'} `{ast.unparse(factor[1])}`"
