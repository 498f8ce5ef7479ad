"""Attention with a mask as an argument, values computed differently than in forward, gates with another activation."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

RNG = np.random.default_rng(0)
Q, K, V = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4)), RNG.normal(size=(2, 5, 3))
MASK = np.arange(5) < np.array([[4], [2]])


def first(report):
    assert not report.passed
    return str(report.diagnoses[0])


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention_forward(q, k, v, mask):
    """Scaled dot-product attention; mask (N, S) is True for real words."""
    s = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    p = softmax(np.where(mask[:, None, :], s, -1e9))
    return p @ v, (q, k, v, p)


def attention_with_zeros(q, k, v, mask):
    """Scaled dot-product attention; mask (N, S) is True for real words."""
    s = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    p = softmax(np.where(mask[:, None, :], s, 0.0))
    return p @ v, (q, k, v, p)


def attention_of_the_padding(q, k, v, mask):
    """Scaled dot-product attention; mask (N, S) is True for real words."""
    s = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    p = softmax(np.where(mask[:, None, :], -1e9, s))
    return p @ v, (q, k, v, p)


def attention_backward(dy, cache):
    q, k, v, p = cache
    dp = dy @ v.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return ds @ k, ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ dy


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (attention_forward, ""),
        (attention_with_zeros, "exp(0) = 1 is a weight like others: they must be -inf"),
        (attention_of_the_padding, "the two branches of"),
    ],
)
def test_attention_with_a_mask(forward, said, monkeypatch):
    monkeypatch.setattr(forward, "__name__", "attention_forward")
    report = check_functions(forward, attention_backward, Q, K, V, MASK)
    assert said in first(report) if said else report.passed, report


class Shifted:
    """y_t = sum over k of x_(t + 4 - 2 k) W_k."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 2, 3))

    def forward(self, x):
        self.x, T, y = x, x.shape[1] - 4, 0.0
        for k in range(3):
            start = 4 - 2 * k
            y = y + x[:, start : start + T] @ self.W[k]
        return y

    def backward(self, dy):
        dx, T, self.dW = np.zeros_like(self.x), dy.shape[1], np.zeros_like(self.W)
        for k in range(3):
            start = 2 * k
            dx[:, start : start + T] += dy @ self.W[k].T
            self.dW[k] = np.einsum("nti,nto->io", self.x[:, start : start + T], dy)
        return dx


class GLU:
    """y = a * sigmoid(b) for the halves a, b of x W."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4))

    def forward(self, x):
        self.x, z = x, x @ self.W
        self.a, b = z[:, :2], z[:, 2:]
        self.g = np.tanh(b)
        return self.a * self.g

    def backward(self, dy):
        dz = np.concatenate([dy * self.g, dy * self.a * self.g * (1 - self.g)], axis=1)
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class Mixed:
    """y = t h + (1 - t) x with the gate t = sigmoid(x V) and h = x W."""

    def __init__(self):
        self.W, self.V = np.random.default_rng(0).normal(size=(2, 3, 3))

    def forward(self, x):
        self.x, self.h = x, x @ self.W
        self.t = 1 / (1 + np.exp(-x @ self.V))
        return self.t * self.h + (1 - self.t) * x

    def backward(self, dy):
        dh = dy * self.t
        dz = self.of_gate(dy * (self.h - self.x))
        self.dW, self.dV = self.x.T @ dh, self.x.T @ dz
        return dh @ self.W.T + dz @ self.V.T + dy * (1 - self.t)

    def of_gate(self, dt):
        return dt * self.t * (1 - self.t)


class HalfOfTheGate(Mixed):
    def of_gate(self, dt):
        return dt * self.t


class OtherHalfOfTheGate(Mixed):
    def of_gate(self, dt):
        dz = dt.copy()
        dz *= 1 - self.t
        return dz


class CarriedWhole(Mixed):
    def backward(self, dy):
        dh = dy * self.t
        dz = self.of_gate(dy * (self.h - self.x))
        self.dW, self.dV = self.x.T @ dh, self.x.T @ dz
        return dh @ self.W.T + dz @ self.V.T + dy


class Smoothed:
    """h_t = h_(t-1) / 2 + x_t; the gradient carried over is that of y_t alone."""

    def forward(self, x):
        h = np.zeros_like(x[:, 0])
        return np.stack([h := 0.5 * h + x[:, t] for t in range(x.shape[1])], axis=1)

    def backward(self, dy):
        dx, carry = np.zeros_like(dy), np.zeros_like(dy[:, 0])
        for t in reversed(range(dy.shape[1])):
            dh = dy[:, t] + carry
            dx[:, t] = dh
            carry = dy[:, t] * 0.5
        return dx


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (GLU, (4, 3), "a tanh stands where a sigmoid belongs"),
        (HalfOfTheGate, (5, 3), "the factor `1 - self.t` is missing in `dt * self.t`: the derivative of a sigmoid is"),
        (OtherHalfOfTheGate, (5, 3), "the factor `self.t` is missing in `1 - self.t`: the derivative of a sigmoid is"),
        (CarriedWhole, (5, 3), "the factor `(1 - self.t)` is missing in `dy`"),
        (Smoothed, (2, 4, 3), "`dy[:, t]` stands where `dh` belongs"),
    ],
)
def test_the_line_and_what_belongs_there(layer, shape, said):
    assert said in first(check_layer(layer(), shape))


def test_a_gate_is_right():
    check_layer(Mixed(), (5, 3)).raise_if_failed()


def test_a_value_is_made_as_in_forward():
    assert "forward makes `start` in another way" in first(check_layer(Shifted(), (2, 6, 2)))


class RMSNorm:
    """Epsilon stands outside the root, which hardly moves the gradient."""

    def forward(self, x):
        self.x, self.r = x, 1.0 / (np.sqrt((x * x).mean(axis=-1, keepdims=True)) + 1e-6)
        return x * self.r

    def backward(self, dy):
        x, r = self.x, self.r
        return r * dy - x * r**3 * (dy * x).mean(axis=-1, keepdims=True)


def test_what_hardly_moves_the_gradient_is_said_alone():
    report = check_layer(RMSNorm(), (3, 5))
    assert [one.name for one in report.diagnoses] == ["eps outside the root"], report
