"""The strided identity: values against loops, zero channels, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import AvgPool2d, Conv2d, Residual, Sequential, StridedIdentity


@pytest.mark.parametrize(
    ("C", "F", "s", "size"),
    [(3, 3, 2, (4, 6)), (2, 5, 2, (5, 3)), (2, 2, 1, (2, 3)), (1, 2, 3, (7, 8)), (2, 4, 5, (3, 3))],
)
def test_values_and_gradients(C, F, s, size):
    rng = np.random.default_rng(0)
    layer, x = StridedIdentity(C, F, stride=s), rng.standard_normal((2, *size, C))
    OH, OW = -(-size[0] // s), -(-size[1] // s)
    y = layer.forward(x, training=True)
    assert y.shape == (2, OH, OW, F)
    g = rng.standard_normal(y.shape)
    grad, expected = layer.backward(g), np.zeros(x.shape)
    for i, j in np.ndindex(OH, OW):
        np.testing.assert_array_equal(y[:, i, j, :C], x[:, s * i, s * j])
        expected[:, s * i, s * j] = g[:, i, j, :C]
    np.testing.assert_array_equal(y[..., C:], np.zeros((2, OH, OW, F - C)))
    np.testing.assert_array_equal(grad, expected)


def test_it_has_the_shape_of_a_projection():
    x = np.zeros((2, 7, 6, 3), np.float32)
    for s in (1, 2, 3):
        assert StridedIdentity(3, 5, stride=s).forward(x).shape == Conv2d(3, 5, 1, stride=s).forward(x).shape


def test_no_parameters_no_state():
    layer = StridedIdentity(3, 5)
    assert not layer.parameters()
    assert not layer.state_dict()
    assert repr(layer) == "StridedIdentity(3, 5, stride=2)"


def test_errors_name_the_layer():
    model = Sequential({"shortcut": StridedIdentity(3, 3)})
    with pytest.raises(ShapeError, match=r"StridedIdentity 'shortcut': expected \(N, H, W, 3\).*4 channels where 3"):
        model.forward(np.zeros((1, 4, 4, 4)))
    with pytest.raises(ShapeError, match=r"2 axes where 4 were expected"):
        model.forward(np.zeros((4, 3)))


def test_odd_sizes_do_not_fit_beside_a_pool():
    block = Residual(AvgPool2d(2), StridedIdentity(3, 3))
    assert block.forward(np.zeros((1, 6, 8, 3))).shape == (1, 3, 4, 3)
    with pytest.raises(ShapeError, match=r"the body gives \(1, 3, 4, 3\), the shortcut \(1, 4, 4, 3\)"):
        block.forward(np.zeros((1, 7, 8, 3)))


@pytest.mark.parametrize(
    ("C", "F", "s", "message"),
    [
        (4, 3, 2, "out_channels must be at least in_channels 4, got 3: .*use Conv2d with kernel_size=1"),
        (3, 3, 0, "stride must be a whole number of at least 1, got 0"),
        (0, 3, 1, "in_channels must be a whole number of at least 1, got 0"),
    ],
)
def test_impossible_settings(C, F, s, message):
    with pytest.raises(ConfigurationError, match=message):
        StridedIdentity(C, F, stride=s)
