"""Blocks of images: a reshape must name the sizes in the order in which the values lie."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


class Upsample:
    """Each pixel of (N, C, H, W) s x s times."""

    def __init__(self, s=2):
        self.s = s

    def forward(self, x):
        self.shape = x.shape
        return x.repeat(self.s, axis=2).repeat(self.s, axis=3)

    def backward(self, g):
        n, c, h, w = self.shape
        blocks = g.reshape(n, c, h, self.s, w, self.s)
        return blocks.sum(axis=(3, 5))


class SizesInAnotherOrder(Upsample):
    def backward(self, g):
        n, c, h, w = self.shape
        blocks = g.reshape(n, c, self.s, h, self.s, w)
        return blocks.sum(axis=(2, 4))


class TwoSums(Upsample):
    def backward(self, g):
        n, c, h, w = self.shape
        return g.reshape(n, c, self.s, h, self.s, w).sum(axis=2).sum(axis=3)


class OtherAxes(Upsample):
    def backward(self, g):
        n, c, h, w = self.shape
        return g.reshape(n, c, h, self.s, w, self.s).sum(axis=(2, 4))


class ChannelsLast(Upsample):
    def forward(self, x):
        self.shape = x.shape
        return np.repeat(np.repeat(x, self.s, axis=1), self.s, axis=2)

    def backward(self, g):
        n, h, w, c = self.shape
        return np.reshape(g, (n, self.s, h, self.s, w, c)).sum(axis=(1, 3))


class MeanPool(Upsample):
    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        return x.reshape(n, c, h // self.s, self.s, w // self.s, self.s).mean(axis=(3, 5))

    def backward(self, g):
        n, c, h, w = self.shape
        shares = g[:, :, None, :, None, :] / self.s**2
        return np.broadcast_to(shares, (n, c, self.s, h // self.s, self.s, w // self.s)).reshape(n, c, h, w)


@pytest.mark.parametrize(
    ("layer", "shape", "told"),
    [
        (SizesInAnotherOrder, (2, 3, 3, 4), "reshape to that and use axis=(3, 5) instead of axis=(2, 4)"),
        (TwoSums, (2, 3, 3, 4), "reshape to that, then transpose(0, 1, 3, 2, 5, 4)"),
        (OtherAxes, (2, 3, 3, 4), "axis=(2, 4) is wrong: it should be axis=(3, 5)"),
        (ChannelsLast, (2, 3, 4, 2), "they lie there as (n, h, self.s, w, self.s, c), so reshape to that and use"),
        (MeanPool, (2, 3, 4, 6), "transpose it before, `.transpose(0, 1, 3, 2, 5, 4)`"),
    ],
)
def test_blocks_in_another_order(layer, shape, told):
    report = check_layer(layer(), shape)
    assert not report.passed
    assert told in report.diagnoses[0].sentence, report
    assert "stride" not in report.diagnoses[0].sentence, report


def steps_forward(x, s=2):
    return np.repeat(x, s, axis=2), (x.shape, s)


def steps_backward(dout, cache):
    (n, c, t), s = cache
    d = np.reshape(dout, (n, c, s, t))
    return np.sum(d, axis=2)


def test_blocks_of_steps():
    report = check_functions(steps_forward, steps_backward, np.random.default_rng(0).normal(size=(2, 3, 4)), s=3)
    text = "they lie there as (n, c, t, s), so reshape to that and use axis=3 instead of axis=2"
    assert text in report.diagnoses[0].sentence, report


def test_right_blocks():
    check_layer(Upsample(), (2, 3, 3, 4)).raise_if_failed()
