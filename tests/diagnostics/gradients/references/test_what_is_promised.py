"""What the name and the text of a file promise, beside the formula."""

import numpy as np

from mlp.diagnostics import check_layer
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
