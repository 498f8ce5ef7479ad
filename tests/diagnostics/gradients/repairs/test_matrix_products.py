"""Products of stacks of matrices, as an operator or as a function; a factor that is a number by accident."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(Q, K, V):
    A = softmax(np.matmul(Q, np.swapaxes(K, 1, 2)) / np.sqrt(Q.shape[-1]))
    return np.matmul(A, V), (Q, K, V, A)


def gradients(g, cache):
    Q, K, V, A = cache
    dA = np.matmul(g, np.swapaxes(V, 1, 2))
    dS = A * (dA - (dA * A).sum(-1, keepdims=True)) / np.sqrt(Q.shape[-1])
    return A, dS, Q, K


def wrong_keys(g, cache):
    A, dS, Q, K = gradients(g, cache)
    dK = np.matmul(dS, Q)
    return np.matmul(dS, K), dK, np.matmul(np.swapaxes(A, 1, 2), g)


def wrong_values(g, cache):
    A, dS, Q, K = gradients(g, cache)
    dV = np.matmul(A, g)
    return np.matmul(dS, K), np.matmul(np.swapaxes(dS, 1, 2), Q), dV


@pytest.mark.parametrize(("backward", "line"), [(wrong_keys, "np.matmul(dS, Q)"), (wrong_values, "np.matmul(A, g)")])
def test_a_stack_that_is_not_transposed_is_named_in_a_matmul(backward, line):
    first = check_functions(attention, backward, (2, 4, 3), (2, 4, 3), (2, 4, 5)).diagnoses[0]
    assert f"must be transposed over its last two axes in `{line}`" in first.sentence


class SelfAttention:
    def __init__(self, d):
        self.Wq, self.Wk, self.Wv = np.random.default_rng(0).standard_normal((3, 5, d)) / 2
        self.scale = 1.0 / np.sqrt(d)

    def forward(self, x):
        self.x, self.q, self.k, self.v = x, x @ self.Wq, x @ self.Wk, x @ self.Wv
        self.a = softmax(self.q @ self.k.transpose(0, 2, 1) * self.scale)
        return self.a @ self.v

    def backward(self, g):
        da = g @ self.v.transpose(0, 2, 1)
        ds = self.a * (da - (da * self.a).sum(-1, keepdims=True))
        dq, dk, dv = ds @ self.k, ds.transpose(0, 2, 1) @ self.q, self.a.transpose(0, 2, 1) @ g
        self.dWq, self.dWk, self.dWv = (np.einsum("nti,ntj->ij", self.x, d) for d in (dq, dk, dv))
        return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T


def test_a_scale_that_happens_to_be_a_half_is_called_by_its_name():
    sentence = check_layer(SelfAttention(4), (2, 6, 5)).diagnoses[0].sentence
    assert "self.scale" in sentence and "`2`" not in sentence
