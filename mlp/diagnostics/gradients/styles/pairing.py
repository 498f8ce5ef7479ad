"""Which of the arrays that a student's backward gives is the gradient of which weight."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.arrays import GRADIENT_NAMES, leaves_of, paired, put, short_name, split_path
from mlp.typing import Array


def paired_by_name(
    weights: Sequence[str], there: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Return the pairs of `paired` that go by names alone."""
    pairs = paired(weights, there, shapes)
    by_name = {w: g for w, g in pairs.items() if split_path(w)[1].lower() in g.lower() and w != g}
    return {w: g for w, g in by_name.items() if w not in by_name.values()}


def matched(others: Any, weights: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return, for each gradient that backward returns besides dx, the weight it belongs to: by key, else by shape."""
    if isinstance(others, Mapping):
        names = {path: {short_name(path), split_path(path)[1]} for path in weights}
        return [path for path in weights if key_of(others, names[path]) is not None]
    found: list[str] = []
    for gradient in others:
        fits = [path for path in weights if path not in found and shapes[path] == np.shape(gradient)]
        left = [path for path in weights if path not in found]
        if fits or left:
            found.append((fits or left)[0])
    return found


def key_of(others: Mapping[str, Any], names: set[str]) -> str | None:
    """Return the key under which the gradient of a weight stands: W, dW, W_grad ..."""
    keys = {form.format(name) for name in names for form in GRADIENT_NAMES} | names
    return next((key for key in others if str(key) in keys), None)


def others_in_order(others: Any, weights: Sequence[str]) -> list[Any]:
    """Return the gradients that backward returned besides dx, in the order of the weights."""
    if isinstance(others, Mapping):
        return [others[key_of(others, {short_name(path), split_path(path)[1]})] for path in weights]
    return list(others or ())


def step_undone(student: Any, before: Mapping[str, tuple[Array, Array]], wanted: Sequence[str]) -> dict[str, Array]:
    """Put back what backward has moved with a learning rate of 1, and return by how much: the gradients by name.

    Args:
        before: the arrays themselves, and copies of what they held. wanted: paths of weights that are known already.
    """
    there = leaves_of(student)
    moved = {p: old - there[p] for p, (_, old) in before.items() if p in there and there[p].shape == old.shape}
    for path in [path for path, step in moved.items() if step.any()]:
        array, old = before[path]
        array[...] = old
        put(student, path, array)
    return {short_name(p): step for p, step in moved.items() if p in wanted or step.any()}
