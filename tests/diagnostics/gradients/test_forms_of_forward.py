"""A forward in another form than the usual one is not blamed for what backward does wrong."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer, check_loss


class Dense:
    """An affine layer with its ReLU."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        z = x @ self.params["W"] + self.params["b"]
        self.out = np.maximum(z, 0)
        return self.out

    def backward(self, dout):
        dz = dout * (self.out > 0)
        self.grads = {"W": self.x.T @ dout, "b": dz.sum(axis=0)}
        return dz @ self.params["W"].T


class ChannelSoftmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dp):
        inner = np.sum(dp * self.p, axis=-1, keepdims=True)
        return self.p * (dp - inner)


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class DenseBlock(Dense):
    def __init__(self):
        super().__init__()
        self.params = {"W": np.random.default_rng(1).standard_normal((3, 3)), "b": np.zeros(3)}

    def forward(self, x):
        self.x = x
        self.h = np.maximum(x @ self.params["W"] + self.params["b"], 0)
        return np.concatenate([x, self.h], axis=1)

    def backward(self, dout):
        dh, dx = np.split(dout, [3], axis=1)
        dz = dh * (self.h > 0)
        self.grads = {"W": self.x.T @ dz, "b": dz.sum(axis=0)}
        return dx + dz @ self.params["W"].T


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (Dense(), (6, 4), "`dout` stands where `dz` belongs"),
        (ChannelSoftmax(), (2, 4, 3, 2), "axis=-1 is wrong: it should be axis=1"),
        (Flatten(), (2, 3, 4, 2), "an array with the axes in the order (0, 3, 1, 2) was reshaped"),
        (DenseBlock(), (5, 3), "the names `(dh, dx)` are in the wrong order ["),
    ],
    ids=lambda one: type(one).__name__,
)
def test_backward_is_blamed_and_nothing_else(layer, shape, words):
    report = check_layer(layer, shape)
    assert len(report.diagnoses) == 1, str(report)
    assert words in " ".join(str(report).split()), str(report)


def scale_forward(x, gamma):
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-3
    x_norm = (x - mean) / std
    return gamma * x_norm, {"x": x, "x_norm": x_norm, "std": std, "gamma": gamma}


def scale_backward(dout, cache):
    x, x_norm, std, gamma = cache["x"], cache["x_norm"], cache["std"], cache["gamma"]
    dgamma = np.sum(dout * x, axis=0)
    g = dout * gamma
    return (g - g.mean(axis=0) - x_norm * std / (std - 1e-3) * (g * x_norm).mean(axis=0) * std / std) / std, dgamma


@pytest.mark.slow
def test_the_line_that_uses_an_array_is_said_not_the_one_that_reads_it():
    rng = np.random.default_rng(0)
    report = check_functions(scale_forward, scale_backward, rng.standard_normal((6, 4)), rng.standard_normal(4))
    assert "`dgamma = np.sum(dout * x, axis=0)`: `x` stands where `x_norm` belongs" in " ".join(str(report).split())


class LargestOfAll:
    """A softmax, or its cross entropy, with the largest number of the whole batch."""

    def forward(self, x, targets=None):
        e = np.exp(x - x.max())
        self.y, self.targets = e / e.sum(axis=1, keepdims=True), targets
        return self.y if targets is None else -np.log(self.y[np.arange(len(x)), targets]).mean()

    def backward(self, dout=None):
        if dout is not None:
            return self.y * (dout - (dout * self.y).sum(axis=1, keepdims=True))
        grad = self.y.copy()
        grad[np.arange(len(grad)), self.targets] -= 1
        return grad / len(grad)


def test_the_largest_number_of_the_whole_batch_is_not_that_of_a_sample():
    z = np.random.default_rng(0).standard_normal((4, 5))
    for report in (check_layer(LargestOfAll(), (4, 5)), check_loss(LargestOfAll(), z, np.array([1, 0, 3, 2]))):
        assert "taken over the whole batch" in " ".join(str(report).split()), str(report)
