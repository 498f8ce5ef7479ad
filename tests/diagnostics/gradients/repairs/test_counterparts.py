"""A factor that several lines could take: the line of the gradient of what forward multiplies by it."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

rng = np.random.default_rng(0)


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Attention:
    """The scores times a factor that the layer keeps."""

    def __init__(self, d=4):
        self.Wq, self.Wk, self.Wv = (rng.normal(size=(5, d)) for _ in range(3))
        self.scale = 1 / np.sqrt(d)

    def forward(self, x):
        self.x, self.q, self.k, self.v = x, x @ self.Wq, x @ self.Wk, x @ self.Wv
        scores = self.q @ self.k.transpose(0, 2, 1) * self.scale
        self.a = softmax(scores)
        return self.a @ self.v

    def backward(self, g):
        dv = self.a.transpose(0, 2, 1) @ g
        da = g @ self.v.transpose(0, 2, 1)
        d_scores = self.a * (da - (da * self.a).sum(-1, keepdims=True))
        dq = d_scores @ self.k
        dk = d_scores.transpose(0, 2, 1) @ self.q
        self.dWq, self.dWk, self.dWv = (np.einsum("nti,ntj->ij", self.x, d) for d in (dq, dk, dv))
        return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T


class OfTheShape(Attention):
    """The factor is a number of the sizes, and no name has it; the sizes make it 2."""

    def forward(self, x):
        self.x, self.q, self.k, self.v = x, x @ self.Wq, x @ self.Wk, x @ self.Wv
        scores = self.q @ self.k.transpose(0, 2, 1)
        scores /= np.sqrt(self.Wq.shape[1])
        self.a = softmax(scores)
        return self.a @ self.v


def attention(Q, K, V):
    scores = np.matmul(Q, np.swapaxes(K, 1, 2)) / np.sqrt(Q.shape[-1])
    A = softmax(scores)
    return np.matmul(A, V), (Q, K, V, A)


def gradients(dout, cache):
    Q, K, V, A = cache
    dV = np.matmul(np.swapaxes(A, 1, 2), dout)
    dA = np.matmul(dout, np.swapaxes(V, 1, 2))
    dscores = A * (dA - (dA * A).sum(axis=-1, keepdims=True))
    return np.matmul(dscores, K), np.matmul(np.swapaxes(dscores, 1, 2), Q), dV


class Scaled:
    """An activation of z = h s."""

    def __init__(self):
        self.W, self.s = rng.normal(size=(3, 3)), 0.7

    def forward(self, x):
        self.x = x
        h = x @ self.W
        z = h * self.s
        self.y = np.tanh(z)
        return self.y

    def backward(self, g):
        dy = g.copy()
        dz = dy * (1 - self.y**2)
        dh = dz.copy()
        self.dW = self.x.T @ dh
        return dh @ self.W.T


@pytest.mark.parametrize("layer", [Attention(), OfTheShape()])
def test_the_scale_of_scores_belongs_in_their_gradient(layer):
    first = check_layer(layer, (2, 6, 5)).diagnoses[0]
    assert "`d_scores = " in first.sentence and "is missing" in first.sentence, first
    assert "scale" in first.sentence or "np.sqrt(self.Wq.shape[1])" in first.sentence, first


def test_the_scale_of_scores_of_two_functions():
    arrays = (rng.normal(size=(2, 3, 4)) for _ in range(3))
    first = check_functions(attention, gradients, *arrays).diagnoses[0]
    assert "`dscores = " in first.sentence and "np.sqrt(" in first.sentence, first


def test_a_factor_of_one_array_belongs_in_the_gradient_of_that_array():
    first = check_layer(Scaled(), (4, 3)).diagnoses[0]
    assert "`dh = " in first.sentence and "self.s" in first.sentence, first
