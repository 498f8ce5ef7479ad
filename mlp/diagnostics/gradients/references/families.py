"""Which formula belongs to which name: the words of a class or function, and what it should compute."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np

from mlp.diagnostics.gradients.diagnoses.activations import FIXED, KNOWN, SAME_AS, WITH_NUMBER, Number, meeting
from mlp.diagnostics.gradients.diagnoses.pointwise import Function, sigmoid
from mlp.diagnostics.gradients.references.normalization import normalized, wrong_normalized
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, NamedLayer, relu
from mlp.diagnostics.gradients.references.table import NAMED_LAYERS
from mlp.typing import Array

MOST_OUTPUTS_RIGHT = 600  # outputs that may count as right
COMMON = re.compile(
    r"(my|simple|plain|custom|basic|naive|fast|slow|layer|module|op|function|fn|student|np|numpy|strided|images?|vectori[sz]ed"
    r"|im2col|im|col|stride|loops?|nhwc|nchw|channels?|first|last|same|valid|full|with|bias|no|x|forward|fwd|[123]d|\d|batch(ed)?)"
)
OF_SEVERAL_WORDS = re.compile(r"channel shuffle|space to depth|depth to space|pixel unshuffle")
OF_NUMBER = ("temperature", "beta", "learnable", "trainable")  # words about the number that an activation has
ACTIVATIONS: dict[str, Function] = {"relu": relu, "tanh": np.tanh, "sigmoid": sigmoid}
NORMS = {
    "layer": "each sample over its features",
    "batch": "each channel over the batch",
    "group": "each group of channels",
    "instance": "each channel of each sample",
    "rms": "x / sqrt(mean(x^2) + eps) times the gain, with the mean over the features of each step, the last axis",
}


def named_layer(words: Sequence[str], norm: str) -> NamedLayer | None:
    """Return what a name promises; None for a name with a word that is not known.

    Args:
        words: of the name, in lower case. norm: which normalization it speaks of, or "".
    """
    if norm:
        rule = f"{NORMS[norm]}, (x - mean) / sqrt(var + eps)" if norm != "rms" else NORMS[norm]
        return NamedLayer(
            "an RMS norm" if norm == "rms" else f"{'an' if norm == 'instance' else 'a'} {norm} norm",
            "",
            "",
            partial(normalized, kind=norm),
            rule,
            mistakes=partial(wrong_normalized, kind=norm),
        )
    name = activation_name(words)
    if name in KNOWN or name in WITH_NUMBER:
        return NamedLayer(f"the activation {name}", "", "", activation, f"{name}(x)")
    if words and words[0] in ACTIVATIONS:  # before the layer, perhaps
        return None
    joined = OF_SEVERAL_WORDS.sub(lambda found: found.group().replace(" ", ""), " ".join(words)).split()
    rest = [word for word in joined if word not in ACTIVATIONS and not COMMON.fullmatch(word)]
    for family in NAMED_LAYERS:
        keys = [word for word in rest if re.fullmatch(family.key, word)]
        if keys and all(word in keys or re.fullmatch(family.others, word) for word in rest):
            return family
    return None


def activation_name(words: Sequence[str]) -> str:
    """Return the usual name of an activation: "softmax" for a SoftmaxWithTemperature."""
    plain = (word for word in words if word not in OF_NUMBER and (word.isdigit() or not COMMON.fullmatch(word)))
    name = "".join(plain)
    return SAME_AS.get(name, name)


def activation(subject: LayerAtPoint) -> Iterator[Array]:
    """Yield what an activation of this name gives, with its number, if it has one: a slope, a temperature."""
    x, name = subject.x, activation_name(subject.words)
    weights = [list(meeting(x, array)) for array in subject.weights.values()]
    if len(weights) > 1 or [] in weights:  # it is a dense layer with this activation, perhaps
        return
    given = {n: v for n, v in subject.settings.items() if isinstance(v, Number) and not isinstance(v, bool)}
    names, with_number = WITH_NUMBER.get(name, ("", None))
    own = [meeting(x, value) for key, value in given.items() if names and re.fullmatch(names, key) and np.any(value)]
    numbers = [number for some in (*weights, *own) for number in some]
    if numbers and with_number is not None:
        yield from (with_number(x, number) for number in numbers)
    elif name in FIXED or (not subject.weights and not any(isinstance(value, float) for value in given.values())):
        if x.ndim != 4 or "softmax" not in name or 1 in subject.starts():
            yield from (f(x) for f in KNOWN.get(name, ()))
        if "softmax" in name and (2 in subject.starts() if x.ndim == 4 else "channel" in subject.name):  # (N, C, H, W)
            yield from (np.moveaxis(f(np.moveaxis(x, 1, -1)), -1, 1) for f in KNOWN.get(name, ()))


def right_outputs(family: NamedLayer, subject: LayerAtPoint) -> list[Array]:
    """Return all outputs that count as right, the usual ones first."""
    plain = list(islice(family.formula(subject), MOST_OUTPUTS_RIGHT))
    if family.formula is activation:
        return plain
    own = [f for word, f in ACTIVATIONS.items() if word in subject.words]
    if own:
        return [own[0](y) for y in plain]
    acts = family.activated or any("act" in name or "nonlin" in name for name in subject.settings)
    return [*plain, *(f(y) for f in ACTIVATIONS.values() for y in plain if acts)]
