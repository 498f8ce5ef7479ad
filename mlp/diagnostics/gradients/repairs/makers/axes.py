"""Alternatives to axes: those of sums and means, which forward and backward name elsewhere, or the usual ones; and
those along which arrays are turned round, w[::-1, ::-1] for w[::-1].
"""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

USUAL = ("0", "1", "2", "-1", "(0, 1)", "(0, 2)", "(1, 2)", "(0, 1, 2)", "(1, 2, 3)", "(0, 2, 3)", "(2, 3)", "None")
OF_FIVE = ("(0, 2, 3, 4)", "(2, 3, 4)", "(0, 1, 2, 3)", "(3, 4)")  # of volumes, and of channels in groups
OF_BLOCKS = ("(3, 5)", "(2, 4)")  # of images (N, C, H, s, W, s) or (N, H, s, W, s, C)
OVER_AXES = ("sum", "mean", "max", "min", "var", "std")
TURNED = ("[::-1, ::-1]", "[..., ::-1, ::-1]", "[::-1]", "[:, ::-1]", "[..., ::-1]")
TURN, FLIPS = "::-1", ("np.flip", "np.flipud", "np.fliplr")
MOST_AXES = 5  # of an array, which may be turned round


def axes_in(trees: Sequence[ast.FunctionDef]) -> list[str]:
    """Return the axes that functions name, and then the usual ones, without repetitions.

    A tuple of rising numbers is taken for axes wherever it stands: it may have a name first.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = [node for node in nodes if isinstance(node, ast.Tuple) and are_axes(node)]
    kept = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "axis"]
    kept = [node for node in kept if isinstance(node, ast.Constant | ast.Attribute)]
    return list(dict.fromkeys([*map(ast.unparse, named), *map(ast.unparse, kept), *USUAL, *OF_FIVE, *OF_BLOCKS]))


def are_axes(node: ast.expr) -> bool:
    """Return whether a node is a tuple of rising numbers."""
    parts = node.elts if isinstance(node, ast.Tuple) else []
    numbers = [one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, int)]
    return len(numbers) == len(parts) > 1 and numbers == sorted(set(numbers))


def is_axis(slot: Slot) -> bool:
    """Return whether a number is the axis of a sum or the like, without the word: a.sum(0)."""
    func = slot.parent.func if isinstance(slot.parent, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in OVER_AXES and slot.field == "args"


def other_axes(slot: Slot, axes: Sequence[str]) -> Iterator[Alternative]:
    """Yield other axes of a sum or the like, with the word or without it, and of axes that have a name."""
    node, parent = slot.node, slot.parent
    worded = isinstance(node, ast.keyword) and node.arg == "axis"
    alone = isinstance(node, ast.Tuple) and are_axes(node)
    if not worded and not (alone and (is_axis(slot) or isinstance(parent, ast.Assign))):
        return
    own = node.value if worded else node
    for axis in axes:
        if axis != ast.unparse(own):
            right = ast.keyword("axis", parsed(axis)) if worded else parsed(axis)
            yield f"axis={text_of(own)} is wrong: it should be axis={axis}", right


def other_turns(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield an array that is turned round along other axes than it is: more of them, fewer, others."""
    node = slot.node
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield from turned_slices(node, values)
    if isinstance(node, ast.Call):
        yield from other_flips(node, values)


def turned_slices(node: ast.Subscript, values: Values) -> Iterator[Alternative]:
    """Yield w[::-1, ::-1] for w[::-1], w[f, :, :, :] for w[f, :, ::-1, ::-1]: whole axes that run the other way."""
    places = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    turned = tuple(i for i, one in enumerate(places) if ast.unparse(one) == TURN)
    if not turned:
        return
    given = len(places)
    if "..." not in map(ast.unparse, places):
        places += [ast.Slice()] * (np.ndim(values.get(ast.unparse(node.value), 0.0)) - given)
    whole = [i for i, one in enumerate(places) if ast.unparse(one) in (":", TURN)]
    for some in sets_of_axes(whole):
        index = [TURN if i in some else ":" if i in whole else ast.unparse(one) for i, one in enumerate(places)]
        if some == turned or all(one in (":", "...") for one in index):  # the array itself: see `indices`
            continue
        while len(index) > given and index[-1] == ":":
            index.pop()
        right = parsed(f"{ast.unparse(node.value)}[{', '.join(index)}]")
        if some:
            yield f"`{text_of(node)}` turns the wrong axes round: `{ast.unparse(right)}` belongs here", right
        else:
            yield f"`{text_of(node)}` is turned round (::-1), and must be taken as it is", right


def other_flips(node: ast.Call, values: Values) -> Iterator[Alternative]:
    """Yield np.flip of other axes."""
    if ast.unparse(node.func) not in FLIPS or not node.args:
        return
    array = ast.unparse(node.args[0])
    for some in filter(None, sets_of_axes(range(np.ndim(values.get(array, 0.0))))):
        right = f"np.flip({array}, axis={some[0] if len(some) == 1 else some})"
        yield f"`{text_of(node)}` turns the wrong axes round: `{right}` belongs here", parsed(right)


def sets_of_axes(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all sets of a few axes: pairs first, as of an image, and none at all last."""
    few = axes[:MOST_AXES]
    return [some for count in (2, 1, *range(3, len(few) + 1), 0) for some in combinations(few, count)]


def turned_kernels(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a kernel turned round along the axes of the image: w[:, :, ::-1, ::-1] for w."""
    node = slot.node
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    name, inside = ast.unparse(node), isinstance(slot.parent, ast.Subscript | ast.Attribute | ast.Tuple)
    held = values.get(name)
    weight = re.match(r"w(?!in)|kern|filt|k$", name.removeprefix("self.").lower())
    if weight and isinstance(held, np.ndarray) and held.ndim > 1 and not inside:
        for turn in TURNED:
            yield f"`{name}` must be turned round here: `{name}{turn}`", parsed(f"{name}{turn}")
