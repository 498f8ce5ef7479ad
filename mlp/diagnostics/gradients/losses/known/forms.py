"""The wrong forms of a known loss: its usual mistakes, and what can go wrong in any loss whose parts are known."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import (
    KnownLoss,
    Options,
    Parts,
    Value,
    Wrong,
    differences_of,
    gradient_of,
    its_parts,
)
from mlp.typing import Array

WrongForm = tuple[str, str, Array]  # name, sentence, gradient of the sum of the losses


def usual(known: KnownLoss, y: Array, t: Array, s: Options) -> Iterator[WrongForm]:
    """Yield the usual mistakes in this loss."""
    for one in fitting(known, s):
        if one.gradient is not None:
            yield one.name, one.sentence, one.gradient(y, t, s)
        elif one.value is not None:
            yield one.name, one.sentence, gradient_of(one.value, y, t, s)


def fitting(known: KnownLoss, s: Options) -> Iterator[Wrong]:
    """Yield the usual mistakes that make a difference with these settings."""
    return (one for one in known.wrong if not one.needs or s.get(one.needs) is not None)


def of_parts(known: KnownLoss, y: Array, t: Array, s: Options) -> Iterator[WrongForm]:
    """Yield the gradients with a part held constant, and those that end at a part or take its derivative wrongly."""
    parts, value = its_parts(known.value, y, t, s), known.value
    whole = gradient_of(value, y, t, s)
    for name, at in parts.items():
        if len(parts) > 1:
            text = f"{name} is treated as a constant, and depends on the outputs, too (product, quotient or chain rule)"
            yield "part as a constant", text, gradient_of(value, y, t, s, {name: at})
        ends = differences_of(lambda moved, name=name: value(y, t, s, Parts({name: moved})), at)  # type: ignore[misc]
        if at.shape != y.shape:
            continue
        text = f"it is the derivative with respect to {name}; the derivative of {name} itself is missing (chain rule)"
        yield "inner derivative forgotten", text, ends
        if name.startswith(("the probability", "the probabilities")):
            yield from of_probabilities(at, ends, whole)
    if len(parts) > 2:
        for name in parts:
            others = {other: at for other, at in parts.items() if other != name}
            text = (
                f"only {name} is differentiated; the other parts depend on the outputs, too (product or quotient rule)"
            )
            yield "one part alone", text, gradient_of(value, y, t, s, others)
    losses = value(y, t, s, Parts())
    if spreads(losses, y):
        yield "loss handed on", "it is the loss itself, not its derivative", losses + 0.0 * y
    second = differences_of(lambda moved: elementwise(value, moved, t, s), y)
    yield "second derivative", "it is the second derivative of the loss, not the first", second
    for name, at in parts.items():
        if spreads(at, y):
            yield "part handed on", f"it is {name} itself, not a derivative", at + 0.0 * y


def spreads(values: Array, y: Array) -> bool:
    """Return whether values can be broadcast to the outputs; those of the means alone, say, cannot."""
    sizes = zip(np.shape(values)[::-1], y.shape[::-1], strict=False)
    return np.ndim(values) <= y.ndim and all(one in (1, size) for one, size in sizes)


def elementwise(value: Value, moved: Array, t: Array, s: Options) -> Array:
    """Return the slopes of a loss of single values at outputs moved one by one."""
    step = 1e-4
    return np.asarray((value(moved + step, t, s, Parts()) - value(moved - step, t, s, Parts())) / (2.0 * step))


def of_probabilities(p: Array, ends: Array, whole: Array) -> Iterator[WrongForm]:
    """Yield what goes wrong between the gradient for probabilities and that for logits."""
    yield (
        "derivative twice",
        "the factor p (1 - p) is one too many: it has cancelled against the derivative of the logarithm",
        whole * p * (1.0 - p),
    )
    yield (
        "only the diagonal",
        "the derivative of the softmax is taken as p (1 - p), the diagonal of its Jacobian: each logit moves all p",
        ends * p * (1.0 - p),
    )
    yield "derivative of the probability", "the derivative of p is taken as p, and must be p (1 - p)", ends * p
    yield (
        "derivative of the probability",
        "the derivative of p is taken as 1 - p, and must be p (1 - p)",
        ends * (1 - p),
    )


def of_inputs(known: KnownLoss, y: Array, t: Array, s: Options) -> Iterator[WrongForm]:
    """Yield the gradients with other outputs or targets."""
    value, K = known.value, y.shape[1]
    others: list[tuple[str, str, Array, Array]] = [
        ("targets forgotten", "the targets are missing: it is what targets of 0 would give", y, 0.0 * t),
        ("sign of the targets", "the targets have the wrong sign", y, -t),
        ("sign of the outputs", "the outputs have the wrong sign", -y, t),
        ("targets turned round", "1 - t stands where the targets t belong", y, 1.0 - t),
        ("samples mixed up", "the targets are those of the neighbouring samples", y, np.roll(t, 1, axis=0)),
        ("samples mixed up", "the targets are those of the neighbouring samples", y, np.roll(t, -1, axis=0)),
        ("first target alone", "all samples get the target of the first one", y, t[:1] + 0.0 * t),
    ]
    if K > 1 and t.shape == y.shape:
        predicted = np.eye(K)[y.argmax(axis=1)]
        text = "it takes the predicted class (argmax of the outputs), and must take the true one"
        others.append(("predicted class", text, y, predicted))
    for name, text, outputs, targets in others:
        yield name, text, gradient_of(value, outputs, targets, s)
    for name, text, axis in (
        ("mean over the batch", "the gradient is averaged over the samples: each sample has its own", 0),
        ("mean over the outputs", "the gradient is averaged over the outputs of a sample: each has its own", 1),
    ):
        yield name, text, gradient_of(value, y, t, s).mean(axis=axis, keepdims=True) + 0.0 * y
    if t.shape != y.shape:
        return
    swapped = gradient_of(lambda moved, targets, s, part: value(targets, moved, s, part), y, t, s)
    yield "outputs and targets exchanged", "outputs and targets are exchanged: the order of the arguments", swapped
