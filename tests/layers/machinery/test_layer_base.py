"""The base class: names, copies of weights, conversions, initialization, a layer of one's own."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import Affine, BatchNorm, Conv2d, Flatten, Layer, Parameter, ReLU, Sequential


class Scale(Layer):
    """y = a x with a parameter of its own and a layer inside, both found as attributes."""

    def __init__(self, channels):
        self.a = Parameter(np.full(channels, 2.0, np.float32))
        self.inner = Affine(channels, channels)

    def forward(self, x, training=False):
        self.keep(x)
        return self.inner.forward(self.a.data * x, training)

    def backward(self, grad_outputs):
        x, g = self.take(), self.inner.backward(grad_outputs)
        self.a.grad = (g * x).sum(axis=0)
        return g * self.a.data


def model():
    layers = {"conv": Conv2d(2, 3, 3), "norm": BatchNorm(3), "act": ReLU(), "flat": Flatten(), "head": Affine(12, 4)}
    return Sequential(layers)


def test_a_layer_of_ones_own():
    layer = Scale(3)
    assert [name for name, _ in layer.named_parameters()] == ["a", "inner.weight", "inner.bias"]
    assert layer.num_parameters == 3 + 9 + 3
    check_layer(layer, (4, 3)).raise_if_failed()
    assert Sequential({"own": layer}).layers["own"].inner.label() == "Affine 'own.inner'"
    assert layer.a.name == "own.a"


def test_what_is_not_written_yet_says_so():
    with pytest.raises(NotImplementedError, match="Layer has no forward method"):
        Layer().forward(np.ones(1))
    with pytest.raises(NotImplementedError, match="Layer has no backward method"):
        Layer().backward(np.ones(1))


def test_state_dict_holds_copies_of_parameters_and_buffers():
    first, second = model().initialize(0), model().initialize(1)
    first.forward(np.ones((2, 4, 4, 2), np.float32), training=True)
    state = first.state_dict()
    assert set(state) == {
        *("conv.weight", "conv.bias", "norm.gamma", "norm.beta", "head.weight", "head.bias"),
        *("norm.running_mean", "norm.running_var"),
    }
    second.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(second.forward(x), first.forward(x))
    state["conv.weight"][...] = 0.0
    assert first.layers["conv"].weight.data.any()
    assert second.layers["conv"].weight.data.any()


def test_loading_what_does_not_fit_changes_nothing():
    layer = model().initialize(0)
    before = layer.state_dict()
    wrong_shape = {**layer.state_dict(), "conv.weight": np.zeros_like(before["conv.weight"]), "head.bias": np.zeros(5)}
    with pytest.raises(ShapeError, match="head.bias"):
        layer.load_state_dict(wrong_shape)
    missing = {name: array for name, array in before.items() if name != "norm.gamma"}
    with pytest.raises(ShapeError, match="norm.gamma"):
        layer.load_state_dict(missing)
    with pytest.raises(ShapeError, match="unheard.of"):
        layer.load_state_dict({**before, "unheard.of": np.zeros(1)})
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_astype_converts_everything_in_place():
    layer = model()
    assert layer.astype(np.float64) is layer
    assert all(array.dtype == np.float64 for array in layer.state_dict().values())
    assert all(parameter.grad.dtype == np.float64 for parameter in layer.parameters())
    assert layer.forward(np.ones((2, 4, 4, 2)), training=True).dtype == np.float64
    assert layer.to("cpu") is layer


def test_initial_weights_are_a_function_of_seed_and_path_alone():
    def weights(layers, seed=0):
        return Sequential(layers).initialize(seed).state_dict()

    alone = weights({"head": Affine(3, 2)})
    among = weights({"other": Affine(3, 3), "norm": BatchNorm(3), "head": Affine(3, 2)})
    np.testing.assert_array_equal(alone["head.weight"], among["head.weight"])
    assert (alone["head.weight"] != weights({"head": Affine(3, 2)}, seed=1)["head.weight"]).all()
    assert (alone["head.weight"] != weights({"foot": Affine(3, 2)})["foot.weight"]).all()
    with pytest.raises(ConfigurationError, match="seed must be a whole number of at least 0"):
        model().initialize(-1)


def test_smooth_layers_have_no_pieces():
    assert Affine(2, 2).branches(np.ones((1, 2))) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([ReLU(), Affine(2, 2)], "ReLU in the list 'parts'"),
        ({"a": Affine(2, 2)}, "Affine in the dict 'parts'"),
        ((1, [Parameter(np.ones(2))]), "Parameter in the tuple 'parts'"),
    ],
)
def test_layers_and_parameters_that_would_not_be_found_are_an_error(value, kind):
    class Holder(Scale):
        def __init__(self, parts):
            super().__init__(2)
            self.parts = parts

    with pytest.raises(
        ConfigurationError, match=rf"Holder 'holder': {kind} is not found .*self.parts_0 = .*Sequential"
    ):
        Sequential({"holder": Holder(value)})
    with pytest.raises(ConfigurationError, match="would not be trained"):
        Holder(value).initialize(0)


def test_a_list_of_what_has_a_name_of_its_own_is_no_error():
    layer = Scale(2)
    layer.trained = [layer.a, {"w": layer.inner.weight}, layer.inner, 1.0]
    assert [name for name, _ in layer.set_paths().named_parameters()] == ["a", "inner.weight", "inner.bias"]


def test_outputs_that_became_float64_point_at_the_layer_before():
    class Half(ReLU):
        def forward(self, x, training=False):
            return x * np.float64(0.5)

    with pytest.raises(ShapeError, match=r"Affine '1'.*Or the layer before made them so: its scalars must be Python"):
        Sequential(Half(), Affine(2, 2)).forward(np.ones((1, 2), np.float32))


class Counts(ReLU):
    """Its counter is an array at first, and a NumPy number after the first training batch."""

    buffer_names = ("count",)

    def __init__(self):
        self.count = np.zeros((), np.int64)

    def forward(self, x, training=False):
        self.count = self.count + training
        return super().forward(x, training)


def test_a_buffer_that_has_become_a_number_is_loaded():
    network = Sequential(Counts())
    network.forward(np.ones((2, 3)), training=True)
    state = network.state_dict()
    network.forward(np.ones((2, 3)), training=True)
    network.load_state_dict(state)
    assert network.layers["0"].count == 1
    assert network.layers["0"].count.dtype == np.int64
