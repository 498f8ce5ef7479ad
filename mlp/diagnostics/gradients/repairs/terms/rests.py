"""The part of a gradient that is not passed on: d[..., c:] is used, and d[..., :c] is thrown away."""

import ast
from collections.abc import Iterator, Sequence

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of


def rests_of(tree: ast.FunctionDef) -> list[tuple[str, str]]:
    """Return (name, rest) for each name of which a function reads one part and never the other: d, d[..., :c]."""
    whole = ast.unparse(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            rest = rest_of(node)
            if rest and rest not in whole:
                found.append((node.value.id, rest))
    return list(dict.fromkeys(found))


def rest_of(node: ast.Subscript) -> str:
    """Return the other part of an array that is cut along one axis: d[..., :c] for d[..., c:]; "" for anything else."""
    places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    cut = [i for i, one in enumerate(places) if ast.unparse(one) not in (":", "...", "Ellipsis")]
    part = places[cut[0]] if len(cut) == 1 else None
    if not isinstance(part, ast.Slice) or part.step is not None or (part.lower is None) == (part.upper is None):
        return ""
    other = [*places]
    other[cut[0]] = ast.Slice(part.upper, part.lower)
    return f"{ast.unparse(node.value)}[{', '.join(map(ast.unparse, other))}]"


def parts_left_out(slot: Slot, rests: Sequence[tuple[str, str]]) -> Iterator[Alternative]:
    """Yield a line that gives a name a new value with the rest of the old one added: d = d[..., :c] + dz @ W.T."""
    parent = slot.parent
    if not isinstance(parent, ast.Assign) or slot.field != "value" or len(parent.targets) != 1:
        return
    own = ast.unparse(parent.targets[0])
    for name, rest in rests:
        text = ast.unparse(slot.node)
        if rest not in text and (name == own or own.isidentifier()):
            why = f"`{rest}`, the other part of `{name}`, is thrown away here, and its gradient must be added"
            yield f"{why}: `{rest} + {text_of(slot.node)}` belongs here", parsed(f"{rest} + ({text})")
