"""Alternatives to a reshape: the axes of the array lie in another order than the sizes that it names."""

import ast
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from mlp.diagnostics.gradients.repairs.makers.axes import OVER_AXES
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

MOST_SIZES = 6  # (N, C, H, s, W, s): blocks of images


def reshapes(slot: Slot, tree: ast.FunctionDef | None, values: Values) -> Iterator[Alternative]:
    """Yield a reshape of an array whose axes are brought into another order before it, or after it.

    Args:
        tree: of the function, which tells what is done with the reshaped array. values: what its names hold.
    """
    node = slot.node
    func = node.func if isinstance(node, ast.Call) else None
    if not isinstance(func, ast.Attribute):
        return
    of_numpy = getattr(func.value, "id", "") == "np"
    if func.attr == "reshape" and not node.keywords and len(node.args) > of_numpy:
        value, *sizes = node.args if of_numpy else [func.value, *node.args]
        yield from transposed_before(value, sizes, number_of_axes(value, values))
        yield from other_sizes_of(slot, value, sizes, summed_over(slot, tree))
    elif func.attr in ("transpose", "sum") and isinstance(func.value, ast.Call):
        yield from straight(node, func.value)


def transposed_before(value: ast.expr, sizes: Sequence[ast.expr], known: int) -> Iterator[Alternative]:
    """Yield a reshape of an array that is transposed before; `known` is how many axes it has, or 0."""
    inside, shape = ast.unparse(value), ", ".join(map(ast.unparse, sizes))
    text = f"`{text_of(value)}` is reshaped with its axes in the wrong order: transpose it before, "
    for count in (known,) if 4 < known <= MOST_SIZES else (4, 3, 2):
        for order in orders_of_sizes(count):
            moved = parsed(f"({inside}).transpose{order}.reshape({shape})")
            yield f"{text}`.transpose{order}`, so that the axis that must come first does", moved


def number_of_axes(node: ast.expr, values: Values) -> int:
    """Return how many axes an array has, as far as its code tells; else 0."""
    if isinstance(node, ast.BinOp):
        return max(number_of_axes(node.left, values), number_of_axes(node.right, values))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        return len(node.slice.elts)  # g[:, :, None, :, None, :]
    shapes = [one for one in node.args if isinstance(one, ast.Tuple)] if isinstance(node, ast.Call) else []
    return len(shapes[-1].elts) if shapes else getattr(values.get(ast.unparse(node)), "ndim", 0)


def other_sizes_of(
    slot: Slot, value: ast.expr, sizes: Sequence[ast.expr], summed: Sequence[int]
) -> Iterator[Alternative]:
    """Yield a reshape to the same sizes in another order, and back to the order that the next lines want.

    Args:
        summed: the axes that are summed over; then nothing must be transposed, other axes are meant.
    """
    dims = sizes[0].elts if len(sizes) == 1 and isinstance(sizes[0], ast.Tuple) else sizes
    if not 2 < len(dims) <= MOST_SIZES:
        return
    for order in orders_of_sizes(len(dims)):
        right = ", ".join(ast.unparse(dims[i]) for i in order)
        back = tuple(order.index(i) for i in range(len(order)))
        axes = tuple(sorted(back[axis % len(back)] for axis in summed))
        then = f" and use {word(axes)} instead of {word(tuple(summed))}" if axes else f", then transpose{back}"
        yield (
            f"`{text_of(slot.node)}` takes the axes in another order than they have: they lie there as ({right}), so "
            f"reshape to that{then}",
            parsed(f"({ast.unparse(value)}).reshape({right}).transpose{back}"),
        )


def orders_of_sizes(count: int) -> Iterator[tuple[int, ...]]:
    """Yield other orders of axes; of many, those that leave the first one, and the second or the last, in place."""
    for order in list(permutations(range(count)))[1:]:
        if count < MOST_SIZES or (order[0] == 0 and (order[1] == 1 or order[-1] == count - 1)):
            yield order


def word(axes: tuple[int, ...]) -> str:
    """Return what sums over axes say: axis=2, axis=(3, 5)."""
    return f"axis={axes[0] if len(axes) == 1 else axes}"


def summed_over(slot: Slot, tree: ast.FunctionDef | None) -> list[int]:
    """Return the axes of the one sum, or the like, that a reshaped array goes into; none if it is another story."""
    target = slot.parent.targets[0] if isinstance(slot.parent, ast.Assign) and slot.field == "value" else None
    nodes = [] if tree is None else list(ast.walk(tree))
    readers: list[ast.AST] = [slot.node]
    if isinstance(target, ast.Name):
        named = [node for node in nodes if isinstance(node, ast.Name) and node.id == target.id]
        readers = [node for node in named if isinstance(node.ctx, ast.Load)]
    if len(readers) != 1:
        return []
    sums = [node for node in nodes if isinstance(node, ast.Call) and taken_of(node) is readers[0]]
    again = [node for node in nodes if isinstance(node, ast.Call) and sums and taken_of(node) is sums[0]]
    given = [keyword.value for one in sums for keyword in one.keywords if keyword.arg == "axis"]
    if len(given) != 1 or len(sums[0].keywords) != 1 or again:
        return []
    parts: list[Any] = given[0].elts if isinstance(given[0], ast.Tuple) else given
    axes = [one.value for one in parts if isinstance(one, ast.Constant) and type(one.value) is int]
    return axes if len(axes) == len(parts) else []


def taken_of(node: ast.Call) -> ast.expr | None:
    """Return what a sum or the like is taken of: a for a.sum(...), np.sum(a, ...)."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in OVER_AXES:
        return None
    of_numpy = getattr(node.func.value, "id", "") == "np"
    return (node.args[0] if node.args else None) if of_numpy else node.func.value


def straight(node: ast.Call, value: ast.Call) -> Iterator[Alternative]:
    """Yield X.reshape(...) in the order in which transpose or sum wants it: reshape(b, a) for reshape(a, b).T."""
    if not (isinstance(value.func, ast.Attribute) and value.func.attr == "reshape") or len(value.args) < 3:
        return
    dims = [ast.unparse(arg) for arg in value.args]
    inside = ast.unparse(value.func.value)
    axes = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, int)]
    if sorted(axes) == list(range(len(dims))):
        sizes = ", ".join(dims[axis] for axis in axes)
        yield (
            f"`{text_of(value)}` takes the axes in another order than they have: they lie there as ({sizes}), and "
            "nothing must be transposed",
            parsed(f"({inside}).reshape({sizes})"),
        )
