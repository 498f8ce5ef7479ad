"""Words that a function is called with, which differ between forward and backward: mode="reflect", order="F"."""

import numpy as np

from mlp.diagnostics import check_layer


class ReflectPad:
    """Each border mirrored, (N, L, M) -> (N, L + 4, M + 4)."""

    def __init__(self, p=2):
        self.p = p

    def forward(self, x):
        self.shape = x.shape
        return np.pad(x, ((0, 0), (self.p, self.p), (self.p, self.p)), mode="reflect")

    def backward(self, d):
        N, L, M = self.shape
        rows = np.pad(np.arange(L), self.p, mode="symmetric")
        columns = np.pad(np.arange(M), self.p, mode="symmetric")
        folded, dx = np.zeros((N, L, d.shape[2])), np.zeros(self.shape)
        for i, row in enumerate(rows):
            folded[:, row] += d[:, i]
        for j, column in enumerate(columns):
            dx[:, :, column] += folded[:, :, j]
        return dx


class Edges:
    """The same for one axis, with a mode that is a setting."""

    def __init__(self, p=2):
        self.p, self.mode = p, "reflect"

    def forward(self, x):
        self.shape = x.shape
        return np.pad(x, ((0, 0), (self.p, self.p)), self.mode)

    def backward(self, d):
        dx = np.zeros(self.shape)
        for i, place in enumerate(np.pad(np.arange(self.shape[1]), (self.p, self.p), "edge")):
            dx[:, place] += d[:, i]
        return dx


class Columns:
    """All columns of an image, one after the other."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(-1, order="F")

    def backward(self, d):
        return 1.0 * d.reshape(self.shape)


def first(layer, shape):
    report = check_layer(layer, shape)
    assert not report.passed
    return report.diagnoses[0].sentence


def test_a_border_that_is_folded_in_another_mode():
    text = first(ReflectPad(), (1, 4, 5))
    assert "`'symmetric'` stands where `'reflect'` belongs" in text and "the same in `columns = " in text


def test_a_mode_that_is_a_setting():
    assert "`'edge'` stands where `self.mode` belongs" in first(Edges(), (2, 5))


def test_an_order_that_is_missing():
    assert "forward has `order='F'` in this call, which is missing" in first(Columns(), (3, 4))
