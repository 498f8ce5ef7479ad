"""Slices that end at -p where p is 0: they are empty, because -0 is 0, and the repair is right for any p."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


def average_forward(x, pad):
    """Sums of neighbours along both axes of a padded image, which are then cut to the inputs' size."""
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    return 2.0 * padded**2, (padded, x.shape, pad)


def average_backward(dout, cache):
    padded, (N, H, W), pad = cache
    d_pad = 4.0 * dout * padded
    return d_pad[:, pad:-pad, pad:-pad]


def average_backward_right(dout, cache):
    padded, (N, H, W), pad = cache
    d_pad = 4.0 * dout * padded
    return d_pad[:, pad : pad + H, pad : pad + W]


class Crop:
    """Cuts a border of the second axis off; backward puts the gradient back into its middle."""

    def __init__(self, n=0):
        self.n = n

    def forward(self, x):
        self.shape = x.shape
        return 3.0 * x[:, self.n : x.shape[1] - self.n]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:, self.n : -self.n] = 3.0 * dout
        return dx


class CropInOneLine(Crop):
    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:, self.n : dx.shape[1] - self.n] = 3.0 * dout
        return dx


class Chop(Crop):
    """Causal: the last n places are padding."""

    def forward(self, x):
        wide = np.concatenate([x, np.zeros((len(x), self.n))], axis=1)
        return wide * wide + 0.0 * self.keep(wide)

    def keep(self, wide):
        self.wide = wide
        return 0.0

    def backward(self, dout):
        d = 2.0 * dout * self.wide
        return d[:, : -self.n]


def said(report):
    assert not report.passed
    return report.diagnoses[0].sentence


def test_an_empty_part_is_named_with_the_sizes_that_are_left():
    text = said(check_functions(average_forward, average_backward, np.random.default_rng(0).normal(size=(2, 5, 4)), 0))
    assert "`pad:-pad` is empty where `pad` is 0, because -0 is 0" in text
    assert "write `pad:pad + H` and `pad:pad + W`" in text


@pytest.mark.parametrize("pad", [0, 1])
def test_ends_that_count_from_the_start_are_right(pad):
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    assert check_functions(average_forward, average_backward_right, x, pad).passed
    assert check_layer(CropInOneLine(pad), (2, 5)).passed


def test_the_same_slice_is_right_where_it_is_not_empty():
    assert check_functions(average_forward, average_backward, np.random.default_rng(0).normal(size=(2, 5, 4)), 1).passed


def test_an_empty_place_to_write_to_is_named():
    text = said(check_layer(Crop(), (3, 5)))
    assert "`self.n:-self.n` is empty where `self.n` is 0" in text and "write `self.n:dx.shape[1] - self.n`" in text


def test_an_end_without_a_start_is_named():
    text = said(check_layer(Chop(), (3, 5)))
    assert "`:-self.n` is empty where `self.n` is 0" in text and "write `:d.shape[1] - self.n`" in text
