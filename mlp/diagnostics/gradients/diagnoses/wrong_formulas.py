"""Faults with a prediction: what would the gradient be if this were wrong?

Where a layer is small, finite differences give its whole Jacobian J = dy/dx, and the right gradient for an upstream
gradient u is J u (summed over all outputs). The wrong gradients here are made of J, u and the right gradient, so no
hypothesis needs to know what the layer computes.
"""

from collections.abc import Callable, Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import (
    Diagnosis,
    Evidence,
    Guess,
    Guesses,
    distance,
    is_diagonal,
    jacobian,
)
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array


def wrong_path(e: Evidence) -> Guesses:
    """A summand missing: the upstream gradient itself (an identity shortcut), or one of the layers inside."""
    u, point = e.point.upstream, e.point
    if not e.of_inputs:
        return
    for name, child in point.probe.layer.children():
        label = type(child).__name__ + (f" {name!r}" if name else "")
        probe = Probe(child, point.x, training=point.probe.training)
        try:
            if probe.outputs().shape != u.shape or e.jacobian is None:
                continue
            own = np.tensordot(jacobian(probe, "inputs"), u, u.ndim)
        except OWN_ERRORS:  # a child that does not take the same inputs is not a parallel path
            continue
        kind = "shortcut missing" if "shortcut" in name or not child.parameters() else "path missing"
        yield Guess(
            kind, f"matches when the gradient through {label} is added: both paths must be summed", e.numeric - own
        )
    if e.elementwise_shapes:
        yield Guess(
            "shortcut missing",
            "matches when grad_outputs is added: the gradient of the shortcut is missing",
            e.numeric - u,
        )


def wrong_paths(e: Evidence) -> Iterator[Diagnosis]:
    """A shortcut and a block whose gradients are added with wrong weights."""
    u, n = e.point.upstream, e.numeric
    J = e.jacobian
    if not e.elementwise_shapes or J is None or is_diagonal(J.reshape(n.size, -1)):
        return
    block = n - u
    A = np.stack([block.ravel(), u.ravel()], axis=1)
    (of_block, of_shortcut), _, rank, _ = np.linalg.lstsq(A, e.analytic.ravel(), rcond=None)
    whole = all(abs(c - round(2.0 * c) / 2.0) < 1e-6 and abs(c) < 8.0 for c in (of_block, of_shortcut))
    if rank == 2 and whole and distance(A @ [of_block, of_shortcut], e.analytic.ravel()) < 1e-6:
        text = (
            f"with a shortcut y = x + f(x), the gradient of the block f counts {of_block:.3g} times and that of the "
            f"shortcut (grad_outputs) {of_shortcut:.3g} times: each must be added once"
        )
        yield e.found("paths counted wrongly", text)


def softmax_terms(e: Evidence) -> Guesses:
    """Softmax, known by outputs that are positive and sum to 1: dL/dx = p (u - sum u p)."""
    u, p = e.point.upstream, e.point.outputs
    if not e.elementwise_shapes:
        return
    yield from log_softmax_terms(u, p)
    if not (p > 0.0).all():
        return
    text = "a softmax has dL/dx = p (u - sum(u p)) with u = grad_outputs; here it is "
    for axis in range(p.ndim):
        if np.allclose(p.sum(axis=axis), 1.0):
            total, along = u.sum(axis, keepdims=True), (u * p).sum(axis, keepdims=True)
            yield Guess("softmax sum", f"{text}p u, without the sum", p * u)
            yield Guess("softmax sum", f"{text}p (u - sum(u)), with p forgotten in the sum", p * (u - total))
            yield Guess("softmax sum", f"{text}u - sum(u p), with the p in front forgotten", u - along)


def log_softmax_terms(u: Array, y: Array) -> Guesses:
    """Logarithm of a softmax, known by exp(y) that sum to 1: dL/dx = u - p sum(u)."""
    text = "a log-softmax has dL/dx = u - p sum(u) with u = grad_outputs and p = exp(y); here it is "
    for axis in range(y.ndim):
        if (y < 0.0).all() and np.allclose(np.exp(y).sum(axis=axis), 1.0):
            p, total = np.exp(y), u.sum(axis, keepdims=True)
            yield Guess("log-softmax", f"{text}u - sum(u): p, the softmax, is forgotten", u - total)
            yield Guess("log-softmax", f"{text}u - p u: the sum over the classes is forgotten", u - p * u)
            yield Guess("log-softmax", f"{text}u - p: the sum of the upstream gradient is forgotten", u - p)
            yield Guess(
                "log-softmax", f"{text}u - y sum(u): the outputs y are log p, and p = exp(y) belongs", u - y * total
            )
            yield Guess("log-softmax", f"{text}u (1 - p): each class by itself, the diagonal alone", u * (1.0 - p))
            along = (u * p).sum(axis, keepdims=True)
            yield Guess("log-softmax", f"{text}p (u - sum(u p)), the gradient of a softmax", p * (u - along))
            yield Guess(
                "log-softmax", f"{text}u - sum(u p): p stands inside the sum, and must stand outside", u - along
            )


def why_negative(slope: Array) -> str:
    """Return what makes a derivative that of -x: a condition, if it has two values, else a sign."""
    if len(np.unique(np.round(slope, 6))) <= 2:
        return "a condition (x > 0) is the wrong way round, or the branches are exchanged"
    return "a sign is wrong, in an exponent (exp(x) where exp(-x) belongs), say"


def pointwise(e: Evidence) -> Guesses:
    """Derivatives of single values: of each value alone, taken at y in place of x, of a sigmoid with x for y."""
    u, x, y, J = e.point.upstream, e.point.x, e.point.outputs, e.jacobian
    if not e.elementwise_shapes or J is None:
        return
    square = J.reshape(x.size, x.size)
    slope = np.diag(square).reshape(x.shape)  # dy_i/dx_i
    yield Guess(
        "only the diagonal",
        "each input's gradient is that of its own output alone; here every input moves other outputs, too, and their "
        "gradients have to be added (the Jacobian is not a diagonal matrix)",
        slope * u,
    )
    if not is_diagonal(square):
        return
    elsewhere = (
        (
            "outputs in place of inputs",
            "the derivative is taken at the outputs y, and must be taken at the inputs x",
            y,
        ),
        ("wrong branch", "the derivative is taken at -x: " + why_negative(slope), -x),
    )
    for name, sentence, place in elsewhere:
        moved = Probe(e.point.probe.layer, place.copy(), training=e.point.probe.training)
        there = np.diag(jacobian(moved, "inputs").reshape(x.size, x.size)).reshape(x.shape)
        yield Guess(name, sentence, there * u)
    forms: list[tuple[str, Callable[[Array], Array]]] = [
        ("v (1 - v)", lambda v: v * (1 - v)),
        ("1 - v^2", lambda v: 1 - v * v),
    ]
    for text, form in forms:
        if np.allclose(form(y), slope, rtol=1e-6, atol=1e-9):
            yield Guess(
                "inputs in place of outputs",
                f"the derivative is {text} of the outputs v = y; it is taken of the inputs: keep y in forward, not x",
                form(x) * u,
            )
