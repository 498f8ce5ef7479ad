"""Running statistics, by what they are for: evaluation must do what training did, once they have settled.

A layer that normalizes over the batch keeps averages r of the batch's statistics s, r <- r + k (s - r), for evaluation.
On one and the same batch they settle at s. Three forwards show where without waiting:

    r_1 - r_0 = k (s - r_0),   r_2 - r_1 = (1 - k) (r_1 - r_0)          so s = r_0 + (r_1 - r_0) / k             (1)

With r = s, evaluation on this batch must give the outputs of training, or sqrt((m - 1)/m) times as much deviation from
beta if the unbiased variance is kept. No name is looked at: whatever array of one number per channel moves in a
training forward is a running statistic.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.normalizations.settled_statistics import (
    BEYOND_EPS,
    RUNNING,
    channel_axis,
    compare,
)
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers.machinery.base import Layer
from mlp.rng import generator
from mlp.typing import Array

MANY = 200  # forwards, in which an average of one batch in a hundred settles
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
        yield Diagnosis(RUNNING, ", ".join(moved), "evaluation", text)
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
    for name, value in settled.items():
        getattr(owner, name)[...] = value
    endless = list(never_settling(trail))
    if endless and moves_away(layer, x, outputs):
        yield from endless
        return
    if not settled:
        replaced = list(too_fast(trail))
        yield from replaced
        if replaced:
            return
        if before and any(not np.array_equal(start[name], before[name]) for name in before):
            return  # averages of another kind
        if before and distance(np.array(layer.forward(x, training=False)), outputs) > BEYOND_EPS:
            text = "no training forward moves them: evaluation uses what they were at first"
            yield Diagnosis(RUNNING, ", ".join(before), "training", text)
        return
    yield from too_fast(trail)
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
        others = [other for other in states if distance(moved[other][name], plain[name]) > BEYOND_EPS]
        if others and name not in others:
            text = (
                f"{name} is updated from the old {others[0]}, and must be from the old {name}: "
                f"{name} = 0.9 {name} + 0.1 of the batch"
            )
            yield Diagnosis(RUNNING, name, "training", text)


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
            yield Diagnosis(RUNNING, name, "training", text)
            return


def normalizes_over_batch(layer: Layer, x: Array) -> bool:
    """Return whether training outputs stay when inputs are scaled and shifted, and depend on the other samples."""
    y = np.array(layer.forward(x, training=True))
    if y.shape != x.shape or distance(np.array(layer.forward(2.0 * x + 3.0, training=True)), y) > BEYOND_EPS:
        return False
    other = x.copy()
    other[1:] *= 1.5
    return len(x) > 1 and distance(np.array(layer.forward(other, training=True))[0], y[0]) > BEYOND_EPS


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


def share_kept(start: Array, sooner: Array, later: Array) -> float:
    """Return the share of its old value that a running statistic keeps, 1 - k in (1); nan if channels differ."""
    first, second = sooner - start, later - sooner
    if np.any(abs(first) < 1e-12) or np.ptp(second / first) > 1e-6:
        return np.nan
    return float(np.mean(second / first))


def never_settling(trail: Sequence[dict[str, Array]]) -> Iterator[Diagnosis]:
    """Running statistics that keep all of their old value in every step, or more."""
    for name in trail[0]:
        if share_kept(*(state[name] for state in trail[:3])) > 1.0 - 1e-6:
            text = (
                f"{name} grows with each batch and never settles: the old value is not multiplied by the momentum, "
                f"{name} = 0.9 {name} + 0.1 of the batch"
            )
            yield Diagnosis(RUNNING, name, "training", text)


def moves_away(layer: Layer, x: Array, outputs: Array) -> bool:
    """Return whether evaluation gets worse with more of the same batch; sums over all batches, divided, get better."""
    before = distance(np.array(layer.forward(x, training=False)), outputs)
    for _ in range(MANY):
        layer.forward(x, training=True)
    return not distance(np.array(layer.forward(x, training=False)), outputs) <= max(before, BEYOND_EPS)  # or overflows


def limit_of(trail: Sequence[Array]) -> Array | None:
    """Return where a running average settles, formula (1); None if it does not move like one."""
    keep = share_kept(*trail[:3])
    second, third = trail[2] - trail[1], trail[3] - trail[2]
    if not 1e-6 < keep < 1.0 - 1e-6 or distance(third, keep * second) > BEYOND_EPS:
        return None  # a mean over all batches moves less and less
    return trail[0] + (trail[1] - trail[0]) / (1.0 - keep)
