"""Mistakes of students' own layers, each told by the line that has to be changed."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class Dense:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, d):
        self.grads["W"], self.grads["b"] = self.x.T @ d, d.sum(axis=0)
        return d @ self.params["W"].T


class OneNumber(Dense):
    def backward(self, d):
        self.grads["W"] = self.x.T @ d
        self.grads["b"] = np.sum(d)
        return d @ self.params["W"].T


class FactorsExchanged(Dense):
    def backward(self, d):
        self.grads["b"] = d.sum(axis=0)
        self.grads["W"] = d @ self.x.T
        return d @ self.params["W"].T


class Gate(Dense):
    """y = t h + (1 - t) x with t = sigmoid(x W) and h = tanh(x V)."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {name: rng.standard_normal((4, 4)) for name in "VW"}
        self.grads = {}

    def forward(self, x):
        self.x, self.h, self.t = x, np.tanh(x @ self.params["V"]), sigmoid(x @ self.params["W"])
        return self.t * self.h + (1 - self.t) * x

    def slope_of_h(self):
        return 1 - self.h**2

    def backward(self, d):
        x, h, t = self.x, self.h, self.t
        dh = d * t * self.slope_of_h()
        dt = d * (h - x) * t * (1 - t)
        self.grads["V"], self.grads["W"] = x.T @ dh, x.T @ dt
        return d * (1 - t) + dh @ self.params["V"].T + dt @ self.params["W"].T


class GateWithoutX(Gate):
    def backward(self, d):
        x, h, t = self.x, self.h, self.t
        dh = d * t * self.slope_of_h()
        dt = d * h * t * (1 - t)
        self.grads["V"], self.grads["W"] = x.T @ dh, x.T @ dt
        return d * (1 - t) + dh @ self.params["V"].T + dt @ self.params["W"].T


class SlopeOfSigmoid(Gate):
    def slope_of_h(self):
        return self.h * (1 - self.h)


class PermutedAgain:
    axes = (2, 0, 1)

    def forward(self, x):
        return x.transpose(self.axes)

    def backward(self, d):
        return d.transpose(self.axes)


class Overwrites:
    """A transposed convolution of rows, with = where the windows overlap."""

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal(3)

    def forward(self, x):
        self.x = x
        y = np.zeros((len(x), 2 * x.shape[1] + 1))
        for i in range(x.shape[1]):
            y[:, 2 * i : 2 * i + 3] = x[:, i, None] * self.W
        return y

    def backward(self, d):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for i in range(self.x.shape[1]):
            window = d[:, 2 * i : 2 * i + 3]
            dx[:, i] = window @ self.W
            self.dW += self.x[:, i] @ window
        return dx


class BothHalved:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.V, self.W = rng.standard_normal((4, 5)), rng.standard_normal((5, 3))

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.V)
        return self.h @ self.W

    def backward(self, d):
        self.dW = 0.5 * (self.h.T @ d)
        dh = (d @ self.W.T) * (1 - self.h**2)
        self.dV = 0.5 * (self.x.T @ dh)
        return dh @ self.V.T


class WrittenTwice(BothHalved):
    def __init__(self):
        super().__init__()
        self.dW, self.dV = np.zeros_like(self.W), np.zeros_like(self.V)

    def backward(self, d):
        self.dV = self.h.T @ d
        dh = (d @ self.W.T) * (1 - self.h**2)
        self.dV = self.x.T @ dh
        return dh @ self.V.T


class MeanOfImages:
    """Channels last, with the sizes of images that have the channels first."""

    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, d):
        return np.ones(self.shape) * d[:, None, None, :] / (self.shape[2] * self.shape[3])


class JoinsTheOtherWayRound:
    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((4, 3))

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W)
        return np.concatenate([self.h, x], axis=1)

    def backward(self, d):
        n = self.x.shape[1]
        skip, dh = d[:, :n], d[:, n:]
        da = dh * (1 - self.h**2)
        self.dW = self.x.T @ da
        return da @ self.W.T + skip


class Cells:
    """c_t = f_t c_{t-1} + (1 - f_t) x_t with f = sigmoid(x W); the path through c is lost."""

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((3, 3))

    def forward(self, x):
        self.x, self.f, self.c = x, sigmoid(x @ self.W), [np.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            self.c.append(self.f[:, t] * self.c[-1] + (1 - self.f[:, t]) * x[:, t])
        return np.stack(self.c[1:], axis=1)

    def backward(self, d):
        dx, self.dW, later = np.zeros_like(self.x), np.zeros_like(self.W), 0.0
        for t in range(self.x.shape[1] - 1, -1, -1):
            f, x = self.f[:, t], self.x[:, t]
            dc = d[:, t] * 1.0
            da = dc * (self.c[t] - x) * f * (1 - f)
            self.dW += x.T @ da
            dx[:, t] = dc * (1 - f) + da @ self.W.T
            later = dc * f  # noqa: F841 - the mistake
        return dx


class CarriedOverForNothing(Cells):
    def backward(self, d):
        dx, self.dW, dc = np.zeros_like(self.x), np.zeros_like(self.W), 0.0
        for t in reversed(range(self.x.shape[1])):
            f, x = self.f[:, t], self.x[:, t]
            dc = d[:, t] * 1.0  # the mistake
            da = dc * (self.c[t] - x) * f * (1 - f)
            self.dW += x.T @ da
            dx[:, t] = dc * (1 - f) + da @ self.W.T
            dc = dc * f
        return dx


class LateAndEarly:
    """y_t = w_0 x_t + w_1 x_{t-2}."""

    def __init__(self):
        self.w = np.array([0.3, -1.2])

    def forward(self, x):
        self.x, y = x, self.w[0] * x
        y[:, 2:] += self.w[1] * x[:, :-2]
        return y

    def backward(self, g):
        dx = self.w[0] * g
        dx[:, 2:] += self.w[1] * g[:, :-2]
        self.dw = np.array([(g * self.x).sum(), (g[:, 2:] * self.x[:, :-2]).sum()])
        return dx


class CutFromTheCorner:
    """A filter along the second axis, with zeros at both ends."""

    def __init__(self):
        self.w, self.p = np.array([0.3, -1.2, 0.7]), 1

    def forward(self, x):
        T = x.shape[1]
        self.xp = np.pad(x, ((0, 0), (self.p, self.p)))
        return sum(self.w[a] * self.xp[:, a : a + T] for a in range(3))

    def backward(self, g):
        T, dxp, self.dw = g.shape[1], np.zeros_like(self.xp), np.zeros(3)
        for a in range(3):
            self.dw[a] = (g * self.xp[:, a : a + T]).sum()
            dxp[:, a : a + T] += self.w[a] * g
        return dxp[:, :T]


CASES = [
    (CarriedOverForNothing, (2, 4, 3), "dc = d[:, t] * 1.0", "`dc = dc + (d[:, t] * 1.0)`"),
    (LateAndEarly, (3, 6), "dx[:, 2:] += self.w[1] * g[:, :-2]", "the slices `2:` and `:-2` are exchanged"),
    (CutFromTheCorner, (3, 6), "return dxp[:, :T]", "dxp[:, self.p:self.p + T]"),
    (WrittenTwice, (6, 4), "self.h.T @ d", "`self.dW` belongs here"),
    (MeanOfImages, (2, 4, 3, 5), "self.shape[2] * self.shape[3]", "self.shape[1] * self.shape[2]"),
    (JoinsTheOtherWayRound, (5, 4), "skip, dh", "d[:, -n:], d[:, :-n]"),
    (Cells, (2, 4, 3), "dc = ", "`later` is missing"),
    (OneNumber, (5, 3), "np.sum(d)", "axis=0"),
    (FactorsExchanged, (5, 3), "d @ self.x.T", "order"),
    (GateWithoutX, (5, 4), "dt = ", "`h - "),
    (SlopeOfSigmoid, (5, 4), "self.h * (1 - self.h)", "derivative of a tanh"),
    (PermutedAgain, (3, 4, 5), "d.transpose(self.axes)", "np.argsort(self.axes)"),
    (Overwrites, (2, 3), "of forward", "+="),
    (BothHalved, (6, 4), "self.dV", "self.dW"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("kind", "shape", "line", "change"), CASES, ids=[kind.__name__ for kind, *_ in CASES])
def test_the_line_of_a_mistake_is_said_first(kind, shape, line, change):
    report = check_layer(kind(), shape)
    assert not report.passed
    first = report.diagnoses[0]
    assert line in first.sentence, str(report)
    assert change in first.sentence, str(report)


@pytest.mark.parametrize("kind", [Dense, Gate])
def test_right_layers_pass(kind):
    check_layer(kind(), (5, len(kind().params["W"]))).raise_if_failed()


def concat_forward(a, b):
    return np.concatenate([a, b], axis=1), (a, b)


def concat_backward(dout, cache):
    a, b = cache
    n = a.shape[0]
    return dout[:, :n], dout[:, n:]


def test_a_split_at_the_wrong_place_is_told_by_its_line():
    first = check_functions(concat_forward, concat_backward, (3, 2, 2), (3, 4, 2)).diagnoses[0]
    assert "`a.shape[1]` belongs here" in first.sentence


class Words:
    """Rows of a matrix, by their numbers."""

    def __init__(self, padding_idx=None):
        self.W, self.padding_idx = np.random.default_rng(0).standard_normal((6, 3)), padding_idx

    def forward(self, words):
        self.words = words
        return self.W[words]

    def backward(self, d):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.words, d)
        if self.padding_idx is not None:
            self.dW[self.padding_idx] = 0.0


class CountedOnce(Words):
    def backward(self, d):
        self.dW = np.zeros_like(self.W)
        self.dW[self.words] += d


def test_inputs_that_are_indices():
    words = np.array([[0, 3, 3], [5, 0, 1]])
    for layer in (Words(), Words(padding_idx=0)):
        for inputs in (words, (2, 4)):
            report = check_layer(layer, inputs)
            report.raise_if_failed()
            assert {row.array for row in report.rows} == {"W"}
            assert "indices" in report.remarks[0]
    report = check_layer(CountedOnce(), words)
    assert "np.add.at(self.dW, self.words" in report.diagnoses[0].sentence


class Spread:
    """A transposed convolution of one axis, whose kernel is as wide as its stride."""

    def __init__(self):
        self.weight = np.random.default_rng(0).standard_normal((2, 3, 3))

    def forward(self, x):
        self.x, T = x, x.shape[1]
        y = np.zeros((len(x), 2 * T, 3))
        for a in range(2):
            y[:, a : a + (T - 1) * 2 + 1 : 2] += x @ self.weight[a]
        return y

    def backward(self, dout):
        T, dx = self.x.shape[1], np.zeros_like(self.x)
        self.grad_weight = np.zeros_like(self.weight)
        for a in range(2):
            g = dout[:, a : a + (T - 1) * 2 + 1 : 2]
            dx += g @ self.weight[a].T
            self.grad_weight[a] = np.einsum("ntc,ntf->fc", self.x, g)
        return dx


def test_slices_with_steps_are_no_neighbours():
    report = " ".join(str(check_layer(Spread(), (2, 4, 3))).split())
    assert "np.einsum('ntc,ntf->fc', self.x, g)" in report and "ntc,ntf->cf" in report, report
