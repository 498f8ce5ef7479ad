"""The names that stand in a line of code, those whose values it changes, and whether the order of two lines matters."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PURE = ("np", "math", "abs", "enumerate", "float", "int", "len", "list", "max", "min", "range", "sum", "tuple", "zip")
IN_PLACE = ("at", "copyto", "put", "fill_diagonal", "putmask")
VIEWS = ("np.asarray", "np.ravel", "np.reshape", "np.transpose", "np.squeeze", "np.atleast_1d", "np.atleast_2d")
Chain = ast.Name | ast.Attribute | ast.Subscript


@dataclass(frozen=True)
class Names:
    """The names that stand in a line, and those whose values it changes; a part has a name of its own, state['m']."""

    read: frozenset[str]
    changed: frozenset[str]

    @staticmethod
    def of(line: ast.stmt, alias: Mapping[str, set[str]]) -> "Names":
        """Return the names of a line; what is changed in place changes under its other names, too."""
        found = list(chains_in(line))
        changed: set[str] = set()
        in_place: set[str] = set()
        for node in found:
            if isinstance(node.ctx, ast.Store):
                whole = isinstance(node, ast.Name) and not isinstance(line, ast.AugAssign)
                (changed if whole else in_place).add(chain_name(node))
        for call in (node for node in ast.walk(line) if isinstance(node, ast.Call) and not is_pure(node)):
            in_place |= {chain_name(node) for argument in call.args for node in chains_in(argument)}
            if isinstance(call.func, ast.Attribute):
                in_place |= {chain_name(node) for node in chains_in(call.func.value)}
        others = (group for name, group in alias.items() if any(within(one, name) for one in in_place))
        return Names(frozenset(map(chain_name, found)), frozenset(changed | in_place.union(*others)))

    def meet(self, other: "Names") -> bool:
        """Return whether the order of two lines makes a difference."""
        return share_a_name(self.changed, other.read | other.changed) or share_a_name(other.changed, self.read)


def chains_in(node: ast.AST) -> Iterator[Chain]:
    """Yield the names, attributes and parts in a piece of code, each as long as it is: self.state[k]["m"]."""
    if not isinstance(node, Chain):
        for child in ast.iter_child_nodes(node):
            yield from chains_in(child)
        return
    yield node
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        if isinstance(inner, ast.Subscript):
            yield from chains_in(inner.slice)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        yield from chains_in(inner)


def chain_name(node: ast.AST) -> str:
    """Return the name of an expression up to its first index that is no constant: self.state for self.state[k]["m"]."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute | ast.Subscript):
        return ""
    whole = isinstance(node, ast.Attribute) or isinstance(node.slice, ast.Constant)
    before = chain_name(node.value)
    return ast.unparse(node) if whole and before == ast.unparse(node.value) else before


def within(part: str, whole: str) -> bool:
    """Return whether a name is another one, or a part of it: self.m or state['m'] of self or state."""
    return part == whole or part.startswith((f"{whole}.", f"{whole}["))


def share_a_name(some: frozenset[str], others: frozenset[str]) -> bool:
    """Return whether a name of one set is a name of the other, or a part of one."""
    return any(one and other and (within(one, other) or within(other, one)) for one in some for other in others)


def is_pure(call: ast.Call) -> bool:
    """Return whether a call changes none of its arguments, as far as can be seen."""
    first, _, last = ast.unparse(call.func).partition(".")
    return first in PURE and last not in IN_PLACE and all(one.arg != "out" for one in call.keywords)


def same_arrays(tree: ast.FunctionDef) -> dict[str, set[str]]:
    """Return, for each name, the names that may hold the same arrays: v of v = self.v[k], p of a loop over params."""
    groups: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        given = [(node.target, node.iter)] if isinstance(node, ast.For) else []
        if isinstance(node, ast.Assign):
            given = [(target, node.value) for target in node.targets]
        for target, value in [pair for one in given for pair in pairs(*one)]:
            if any(is_new(one) for one in ast.walk(value)):
                continue
            names = {chain_name(one) for part in (target, value) for one in chains_in(part)} - {"", "self", *PURE}
            group = names.union(*(groups.get(name, ()) for name in names))
            groups |= dict.fromkeys(group, group)
    return groups


def is_new(node: ast.AST) -> bool:
    """Return whether an expression makes a new array: a product, np.maximum(a, b)."""
    function = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.BinOp) or (function.startswith("np.") and function not in VIEWS)


def pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield (target, value) one by one: of tuples, and of loops over zip and enumerate."""
    function = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
    parts = target.elts if isinstance(target, ast.Tuple) else []
    values = value.elts if isinstance(value, ast.Tuple) else value.args if isinstance(value, ast.Call) else []
    if function == "enumerate" and len(parts) == 2:
        yield from pairs(parts[1], values[0])
    elif parts and len(parts) == len(values) and function in ("", "zip"):
        for one, other in zip(parts, values, strict=True):
            yield from pairs(one, other)
    else:
        yield target, value
