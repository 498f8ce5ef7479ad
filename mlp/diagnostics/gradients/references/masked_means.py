"""Means over the steps that count: sequences of a batch are padded to one length, a mask says which steps are real."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, NamedLayer
from mlp.typing import Array


def masked_means(subject: LayerAtPoint) -> Iterator[Array]:
    """Mean over the steps (N, T, D) of each sequence that a mask (N, T) counts."""
    counted = mask_of(subject)
    if counted is None or not {"mean", "avg", "average"} & set(subject.words) or subject.weights:
        return
    total, count = (subject.x * counted).sum(axis=1), counted.sum(axis=1)
    for tiny in (0.0, *subject.small_numbers()):
        yield total / (count + tiny)
    yield total / np.maximum(count, 1.0)


def wrong_masked_means(subject: LayerAtPoint) -> Mistakes:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    counted = mask_of(subject)
    if counted is None:
        return
    x, T = subject.x, subject.x.shape[1]
    right = "a mean is divided by the number of steps that the mask counts, mask.sum(axis=1, keepdims=True)"
    yield f"the sum is divided by the padded length, {T} for every sequence: {right}", "", (x * counted).sum(axis=1) / T
    yield "padding is in the mean: multiply x by the mask before the sum", "", x.mean(axis=1)
    text = "padding is in the sum, which is divided by the number of steps that count: multiply x by the mask first"
    yield text, "", x.sum(axis=1) / counted.sum(axis=1)
    yield f"the sum is not divided by anything: {right}", "", (x * counted).sum(axis=1)
    yield f"the sum is divided by the steps of the whole batch: {right}", "", (x * counted).sum(axis=1) / counted.sum()


def mask_of(subject: LayerAtPoint) -> Array | None:
    """Return which steps of (N, T, D) count, (N, T, 1), as a mask or lengths among the settings say."""
    N, T = subject.x.shape[:2]
    arrays = {name: value for name, value in subject.settings.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items() if subject.x.ndim == 3 else ():
        if "mask" in name and array.size == N * T and array.shape[:2] == (N, T):
            return array.reshape(N, T, 1).astype(float)
        if "len" in name and array.shape == (N,):
            return (np.arange(T) < array[:, None]).reshape(N, T, 1).astype(float)
    return None


MASKED_MEAN = NamedLayer(
    "a masked mean",
    r"masked",
    r"mean|avg|average|pool|pooling|over|time|sequence|sentence|words",
    masked_means,
    "the mean of the steps of each sequence that its mask counts",
    mistakes=wrong_masked_means,
)
