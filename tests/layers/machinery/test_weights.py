"""Weights that no machine could hold are refused before memory is taken for them."""

import numpy as np
import pytest

from mlp.layers import Affine, Conv2d, parameter


@pytest.mark.parametrize("make", [lambda: Affine(6000, 6000), lambda: Conv2d(1000, 4000, kernel_size=3)])
def test_a_weight_that_is_too_large_has_no_gradient_and_is_not_drawn(monkeypatch, make):
    monkeypatch.setattr(parameter, "available_memory", lambda: 1000)
    monkeypatch.setattr(np, "zeros_like", None)
    with pytest.raises(MemoryError, match=r"an array of shape \(.*\) needs [\d,]+ bytes, and 1,000 are free"):
        make()


def test_what_is_drawn_takes_more_than_the_weight(monkeypatch):
    monkeypatch.setattr(parameter, "available_memory", lambda: 4 * 6000**2 + 1)
    with pytest.raises(MemoryError, match=r"an array of shape \(6000, 6000\) needs 288,000,000 bytes"):
        Affine(6000, 6000)


def test_a_small_one_asks_nobody(monkeypatch):
    monkeypatch.setattr(parameter, "available_memory", None)
    Affine(100, 100)
