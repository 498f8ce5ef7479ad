"""Where values live from one call to the next, and the lines that write new values back there.

m = self.m[k]        reads a value from its home, self.m[k]
m = b * m + g        gives the name a new array: the one at home stays as it was
self.m[k] = m        writes it back
"""

import ast
from collections.abc import Iterator
from itertools import combinations

MOST_PAIRS = 6  # of lines that may be missing together
FROM_DICTIONARIES = ("get", "setdefault")


def lines_back(block: list[ast.stmt], homes: dict[str, str]) -> Iterator[tuple[int, str, ast.stmt]]:
    """Yield (the line after which it belongs, what is wrong, the line) for values that are not written back.

    One that is missing is tried first, then two: both means of Adam.
    """
    renewed = {name: i for i, line in enumerate(block) for name in names_renewed(line) if name in homes}
    for name, i in renewed.items():
        yield i, *not_written([name], homes)
    for pair in list(combinations(renewed, 2))[:MOST_PAIRS]:
        yield max(renewed[name] for name in pair), *not_written(pair, homes)


def not_written(names: list[str] | tuple[str, ...], homes: dict[str, str]) -> tuple[str, ast.stmt]:
    """Return what is wrong where some names are not written back, and the line that does it."""
    places = list(dict.fromkeys(homes[name] for name in names))
    new = f"{', '.join(places)} = {', '.join(names)}"
    told = " and ".join(f"`{name}`" for name in names)
    text = (
        f"{told} {'gets a new array here' if len(names) == 1 else 'get new arrays'}, and what is remembered in "
        f"{' and '.join(f'`{place}`' for place in places)} stays as it was: the line `{new}` is missing, so each step "
        "starts anew"
    )
    return text, ast.parse(new).body[0]


def names_renewed(line: ast.stmt) -> list[str]:
    """Return the names that a line gives a new value, one that comes from no home."""
    if isinstance(line, ast.AugAssign) and isinstance(line.target, ast.Name):
        return [line.target.id]
    return [name for name, value in named_values(line) if not home_of(value)]


def homes_not_written(tree: ast.FunctionDef) -> dict[str, str]:
    """Return {name: home} of what is read from a place that outlives the call, and not written there afterwards.

    A home that is filled before it is read, where it is empty, still has to get the new value.
    """
    lines = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    pairs = [(name, home_of(value), line.lineno) for line in lines for name, value in named_values(line)]
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Subscript)]
    written = [(ast.unparse(node), node.lineno) for node in parts if isinstance(node.ctx, ast.Store)]
    return {
        name: home
        for name, home, line in pairs
        if home and not any(place == home and later > line for place, later in written)
    }


def named_values(line: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return the names that a line gives values, with these; each name of a tuple with its own, or with the whole."""
    if not isinstance(line, ast.Assign):
        return []
    target, value = line.targets[0], line.value
    if not isinstance(target, ast.Tuple):
        return [(target.id, value)] if isinstance(target, ast.Name) else []
    alike = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
    values = value.elts if isinstance(value, ast.Tuple) and alike else [value] * len(target.elts)
    return [(one.id, its) for one, its in zip(target.elts, values, strict=True) if isinstance(one, ast.Name)]


def home_of(value: ast.expr) -> str:
    """Return where a value is read from: config["v"], also for config.get("v", 0); self.v[key]; else ""."""
    if isinstance(value, ast.IfExp):
        return home_of(value.body) or home_of(value.orelse)
    if isinstance(value, ast.Subscript) and not isinstance(value.slice, ast.Tuple | ast.Slice):
        return ast.unparse(value)
    if isinstance(value, ast.Attribute) and getattr(value.value, "id", "") == "self":
        return ast.unparse(value)
    if isinstance(value, ast.Call) and getattr(value.func, "attr", "") in FROM_DICTIONARIES and value.args:
        assert isinstance(value.func, ast.Attribute)
        return f"{ast.unparse(value.func.value)}[{ast.unparse(value.args[0])}]"
    return ""
