"""Sigmoid, tanh and ELU against their definitions, also where exp would overflow."""

import math

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import ELU, Sigmoid, Tanh


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
        (Tanh(), math.tanh),
        (ELU(), lambda x: x if x > 0 else math.expm1(x)),
        (ELU(0.3), lambda x: x if x > 0 else 0.3 * math.expm1(x)),
    ],
)
def test_values(layer, formula):
    x = np.array([-3.0, -0.1, 0.0, 0.2, 4.0])
    np.testing.assert_allclose(layer.forward(x), [formula(v) for v in x], rtol=1e-14)


@pytest.mark.parametrize("layer", [Sigmoid(), Tanh(), ELU()])
def test_large_values_saturate_without_overflow(layer):
    y = layer.forward(np.array([-1e4, 1e4], np.float32))
    assert np.isfinite(y).all()
    assert np.isfinite(layer.backward(np.ones(2, np.float32))).all()


def test_alpha_must_be_positive():
    with pytest.raises(ConfigurationError, match="alpha must be greater than 0"):
        ELU(0)
