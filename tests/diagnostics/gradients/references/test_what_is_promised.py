"""What the name and the text of a file promise, beside the formula."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss
from mlp.diagnostics.gradients.own_file import check_file

POOL = '''"""Average pooling to a grid, with bins as in torch.nn.AdaptiveAvgPool1d."""
import numpy as np


class AdaptiveAvgPool1d:
    def __init__(self, size):
        self.size = size

    def bins(self, n):
        return [(i * n // self.size, {end}) for i in range(self.size)]

    def forward(self, x):
        self.n = x.shape[2]
        return np.stack([x[:, :, a:b].mean(axis=2) for a, b in self.bins(self.n)], axis=2)

    def backward(self, g):
        dx = np.zeros((*g.shape[:2], self.n))
        for i, (a, b) in enumerate(self.bins(self.n)):
            dx[:, :, a:b] += g[:, :, i, None] / (b - a)
        return dx
'''


def test_the_text_at_the_top_of_a_file_counts(tmp_path):
    path = tmp_path / "pool.py"
    path.write_text(POOL.replace("{end}", "-(-((i + 1) * n) // self.size)"))
    check_file(f"{path}:AdaptiveAvgPool1d", "3", (2, 3, 7)).raise_if_failed()
    path.write_text(POOL.replace("{end}", "(i + 1) * n // self.size"))
    report = check_file(f"{path}:AdaptiveAvgPool1d", "3", (2, 3, 7))
    assert not report.passed and "forward is not that of a pooling" in " ".join(str(report).split())


class DilatedConvSame:
    def __init__(self, pad):
        rng = np.random.default_rng(0)
        self.weight, self.bias, self.dilation, self.pad = rng.standard_normal((3, 2, 4)), np.zeros(4), 2, pad

    def forward(self, x):  # (N, T, C)
        self.x = np.pad(x, ((0, 0), (self.pad, self.pad), (0, 0)))
        T = self.x.shape[1] - 2 * self.dilation
        return sum(self.x[:, 2 * u : 2 * u + T] @ self.weight[u] for u in range(3)) + self.bias

    def backward(self, g):
        T, dx = g.shape[1], np.zeros_like(self.x)
        self.grad_weight = np.stack([np.einsum("ntc,ntf->cf", self.x[:, 2 * u : 2 * u + T], g) for u in range(3)])
        self.grad_bias = g.sum(axis=(0, 1))
        for u in range(3):
            dx[:, 2 * u : 2 * u + T] += g @ self.weight[u].T
        return dx[:, self.pad : dx.shape[1] - self.pad]


def test_same_in_a_name_keeps_the_size():
    check_layer(DilatedConvSame(2), (2, 7, 2)).raise_if_failed()
    report = check_layer(DilatedConvSame(1), (2, 7, 2))
    assert not report.passed and "a convolution" in str(report)


class GlobalAvgPool:
    axes = (2, 3)

    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        return x.mean(axis=self.axes, keepdims=True)

    def backward(self, g):
        return np.broadcast_to(g, self.shape) / np.prod([self.shape[axis] for axis in self.axes])


class InstanceNorm:
    """The gain says where the channels are: it has as many values."""

    axes = (2, 3)

    def __init__(self):
        self.gamma = np.ones(3)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=self.axes, keepdims=True) + 1e-5)
        self.n = (x - x.mean(axis=self.axes, keepdims=True)) / self.std
        return self.gamma[:, None, None] * self.n

    def backward(self, g):
        self.dgamma = (g * self.n).sum(axis=(0, 2, 3))
        g = g * self.gamma[:, None, None]
        mean = g.mean(axis=self.axes, keepdims=True) + self.n * (g * self.n).mean(axis=self.axes, keepdims=True)
        return (g - mean) / self.std


@pytest.mark.parametrize("kind", [GlobalAvgPool, InstanceNorm])
def test_the_axes_of_the_image_are_those_that_the_code_or_a_weight_says(kind):
    check_layer(kind(), (2, 3, 4, 5)).raise_if_failed()
    layer = kind()
    layer.axes = (1, 2)
    report = check_layer(layer, (2, 3, 4, 5))
    assert not report.passed and "it should be axis=(2, 3)" in report.diagnoses[0].sentence


def test_a_pinball_loss_may_have_a_quantile_for_each_column():
    class PinballLoss:
        sign = 1

        def __init__(self, quantiles=(0.1, 0.4, 0.9)):
            self.taus = np.array(quantiles)

        def forward(self, y, t):
            self.error = self.sign * (t[:, None] - y)
            return np.maximum(self.taus * self.error, (self.taus - 1) * self.error).mean()

        def backward(self):
            return self.sign * np.where(self.error > 0, -self.taus, 1 - self.taus) / self.error.size

    rng = np.random.default_rng(0)
    y, t = rng.standard_normal((6, 3)), rng.standard_normal(6)
    assert check_loss(PinballLoss(), y, t).passed
    wrong = PinballLoss()
    wrong.sign = -1
    report = check_loss(wrong, y, t)
    assert not report.passed and "not the quantile loss" in report.diagnoses[0].sentence
