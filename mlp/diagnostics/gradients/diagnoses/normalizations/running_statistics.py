"""Running statistics, by what they are for: evaluation must do what training did, once they have settled.

A layer that normalizes over the batch keeps averages r of the batch's statistics s, r <- r + k (s - r), for evaluation.
On one and the same batch they settle at s. Three forwards show where without waiting:

    r_1 - r_0 = k (s - r_0),   r_2 - r_1 = (1 - k) (r_1 - r_0)          so s = r_0 + (r_1 - r_0) / k             (1)

With r = s, evaluation on this batch must give the outputs of training, or sqrt((m - 1)/m) times as much deviation from
beta if the unbiased variance is kept. No name is looked at: whatever array of one number per channel moves in a
training forward is a running statistic.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers.machinery.base import Layer
from mlp.rng import generator
from mlp.typing import Array

LOOSE = 1e-3  # epsilons under roots, which nobody outside knows
NAME = "running statistics"
FAST = 0.55  # the share of a batch in a running average above which it hardly is one


def wrong_statistics(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with the running statistics of a layer, if it normalizes over the batch."""
    rng = generator(seed, "probe", "statistics")
    probe = random_probe(layer, input_shape, rng, training=True)
    layer, owner = probe.layer, probe.owner
    x = 2.0 * rng.standard_normal(input_shape) + 1.0
    if layer.children() or not normalizes_over_batch(layer, x):
        return

    names = statistics_of(owner, layer, x)

    def states() -> dict[str, Array]:
        return {name: getattr(owner, name).copy() for name in names}

    start = states()
    outputs = np.array(layer.forward(x, training=True))
    before = states()
    layer.forward(x, training=False)
    after = states()
    moved = [name for name in before if not np.array_equal(before[name], after[name])]
    if moved:
        text = "they move in evaluation: only training forwards may update them"
        yield Diagnosis(NAME, ", ".join(moved), "evaluation", text)
        return
    mixed = list(made_of_another(layer, owner, x, before))
    yield from mixed
    if mixed:
        return
    trail = [start, before]
    for _ in range(2):
        layer.forward(x, training=True)
        trail.append(states())
    settled = {name: limit for name in before if (limit := limit_of([state[name] for state in trail])) is not None}
    if not settled:
        replaced = list(too_fast(trail))
        yield from replaced
        if replaced:
            return
        if before and any(not np.array_equal(start[name], before[name]) for name in before):
            return  # averages of another kind
        if before and distance(np.array(layer.forward(x, training=False)), outputs) > LOOSE:
            text = "no training forward moves them: evaluation uses what they were at first"
            yield Diagnosis(NAME, ", ".join(before), "training", text)
        return
    yield from too_fast(trail)
    for name, value in settled.items():
        getattr(owner, name)[...] = value
    yield from compare(layer, x, outputs, settled)


def made_of_another(layer: Layer, owner: Any, x: Array, states: dict[str, Array]) -> Iterator[Diagnosis]:
    """Running statistics that are updated from the old value of another one, in place of their own."""

    def after(changed: str = "") -> dict[str, Array]:
        for name, value in states.items():
            setattr(owner, name, value.copy() + (0.5 if name == changed else 0.0))
        layer.forward(x, training=True)
        return {name: getattr(owner, name).copy() for name in states}

    plain = after()
    moved = {changed: after(changed) for changed in states}
    for name, value in states.items():
        setattr(owner, name, value.copy())
    for name in states:
        others = [other for other in states if distance(moved[other][name], plain[name]) > LOOSE]
        if others and name not in others:
            text = (
                f"{name} is updated from the old {others[0]}, and must be from the old {name}: "
                f"{name} = 0.9 {name} + 0.1 of the batch"
            )
            yield Diagnosis(NAME, name, "training", text)


def statistics_of_another(probe: Probe) -> Iterator[Diagnosis]:
    """Running statistics, by their names, that are made of one another: a variance of means, which may be negative."""
    owner = probe.owner
    arrays = {name: value for name, value in vars(owner).items() if isinstance(value, np.ndarray)}
    named = {name: value for name, value in arrays.items() if name.lower().lstrip("_").startswith(("run", "mov"))}
    yield from made_of_another(probe.layer, owner, probe.x, named)


def too_fast(trail: Sequence[dict[str, Array]]) -> Iterator[Diagnosis]:
    """Running statistics that go most of the way to each batch: the two weights of the average are exchanged."""
    for name in trail[0]:
        first, second = trail[1][name] - trail[0][name], trail[2][name] - trail[1][name]
        if np.any(abs(first) < 1e-12):
            continue
        weight = 1.0 - float(np.mean(second / first))
        if weight > FAST:
            last = "overwritten by the last batch" if weight > 1.0 - 1e-6 else "momentum exchanged"
            text = (
                f"{name} goes {weight:.4g} of the way to each new batch ({last}): a running average keeps most of the "
                "old value, running = 0.9 running + 0.1 batch"
            )
            yield Diagnosis(NAME, name, "training", text)
            return


def normalizes_over_batch(layer: Layer, x: Array) -> bool:
    """Return whether training outputs stay when inputs are scaled and shifted, and depend on the other samples."""
    y = np.array(layer.forward(x, training=True))
    if y.shape != x.shape or distance(np.array(layer.forward(2.0 * x + 3.0, training=True)), y) > LOOSE:
        return False
    other = x.copy()
    other[1:] *= 1.5
    return len(x) > 1 and distance(np.array(layer.forward(other, training=True))[0], y[0]) > LOOSE


def statistics_of(owner: Any, layer: Layer, x: Array) -> list[str]:
    """Return the attributes with one number for each channel that evaluation depends on, and that are not parameters.

    What a forward keeps for its backward looks alike, but is overwritten before it is used.
    """
    parameters = {id(parameter.data) for parameter in layer.parameters()}
    y = np.array(layer.forward(x, training=False))
    names = []
    for name, value in list(vars(owner).items()):
        if not isinstance(value, np.ndarray) or channel_axis(value, x) is None or value.dtype.kind != "f":
            continue
        if id(value) in parameters:
            continue
        setattr(owner, name, 1.5 * value + 0.1)
        if not np.array_equal(np.array(layer.forward(x, training=False)), y):
            names.append(name)
        setattr(owner, name, value)
    return names


def channel_axis(value: Array, x: Array) -> int | None:
    """Return the axis of x that has the channels, if `value` holds one number for each; else None.

    It may be (C,) or have axes of one element besides, (1, C, 1, 1). Channels stand last, or behind the batch.
    """
    if value.ndim == x.ndim:
        axes = [axis for axis in range(x.ndim) if value.shape[axis] > 1] or [x.ndim - 1]
        return axes[0] if len(axes) == 1 and value.shape[axes[0]] == x.shape[axes[0]] else None
    return next((axis for axis in (x.ndim - 1, 1) if value.shape == (x.shape[axis],)), None)


def limit_of(trail: Sequence[Array]) -> Array | None:
    """Return where a running average settles, formula (1); None if it does not move like one."""
    first, second, third = (later - sooner for sooner, later in pairwise(trail))
    if np.any(abs(first) < 1e-12) or np.any(abs(second) < 1e-12):
        return None
    keep = second / first  # 1 - k
    if np.ptp(keep) > 1e-6 or not 1e-6 < keep.mean() < 1.0 - 1e-6 or distance(third, keep * second) > LOOSE:
        return None  # a mean over all batches moves less and less
    return trail[0] + first / (1.0 - keep)


def compare(layer: Layer, x: Array, outputs: Array, settled: dict[str, Array]) -> Iterator[Diagnosis]:
    """Compare evaluation with settled statistics to training."""
    axis = next(axis for value in settled.values() if (axis := channel_axis(value, x)) is not None)
    rows, y, wanted = (
        np.moveaxis(np.array(a), axis, -1).reshape(-1, x.shape[axis])
        for a in (x, layer.forward(x, training=False), outputs)
    )
    m = len(rows)
    unbiased = wanted.mean(axis=0) + (wanted - wanted.mean(axis=0)) * np.sqrt((m - 1) / m)
    if min(distance(y, wanted), distance(y, unbiased)) < LOOSE:
        return
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    words = {"mean": mean, "variance": std**2, "unbiased variance": std**2 * m / (m - 1), "standard deviation": std}
    words |= {"sum": rows.sum(axis=0), "mean of the squares": (rows**2).mean(axis=0), "1 / std": 1.0 / std}
    meanings = []
    for name, value in settled.items():
        word = next(
            (word for word, other in words.items() if distance(value.ravel(), other) < LOOSE),
            "no statistic of the batch",
        )
        if "var" in name.lower() and word in ("mean", "sum", "mean of the squares"):
            text = (
                f"{name} averages the {word} of each batch, and must average its variance, as evaluation takes it for"
            )
            yield Diagnosis(NAME, name, "training", text)
            return
        meanings.append(f"{name} settles at the {word}".replace("the no", "no"))
    told = what_evaluation_does(y, wanted, std)
    if told and any("the variance" in meaning for meaning in meanings):
        text = f"{told}: it must give x_hat = (x - running mean) / sqrt(running variance + eps), as training does"
        yield Diagnosis(NAME, ", ".join(settled), "evaluation", f"{text} ({'; '.join(meanings)})")
        return
    if told and any("the standard deviation" in meaning for meaning in meanings):
        text = "the standard deviation is kept where the variance belongs, and evaluation takes a root of it once more"
        yield Diagnosis(NAME, ", ".join(settled), "training", f"{text} ({'; '.join(meanings)})")
        return
    yield Diagnosis(
        NAME,
        ", ".join(settled),
        "evaluation",
        "once they have settled on a batch, evaluation must do with this batch what training does, and does something "
        f"else: {'; '.join(meanings)}: compare what training keeps with what evaluation takes it for",
        f"the outputs differ by {min(distance(y, wanted), distance(y, unbiased)):.1e}",
    )


def what_evaluation_does(y: Array, wanted: Array, std: Array) -> str:
    """Return what the deviations of evaluation are against those of training: a power of the standard deviation."""
    deviations = [rows - rows.mean(axis=0) for rows in (y, wanted)]
    factor = (deviations[0] * deviations[1]).sum(axis=0) / (deviations[1] ** 2).sum(axis=0)
    if distance(deviations[0], factor * deviations[1]) > LOOSE:
        return ""
    words = {
        -1.0: "evaluation divides by the running variance itself, not by its root",
        1.0: "evaluation does not divide by the standard deviation",
        0.5: "evaluation takes the root twice",
        2.0: "evaluation multiplies with the standard deviation, where it must divide by it",
        0.0: "evaluation scales as training does, and subtracts another mean, or adds another beta",
        -3.0: "evaluation divides by the square of the running variance",
    }
    return next((word for power, word in words.items() if distance(factor, std**power) < 3.0 * LOOSE), "")
