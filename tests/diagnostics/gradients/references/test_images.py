"""Layers of images: a text that says whose order or padding is meant is held to it, and all usual ones are right."""

import numpy as np
import pytest

from mlp.diagnostics.gradients.diagnoses.known_layers import wrong_forward
from mlp.diagnostics.gradients.styles.adapters import adapt


class Forward:
    """A layer without weights whose formula is a function of its settings and x."""

    def __init__(self, **settings):
        vars(self).update(settings)

    def forward(self, x):
        self.shape = x.shape
        return self.formula(x)

    def backward(self, g):
        return np.zeros(self.shape)


def said(name, text, formula, settings, shape):
    """Return the first sentence about a forward, "" if nothing is wrong with it."""
    kind = type(name, (Forward,), {"formula": formula, "__doc__": text})
    layer, _ = adapt(kind(**settings), shape)
    return next((one.sentence for one in wrong_forward(layer, shape, 0)), "")


def shuffled(order):
    def formula(s, x):
        N, C, H, W = x.shape
        sizes = {"C": C // s.r**2, "a": s.r, "b": s.r}
        parts = x.reshape(N, *(sizes[one] for one in order), H, W)
        C_, a, b = (1 + order.index(one) for one in "Cab")
        return parts.transpose(0, C_, 4, a, 5, b).reshape(N, sizes["C"], H * s.r, W * s.r)

    return formula


def bilinear(before, after):
    def formula(s, x):
        for axis in (2, 3):
            n = x.shape[axis]
            at = np.clip((np.arange(n * s.scale) + before) / s.scale + after, 0, n - 1)
            low = np.floor(at).astype(int)
            share = (at - low).reshape((-1, 1) if axis == 2 else -1)
            x = (1 - share) * x.take(low, axis) + share * x.take(np.minimum(low + 1, n - 1), axis)
        return x

    return formula


def pooled(s, x):
    """Means of windows, without the padding."""
    wide = np.pad(x, ((0, 0), (0, 0), (s.p, s.p), (s.p, s.p)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (s.k, s.k), axis=(2, 3))[:, :, :: s.s, :: s.s]
    return np.nanmean(windows, axis=(4, 5))


def channels_exchanged(groups):
    def formula(s, x):
        G = getattr(s, groups)
        return x.reshape(len(x), G, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)

    return formula


def with_padding(s, x):
    wide = np.pad(x, ((0, 0), (0, 0), (s.p, s.p), (s.p, s.p)))
    return np.lib.stride_tricks.sliding_window_view(wide, (s.k, s.k), axis=(2, 3))[:, :, :: s.s, :: s.s].mean(
        axis=(4, 5)
    )


def blocks(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2)


MARGINS = ((0, 0), (0, 0), (2, 2), (2, 2))
POOL, SHAPE, SHAPE8 = {"k": 3, "s": 2, "p": 1}, (2, 2, 6, 7), (2, 2, 4, 6)
RIGHT = [
    ("PixelShuffle", "As torch.nn.PixelShuffle.", shuffled("Cab"), {"r": 2}, (2, 8, 2, 3)),
    ("PixelShuffle", "", shuffled("abC"), {"r": 2}, (2, 8, 2, 3)),
    ("DepthToSpace", "As TensorFlow's.", shuffled("abC"), {"r": 2}, (2, 8, 2, 3)),
    ("BilinearUpsample", "align_corners=False", bilinear(0.5, -0.5), {"scale": 2}, (2, 2, 3, 4)),
    ("AvgPool2d", "The padding is not counted.", pooled, POOL, SHAPE),
    ("ChannelShuffle", "", channels_exchanged("groups"), {"groups": 2}, (2, 6, 2, 3)),
]
WRONG = [
    ("PixelShuffle", "As torch.nn.PixelShuffle.", shuffled("abC"), {"r": 2}, (2, 8, 2, 3), "TensorFlow's order"),
    ("PixelShuffle", "", shuffled("Cba"), {"r": 2}, (2, 8, 2, 3), "column of the block, row of the block"),
    ("DepthToSpace", "As TensorFlow's.", shuffled("Cab"), {"r": 2}, (2, 8, 2, 3), "PyTorch's order"),
    ("BilinearUpsample", "align_corners=False", bilinear(0, 0), {"scale": 2}, (2, 2, 3, 4), "half pixels are forg"),
    ("BilinearUpsample", "align_corners=False", bilinear(0.5, 0), {"scale": 2}, (2, 2, 3, 4), "taken off again"),
    ("ReflectionPad2d", "", lambda s, x: np.pad(x, MARGINS, "symmetric"), {"p": 2}, (2, 2, 4, 5), "its border twice"),
    ("AvgPool2d", "The padding is not counted.", with_padding, POOL, SHAPE, "so the padding counts"),
    ("LPPool2d", "", lambda s, x: (np.abs(blocks(x)) ** 3).sum(axis=(3, 5)), {"p": 3, "k": 2}, SHAPE8, "root is mis"),
    ("ChannelShuffle", "", channels_exchanged("other"), {"groups": 2, "other": 3}, (2, 6, 2, 3), "channel shuffle"),
]  # fmt: skip


@pytest.mark.parametrize("one", RIGHT, ids=lambda one: one[0])
def test_right_layers_of_images_are_taken_for_right(one):
    assert said(*one) == ""


@pytest.mark.sampled
@pytest.mark.parametrize("one", WRONG, ids=lambda one: one[0])
def test_a_wrong_layer_of_images_is_named(one):
    assert one[-1] in said(*one[:-1])


class SameConv:
    """(N, H, W, C), padding "SAME" of TensorFlow: if the number of padded rows is odd, the extra one is at the end."""

    def __init__(self):
        self.stride = 2
        self.W = np.random.default_rng(0).standard_normal((3, 3, 3, 2))

    def forward(self, x):
        N, H, W, _ = x.shape
        ends = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in (H, W)]
        wide = np.pad(x, ((0, 0), *((n // 2, n - n // 2) for n in ends), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2))[:, ::2, ::2]
        self.shape = x.shape
        return np.einsum("nijcab,abcf->nijf", windows, self.W)

    def backward(self, g):
        self.dW = np.zeros_like(self.W)
        return np.zeros(self.shape)


def test_an_odd_padding_with_a_stride_is_right():
    layer, _ = adapt(SameConv(), (2, 6, 7, 3))
    assert not list(wrong_forward(layer, (2, 6, 7, 3), 0))


class DilatedConv1d:
    """(N, C, T) -> (N, C, T - dilation * (k - 1)), each channel by itself."""

    def __init__(self):
        self.k, self.dilation = 3, 2
        self.w = np.random.default_rng(0).standard_normal((3, 1, 3))

    def forward(self, x):
        span = self.dilation * self.k
        T = x.shape[2] - span + 1
        self.x = x
        return sum(self.w[:, 0, a, None] * x[:, :, a * self.dilation : a * self.dilation + T] for a in range(self.k))

    def backward(self, g):
        self.dw = np.zeros_like(self.w)
        return np.zeros_like(self.x)


def test_the_span_of_a_dilated_kernel_is_named_with_its_line():
    layer, _ = adapt(type("DepthwiseConv1d", (DilatedConv1d,), {})(), (2, 3, 9))
    (found,) = wrong_forward(layer, (2, 3, 9), 0)
    assert "`self.dilation * (self.k - 1) + 1` belongs here" in found.sentence
