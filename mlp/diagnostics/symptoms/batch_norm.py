"""Batch norm in the wrong mode: it normalizes with other statistics than it should."""

import numpy as np

from mlp.backend import to_numpy
from mlp.diagnostics.symptoms.findings import Finding, Observations, on_device_of
from mlp.layers import BatchNorm, frozen_buffers, observed
from mlp.layers.machinery.base import Layer
from mlp.typing import Array, BatchSource

NORM_ERROR = 0.1  # |mean - beta| + |standard deviation - gamma| of the outputs, over |gamma|
BATCH_DEPENDENCE = 1e-2  # the change of outputs over their standard deviation


def running_statistics_in_training(seen: Observations) -> Finding | None:
    """A batch norm whose outputs in training do not have mean beta and standard deviation gamma."""
    errors: dict[str, tuple[float, float, float]] = {}

    def see(layer: Layer, x: Array, y: Array) -> None:
        if not isinstance(layer, BatchNorm):
            return
        rows, given = (to_numpy(array).reshape(-1, layer.num_features).astype(np.float64) for array in (y, x))  # (m, C)
        gamma, beta = (to_numpy(p.data).astype(np.float64) for p in (layer.gamma, layer.beta))  # (C,)
        variance = given.var(axis=0)
        wanted = abs(gamma) * np.sqrt(variance / (variance + layer.eps))
        error = abs(rows.mean(axis=0) - beta).mean() + abs(rows.std(axis=0) - wanted).mean()
        errors[layer.path] = error / abs(gamma).mean(), rows.std(axis=0).mean(), wanted.mean()

    model = seen.untrained
    with frozen_buffers(model), observed(model, see):
        model.forward(on_device_of(model, first_images(seen.train_batches)), training=True)
    wrong = [(path, std, wanted) for path, (error, std, wanted) in errors.items() if error > NORM_ERROR]
    if not wrong:
        return None
    path, std, wanted = wrong[-1]
    evidence = (
        f"{len(wrong)} of {len(errors)} batch norms do not normalize the batch in training: the outputs of {path!r} "
        f"have a standard deviation of {std:.2g} where gamma says {wanted:.2g}."
    )
    return Finding("running statistics in training", evidence)


def batch_statistics_in_evaluation(seen: Observations) -> Finding | None:
    """In evaluation, images get other outputs when half of their batch is missing."""
    model, batches = seen.untrained, seen.valid_batches or seen.train_batches
    x = on_device_of(model, first_images(batches))
    half = len(x) // 2
    if not half:
        return None
    with frozen_buffers(model):
        alone, together = (to_numpy(model.forward(images)) for images in (x[:half], x))
    change = abs(together[:half] - alone).mean() / together.std()
    if not change > BATCH_DEPENDENCE:
        return None
    evidence = (
        f"the outputs of the same {half} images, in evaluation, differ by {change:.0%} of their standard deviation "
        f"when {len(x) - half} other images share their batch."
    )
    return Finding("batch statistics in evaluation", evidence)


def first_images(batches: BatchSource) -> Array:
    """Return the images of the first batch."""
    return next(iter(batches.epoch(0)))[0]
