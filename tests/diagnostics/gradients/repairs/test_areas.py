"""The number of pixels of a window: pool_h * pool_w, where other sizes have the same product by accident."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


class MeanPool:
    """The mean of each window of (N, C, H, W)."""

    def __init__(self, pool_h, pool_w, stride):
        self.pool_h, self.pool_w, self.stride = pool_h, pool_w, stride

    def windows(self, shape):
        rows, columns = ((n - m) // self.stride + 1 for n, m in zip(shape[2:], (self.pool_h, self.pool_w), strict=True))
        for i, j in np.ndindex(rows, columns):
            top, left = i * self.stride, j * self.stride
            yield i, j, (..., slice(top, top + self.pool_h), slice(left, left + self.pool_w))

    def forward(self, x):
        self.shape = x.shape
        places = list(self.windows(x.shape))
        out = np.zeros((*x.shape[:2], places[-1][0] + 1, places[-1][1] + 1))
        for i, j, window in places:
            out[:, :, i, j] = x[window].mean(axis=(2, 3))
        return out

    def backward(self, dout):
        dx = np.zeros(self.shape)
        share = self.of_a_window(dout)
        for i, j, window in self.windows(self.shape):
            dx[window] += share[:, :, i : i + 1, j : j + 1]
        return dx

    def of_a_window(self, dout):
        return dout / (self.pool_h * self.pool_w)


class ByStrides(MeanPool):
    def of_a_window(self, dout):
        return dout / (self.stride * self.stride)


class BySquare(MeanPool):
    def of_a_window(self, dout):
        return dout / self.stride**2


class OneAfterTheOther(MeanPool):
    def of_a_window(self, dout):
        return dout / self.stride / self.stride


@pytest.mark.parametrize("layer", [ByStrides, BySquare, OneAfterTheOther])
def test_the_product_of_the_sizes_of_a_square_window(layer):
    report = check_layer(layer(3, 3, 2), (2, 3, 7, 7))
    assert not report.passed
    text = "is the wrong number of values: `self.pool_h * self.pool_w` belongs here"
    assert text in report.diagnoses[0].sentence, report


def pool_forward(x, param):
    kh, kw, step = param["kh"], param["kw"], param["step"]
    rows, columns = (x.shape[1] - kh) // step + 1, (x.shape[2] - kw) // step + 1
    out = np.zeros((len(x), rows, columns, x.shape[3]))
    for i, j in np.ndindex(rows, columns):
        out[:, i, j] = x[:, i * step : i * step + kh, j * step : j * step + kw].mean(axis=(1, 2))
    return out, (x.shape, param)


def pool_backward(dout, cache):
    shape, param = cache
    area = param["step"] ** 2
    dx = np.zeros(shape)
    for i, j in np.ndindex(dout.shape[1:3]):
        rows, columns = (slice(k * param["step"], k * param["step"] + param[n]) for k, n in ((i, "kh"), (j, "kw")))
        dx[:, rows, columns] += dout[:, i, j][:, None, None] / area
    return dx


def test_sizes_in_a_dictionary():
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 3))
    report = check_functions(pool_forward, pool_backward, x, {"kh": 3, "kw": 3, "step": 2})
    assert "`param['kh'] * param['kw']` belongs here" in report.diagnoses[0].sentence, report


def test_right_window():
    check_layer(MeanPool(3, 3, 2), (2, 3, 7, 7)).raise_if_failed()
