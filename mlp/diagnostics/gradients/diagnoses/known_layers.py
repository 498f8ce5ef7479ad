"""What forward computes, against what the class says it is: a known layer done wrong is a mistake, too.

Its gradient may be right all the same. The name of a class says which layer is meant: BatchNorm, MyLayerNorm, GNorm2d.
Nothing else is known of it, so everything is measured: which outputs move when one input does (the axes of the
statistics), how outputs grow with the inputs (a root forgotten), where they end for inputs of tiny variance (epsilon),
and by how much they differ from unit variance (N - 1 in place of N).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mlp.diagnostics.gradients.diagnoses.activations import Number, meeting, wrong_activation
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.keeping import kept_and_dropped
from mlp.diagnostics.gradients.diagnoses.normalizations.grouping import number_of_groups
from mlp.diagnostics.gradients.diagnoses.normalizations.known import norm_of, wrong_norm
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.references.forward import against_its_name, another_forward
from mlp.diagnostics.gradients.references.measured.noise import drops_parts, moments_not_kept, variance_of_factors
from mlp.diagnostics.gradients.references.measured.paths import is_residual, no_way_around, sees_too_little
from mlp.diagnostics.gradients.references.promises import (
    along_the_batch,
    channels_not_read,
    forgets_inputs,
    is_causal_along,
    padded_with_zeros,
    sees_the_future,
    softplus_without_its_divisor,
    text_of_code,
)
from mlp.diagnostics.gradients.styles.functions import FunctionPair, options_of
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

NAME = "forward"
OF_MASK = re.compile(r"tri[lu]|mask|inf|1e", re.IGNORECASE)
UNBIASED = re.compile(r"[Bb]essel|\bunbiased")
FILLERS = ("my", "layer", "activation", "function", "student", "plain", "custom", "simple", "op", "2d", "1d", "np")


def wrong_forward(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with the forward of a layer whose class has a known name; a remark has the mode "remark"."""
    if layer.children():
        return
    name = name_of_layer(layer)
    words = words_of(name)
    rng = generator(seed, "probe", "forward")
    try:
        with np.errstate(all="ignore"):
            kind = norm_of(name, words)
            known = (
                wrong_norm(layer, kind, input_shape, rng)
                if kind
                else wrong_function(random_probe(layer, input_shape, rng, training=False), words)
            )
            found = list(known)
            rest = [one for one in found if one.name != "N - 1 in place of N"]
            if len(rest) < len(found) and on_purpose(layer):
                yield from rest
                return
            named = next(another_forward(layer, (words, kind), (input_shape, seed)), None)
            yield from found if named is None else with_its_line(named, found)
    except OWN_ERRORS:  # code of the user's own may refuse such inputs
        return


def on_purpose(layer: Layer) -> bool:
    """Return whether the text of a layer says that its variance is the unbiased one, with N - 1."""
    return bool(UNBIASED.search(text_of_code(getattr(layer, "student", layer))))


def is_as_named(layer: Layer, input_shape: Sequence[int], seed: int) -> bool:
    """Return whether forward gives what the name of the layer promises."""
    name = name_of_layer(layer)
    words = words_of(name)
    try:
        found = against_its_name(layer, (words, norm_of(name, words)), (input_shape, seed))
    except OWN_ERRORS:
        return False
    return found is not None and found[2]


def with_its_line(named: Diagnosis, found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Return what is known by its numbers, and the line of it, where that is found."""
    first = next((one for one in found if one.mode != "remark"), None)
    explained = not named.evidence and "is not that of" not in named.sentence
    mixed_up = named.mode != "remark" and (explained or not OF_MASK.search(named.sentence))
    if first is None or ("future" in first.name and mixed_up):
        return [named]  # steps that are mixed up see the future as well
    line, _, _ = named.sentence.partition("; forward is not ") if named.evidence else ("", "", "")
    if line:
        with_line = replace(first, sentence=f"{line}; {first.sentence}", evidence=named.evidence)
        return [with_line, *(one for one in found if one is not first)]
    return list(found)


def name_of_layer(layer: Layer) -> str:
    """Return the name of a class, or of the forward function of a pair."""
    owner = getattr(layer, "student", layer)
    if isinstance(owner, FunctionPair):
        return re.sub(r"_?(forward|fwd)_?(naive|fast)?", "", owner.__name__)
    return type(owner).__name__


def words_of(name: str) -> list[str]:
    """Return the words of a class's name: ["batch", "norm"] for BatchNorm2d."""
    name = re.sub(r"(?<=[a-z])[123][dD]", "", name)
    name = re.sub(r"(P|Leaky|L)?ReLU|S[iw]+LU|(Swi|Ge|GE|Re)GLU", lambda found: found.group().capitalize(), name)
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", name)  # a ReLU6 is no ReLU
    return [part.lower() for part in parts if part.lower() not in FILLERS]


# --- activations and pooling ----------------------------------------------------------------------------------------


def wrong_function(probe: Probe, words: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what is wrong with an activation or a pooling of a known name."""
    x, y = probe.x, probe.outputs()
    name = "".join(words)
    if name in ("softmax", "logsoftmax") and y.shape == x.shape:
        yield from wrong_softmax(name, y)
        return
    steps_first = "conv" not in name or x.ndim != 3 or not is_causal_along(probe, 2)  # (N, T, C), and not (N, C, T)
    if "causal" in words and x.ndim == 3 and y.ndim == 3 and x.shape[1] == y.shape[1] and steps_first:
        yield from sees_the_future(probe)
    if "group" in name and "conv" in name and x.ndim > 2:
        yield from channels_not_read(probe, number_of_groups(probe))
    numbers = [one for number in numbers_of(probe.layer) for one in meeting(x, number)]
    text = wrong_activation(name, x, y, numbers)
    if text:
        yield Diagnosis(NAME, "outputs", "evaluation", text)
    if name == "softplus":
        yield from softplus_without_its_divisor(probe, [one for one in numbers if isinstance(one, float)])
    if "pool" in name and any(word in words for word in ("avg", "average", "mean", "max")):
        if "max" in words and x.ndim > 2 and "unpool" not in name:
            yield from padded_with_zeros(probe)
        if "adaptive" in words and x.ndim > 2:
            yield from forgets_inputs(probe)
    if "position" in name:
        yield from along_the_batch(probe)
    yield from of_random_numbers(probe, name)
    if is_residual(words):
        yield from no_way_around(probe)
    if name in ("denseblock", "densenetblock", "denseconcat", "denselyconnected"):
        yield from sees_too_little(probe)


def of_random_numbers(probe: Probe, name: str) -> Iterator[Diagnosis]:
    """Yield what is wrong with a dropout of any kind."""
    yield from drops_parts(probe, name_of_layer(probe.layer))
    if name in ("alphadropout", "gaussiandropout"):
        yield from (moments_not_kept if name == "alphadropout" else variance_of_factors)(probe)
    if name == "dropout":
        yield from kept_and_dropped(probe)


def numbers_of(layer: Layer) -> list[Number]:
    """Return the numbers and arrays that a layer has as attributes or parameters: a slope, an upper bound."""
    held = options_of(getattr(layer, "student", layer))
    values = [*held.values(), *(p.data for _, p in layer.named_parameters())]
    return [v for v in values if isinstance(v, int | float | np.ndarray) and not isinstance(v, bool)]


def wrong_softmax(name: str, y: Array) -> Iterator[Diagnosis]:
    """A softmax over another axis than that of the classes."""
    p = y if name == "softmax" else np.exp(y)
    if np.allclose(p.sum(axis=-1), 1.0):
        return
    axis = next((axis for axis in range(y.ndim) if np.allclose(p.sum(axis=axis), 1.0)), None)
    text = (
        "the outputs of a softmax are positive and sum to 1 along the last axis, and these do not"
        if axis is None
        else f"the outputs sum to 1 along axis {axis}: the softmax must run over the classes, the last axis"
    )
    if axis != 1 or y.ndim == 2:  # along axis 1 of images: one class for each pixel, channels first
        yield Diagnosis(NAME, "outputs", "evaluation", text)
