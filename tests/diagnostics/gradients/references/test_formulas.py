"""Formulas of forward by the name of a layer: all usual forms of a right one are taken for right, a wrong one is named.

Only forward counts here, so backward gives zeros.
"""

import math

import numpy as np
import pytest

from mlp.diagnostics.gradients.diagnoses.known_layers import wrong_forward
from mlp.diagnostics.gradients.styles.adapters import adapt


class Forward:
    """A layer whose formula is a function of it and x."""

    def __init__(self, shapes, settings):
        rng = np.random.default_rng(0)
        for name, shape in shapes.items():
            setattr(self, name, rng.standard_normal(shape))
        vars(self).update(settings)
        self.names, self.training, self.rng = list(shapes), True, rng

    def forward(self, x):
        self.shape = x.shape
        return self.formula(x)

    def backward(self, g):
        for name in self.names:
            setattr(self, f"d{name}", np.zeros_like(getattr(self, name)))
        return np.zeros(self.shape)


def found(name, formula, shape, weights=None, inputs=None, **settings):
    """Return the first sentence about a forward, "" if nothing is wrong with it."""
    kind = type(name, (Forward,), {"formula": formula, "names": []})
    layer, _ = adapt(kind(weights or {}, settings), shape, inputs)
    sentences = [one.sentence for one in wrong_forward(layer, shape, 0)]
    return sentences[0] if sentences else ""


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0.0)


def length(x, axis=-1):
    return np.sqrt((x * x).sum(axis=axis, keepdims=True))


def gelu(x):
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def halves(x, axis=-1):
    return np.split(x, 2, axis=axis)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def selu(x, alpha, scale):
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def geglu(z):
    return halves(z)[0] * gelu(halves(z)[1])


def rotated(a, b, angle):
    return a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)


def rope_in_heads(s, x):
    """(N, heads, T, d), pairs of neighbours."""
    angle = np.arange(x.shape[2])[:, None] * s.base ** (-np.arange(0, x.shape[3], 2) / x.shape[3])
    y = np.empty(x.shape)
    y[..., ::2], y[..., 1::2] = rotated(x[..., ::2], x[..., 1::2], angle)
    return y


def rope(s, x):
    d = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] / 10000.0 ** (np.arange(d) / d)
    return np.concatenate(rotated(x[..., :d], x[..., d:], angle), axis=-1)


def alpha_dropout(s, x, dropped=-1.7580993408473766):
    if not s.training:
        return x
    q = 1.0 - s.p
    a = (q + 1.7580993408473766**2 * q * (1.0 - q)) ** -0.5
    kept = s.rng.random(x.shape) < q
    return a * np.where(kept, x, dropped) + a * 1.7580993408473766 * (1.0 - q)


def noisy(power):
    def gaussian_dropout(s, x):
        return x * (1.0 + s.training * (s.p / (1.0 - s.p)) ** power * s.rng.standard_normal(x.shape))

    return gaussian_dropout


def masked(shape):
    def drop_path(s, x):
        return x * (s.rng.random(shape) >= 0.3) / 0.7 if s.training else x

    return drop_path


def parts(x, k=2):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // k, k, W // k, k)


def packed(x, order):
    return parts(x).transpose(order).reshape(2, 12, 2, 3)


def lp_pool(x, p):
    return (np.abs(parts(x)) ** p).mean(axis=(3, 5)) ** (1 / p)


def pieces(s, x):
    return np.einsum("nd,hdp->nhp", x, s.W)


def separable(s, x):
    """(N, C, T), windows of 3, no padding."""
    mid = sum(x[:, :, a : a + x.shape[2] - 2] * s.dw[:, a, None] for a in range(3))
    return np.einsum("fc,nct->nft", s.pw, mid) + s.b[:, None]


def response(s, x):
    """Over three channels."""
    around = np.pad(x * x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return x / (s.k + s.alpha / s.n * sum(around[:, a : a + x.shape[1]] for a in range(3))) ** s.beta


def instance(x):
    c = x - x.mean(axis=(2, 3), keepdims=True)
    return c / np.sqrt((c * c).mean(axis=(2, 3), keepdims=True) + 1e-5)


def bottlenecks(s, x):
    for one, other in ((s.W1, s.W2), (s.W3, s.W4)):
        x = np.concatenate([x, relu(x @ one) @ other], axis=1)
    return x


def adaptive(x, m, reduce, overlap=True):
    n = x.shape[2]
    return np.stack([reduce(x[:, :, i * n // m : ((i + 1) * n + (m - 1) * overlap) // m], 2) for i in range(m)], 2)


def embedding(s, index):
    return s.W[index] * np.sqrt(s.W.shape[1]) * (index != 0)[..., None]


TWO = {"W": (4, 6), "V": (4, 6)}
CHAIN = {"W": (4, 2), "V": (2, 2)}
V_AND_G = {"v": (4, 5), "g": 5}
RIGHT = [
    ("SwiGLU", lambda s, x: (x @ s.W) * sigmoid(x @ s.W) * (x @ s.V), (3, 4), TWO),
    ("SwiGLUFFN", lambda s, x: ((x @ s.W) * sigmoid(x @ s.W) * (x @ s.V)) @ s.U, (3, 4), {**TWO, "U": (6, 4)}),
    ("GEGLU", lambda s, x: geglu(x @ s.W.T + s.b), (3, 4), {"W": (6, 4), "b": 6}),
    ("ReGLU", lambda s, x: relu(halves(x, 1)[0]) * halves(x, 1)[1], (2, 4, 3, 2), {}),
    ("GLU", lambda s, x: (x @ s.W + s.b) * sigmoid(x @ s.V + s.c), (3, 4), {**TWO, "b": 6, "c": 6}),
    ("PReLU", lambda s, x: relu(x) - s.a[:, None, None] * relu(-x), (2, 4, 3, 2), {"a": 4}),
    ("LearnablePReLU", lambda s, x: np.where(x > 0, x, s.a * x), (3, 4), {"a": 1}),
    ("Maxout", lambda s, x: (x @ s.W + s.b).reshape(3, 2, 2).max(-1), (3, 4), {"W": (4, 4), "b": 4}, {"pieces": 2}),
    ("MaxoutUnit", lambda s, x: pieces(s, x).max(2), (3, 4), {"W": (5, 4, 2)}),
    ("CosineLinear", lambda s, x: s.c * (x / length(x)) @ (s.W / length(s.W)).T, (3, 4), {"W": (5, 4)}, {"c": 8.0}),
    ("CosineSimilarity", lambda s, x: (x * s.w).sum(-1) / (length(x) * length(s.w))[..., 0], (3, 4), {"w": (3, 4)}),
    ("WeightNormDense", lambda s, x: x @ (s.g * s.v / length(s.v)).T + s.b, (3, 4), {"v": (5, 4), "g": (5, 1), "b": 5}),
    ("WeightNorm", lambda s, x: x @ (np.exp(s.g) * s.v / length(s.v, 0)), (3, 4), V_AND_G),
    ("L2Normalize", lambda s, x: x / np.maximum(length(x, 1), 1e-12), (3, 4, 2, 2), {}),
    ("L2Norm", lambda s, x: s.gain * x / (length(x) + s.eps), (3, 4), {"gain": 4}, {"eps": 1e-3}),
    ("ScaleNorm", lambda s, x: s.g * x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-5), (3, 4, 5), {"g": 1}),
    ("L1Norm", lambda s, x: x / np.abs(x).sum(1, keepdims=True), (3, 4), {}),
    ("RotaryEmbedding", rope, (2, 5, 6), {}),
    ("RoPE", rope_in_heads, (2, 2, 5, 6), {}, {"base": 500.0}),
    ("LearnedPositionalEmbedding", lambda s, x: x + s.P[: x.shape[1]], (2, 5, 6), {"P": (9, 6)}),
    ("Softmax", lambda s, x: softmax(x), (3, 4), {}),
    ("SoftmaxWithTemperature", lambda s, x: softmax(x / s.t), (3, 4), {}, {"t": 2}),
    ("Swish", lambda s, x: x * sigmoid(s.beta * x), (3, 4), {}, {"beta": 1.5}),
    ("SELU", lambda s, x: selu(x, s.a, s.b), (3, 4), {}, {"a": 1.6733, "b": 1.0507}),
    ("HardSwish", lambda s, x: x * np.clip(x / 6 + 0.5, 0, 1), (3, 4), {}),
    ("ReLU6", lambda s, x: np.clip(x, 0, 6), (3, 4), {}),
    ("SpaceToDepth", lambda s, x: packed(x, (0, 3, 5, 1, 2, 4)), (2, 3, 4, 6), {}, {"r": 2}),
    ("LPPool2d", lambda s, x: lp_pool(x, s.p), (2, 3, 4, 6), {}, {"p": 3, "k": 2}),
    ("MinPool2d", lambda s, x: parts(x).min(axis=(3, 5)), (2, 3, 4, 6), {}, {"k": 2}),
    ("AdaptiveMaxPool1d", lambda s, x: adaptive(x, 3, np.max), (2, 3, 7), {}, {"size": 3}),
    ("AdaptiveAvgPool1d", lambda s, x: adaptive(x, 3, np.mean, overlap=False), (2, 3, 7), {}, {"output_size": 3}),
    ("ReLULinear", lambda s, x: relu(x) @ s.W, (3, 4), {"W": (4, 5)}),
    ("LinearReLU", lambda s, x: relu(x @ s.W), (3, 4), {"W": (4, 5)}),
    ("ResidualBlock", lambda s, x: relu(x + relu(x @ s.W) @ s.V.T), (3, 4), TWO),
    ("ResidualBlock", lambda s, x: relu(x @ s.P + relu(x @ s.W)), (3, 4), {"P": (4, 6), "W": (4, 6)}),
    ("PreActResBlock", lambda s, x: x + relu(relu(x) @ s.W) @ s.V.T, (3, 4), TWO),
    ("DenseBlock", bottlenecks, (3, 4), {"W1": (4, 5), "W2": (5, 2), "W3": (6, 5), "W4": (5, 2)}),
    ("ResidualAttention", lambda s, x: (1 + sigmoid(x @ s.W)) * np.tanh(x @ s.V), (3, 4), {"W": (4, 4), "V": (4, 4)}),
    ("ResNet", lambda s, x: (x @ s.W + relu(x @ s.W) @ s.U) @ s.V, (3, 4), {"W": (4, 6), "U": (6, 6), "V": (6, 4)}),
    ("ShortcutProjection", lambda s, x: x @ s.W, (3, 4), {"W": (4, 4)}),
    ("StochasticDepth", lambda s, x: x + masked((3, 1))(s, np.tanh(x)), (3, 4), {}),
    ("Sigmoid", lambda s, x: sigmoid(x), (3, 4), {}, {"threshold": 0.5}),
    ("Softplus", lambda s, x: np.logaddexp(0, x), (3, 4), {}, {"threshold": 20.0}),
    ("AdaptiveAvgPool2d", lambda s, x: x.mean(axis=(2, 3)), (2, 3, 4, 6), {}, {"output_size": 1}),
    ("WeightLayer", lambda s, x: s.c * (x @ s.W), (3, 4), {"W": (4, 5), "c": 5}),
    ("TemporalAffine", lambda s, x: (x.reshape(6, 4) @ s.W + s.b).reshape(2, 3, 5), (2, 3, 4), {"W": (4, 5), "b": 5}),
    ("DepthwiseSeparableConv1d", separable, (2, 3, 6), {"dw": (3, 3), "pw": (5, 3), "b": 5}),
    ("LocalResponseNorm", response, (2, 4, 3, 3), {}, {"n": 3, "alpha": 0.3, "beta": 0.75, "k": 2}),
    ("InstanceNorm2d", lambda s, x: s.g[:, None, None] * instance(x), (2, 4, 3, 4), {"g": 4}),
    ("DropPath", masked((3, 1)), (3, 4), {}),
    ("StochasticDepth", masked(()), (3, 4), {}),
    ("AlphaDropout", alpha_dropout, (30, 20), {}, {"p": 0.3}),
    ("GaussianDropout", noisy(0.5), (30, 20), {}, {"p": 0.3}),
    ("GaussianDropout", noisy(-0.5), (30, 20), {}, {"p": 0.7}),
]  # fmt: skip


@pytest.mark.parametrize("one", RIGHT, ids=lambda one: one[0])
def test_right_forms_are_taken_for_right(one):
    name, formula, shape, weights, *settings = one
    assert found(name, formula, shape, weights, **(settings[0] if settings else {})) == ""


WRONG = [
    ("SwiGLU", lambda s, x: sigmoid(x @ s.W) * (x @ s.V), (3, 4), TWO, {}, "the gate is sigmoid(b)"),
    ("GEGLU", lambda s, x: 2 * geglu(x), (3, 4), {}, {}, "the division by `2` is missing"),
    ("PReLU", lambda s, x: np.where(x > 0, s.a * x, x), (3, 4), {"a": 4}, {}, "the branches are exchanged"),
    ("Maxout", lambda s, x: relu(pieces(s, x).max(2)), (9, 4), {"W": (5, 4, 2)}, {}, "must begin at -inf"),
    ("CosineLinear", lambda s, x: x / length(x) @ s.W, (3, 4), {"W": (4, 5)}, {}, "the weights are not divided"),
    ("WeightNorm", lambda s, x: x @ (s.g * s.v / length(s.v.ravel())), (3, 4), V_AND_G, {}, "each output alone"),
    ("L2Normalize", lambda s, x: x / (x * x).sum(-1, keepdims=True), (3, 4), {}, {}, "the root is missing"),
    ("L2Normalize", lambda s, x: x / length(x, 0), (3, 4), {}, {}, "lengths along the batch"),
    ("RoPE", lambda s, x: rope(s, x) * [1, 1, 1, 1, 1, -1], (2, 5, 6), {}, {}, "not that of a rotary"),
    ("HardSwish", lambda s, x: x * np.clip(x + 3, 0, 6) / 3, (3, 4), {}, {}, "2 times what it should be"),
    ("LPPool2d", lambda s, x: (parts(x) ** 2).sum(axis=(3, 5)), (2, 3, 4, 6), {}, {"p": 2, "k": 2}, "p-norm"),
    ("SpaceToDepth", lambda s, x: packed(x, (0, 1, 5, 3, 2, 4)), (2, 3, 4, 6), {}, {"r": 2}, "column of the block,"),
    ("ResidualBlock", lambda s, x: relu(relu(x @ s.W) @ s.V.T), (3, 4), TWO, {}, "the shortcut is missing in forward"),
    ("DenseBlock", lambda s, x: np.hstack([x, x @ s.W, np.tanh(x @ s.W) @ s.V]), (3, 4), CHAIN, {}, "through W alone"),
    ("TemporalAffine", lambda s, x: x.reshape(2, 4, 3).swapaxes(1, 2) @ s.W, (2, 3, 4), {"W": (4, 5)}, {}, "x W + b"),
    ("InstanceNorm2d", lambda s, x: s.g * instance(x) + s.b, (2, 4, 3, 4), {"g": 4, "b": 4}, {}, "g.reshape(1, -1,"),
    ("DropPath", masked((3, 4)), (3, 4), {}, {}, "drops the whole path of a sample"),
    ("AlphaDropout", lambda s, x: alpha_dropout(s, x, 0.0), (30, 20), {}, {"p": 0.3}, "dropped values become 0"),
    ("GaussianDropout", noisy(1.0), (30, 20), {}, {"p": 0.3}, "the root is missing"),
]  # fmt: skip


@pytest.mark.parametrize("one", WRONG, ids=lambda one: one[0])
def test_a_wrong_forward_is_named(one):
    name, formula, shape, weights, settings, words = one
    assert words in found(name, formula, shape, weights, **settings)


def test_an_embedding_gives_the_row_of_each_index():
    index = np.array([[0, 2, 1], [5, 3, 2]])
    for formula in (embedding, lambda s, i: s.W[i]):
        assert found("Embedding", formula, index.shape, {"W": (6, 4)}, index) == ""
    assert "it must give row i" in found("Embedding", lambda s, i: s.W[i - 1], index.shape, {"W": (6, 4)}, index)


def test_a_temperature_divides():
    def wrong(s, x):
        z = x * s.temperature
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    assert "and must be divided by it" in found("TemperatureSoftmax", wrong, (3, 4), temperature=2.0)
