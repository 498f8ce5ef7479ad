"""Products of stacks of matrices: in attention there are as many queries as keys, so shapes do not tell."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer


class Attention:
    """Self-attention of (N, T, D) with one head."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.Wq, self.Wk = rng.standard_normal((2, 4, 3))

    def split(self, x):
        return x

    def joined(self, x):
        return x

    def forward(self, x):
        self.x, self.v = x, self.split(x)
        self.q, self.k = self.split(x @ self.Wq), self.split(x @ self.Wk)
        scores = np.matmul(self.q, self.k.swapaxes(-1, -2))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.a = weights / weights.sum(axis=-1, keepdims=True)
        return self.joined(np.matmul(self.a, self.v))

    def backward(self, dout):
        dout = self.split(dout)
        da = np.matmul(dout, self.v.swapaxes(-1, -2))
        ds = self.a * (da - np.sum(da * self.a, axis=-1, keepdims=True))
        dq, dk = self.joined(np.matmul(ds, self.k)), self.joined(self.of_keys(ds))
        dv = self.joined(np.matmul(self.a.swapaxes(-1, -2), dout))
        self.dWq, self.dWk = (np.tensordot(self.x, d, axes=((0, 1), (0, 1))) for d in (dq, dk))
        return dv + dq @ self.Wq.T + dk @ self.Wk.T

    def of_keys(self, ds):
        return np.matmul(np.swapaxes(ds, -1, -2), self.q)


class Matmul(Attention):
    def of_keys(self, ds):
        return np.matmul(ds, self.q)


class Operator(Attention):
    def of_keys(self, ds):
        return ds @ self.q


class Einsum(Attention):
    def of_keys(self, ds):
        return np.einsum("nij,njd->nid", ds, self.q)


class OtherFactor(Attention):
    """It has the reverse fault: ds is transposed."""

    def of_keys(self, ds):
        return np.matmul(self.q.transpose(0, 2, 1), ds.transpose(0, 2, 1)).transpose(0, 2, 1)


class Heads(Matmul):
    """Two heads: (N, T, 2 D) is split to (N, 2, T, D)."""

    def __init__(self):
        self.Wq, self.Wk = np.random.default_rng(0).standard_normal((2, 4, 4))

    def split(self, x):
        return x.reshape(*x.shape[:2], 2, -1).transpose(0, 2, 1, 3)

    def joined(self, x):
        return x.transpose(0, 2, 1, 3).reshape(len(x), x.shape[2], -1)


TURNED = "`ds` must be transposed over its last two axes in `"


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (Matmul, f"{TURNED}np.matmul(ds, self.q)`"),
        (Operator, f"{TURNED}ds @ self.q`"),
        (Heads, f"{TURNED}np.matmul(ds, self.q)`"),
        (Einsum, 'the letters of factor 1 in einsum("nij,njd->nid") are exchanged: it should be "nji,njd->nid"'),
        (OtherFactor, "`ds` is transposed here, and must not be"),
    ],
)
def test_a_factor_that_must_be_transposed(layer, told):
    report = check_layer(layer(), (2, 3, 4))
    assert not report.passed
    assert told in report.diagnoses[0].sentence, report


def test_right_products():
    check_layer(Attention(), (2, 3, 4)).raise_if_failed()
