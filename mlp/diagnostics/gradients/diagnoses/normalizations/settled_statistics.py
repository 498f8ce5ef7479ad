"""Running statistics that have settled on a batch: evaluation must do with this batch what training does."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

BEYOND_EPS = 1e-3  # a distance that no epsilon under a root explains
RUNNING = "running statistics"


def channel_axis(value: Array, x: Array) -> int | None:
    """Return the axis of x that has the channels, if `value` holds one number for each; else None.

    It may be (C,) or have axes of one element besides, (1, C, 1, 1). Channels stand last, or behind the batch.
    """
    if value.ndim == x.ndim:
        axes = [axis for axis in range(x.ndim) if value.shape[axis] > 1] or [x.ndim - 1]
        return axes[0] if len(axes) == 1 and value.shape[axes[0]] == x.shape[axes[0]] else None
    return next((axis for axis in (x.ndim - 1, 1) if value.shape == (x.shape[axis],)), None)


def compare(layer: Layer, x: Array, outputs: Array, settled: dict[str, Array]) -> Iterator[Diagnosis]:
    """Compare evaluation with settled statistics to training."""
    axis = next(axis for value in settled.values() if (axis := channel_axis(value, x)) is not None)
    rows, y, wanted = (
        np.moveaxis(np.array(a), axis, -1).reshape(-1, x.shape[axis])
        for a in (x, layer.forward(x, training=False), outputs)
    )
    m = len(rows)
    unbiased = wanted.mean(axis=0) + (wanted - wanted.mean(axis=0)) * np.sqrt((m - 1) / m)
    if min(distance(y, wanted), distance(y, unbiased)) < BEYOND_EPS:
        return
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    words = {"mean": mean, "variance": std**2, "unbiased variance": std**2 * m / (m - 1), "standard deviation": std}
    words |= {"sum": rows.sum(axis=0), "mean of the squares": (rows**2).mean(axis=0), "1 / std": 1.0 / std}
    meanings = []
    for name, value in settled.items():
        word = next(
            (word for word, other in words.items() if distance(value.ravel(), other) < BEYOND_EPS),
            "no statistic of the batch",
        )
        wrong = next(at_another_statistic(name, value.ravel(), word, (mean, std**2)), "")
        if wrong:
            yield Diagnosis(RUNNING, name, "training", wrong)
            return
        meanings.append(f"{name} settles at the {word}".replace("the no", "no"))
    told = what_evaluation_does(y, wanted, std)
    if told and any("the variance" in meaning for meaning in meanings):
        text = f"{told}: it must give x_hat = (x - running mean) / sqrt(running variance + eps), as training does"
        yield Diagnosis(RUNNING, ", ".join(settled), "evaluation", f"{text} ({'; '.join(meanings)})")
        return
    if told and any("the standard deviation" in meaning for meaning in meanings):
        text = "the standard deviation is kept where the variance belongs, and evaluation takes a root of it once more"
        yield Diagnosis(RUNNING, ", ".join(settled), "training", f"{text} ({'; '.join(meanings)})")
        return
    yield Diagnosis(
        RUNNING,
        ", ".join(settled),
        "evaluation",
        "once they have settled on a batch, evaluation must do with this batch what training does, and does something "
        f"else: {'; '.join(meanings)}: compare what training keeps with what evaluation takes it for",
        f"the outputs differ by {min(distance(y, wanted), distance(y, unbiased)):.1e}",
    )


def at_another_statistic(name: str, value: Array, word: str, statistics: Sequence[Array]) -> Iterator[str]:
    """Yield what is wrong with a running statistic that has settled at a statistic of the batch, or at a multiple."""
    if "var" in name.lower() and word in ("mean", "sum", "mean of the squares"):
        yield f"{name} averages the {word} of each batch, and must average its variance, as evaluation takes it for"
    for statistic in statistics if word.startswith("no ") else ():
        ratios = value / statistic
        if ratios.size > 1 and np.ptp(ratios) < BEYOND_EPS * abs(ratios.mean()):
            yield (
                f"{name} settles at {ratios.mean():.4g} times what it averages: the shares of the old value and of the "
                f"batch must add up to 1, {name} = 0.9 {name} + 0.1 of the batch"
            )


def what_evaluation_does(y: Array, wanted: Array, std: Array) -> str:
    """Return what the deviations of evaluation are against those of training: a power of the standard deviation."""
    deviations = [rows - rows.mean(axis=0) for rows in (y, wanted)]
    factor = (deviations[0] * deviations[1]).sum(axis=0) / (deviations[1] ** 2).sum(axis=0)
    if distance(deviations[0], factor * deviations[1]) > BEYOND_EPS:
        return ""
    words = {
        -1.0: "evaluation divides by the running variance itself, not by its root",
        1.0: "evaluation does not divide by the standard deviation",
        0.5: "evaluation takes the root twice",
        2.0: "evaluation multiplies with the standard deviation, where it must divide by it",
        0.0: "evaluation scales as training does, and subtracts another mean, or adds another beta",
        -3.0: "evaluation divides by the square of the running variance",
    }
    return next((word for power, word in words.items() if distance(factor, std**power) < 3.0 * BEYOND_EPS), "")
