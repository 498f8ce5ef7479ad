"""Weights that no machine could hold are refused before memory is taken for them."""

import pytest

from mlp.layers import Affine, Conv2d
from mlp.layers.machinery import weights


@pytest.mark.parametrize("make", [lambda: Affine(5000, 5000), lambda: Conv2d(1000, 3000, kernel_size=3)])
def test_a_weight_that_is_too_large_is_not_drawn(monkeypatch, make):
    monkeypatch.setattr(weights, "available_memory", lambda: 1000)
    with pytest.raises(MemoryError, match=r"a weight of shape \(.*\) takes [\d,]+ bytes to draw, and 1,000 are free"):
        make()


def test_a_small_one_asks_nobody(monkeypatch):
    monkeypatch.setattr(weights, "available_memory", None)
    Affine(100, 100)
