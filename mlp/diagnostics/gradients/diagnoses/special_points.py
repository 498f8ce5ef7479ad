"""Points at which a right formula can still go wrong: ties, large numbers, a batch of one; and the mean of dropout.

ties       x the same everywhere, as the zeros after a ReLU are: moving all of x by h moves y by what dx sums to
large      x of +-1000, where exp overflows: what is moderate at 300 has to be finite at 1000
zero       one x that is 0, where x / |x| is 0 / 0
apart      one sample of +1000, beside which exp gives 0 for all others if their largest number is not their own
one        a batch of one sample, which a squeeze() makes lose its axis
dropout    the mean over many training forwards is what evaluation gives
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.keeping import mean_of_dropout, mean_of_fixed_mask
from mlp.diagnostics.gradients.finite_differences import STEP, Probe, restoring
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator

EQUAL = 0.7  # all inputs of a tie
MODERATE, LARGE = 300.0, 1000.0  # exp(709) is the largest that float64 holds, exp(-745) the smallest
OF_THE_WHOLE_BATCH = (
    f"one sample of +{LARGE:.0f} makes the others NaN or infinite: the largest number is taken over the whole batch, "
    "and exp(x - max) is 0 for all of a sample far below it, 0 / 0; take that of each sample, "
    "x.max(axis=-1, keepdims=True)"
)
BOUND = 1e6  # outputs above it at MODERATE are large by nature
Check = Callable[[Probe], Iterator[Diagnosis]]
OF_DROPOUT = (mean_of_dropout, mean_of_fixed_mask)


def wrong_at_special_points(
    layer: Layer, input_shape: Sequence[int], seed: int, *, training: bool = False
) -> Iterator[Diagnosis]:
    """Yield what is wrong at special points, in evaluation; training: only that has a backward."""
    place = layer, input_shape, seed
    checks: tuple[Check, ...] = (ties, large_numbers, one_far_sample, one_zero, batch_of_one)
    if training:
        probe = random_probe(layer, input_shape, generator(seed, "probe", "special"), training=True)
        if not np.array_equal(probe.outputs(), Probe(layer, probe.x, training=False).outputs()):
            checks, training = (large_numbers, one_far_sample), False  # statistics of the batch
    yield from found_by(checks, place, training=training)
    yield from wrong_mean_of_dropout(layer, input_shape, seed)


def wrong_mean_of_dropout(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with a layer that drops values if its mean in training is not what evaluation gives."""
    yield from found_by(OF_DROPOUT, (layer, input_shape, seed), training=True)


def found_by(
    checks: Sequence[Check],
    place: tuple[Layer, Sequence[int], int],
    *,
    training: bool = False,
) -> Iterator[Diagnosis]:
    """Yield what some checks find, each at a point of its own, of a layer, a shape and a seed."""
    layer, input_shape, seed = place
    for check in checks:
        probe = random_probe(layer, input_shape, generator(seed, "probe", "special"), training=training)
        try:
            with np.errstate(all="ignore"):
                yield from check(probe)
        except OWN_ERRORS:  # a layer may refuse such inputs
            continue


def ties(probe: Probe) -> Iterator[Diagnosis]:
    """Equal inputs: the gradient along (1, 1, ..., 1) is the sum of dx; where it is the same from both sides."""
    upstream = generator(0, "probe", "ties").standard_normal(probe.outputs().shape)
    probe.x[...] = EQUAL
    middle = probe.outputs()
    given = float(probe.backward(upstream)["inputs"].sum())
    probe.x[...] = EQUAL + STEP
    above = float((upstream * (probe.outputs() - middle)).sum()) / STEP
    probe.x[...] = EQUAL - STEP
    below = float((upstream * (middle - probe.outputs())).sum()) / STEP
    right, size = 0.5 * (above + below), float(np.abs(upstream).sum())
    if not np.isfinite([given, above, below]).all() or abs(above - below) > 1e-3 * size:
        return
    if abs(given - right) > 1e-3 * size:
        text = (
            "where several inputs of a window are equal (a tie, as zeros after a ReLU are), each of them gets the "
            "whole gradient: give it to one of them, as argmax does, or share it. With all inputs equal, moving them "
            f"by h moves the loss by {right:.4g} h, and the gradients of the inputs sum to {given:.4g}"
        )
        yield Diagnosis("ties", "inputs", "evaluation", text)


def large_numbers(probe: Probe) -> Iterator[Diagnosis]:
    """Overflow on the way to a moderate result."""
    signs = np.sign(probe.x)
    sizes = 1.0 + 0.4 * generator(0, "probe", "large").random(probe.x.shape)  # all different, as a deviation needs
    probe.x[...] = MODERATE / 1.4 * sizes * signs
    moderate = probe.outputs()
    if not np.isfinite(moderate).all() or np.abs(moderate).max() > BOUND:
        return
    probe.x[...] = LARGE * sizes * signs
    outputs = probe.outputs()
    what = "forward" if not np.isfinite(outputs).all() else "backward"
    values = outputs
    if what == "backward":
        values = probe.backward(np.ones(outputs.shape))["inputs"]
    wrong = ~np.isfinite(values)
    if not wrong.any():
        return
    kind = "NaN" if np.isnan(values).any() else "infinite"
    where = ""
    if values.shape == signs.shape:
        places = set(signs[wrong].tolist())
        where = " (large positive x)" if places == {1.0} else " (large negative x)" if places == {-1.0} else ""
    why = (
        "exp(x) is infinite for large x. Write exp of negative numbers only, as in max(x, 0) + log1p(exp(-|x|)), or "
        "subtract the largest number before exp"
    )
    at_both_signs = probe.x.copy()
    probe.x[...] = LARGE * sizes
    if what == "forward" and np.isneginf(values[wrong]).all() and np.isfinite(probe.outputs()).all():
        why = (
            "it is log(0), a logarithm of 0, because exp of a very negative number is 0. Write the logarithm of a "
            "softmax as x - max - log(sum(exp(x - max))), and that of a sigmoid as -log1p(exp(-x))"
        )
    probe.x[...] = at_both_signs
    if outputs.ndim == 0 and what == "forward" and not exp_overflows(probe):  # of a loss: as `check_loss` sees it
        text = f"the loss is {kind} for inputs of +-{LARGE:.0f}: log(p) is -inf where p = 0; log-softmax has no log(0)."
        yield Diagnosis("overflow", "outputs", "remark", text)
        return
    text = f"overflow: {what} gives {kind} for inputs of +-{LARGE:.0f}{where}, although its values are moderate: {why}"
    yield Diagnosis("overflow", "outputs" if what == "forward" else "inputs", "evaluation", text)


def exp_overflows(probe: Probe) -> bool:
    """Return whether a number becomes too large in forward."""
    try:
        with np.errstate(over="raise"):
            probe.outputs()
    except FloatingPointError:
        return True
    return False


def one_far_sample(probe: Probe) -> Iterator[Diagnosis]:
    """One sample with large numbers leaves the others as they are."""
    before = probe.outputs()
    if before.shape[:1] != probe.x.shape[:1] or len(before) < 2 or not np.isfinite(before).all():
        return
    probe.x[0] += LARGE
    if not np.isfinite(probe.outputs()[1:]).all():
        yield Diagnosis("overflow", "outputs", "evaluation", OF_THE_WHOLE_BATCH)


def one_zero(probe: Probe) -> Iterator[Diagnosis]:
    """One input that is exactly zero, as after a ReLU."""
    upstream = generator(0, "probe", "zero").standard_normal(probe.outputs().shape)
    probe.x.flat[0] = 0.0
    outputs, gradient = probe.outputs(), probe.backward(upstream)["inputs"]
    if np.isfinite(outputs).all() and np.isnan(gradient).any():
        text = (
            "the gradient is NaN where one x is exactly 0 (as many are after a ReLU): is it 0 / 0, as "
            "x / |x| is? np.sign(x) is 0 there"
        )
        yield Diagnosis("not finite", "inputs", "evaluation", text)


def batch_of_one(probe: Probe) -> Iterator[Diagnosis]:
    """A batch of one sample keeps its batch axis."""
    outputs = probe.outputs()
    if len(probe.x) < 2 or outputs.shape[:1] != probe.x.shape[:1] or has_states(probe):
        return
    with restoring([probe.x]):
        probe.x[1:] *= 1.5
        mixed = not np.array_equal(probe.outputs()[0], outputs[0])
    if mixed:  # statistics of the batch: those of one sample may be 0 / 0
        return
    two = Probe(probe.layer, probe.x[:2].copy(), training=probe.training).outputs()
    if two.shape != (2, *outputs.shape[1:]):
        return
    text = (
        "a batch of one sample fails in evaluation, though two samples work: does a squeeze() take the batch axis away?"
    )
    try:
        one = Probe(probe.layer, probe.x[:1].copy(), training=probe.training)
        shape = one.outputs().shape
        one.backward(np.ones(shape))
    except OWN_ERRORS as error:
        yield Diagnosis("batch of one", "outputs", "evaluation", f"{text} ({type(error).__name__}: {error})")
        return
    if shape != (1, *outputs.shape[1:]):
        yield Diagnosis("batch of one", "outputs", "evaluation", f"{text} The outputs have shape {shape}")


def has_states(probe: Probe) -> bool:
    """Return whether a function takes states of each sample, too, as a recurrent cell does: their batch is fixed."""
    owner = probe.owner
    others = [array for name, array in probe.arrays.items() if name != "inputs"]
    return isinstance(owner, FunctionPair) and any(array.shape[:1] == probe.x.shape[:1] for array in others)
