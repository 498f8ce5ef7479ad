"""Is backward linear in grad_outputs? Zero must give zero, and twice as much twice as much.

A gradient that does not vanish with the upstream gradient contains something that does not belong there: a penalty on
the weights, a constant, or values that were set where they must be multiplied.
"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, distance
from mlp.diagnostics.gradients.finite_differences import norm
from mlp.typing import Array

TIGHT = 1e-9
ADVICE = "every gradient is grad_outputs times a derivative (the chain rule), so it is zero where grad_outputs is zero"


def not_linear(e: Evidence) -> Iterator[Diagnosis]:
    """Yield in what way backward is not linear in grad_outputs."""
    there = e.point.backward_map
    zero, double, negative = (part[e.array] for part in (there.of_zero, there.of_double, there.of_negative))
    a = e.point.gradients[e.array]
    size = max(norm(a), norm(zero))
    if not np.isfinite(a).all() or not size > 0.0:
        return
    if norm(zero) > TIGHT * size:
        yield from constant_part(e, a, zero)
    elif distance(double, 4.0 * a) < TIGHT:
        text = "twice as large grad_outputs give four times the gradient: grad_outputs is multiplied in twice (squared)"
        yield e.found("upstream squared", text)
    elif norm(double - 2.0 * a) <= TIGHT * size:
        if norm(negative + a) > TIGHT * size:
            yield from sign_dependent(e, a, negative)
    else:
        yield e.found("not linear", f"backward(2 u) is not 2 backward(u), u being grad_outputs: {ADVICE}")


def constant_part(e: Evidence, a: Array, zero: Array) -> Iterator[Diagnosis]:
    """Yield what is left of a gradient where grad_outputs is zero."""
    if distance(a, zero) < TIGHT:
        text = f"the gradient is the same for zero grad_outputs: the upstream gradient is not used at all; {ADVICE}"
        yield e.found("upstream ignored", text)
        return
    if not e.of_inputs:
        weights = e.point.probe.arrays[e.array]
        for what, values in (("L2: a multiple of", weights), ("L1: a multiple of the signs of", np.sign(weights))):
            rate = float((zero * values).sum()) / float((values * values).sum())
            if distance(zero, rate * values) < 1e-6:
                text = (
                    f"a penalty on the weights (weight decay, {what} {e.array}, {rate:.4g} times) is added to the "
                    "gradient: it is there for zero grad_outputs, too. Backward gives the gradient of the layer alone; "
                    "the penalty belongs to the learning rule or the loss"
                )
                yield e.found("penalty inside", text)
                return
    fixed = np.isclose(a, zero, rtol=1e-9, atol=1e-12 * norm(a)) & (np.abs(zero) > 0)
    values = np.unique(np.round(zero[np.abs(zero) > TIGHT * norm(zero)], 9))
    number = f" (it is set to {values[0]:.4g})" if len(values) == 1 else ""
    where = place_in_x(e, fixed)
    if fixed.any() and where:
        text = (
            f"where {where} the gradient does not depend on grad_outputs{number}: it must be multiplied by it; {ADVICE}"
        )
        yield e.found("upstream not used", text)
        return
    text = f"something is added to the gradient that is there for zero grad_outputs, too{number}: {ADVICE}"
    yield e.found("constant added", text)


def place_in_x(e: Evidence, chosen: Array) -> str:
    """Return in words where some values of a gradient are, by the sign of x if it is that."""
    if not e.of_inputs or not chosen.any():
        return "" if not chosen.any() else "some values are concerned,"
    x = e.point.x
    for text, mask in (("x < 0", x < 0), ("x > 0", x > 0)):
        if np.array_equal(chosen, mask):
            return text
    return "x has some values,"


def sign_dependent(e: Evidence, a: Array, negative: Array) -> Iterator[Diagnosis]:
    """Yield what a gradient is that depends on the sign of grad_outputs."""
    name = "sign of the upstream"
    if distance(negative, a) < TIGHT:
        text = "-grad_outputs gives the same gradient: the upstream gradient lost its sign (abs)"
    elif e.of_inputs and not e.elementwise_shapes:
        name = "not linear"
        text = (
            "-grad_outputs does not give the negative of the gradient: something is chosen by the sign or the size of "
            f"grad_outputs (a maximum, a comparison); {ADVICE}"
        )
    else:
        text = (
            "only a part of grad_outputs comes through, by its sign: the mask is taken from the upstream gradient; it "
            "must compare the inputs of the activation (x, or the pre-activation) with zero, not grad_outputs"
        )
    yield e.found(name, text)
