"""Concat (section 4 of the definitions): channels side by side, gradients split and added, names, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import Affine, Concat, Conv2d, Identity, Layer, LeakyReLU, Sequential


class Times(Layer):
    """y = a x."""

    def __init__(self, a):
        self.a = a

    def forward(self, x, training=False):
        return self.a * x

    def backward(self, grad_outputs):
        return self.a * grad_outputs


class Sum(Layer):
    """y = a (x_1 + .. + x_C), one channel."""

    def __init__(self, a):
        self.a = a

    def forward(self, x, training=False):
        self.keep(x.shape)
        return self.a * x.sum(axis=-1, keepdims=True)

    def backward(self, grad_outputs):
        return np.broadcast_to(self.a * grad_outputs, self.take())


def test_one_channel_and_its_double():
    layer = Concat(Identity(), Times(2.0))
    np.testing.assert_array_equal(layer.forward(np.full((1, 1), 3.0)), [[3.0, 6.0]])
    np.testing.assert_array_equal(layer.backward(np.array([[5.0, 7.0]])), [[5.0 + 2 * 7.0]])


def test_two_in_a_row():
    layer = Sequential(Concat(Identity(), Times(2.0)), Concat(Identity(), Sum(3.0)))
    np.testing.assert_array_equal(layer.forward(np.full((1, 1), 1.0)), [[1.0, 2.0, 9.0]])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), [[12.0]])


def test_gradient_is_the_old_part_and_that_of_the_body():
    rng = np.random.default_rng(0)
    body = Conv2d(3, 2, 3, padding=1, rng=rng, dtype=np.float64)
    x, g = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((2, 4, 5, 5))
    layer = Concat(Identity(), body)
    y = layer.forward(x, training=True)
    np.testing.assert_array_equal(y[..., :3], x)
    grad = layer.backward(g)
    body.forward(x)
    np.testing.assert_allclose(grad, g[..., :3] + body.backward(g[..., 3:]), rtol=0, atol=1e-12)


def test_names_are_those_of_the_branches_alone():
    body = Sequential({"conv_0": Conv2d(2, 3, 3, padding=1), "activation_0": LeakyReLU()})
    names = [name for name, _ in Sequential({"block": Concat(Identity(), body)}).named_parameters()]
    assert names == ["block.conv_0.weight", "block.conv_0.bias"]


def test_branches_with_equal_names_are_numbered():
    names = [name for name, _ in Concat(Affine(2, 3), Identity(), Affine(2, 1)).named_parameters()]
    assert names == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_equal_branches_get_different_first_weights():
    first, second = Concat(Affine(2, 3), Affine(2, 3)).initialize(seed=0).branch_list
    assert (first.weight.data != second.weight.data).all()


def test_branches_must_agree_on_the_pixels():
    layer = Sequential({"block": Concat(Identity(), Conv2d(2, 3, 3))})
    with pytest.raises(ShapeError, match=r"Concat 'block': the branches give \(1, 4, 4, 2\), \(1, 2, 2, 3\)"):
        layer.forward(np.zeros((1, 4, 4, 2), np.float32))


@pytest.mark.parametrize("branches", [(), ([Identity()],), (Identity,), (Identity(), 3)])
def test_what_is_no_branch(branches):
    with pytest.raises(ConfigurationError, match="Concat: "):
        Concat(*branches)
