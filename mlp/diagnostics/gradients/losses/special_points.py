"""Points at which a loss whose gradient is right can still go wrong.

large      logits of +-1000: exp must not overflow; the logarithm of a softmax that is 0 is a remark alone
equal      one output that equals its target, where d / |d| is 0 / 0
padding    more positions that do not count, which must not change a mean over those that count
again      outputs other than those of the first call, which a loss that keeps too much does not see
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.special_points import OF_THE_WHOLE_BATCH
from mlp.diagnostics.gradients.finite_differences import norm, relative_error
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.gradients.styles.losses import as_number
from mlp.diagnostics.gradients.styles.whole_inputs import PADDING
from mlp.diagnostics.gradients.written.documentation import documentation_of
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

LARGE = 1000.0  # logits at which exp overflows
EXPLODES = 1e3  # times larger for outputs that are twice as large
LOOSE = 1e-4
IGNORED = (*PADDING, "ignore_index", "ignored", "ignore")  # what a setting is called that says which do not count
OF_A_MEAN = re.compile(
    r"(mean|averaged?) (over|of) (the |all )?(\w+[ -])?(real|valid|counted|unmasked|non-?pad\w*|tokens|words|steps)"
    r"|(padd\w+|ignored|masked)[^.]{0,40}(not count|not be counted|left out|skipped|no part)",
    re.IGNORECASE,
)
Differences = Callable[[Any, Array, Array], Array]


def wrong_elsewhere(loss: Any, outputs: Array, targets: Array, differences: Differences) -> Findings:
    """Return a fault for the first special point at which the loss is wrong, and remarks about others."""
    checks: tuple[Callable[[], Findings], ...] = (
        lambda: huge_logits(loss, outputs, targets),
        lambda: equal_values(loss, outputs, targets),
        lambda: more_padding(loss, outputs, targets),
        lambda: second_call(loss, outputs, targets, differences),
    )
    all_found = Findings()
    for check in checks:
        try:
            with np.errstate(all="ignore"):
                all_found += check()
        except OWN_ERRORS:  # it may refuse such outputs
            continue
        if not all_found.passed:
            return all_found
    return all_found


def huge_logits(loss: Any, outputs: Array, targets: Array) -> Findings:
    """Return a fault if exp overflows for outputs around 1000, a remark if the logarithm of 0 is taken for +-1000."""
    if ((outputs >= 0.0) & (outputs <= 1.0)).all():  # probabilities, not logits
        return Findings()
    apart = outputs.copy()
    apart[0] += LARGE
    value, gradient, kinds = with_kinds(loss, apart, targets)
    zero_by_zero = "invalid value" in kinds and not kinds & {"overflow", "divide by zero"}
    if outputs.ndim > 1 and zero_by_zero and not np.isfinite(value):
        note = "not finite for samples of different size"
        return fault(Diagnosis("overflow", "outputs", "loss", OF_THE_WHOLE_BATCH), outputs.shape, note)
    for large in (LARGE + outputs, LARGE * np.sign(outputs)):
        if explodes(loss, large / LARGE, targets):
            continue
        value, gradient, kinds = with_kinds(loss, large, targets)
        if np.isfinite(value) and np.isfinite(gradient).all():
            continue
        if "overflow" in kinds:
            text = (
                "overflow: the gradient is right for usual outputs, but for outputs around "
                f"{LARGE:.0f} the loss or its gradient is NaN or infinite: {stable(loss)}"
            )
            note = "not finite for large outputs"
            return fault(Diagnosis("overflow", "outputs", "loss", text), outputs.shape, note)
        which = "the loss" if not np.isfinite(value) else "its gradient"
        text = (
            f"for outputs of +-{LARGE:.0f} {which} is NaN or infinite: a probability becomes 0, and log(0) = -inf. "
            "Take the logarithm of the softmax as z - max - log(sum(exp(z - max))), or add a tiny number inside log."
        )
        return Findings(remarks=(text,))
    return Findings()


def with_kinds(loss: Any, outputs: Array, targets: Array) -> tuple[Any, Any, set[str]]:
    """Return the value of a loss, its gradient, and what went wrong on the way: "overflow", "divide by zero"."""
    kinds: set[str] = set()
    with np.errstate(all="call", call=lambda kind, _: kinds.add(kind)):
        return as_number(loss.forward(outputs.copy(), targets)), loss.backward(), kinds


def stable(loss: Any) -> str:
    """Return which function of a loss overflows, as far as its source says it, and what to write in its place."""
    owner = getattr(loss, "student", loss)
    try:
        source = inspect.getsource(owner if inspect.isfunction(owner) else type(owner))
    except (OSError, TypeError):
        source = ""
    if "cosh" in source:
        return "cosh(d) overflows for |d| above 710; log(cosh(d)) is |d| + log1p(exp(-2 |d|)) - log(2)"
    if "softmax" in source.lower() or "keepdims" in source or "axis" in source:
        return (
            "exp overflows for large numbers: subtract the largest logit of each sample before exp (nothing else "
            "changes)"
        )
    return (
        "exp overflows for large numbers: take exp of negative numbers alone. log(1 + exp(x)) is max(x, 0) + "
        "log1p(exp(-|x|)); the log of a sigmoid, log(1 / (1 + exp(-x))), is minus the same for -x"
    )


def explodes(loss: Any, direction: Array, targets: Array) -> bool:
    """Return whether the loss itself grows like exp: then it has to overflow."""
    near, far = (abs(as_number(loss.forward(size * direction, targets))) for size in (20.0, 40.0))
    return bool(far > EXPLODES * (1.0 + near))


def equal_values(loss: Any, outputs: Array, targets: Array) -> Findings:
    """Return a fault if the gradient is not finite where one output equals its target."""
    if targets.shape != outputs.shape:
        return Findings()
    y = outputs.copy()
    y.flat[0] = np.asarray(targets, float).flat[0]
    value, gradient = as_number(loss.forward(y, targets)), loss.backward()
    if np.isfinite(gradient).all() or not np.isfinite(value):
        return Findings()
    text = "where an output equals its target the gradient is NaN: d / |d| is 0 / 0 there; take np.sign(d), which is 0"
    return fault(Diagnosis("not finite", "outputs", "loss", text), outputs.shape, "NaN where y = t")


def more_padding(loss: Any, outputs: Array, targets: Array) -> Findings:
    """Return a fault if a loss is divided by all positions and not by those that count."""
    owner, axis = getattr(loss, "student", loss), targets.ndim - 1
    ignored = [value for name, value in vars(owner).items() if name.strip("_") in IGNORED and isinstance(value, int)]
    if len(ignored) != 1 or targets.dtype.kind not in "iu" or targets.shape != outputs.shape[:-1]:
        return Findings()
    padding = np.full_like(targets[..., :1], ignored[0])
    longer = np.concatenate([targets, padding], axis=axis)
    more = np.concatenate([outputs, outputs.take([0], axis=axis)], axis=axis)
    before, after = as_number(loss.forward(outputs.copy(), targets)), as_number(loss.forward(more, longer))
    told = documentation_of(owner)
    if abs(after * longer.size - before * targets.size) > LOOSE * abs(before) or not OF_A_MEAN.search(told):
        return Findings()
    text = (
        f"more padding makes the loss smaller: it is divided by all {targets.size} positions, and must be by the "
        "number of those that count, mask.sum(), in forward and backward"
    )
    note = "padding counts in the mean"
    return fault(Diagnosis("padding in the mean", "outputs", "loss", text), outputs.shape, note)


def second_call(loss: Any, outputs: Array, targets: Array, differences: Differences) -> Findings:
    """Return a fault if the gradient of a second call is still that of the first."""
    other, noise = outputs[::-1].copy(), generator(0, "probe", "again").standard_normal(outputs.shape)
    if ((outputs > 0.0) & (outputs < 1.0)).all():  # they may be probabilities
        if outputs.sum(axis=-1).std() > 1e-9:
            other = 0.2 + 0.6 * other
    elif (outputs > 0.0).all():
        other *= np.exp(-0.1 * np.abs(noise))
    else:
        other += 0.3 * noise
    right = differences(loss, other, targets)
    loss.forward(outputs.copy(), targets)
    first = np.array(loss.backward())
    loss.forward(other.copy(), targets)
    second = np.array(loss.backward())
    twice = np.array(loss.backward()) if not hasattr(loss, "_kept") else second
    if relative_error(second, right, norm(right)) > LOOSE and relative_error(second, first, norm(first)) < LOOSE:
        text = (
            "the gradient is that of an earlier call: what forward kept first is not renewed; keep outputs (or "
            "probabilities) and targets anew in every forward"
        )
        return fault(
            Diagnosis("stale cache", "outputs", "loss", text), outputs.shape, "the gradient of an earlier call"
        )
    if relative_error(second, right, norm(right)) > LOOSE and np.isfinite(right).all():
        text = (
            "the first call was right, the second is wrong: something that the loss keeps is changed or added to from "
            "call to call"
        )
        return fault(Diagnosis("second call", "outputs", "loss", text), outputs.shape, "wrong in the second call")
    if not np.array_equal(twice, second):
        text = "a second backward gives another gradient: backward changes what forward kept, in place"
        return fault(Diagnosis("backward twice", "outputs", "loss", text), outputs.shape, "backward changes its cache")
    return Findings()
