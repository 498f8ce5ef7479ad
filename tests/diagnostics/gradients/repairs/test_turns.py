"""Arrays that are turned round along too few axes, too many, or others."""

import ast

import numpy as np
import pytest

from mlp.diagnostics import check_layer
from mlp.diagnostics.gradients.repairs.makers.axes import other_turns
from mlp.diagnostics.gradients.repairs.search.slots import slots_of

VALUES = {"w": np.zeros((3, 3, 2)), "W": np.zeros((3, 3))}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("w[::-1]", "w[::-1, ::-1]"),
        ("w[::-1, ::-1, ::-1]", "w[::-1, ::-1, :]"),
        ("w[:, :, ::-1]", "w[::-1, ::-1, :]"),
        ("w[f, ..., ::-1]", "w[f, ..., :]"),
        ("x[n, ::-1, 0]", "x[n, :, 0]"),
        ("np.flip(w, 0)", "np.flip(w, axis=(0, 1))"),
        ("np.flip(w)", "np.flip(w, axis=(0, 1))"),
        ("np.fliplr(W)", "np.flip(W, axis=(0, 1))"),
    ],
)
def test_other_axes_are_turned(wrong, right):
    tree = ast.parse(f"def f(): return {wrong}").body[0]
    found = [ast.unparse(node) for slot in slots_of(tree) for _, node in other_turns(slot, VALUES)]
    assert right in found and wrong not in found


@pytest.mark.parametrize("same", ["w[1:]", "w[::2]", "np.sum(w)", "W[0]"])
def test_what_is_not_turned_stays(same):
    tree = ast.parse(f"def f(): return {same}").body[0]
    assert not [node for slot in slots_of(tree) for _, node in other_turns(slot, VALUES)]


class Depthwise:
    """Each channel has a kernel of its own, "same" padding, (N, H, W, C)."""

    def __init__(self):
        self.w = np.random.default_rng(0).standard_normal((3, 3, 2))

    def correlate(self, x, w):
        _, H, W, _ = x.shape
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        self.padded = padded if w is self.w else self.padded
        return sum(padded[:, i : i + H, j : j + W] * w[i, j] for i in range(3) for j in range(3))

    def forward(self, x):
        return self.correlate(x, self.w)

    def backward(self, d):
        _, H, W, _ = d.shape
        self.dw = np.zeros_like(self.w)
        for i in range(3):
            for j in range(3):
                self.dw[i, j] = (self.padded[:, i : i + H, j : j + W] * d).sum(axis=(0, 1, 2))
        return self.correlate(d, self.w[::-1])


def test_a_kernel_that_is_turned_along_one_axis_alone():
    first = check_layer(Depthwise(), (1, 3, 4, 2)).diagnoses[0]
    assert "`self.w[::-1]` turns the wrong axes round: `self.w[::-1, ::-1]` belongs here" in first.sentence, first
