"""What forward computes, against what the class says it is: a known layer done wrong is a mistake, too.

Its gradient may be right all the same. The name of a class says which layer is meant: BatchNorm, MyLayerNorm, GNorm2d.
Nothing else is known of it, so everything is measured: which outputs move when one input does (the axes of the
statistics), how outputs grow with the inputs (a root forgotten), where they end for inputs of tiny variance (epsilon),
and by how much they differ from unit variance (N - 1 in place of N).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.normalizations.known import FAR_OFF, norm_of, wrong_norm
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

NAME = "forward"
FILLERS = ("my", "layer", "activation", "function", "student", "plain", "custom", "simple", "op", "2d", "1d", "np")


def wrong_forward(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with the forward of a layer whose class has a known name; a remark has the mode "remark"."""
    if layer.children():
        return
    cls = type(getattr(layer, "student", layer))
    words = words_of(cls)
    rng = generator(seed, "probe", "forward")
    try:
        with np.errstate(all="ignore"):
            kind = norm_of(cls.__name__, words)
            if kind:
                yield from wrong_norm(layer, kind, input_shape, rng)
            elif not re.search(r"\d", cls.__name__.replace("1d", "").replace("2d", "")):  # a ReLU6 is no ReLU
                yield from wrong_function(random_probe(layer, input_shape, rng, training=False), words)
    except OWN_ERRORS:  # code of the user's own may refuse such inputs
        return


def words_of(kind: type) -> list[str]:
    """Return the words of a class's name: ["batch", "norm"] for BatchNorm2d."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", kind.__name__)
    return [part.lower() for part in parts if part.lower() not in FILLERS]


# --- activations and pooling ----------------------------------------------------------------------------------------


def wrong_function(probe: Probe, words: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what is wrong with an activation or a pooling of a known name."""
    x, y = probe.x, probe.outputs()
    name = "".join(words)
    if name == "softmax" and y.shape == x.shape and not np.allclose(y.sum(axis=-1), 1.0):
        axis = next((axis for axis in range(y.ndim) if np.allclose(y.sum(axis=axis), 1.0)), None)
        if axis is not None:
            text = f"the outputs sum to 1 along axis {axis}: the softmax must run over the classes, the last axis"
            yield Diagnosis(NAME, "outputs", "evaluation", text)
        return
    known = expected_values(name, x)

    def worst(values: Array) -> str:
        """Return the value where forward is most wrong."""
        return f"{values.flat[int(np.abs(y - known[0]).argmax())]:.4g}"

    if known and y.shape == x.shape and min(distance(y, values) for values in known) > FAR_OFF:
        text = f"forward is not a {name}: at x = {worst(x)} it gives {worst(y)}, and {worst(known[0])} is right"
        yield Diagnosis(NAME, "outputs", "evaluation", text)
    if "pool" in name and any(word in words for word in ("avg", "average", "mean", "max")):
        yield from wrong_pooling(probe, words)


def expected_values(name: str, x: Array) -> list[Array]:
    """Return what an activation of this name may give, in its usual forms; nothing for other names."""
    s = 1.0 / (1.0 + np.exp(-x))
    values: dict[str, list[Any]] = {
        "sigmoid": [s],
        "logistic": [s],
        "tanh": [np.tanh(x)],
        "relu": [np.maximum(x, 0.0)],
        "softplus": [np.logaddexp(0.0, x)],
        "swish": [x * s],
        "silu": [x * s],
    }
    return values.get(name, [])


def wrong_pooling(probe: Probe, words: Sequence[str]) -> Iterator[Diagnosis]:
    """A mean or a maximum of equal values is that value."""
    if probe.arrays.keys() != {"inputs"} or probe.x.ndim < 3:
        return
    probe.x[...] = 0.5
    y = probe.outputs()
    if y.size and abs(float(y.max()) - 0.5) > 1e-9:
        what = "maximum" if "max" in words else "mean"
        text = (
            f"the {what} of equal values 0.5 is 0.5, and forward gives {float(y.max()):.4g}: is it a sum over the "
            "window?"
        )
        yield Diagnosis(NAME, "outputs", "evaluation", text)
