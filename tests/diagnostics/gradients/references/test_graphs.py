"""Graph convolutions: the usual forms pass, and of those that are not what their text says the mistake is named."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

A = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]])
rng = np.random.default_rng(0)


def by_roots(B, of):
    d = 1.0 / np.sqrt(of.sum(axis=1))
    return d[:, None] * B * d


class GCN:
    """D^-1/2 (A + I) D^-1/2 x W, D being the degrees of A + I."""

    def __init__(self):
        self.A, self.W = A.astype(float), rng.normal(size=(3, 2))
        self.A.flags.writeable = False

    def matrix(self):
        loops = self.A + np.eye(len(self.A))
        return by_roots(loops, loops)

    def forward(self, x):
        self.S = self.matrix()
        self.x = self.S @ x
        return self.x @ self.W

    def backward(self, d):
        self.dW = self.x.T @ d
        return self.S.T @ d @ self.W.T


class GCNWithoutLoops(GCN):
    def matrix(self):
        return by_roots(self.A, self.A)


class GCNOfOtherDegrees(GCN):
    def matrix(self):
        loops = self.A + np.eye(len(self.A))
        degree = self.A.sum(axis=1)
        return loops / np.sqrt(np.outer(degree, degree))


class GraphConv(GCN):
    """The mean of the neighbours, times W."""

    def matrix(self):
        return self.A / self.A.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", [GCN, GraphConv])
def test_usual_graph_convolutions_pass(kind):
    check_layer(kind(), (4, 3)).raise_if_failed()


def test_a_matrix_that_is_normalized_already_passes():
    def gcn_forward(x, S, W):
        """S x W, S being D^-1/2 (A + I) D^-1/2."""
        return np.maximum(S @ x @ W, 0.0), (x, S, W)

    def gcn_backward(d, cache):
        x, S, W = cache
        d = d * (S @ x @ W > 0)
        return S.T @ d @ W.T, None, (S @ x).T @ d

    S = by_roots(A + np.eye(4), A + np.eye(4))
    check_functions(gcn_forward, gcn_backward, rng.normal(size=(4, 3)), S, rng.normal(size=(3, 2))).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "words"),
    [(GCNWithoutLoops, "the self-loops are missing"), (GCNOfOtherDegrees, "the degrees are those of A,")],
)
def test_what_is_wrong_with_the_matrix_is_said(kind, words):
    kind.__name__ = "GCN"
    kind.__doc__ = GCN.__doc__
    first = check_layer(kind(), (4, 3)).diagnoses[0]
    assert words in first.sentence, first
