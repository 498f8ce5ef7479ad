"""Which formula belongs to which name: the words of a class or function, and what it should compute."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from mlp.diagnostics.gradients.diagnoses.activations import KNOWN, SAME_AS
from mlp.diagnostics.gradients.diagnoses.pointwise import Function, sigmoid
from mlp.diagnostics.gradients.references.attention import attention, wrong_attention
from mlp.diagnostics.gradients.references.images import (
    affine,
    excited,
    flattened,
    gated,
    highway,
    positions,
    shuffled,
    upsampled,
    wider,
    wrong_upsampling,
)
from mlp.diagnostics.gradients.references.normalization import normalized
from mlp.diagnostics.gradients.references.recurrent import recurrent
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, OutputFormula, relu
from mlp.diagnostics.gradients.references.windows import (
    all_convolutions,
    pools,
    transposed_convolutions,
    wrong_transposed_convolutions,
)
from mlp.typing import Array

MOST_OUTPUTS_RIGHT = 600  # outputs that may count as right
COMMON = re.compile(
    r"(my|simple|plain|custom|basic|naive|fast|slow|layer|module|op|function|fn|student|np|numpy|strided|images?|vectori[sz]ed"
    r"|im2col|loops?|nhwc|nchw|channels?|first|last|same|valid|full|with|bias|no|x|forward|fwd|[123]d|\d|batch(ed)?)"
)
ACTIVATIONS: dict[str, Function] = {"relu": relu, "tanh": np.tanh, "sigmoid": sigmoid}


@dataclass(frozen=True)
class NamedLayer:
    """Layers of one formula.

    Attributes:
        title: what they are called in a sentence. key: a word that their names have. others: words they may have.
        formula: yields the outputs that count as right. rule: it in words. sizes: how many outputs there are.
        sure: whether other outputs are wrong even where nothing explains them; else the name may stand for a layer of
            another form. mistakes: yields (what is wrong, a pattern for the line, outputs).
    """

    title: str
    key: str
    others: str
    formula: OutputFormula
    rule: str
    sure: bool = False
    sizes: str = ""
    mistakes: Callable[[LayerAtPoint], Iterator[tuple[str, str, Array]]] | None = None


SIZES = "n values, windows of k, stride s and padding p give floor((n + 2 p - k) / s) + 1 outputs"
NAMED_LAYERS = (
    NamedLayer(
        "a transposed convolution",
        r"(conv\w*transposed?|transposed?conv\w*|deconv\w*|transposed?)",
        r"conv\w*",
        transposed_convolutions,
        "input i adds its value times the kernel to the outputs from i * stride on, then comes the bias",
        sure=True,
        sizes="n inputs give (n - 1) s - 2 p + k outputs",
        mistakes=wrong_transposed_convolutions,
    ),
    NamedLayer(
        "a convolution",
        r"(conv|convolution|convolutional|correlation|convnd)",
        r"depthwise|grouped|group|dilated|atrous|causal",
        all_convolutions,
        "output i is the sum of kernel times inputs from i * stride on, plus the bias",
        sure=True,
        sizes=SIZES,
    ),
    NamedLayer(
        "a pooling",
        r"(max|avg|average|mean|global|gap)?(pool|pooling|maxpool|maxpooling|avgpool|avgpooling)",
        r"max|avg|average|mean|global|spatial|over|time|non|overlapping",
        pools,
        "output i is the largest (or the mean) of the values from i * stride on",
        sure=True,
        sizes=SIZES,
    ),
    NamedLayer(
        "an attention layer",
        r"(\w*attention|mha|attn)",
        r"multi|head|multihead|self|causal|masked|scaled|dot|product|single|qkv|cross|heads",
        attention,
        "softmax(q k^T / sqrt(d)) v for each head, d being the size of one head",
        mistakes=wrong_attention,
    ),
    *(
        NamedLayer(
            f"{'an' if key != 'gru' else 'a'} {title}",
            rf"(bi)?{key}",
            r"bi|bidirectional|cell|step|vanilla|elman|unit|network|sequence",
            recurrent,
            rule,
        )
        for key, title, rule in (
            (
                "lstm",
                "LSTM",
                "c' = f c + i g and h' = o tanh(c'), f, i and o being sigmoids and g a tanh of x W + h U + b",
            ),
            ("gru", "GRU", "h' = (1 - z) n + z h, n = tanh(x W + (r h) U + b), z and r being sigmoids"),
            ("(rnn|recurrent)", "RNN", "h' = tanh(x W + h U + b), h being the state of the step before"),
        )
    ),
    NamedLayer(
        "an upsampling",
        r"(up|upsamplex?|upsampling|upsampler|upscale|upsamplenearest|unpool)",
        r"nearest|neighbou?r|bilinear|linear|sample|sampling",
        upsampled,
        "every pixel becomes a block of s x s pixels; a (bi)linear one gives weighted means of the nearest pixels",
        sure=True,
        mistakes=wrong_upsampling,
    ),
    NamedLayer(
        "a pixel shuffle",
        r"(pixelshuffle|shuffle|depthtospace|space)",
        r"pixel|depth|to|subpixel",
        shuffled,
        "the r * r channels of a pixel become a block of r x r pixels, row by row",
    ),
    NamedLayer(
        "a padding",
        r"(zeropad|pad|padding|zeropadding|reflectionpad|reflectpad)",
        r"zeros?|reflect|reflection|replication|replicate|edge|circular|symmetric|constant|periodic",
        wider,
        "p values more at both ends of each axis of the image",
        sure=True,
    ),
    NamedLayer("a flattening", r"(flatten|flattening)", r"images?", flattened, "(N, ...) as (N, D)", sure=True),
    NamedLayer(
        "a positional encoding",
        r"(positional|position|positionalencoding|sinusoidal)",
        r"encoding|embedding|sinusoidal|positional|sine|add|sin|cos",
        positions,
        "x + P with P[t, 2 i] = sin(t / 10000^(2 i / d)) and P[t, 2 i + 1] the cosine of the same angle",
        sure=True,
    ),
    NamedLayer(
        "an affine layer", r"(affine|linear|dense|fc|fullyconnected)", r"fully|connected", affine, "x W + b", sure=True
    ),
    NamedLayer(
        "a gated linear unit",
        r"glu",
        r"gated|linear|unit",
        gated,
        "one half of the features times sigmoid(other)",
        sure=True,
    ),
    NamedLayer(
        "a highway layer", r"highway", r"network|unit|block", highway, "t h + (1 - t) x with t = sigmoid(x W + b)"
    ),
    NamedLayer(
        "a squeeze and excitation",
        r"(se|squeeze|squeezeexcite|squeezeexcitation|seblock|excitation)",
        r"squeeze|excite|excitation|block|and",
        excited,
        "x times sigmoid(relu(m W1 + b1) W2 + b2), m being the mean of each channel",
    ),
)
NORMS = {
    "layer": "each sample over its features",
    "batch": "each channel over the batch",
    "group": "each group of channels",
    "instance": "each channel of each sample",
    "rms": "x / sqrt(mean(x^2) + eps) times the gain",
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
        )
    name = SAME_AS.get("".join(words), "".join(words))
    if name in KNOWN:
        return NamedLayer(f"the activation {name}", "", "", activation, f"{name}(x)")
    rest = [word for word in words if word not in ACTIVATIONS and not COMMON.fullmatch(word)]
    for family in NAMED_LAYERS:
        keys = [word for word in rest if re.fullmatch(family.key, word)]
        if keys and all(word in keys or re.fullmatch(family.others, word) for word in rest):
            return family
    return None


def activation(subject: LayerAtPoint) -> Iterator[Array]:
    """Yield what an activation of this name gives."""
    if not subject.weights and not any(isinstance(value, float) for value in subject.settings.values()):
        yield from (f(subject.x) for f in KNOWN[SAME_AS.get(subject.name, subject.name)])


def right_outputs(family: NamedLayer, subject: LayerAtPoint) -> list[Array]:
    """Return all outputs that count as right, the usual ones first."""
    plain = list(islice(family.formula(subject), MOST_OUTPUTS_RIGHT))
    if family.formula is activation:
        return plain
    own = [f for word, f in ACTIVATIONS.items() if word in subject.words]
    if own:
        return [own[0](y) for y in plain]
    acts = any("act" in name or "nonlin" in name for name in subject.settings)
    return [*plain, *(f(y) for f in ACTIVATIONS.values() for y in plain if acts)]
