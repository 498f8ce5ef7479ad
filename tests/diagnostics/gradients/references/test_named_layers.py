"""Layers against the formulas of their names: right ones pass in any style, and of wrong ones the line is said.

A wrong one is made of the source of a right one by changes of its text, forward and backward alike.
"""

import ast
import inspect

import numpy as np
import pytest

from mlp.diagnostics import check_layer
from mlp.diagnostics.gradients.own_file import check_file
from tests.diagnostics.gradients.references import unusual_layers as layers

RIGHT = [
    (layers.Conv2D(2, 4, (3, 2), (2, 1), 1), (3, 5, 6, 2)),
    (layers.Deconv2d(3, 2, 3, 2), (2, 3, 4, 5)),
    (layers.CausalConv1d(2, 3, 3, 2), (4, 2, 7)),
    (layers.MaxPool(3, 2), (2, 3, 7, 6)),
    (layers.GlobalAvgPool2d(), (2, 3, 4, 5)),
    (layers.SelfAttention(4, 3), (2, 5, 4)),
    (layers.CausalMultiHeadAttention(6, 2), (2, 5, 6)),
    (layers.VanillaRNN(3, 4), (2, 5, 3)),
    (layers.LSTM(3, 4), (2, 4, 3)),
    (layers.GRUCell(3, 4), (2, 4, 3)),
    (layers.SinusoidalPositionalEncoding(6), (2, 5, 6)),
    (layers.BilinearUpsample(2), (2, 2, 3, 4)),
    (layers.PixelShuffle(2), (2, 8, 3, 4)),
    (layers.ZeroPad2d(2), (2, 3, 4, 5)),
    (layers.Affine(6, 4), (5, 2, 3)),
    (layers.Highway(4), (6, 4)),
    (layers.SEBlock(4, 3), (2, 4, 3, 5)),
    (layers.LayerNorm((3, 4)), (5, 3, 4)),
    (layers.GroupNorm(2, 6), (3, 4, 2, 6)),
    (layers.RMSNorm(6), (3, 4, 6)),
    (layers.GELU(), (4, 5)),
    (layers.Mish(), (4, 5)),
    (layers.GLU(), (4, 6)),
    (layers.DenseBlock(4, 3), (5, 4)),
    (layers.Maxout(4, 3, 2), (5, 4)),
    (layers.Bilinear(3, 4), (5, 6)),
    (layers.InstanceNorm1d(3), (2, 3, 6)),
    (layers.CrossAttention(4), (2, 5, 4)),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("layer", "shape"), RIGHT, ids=lambda one: type(one).__name__)
def test_right_layers_in_unusual_styles_pass(layer, shape):
    check_layer(layer, shape).raise_if_failed()


WRONG = [  # class, arguments, shape, changes of its text, words of the first diagnosis
    (
        layers.Conv2D,
        "2, 4, (3, 2), (2, 1), 1",
        (3, 5, 6, 2),
        {"(w - kw) // sw + 1": "(w - kh) // sw + 1"},
        "`kh` stands where `kw` belongs",
    ),
    (
        layers.Deconv2d,
        "3, 2, 3, 2",
        (2, 3, 4, 5),
        {"i * s:i * s + k, j * s:j * s + k": "i:i + k, j:j + k"},
        "start at i, and must start at i * s",
    ),
    (
        layers.SelfAttention,
        "4, 3",
        (2, 5, 4),
        {"self.q.shape[-1]": "self.q.shape[1]"},
        "`self.q.shape[1]` is the size of another axis",
    ),
    (
        layers.CausalMultiHeadAttention,
        "6, 2",
        (2, 5, 6),
        {
            "(self.att @ self.v).transpose(0, 2, 1, 3)": "(self.att @ self.v)",
            ".reshape(N, T, h, D // h).transpose(0, 2, 1, 3)\n        datt": ".reshape(N, h, T, D // h)\n        datt",
        },
        "`.transpose(0, 2, 1, 3)`",
    ),
    (
        layers.LSTM,
        "3, 4",
        (2, 4, 3),
        {"h = o * np.tanh(c)": "h = o * c", "tc = np.tanh(c)": "tc = c", "dh * o * (1 - tc ** 2)": "dh * o"},
        "`c` stands where `np.tanh(c)` belongs",
    ),
    (
        layers.SinusoidalPositionalEncoding,
        "6",
        (2, 5, 6),
        {"np.arange(0, dim, 2) / dim": "np.arange(dim // 2) / dim"},
        "the factor `2` is missing",
    ),
    (
        layers.SEBlock,
        "4, 3",
        (2, 4, 3, 5),
        {"x.mean(axis=(2, 3))": "x.sum(axis=(2, 3))", " / (self.x.shape[2] * self.x.shape[3])": ""},
        "`sum` stands where `mean` belongs",
    ),
    (
        layers.VanillaRNN,
        "3, 4",
        (2, 5, 3),
        {" + self.b)": ")", "self.db += dz.sum(0)": "pass"},
        "the term `self.b` is missing",
    ),
    (
        layers.LSTM,
        "3, 4",
        (2, 4, 3),
        {"            dc = dc * f\n": ""},
        "the line `dc = dc * f` is missing at the end of the loop",
    ),
]


OVER_TIME = (layers.LSTM, layers.VanillaRNN)


def wrong_file(kind, changes, folder):
    text = ast.unparse(ast.parse(inspect.getsource(kind)))
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "wrong.py"
    path.write_text(f"import numpy as np\n\n\n{inspect.getsource(layers.sigmoid)}\n\n{text}\n")
    return path


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "changes", "words"),
    [pytest.param(*one, marks=pytest.mark.slow if one[0] in OVER_TIME else ()) for one in WRONG],
    ids=[f"{i}-{one[0].__name__}" for i, one in enumerate(WRONG)],
)
def test_the_line_of_a_wrong_layer_is_said(kind, arguments, shape, changes, words, tmp_path):
    report = check_file(f"{wrong_file(kind, changes, tmp_path)}:{kind.__name__}", arguments, shape)
    assert not report.passed
    assert words in report.diagnoses[0].sentence, str(report)
    assert "in line" in report.diagnoses[0].sentence


@pytest.mark.slow
def test_the_simplest_of_several_changes_is_said_and_not_one_that_fits_by_accident(tmp_path):
    """The stride of the rows is 1 and so is that of the columns times it; another stride tells them apart."""
    changes = {
        "dxp[:, a * sh:a * sh + kh, b * sw:b * sw + kw, :] +=": "dxp[:, a * sh:a * sh + kh, b * sh:b * sh + kw, :] +="
    }
    path = wrong_file(layers.Conv2D, changes, tmp_path)
    sentence = check_file(f"{path}:Conv2D", "2, 4, (3, 2), (1, 2), 1", (3, 5, 6, 2)).diagnoses[0].sentence
    assert "b * sw:b * sw + kw" in sentence
    assert "b * sh * sw" not in sentence


def test_nothing_is_said_of_names_with_words_that_are_not_known():
    class GatedConv2D(layers.Conv2D):
        def forward(self, x):
            return 2.0 * super().forward(x)

        def backward(self, g):
            return super().backward(2.0 * g)

    check_layer(GatedConv2D(2, 4, (3, 2)), (2, 5, 6, 2)).raise_if_failed()
    named = type("Conv2D", (GatedConv2D,), {})
    assert not check_layer(named(2, 4, (3, 2)), (2, 5, 6, 2)).passed
    assert np.isfinite(named(2, 4, (3, 2)).forward(np.ones((1, 5, 6, 2)))).all()
