"""Alternatives to single values and sizes: a square, a sign or a function that is missing, another count of values."""

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.makers.axes import turned_kernels
from mlp.diagnostics.gradients.repairs.operators import function_of
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_numeric, is_size, selects

WRAPS = (
    "{}**2",
    "({} > 0)",
    "(-{})",
    "(1 - {})",
    "np.exp({})",
    "(1 / (1 + np.exp(-{})))",
    "np.tanh({})",
    "np.sqrt({})",
    "(1 / {})",
    "np.abs({})",
    "np.log({})",
    "np.sign({})",
)
COUNTS = (
    "{0}.size",
    "({0}.size // {0}.shape[1])",
    "({0}.size // {0}.shape[-1])",
    "({0}.size // len({0}))",
    "({0}.shape[-2] * {0}.shape[-1])",
    "({0}.shape[1] * {0}.shape[2])",
)


def forms(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a value for a function of it, and the reverse; masks turned round."""
    node = slot.node
    if isinstance(node, ast.Compare):
        yield f"`{text_of(node)}` is a mask, and the values of `{text_of(node.left)}` belong here", node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        word, other, op = ("and", "or", ast.BitOr()) if isinstance(node.op, ast.BitAnd) else ("or", "and", ast.BitAnd())
        yield f"`{text_of(node)}` says {word} where {other} belongs", ast.BinOp(node.left, op, node.right)
    yield from turned_kernels(slot, values)
    name = ast.unparse(node)
    held = values.get(name)
    if is_renamed(slot) and is_numeric(held):  # p = log_p, of p = np.exp(log_p)
        for wrap in (one for one in WRAPS if one.startswith("np.")):
            yield f"`{name}` stands where `{wrap.format(name)}` belongs", parsed(wrap.format(name))
    if not is_value(slot, values):
        return
    if isinstance(held, np.ndarray) and held.dtype.kind == "b":
        yield f"the mask `{name}` is the wrong way round: `~{name}` belongs here", parsed(f"(~{name})")
        return
    for wrap in WRAPS:
        form = wrap.format(name)
        yield f"`{name}` stands where `{form.strip('()') if form[1] == '-' else form}` belongs", parsed(form)


def applied(slot: Slot, functions: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a value with a function of forward applied to it: np.tanh(c) for c."""
    if is_value(slot, values) and not (isinstance(slot.parent, ast.Call) and slot.field == "args"):
        name = ast.unparse(slot.node)
        for function in functions:
            right = function.format(name)
            yield f"`{name}` stands where `{right}` belongs", parsed(right)


def is_renamed(slot: Slot) -> bool:
    """Return whether a node is a name that gets another name: p = log_p."""
    named = (
        isinstance(slot.parent, ast.Assign) and slot.field == "value" and isinstance(slot.parent.targets[0], ast.Name)
    )
    return named and isinstance(slot.node, ast.Name | ast.Attribute)


def is_value(slot: Slot, values: Values) -> bool:
    """Return whether a node is a name that is read and holds numbers."""
    node = slot.node
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return False
    if isinstance(slot.parent, ast.Assign | ast.Tuple) and slot.field in ("value", "elts"):  # another name for it
        return False
    if isinstance(slot.parent, ast.Attribute) or (isinstance(slot.parent, ast.Call) and slot.field == "func"):
        return False
    return is_numeric(values.get(ast.unparse(node)))


def counts(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield other numbers of values in the place of a size."""
    node = slot.node
    if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return
    name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else ""
    divides = isinstance(slot.parent, ast.BinOp | ast.Assign)
    of_shape = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    of_len = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"
    of_size = isinstance(node, ast.Attribute) and node.attr == "size"
    if not divides or not (of_shape or of_len or of_size or is_size(values.get(name))):
        return
    for other in other_counts(node, name, values):
        if other != name:
            yield f"`{name}` is the wrong number of values: `{other}` belongs here", parsed(other)


def means_of_counted(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a mean over the places that count, for one over all of them: x.sum() / mask.sum() for x.mean()."""
    node = slot.node
    if not isinstance(node, ast.Call) or node.keywords or function_of(node) != "mean":
        return
    inside = ast.unparse(node.args[0] if node.args else node.func.value)  # type: ignore[attr-defined]
    for name in [name for name, value in values.items() if selects(value)]:
        right = f"({inside}).sum() / {name}.sum()"
        yield f"the mean runs over all places, and must run over those that count: `{right}`", parsed(f"({right})")


def other_counts(node: Any, name: str, values: Values) -> Iterator[str]:
    """Yield expressions of sizes that may be meant."""
    arrays = [held for held, value in values.items() if getattr(value, "ndim", 0) > 1]
    if isinstance(node, ast.Subscript):
        arrays = [ast.unparse(node.value.value)] if isinstance(node.value, ast.Attribute) else arrays
    if isinstance(node, ast.Call) and node.args:
        arrays = [ast.unparse(node.args[0])]
    if isinstance(node, ast.Attribute) and node.attr == "size":
        arrays = [ast.unparse(node.value)]
        yield f"len({arrays[0]})"
        yield f"{arrays[0]}.sum()"  # of a mask
    sizes = [held for held, value in values.items() if is_size(value) and held != name]
    yield from columns(arrays, values)
    yield f"{name}**2"
    yield f"np.sqrt({name})"
    for other in sizes[:8]:
        yield other
        yield f"({name} * {other})"
        yield f"({name} // {other})"
    for array in arrays[:3]:
        yield from (f"{array}.shape[{axis}]" for axis in range(4))
        yield from (form.format(array) for form in COUNTS)


def columns(arrays: Sequence[str], values: Values) -> Iterator[str]:
    """Yield the arrays with one number for each sample, (N,) or (N, 1), as columns: n[:, None], n[:, None, None]."""
    held = {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim}
    known = {value.ndim for value in held.values()}
    axes = sorted({*known, max(known, default=0) + 1})  # what was summed over may be nowhere kept
    rows = {name: value for name, value in held.items() if value.size == len(value)}
    for name, row in rows.items():
        of_samples = any(getattr(values.get(array), "shape", ())[:1] == row.shape[:1] for array in arrays)
        if of_samples and row.dtype.kind in "iuf":
            more = (", None" * (n - row.ndim) for n in axes if n >= row.ndim)
            yield from (f"{name}[:{nones}]" if nones else name for nones in more)


def siblings(slot: Slot, names: Sequence[str]) -> Iterator[Alternative]:
    """Yield a sum with a second term like one that is there: d2 @ W2.T beside d1 @ W1.T."""
    node = slot.node
    whole = slot.field == "value" and isinstance(slot.parent, ast.Assign | ast.Return)
    in_tuple = isinstance(slot.parent, ast.Tuple) and slot.field == "elts"
    if not (whole or in_tuple) or not isinstance(node, ast.BinOp):
        return
    text = ast.unparse(node)
    for term in (text, *(ast.unparse(part) for part in (node.left, node.right))):
        for one, other in (("1", "2"), ("2", "1"), ("q", "k"), ("k", "v"), ("q", "v"), ("x", "h"), ("a", "b")):
            twin = renamed(term, one, other)
            if twin not in (text, term) and twin not in text and used(twin) <= {*names, "self", "np"}:
                yield f"the term `{twin}` is missing in `{text_of(node)}`", parsed(f"{text} + {twin}")


def other_paths(slot: Slot, values: Values, upstream: Collection[str]) -> Iterator[Alternative]:
    """Yield a sum with a path that may be missing: a gradient times a weight, of the shape of what is assigned."""
    node = slot.node
    whole = slot.field == "value" and isinstance(slot.parent, ast.Assign | ast.Return)
    in_tuple = isinstance(slot.parent, ast.Tuple) and slot.field == "elts" and isinstance(slot.parent.ctx, ast.Load)
    zero = isinstance(node, ast.Constant) and node.value == 0
    if (
        not (whole or in_tuple)
        or isinstance(node, ast.Tuple | ast.Slice)
        or (isinstance(node, ast.Constant) and not zero)
    ):
        return
    stacks = {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim > 1}
    gradients = [name for name in stacks if name in upstream or (not upstream and "." not in name)]
    weights = [name for name in stacks if name not in gradients and stacks[name].ndim == 2]
    text, wanted = ast.unparse(node), shape_of_target(slot, values)
    for gradient in gradients[:16]:
        for weight in weights[:12]:
            for form in ("{} @ {}.T", "{} @ {}"):
                term = form.format(gradient, weight)
                given, turned = stacks[gradient].shape, "T" in form
                gives = (*given[:-1], stacks[weight].shape[1 - turned])
                fits = given[-1] == stacks[weight].shape[turned] and wanted in (None, gives)
                if term not in text and fits:
                    if zero:
                        yield f"`{term}` belongs here, and not 0", parsed(term)
                    else:
                        yield f"the term `{term}` is missing in `{text_of(node)}`", parsed(f"{text} + {term}")


def shape_of_target(slot: Slot, values: Values) -> tuple[int, ...] | None:
    """Return the shape of the array that an assignment makes; None where it is not known."""
    targets = slot.parent.targets if isinstance(slot.parent, ast.Assign) else []
    held = values.get(ast.unparse(targets[0])) if len(targets) == 1 and slot.field == "value" else None
    return held.shape if isinstance(held, np.ndarray) else None


def other_parts(slot: Slot, gradients: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a gradient with the part of another one that comes back by a second path: dy + dcat[:, n:] for dy."""
    name = ast.unparse(slot.node) if is_value(slot, values) else ""
    held = values.get(name)
    if name not in gradients or not isinstance(held, np.ndarray):
        return
    sizes = {n: v for n, v in values.items() if is_size(v)}
    for other in gradients:
        whole = values.get(other)
        if not isinstance(whole, np.ndarray) or whole.ndim != held.ndim or other == name:
            continue
        axes = [i for i in range(held.ndim) if whole.shape[i] != held.shape[i]]
        if len(axes) != 1 or whole.shape[axes[0]] < held.shape[axes[0]]:
            continue
        before, width = ":, " * axes[0], held.shape[axes[0]]
        low = [f"{n}:" for n, v in sizes.items() if whole.shape[axes[0]] - v == width]
        high = [f":{n}" for n, v in sizes.items() if v == width]
        for cut in (*low, *high, f"-{width}:", f":{width}"):
            part = f"{other}[{before}{cut}]"
            text = f"`{name}` lacks the gradient that comes back by the second path: `{name} + {part}` belongs here"
            yield text, parsed(f"({name} + {part})")


def renamed(text: str, one: str, other: str) -> str:
    """Return an expression with a letter or digit of its names replaced."""
    tree = parsed(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in ("np", "self"):
            node.id = node.id.replace(one, other)
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
            node.attr = node.attr.replace(one, other)
    return ast.unparse(tree)


def used(text: str) -> set[str]:
    """Return the names in an expression, self.NAME as such."""
    tree = parsed(text)
    attributes = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
    }
    return attributes | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
