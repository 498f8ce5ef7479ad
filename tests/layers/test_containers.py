"""Containers: order, sums, names, and the errors of trees that cannot work."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, Identity, LeakyReLU, ReLU, Residual, Sequential


def affine(inputs, outputs):
    return Affine(inputs, outputs, rng=np.random.default_rng(inputs), dtype=np.float64)


def test_sequential_is_function_after_function():
    rng = np.random.default_rng(0)
    first, second, x, g = affine(4, 3), affine(3, 2), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    model = Sequential(first, ReLU(), second)
    hidden = x @ first.weight.data + first.bias.data
    y = hidden.clip(min=0) @ second.weight.data + second.bias.data
    np.testing.assert_allclose(model.forward(x, training=True), y, rtol=1e-13)
    grad_hidden = (g @ second.weight.data.T) * (hidden > 0)
    np.testing.assert_allclose(model.backward(g), grad_hidden @ first.weight.data.T, rtol=1e-13)
    np.testing.assert_allclose(first.weight.grad, x.T @ grad_hidden, rtol=1e-13)


def test_sequential_hands_the_mode_on():
    norm = BatchNorm(3)
    model = Residual(Sequential(Sequential(Identity(), norm)))
    x = np.ones((4, 3), np.float32)
    model.forward(x, training=False)
    assert not norm.running_mean.any()
    model.forward(x, training=True)
    np.testing.assert_allclose(norm.running_mean, 0.1)


def test_an_empty_sequential_is_the_identity():
    x = np.ones((2, 3))
    assert Sequential().forward(x) is x
    assert Sequential().backward(x) is x


def test_residual_adds_the_shortcut_forward_and_backward():
    rng = np.random.default_rng(0)
    body, shortcut = affine(3, 3), affine(3, 3)
    x, g = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    plain = x @ body.weight.data + body.bias.data
    np.testing.assert_allclose(Residual(body).forward(x), plain + x, rtol=1e-13)
    np.testing.assert_allclose(body.backward(g) + g, g @ body.weight.data.T + g, rtol=1e-13)

    model = Residual(body, shortcut)
    np.testing.assert_allclose(model.forward(x), plain + shortcut.forward(x), rtol=1e-13)
    expected = g @ body.weight.data.T + g @ shortcut.weight.data.T
    np.testing.assert_allclose(model.backward(g), expected, rtol=1e-13)
    np.testing.assert_allclose(shortcut.weight.grad, x.T @ g, rtol=1e-13)


def test_the_gradient_survives_a_dead_body():
    body = affine(3, 3)
    body.weight.data = np.zeros((3, 3))
    model, g = Residual(body), np.ones((2, 3))
    model.forward(g)
    np.testing.assert_array_equal(model.backward(g), g)


def test_names_do_not_depend_on_the_shortcut():
    def names(layer):
        return [name for name, _ in Sequential({"block": layer}).named_parameters()]

    def body():
        return Sequential({"conv_0": Conv2d(2, 2, 3, padding=1), "act": LeakyReLU(), "norm_0": BatchNorm(2)})

    plain = names(body())
    assert plain == ["block.conv_0.weight", "block.conv_0.bias", "block.norm_0.gamma", "block.norm_0.beta"]
    assert names(Residual(body())) == plain
    assert names(Sequential({"": Residual(body(), AvgPool2d(1)), "act": ReLU()})) == plain
    projected = names(Residual(body(), Conv2d(2, 2, 1, bias=False)))
    assert projected == [*plain, "block.shortcut.weight"]


def test_a_layer_in_two_places_is_an_error():
    layer = ReLU()
    with pytest.raises(ConfigurationError, match="the same ReLU is used twice, as '0' and '2': make two"):
        Sequential(layer, Affine(2, 2), layer)
    with pytest.raises(ConfigurationError, match="used twice"):
        Residual(layer, layer)
    shared = Affine(2, 2)
    with pytest.raises(ConfigurationError, match="as 'a.0' and 'b.0'"):
        Sequential({"a": Sequential(shared), "b": Sequential(shared)})


def test_a_shortcut_of_another_shape_is_an_error_that_says_what_to_do():
    model = Sequential({"block": Residual(Conv2d(2, 3, 1))})
    with pytest.raises(
        ShapeError, match=r"Residual 'block': the body gives \(1, 4, 4, 3\), the shortcut \(1, 4, 4, 2\)"
    ):
        model.forward(np.zeros((1, 4, 4, 2), np.float32))


def test_repr_shows_the_tree():
    text = repr(Sequential({"conv_0": Conv2d(1, 2, 3), "": Residual(Sequential(ReLU()))}))
    assert "  conv_0: Conv2d(1, 2, " in text
    assert "  *: Residual(" in text
    assert "shortcut: Identity()" in text


class Swish:
    """A layer but for its base class."""

    def forward(self, x, training=False):
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(Swish()), r"Sequential: Swish is not a Layer: write class Swish\(Layer\)"),
        (lambda: Sequential({"act": Swish()}), "is not a Layer"),
        (lambda: Sequential(ReLU), r"Sequential: ReLU is a class: write ReLU\(...\)"),
        (lambda: Sequential([ReLU()]), r"Sequential: got a list: give the layers one by one: Sequential\(a, b\)"),
        (lambda: Residual(Swish()), "Residual: Swish.* is not a Layer"),
        (lambda: Sequential(None), "Sequential: NoneType is not a Layer: give it layers"),
        (lambda: Residual(ReLU(), Identity), "Residual: Identity is a class"),
    ],
)
def test_what_is_no_layer_is_an_error_at_once(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_forward_without_return_is_named():
    class Forgetful(Identity):
        def forward(self, x, training=False):
            pass

    for block in (Sequential({"activation": Forgetful()}), Residual(Sequential(), Forgetful()), Residual(Forgetful())):
        model = Sequential({"block": block, "head": Affine(2, 2)})
        with pytest.raises(ShapeError, match="Forgetful 'block.*': forward returned None: is `return` missing"):
            model.forward(np.ones((1, 2), np.float32))


def test_tied_weights_are_refused():
    first, second = Affine(3, 3), Affine(3, 3)
    second.weight = first.weight
    with pytest.raises(ConfigurationError, match=r"the same Parameter is used twice, as '0\.weight' and '1\.weight'"):
        Sequential(first, second)


def test_buffers_are_arrays():
    class Counts(ReLU):
        buffer_names = ("count",)

        def __init__(self):
            super().__init__()
            self.count = 0

    with pytest.raises(ConfigurationError, match=r"Counts '0': 'count' in buffer_names is a int, not an array"):
        Sequential(Counts())
