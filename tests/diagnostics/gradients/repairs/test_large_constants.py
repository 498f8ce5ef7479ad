"""Numbers beside a loss: a large one, that of all pixels in a notebook, is not tried as a size; a zero may divide."""

import numpy as np

from mlp.diagnostics.gradients.losses.check import check_loss
from mlp.losses import SoftmaxCrossEntropy

PIXELS = 10_000_000
SIZES = []


def numbers(count):
    SIZES.append(np.max(count))
    return np.arange(count)


class AtTemperature(SoftmaxCrossEntropy):
    def forward(self, outputs, targets):
        self.outputs, self.targets = outputs, targets
        return super().forward(outputs / 3.0, targets)

    def backward(self):
        return gradient_at_temperature(self.outputs, self.targets, 3.0)


def gradient_at_temperature(z, targets, T):
    exps = np.exp(z / T)
    p = exps / exps.sum(axis=1, keepdims=True)
    N = len(z)
    p[numbers(N), targets] -= 1.0
    return p / N


def test_a_large_constant_makes_no_large_arrays():
    report = check_loss(AtTemperature(), (6, 4))
    assert not report.passed
    assert SIZES
    assert not any(PIXELS <= size < np.inf for size in SIZES)
