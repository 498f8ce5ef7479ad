"""A check does not pass over weights that it did not see."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss, check_model
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Layer, Parameter, ReLU
from mlp.losses import MeanSquaredError


class Stateless:
    def __init__(self):
        self.weights = np.ones((4, 3))

    def fprop(self, inputs):
        return inputs @ self.weights.T

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return grads_wrt_outputs @ self.weights

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        return [grads_wrt_outputs.T @ inputs]


def test_gradients_of_weights_without_params():
    report = check_layer(Stateless(), (5, 3))
    assert not report.passed
    assert "grads_wrt_params is there, but params is missing: the weights were not checked" in str(report)

    class NoneListed(Stateless):
        params = []  # noqa: RUF012

    assert "but params returns no weights" in str(check_layer(NoneListed(), (5, 3)))

    class NoWeights(NoneListed):
        def grads_wrt_params(self, inputs, grads_wrt_outputs):
            return []

    check_layer(NoWeights(), (5, 3)).raise_if_failed()


def test_params_that_are_copies():
    class EveryTime(Stateless):
        @property
        def params(self):
            return [self.weights.copy()]

    assert "params makes new arrays at every call" in str(check_layer(EveryTime(), (5, 3)))

    class Once(Stateless):
        def __init__(self):
            super().__init__()
            self.params = [self.weights.copy()]

    report = check_layer(Once(), (5, 3))
    assert not report.passed
    assert report.remarks[0].startswith("the outputs do not depend on params[0]")


class Same(Layer):
    def __init__(self, **attributes):
        vars(self).update(attributes)

    def forward(self, x, training=False):
        return 2.0 * x

    def backward(self, grad_outputs):
        return 2.0 * grad_outputs


@pytest.mark.parametrize(
    "hidden",
    [[Parameter(np.ones(3))], (Parameter(np.ones(3)),), {"w": Parameter(np.ones(3))}, [[Affine(3, 3)]], [ReLU()]],
)
def test_weights_and_layers_in_lists(hidden):
    for report in (check_layer(Same(ps=hidden), (4, 3)), check_model(Same(ps=hidden), (4, 3))):
        assert not report.passed
        assert report.diagnoses[0].name == "not checked"
        assert "Same.ps hides a" in str(report)


def test_weights_of_the_class_and_of_foreign_classes():
    class Shared(Same):
        scale = Parameter(np.ones(3))

    assert "belongs to the class" in str(check_layer(Shared(), (4, 3)))

    class Foreign:
        def __init__(self):
            self.inner = Affine(3, 3)

        def forward(self, x):
            return self.inner.forward(x)

        def backward(self, grad_outputs):
            return self.inner.backward(grad_outputs)

    assert "derive Foreign from mlp.layers.Layer" in " ".join(str(check_layer(Foreign(), (4, 3))).split())


def test_arrays_in_lists_do_not_pass_if_they_matter():
    class Scaled(Same):
        def forward(self, x, training=False):
            return x * next(iter(self.w.values() if isinstance(self.w, dict) else self.w))[0]

        def backward(self, grad_outputs):
            return grad_outputs

    for hidden, path in (([np.ones((1, 3))], "w[0]"), ({"a": (np.ones(3),)}, "w.a[0]")):
        report = check_layer(Scaled(w=hidden), (4, 3))
        assert [(one.name, one.array) for one in report.diagnoses] == [("not checked", path)]
    check_layer(Same(w=[np.ones(3)]), (4, 3)).raise_if_failed()  # nothing depends on it
    assert check_layer(Same(sizes=[3, 4], _kept=(np.ones(3),)), (4, 3)).remarks == []


def test_a_parameter_without_effect_is_mentioned():
    class Unused(Same):
        def backward(self, grad_outputs):
            self.unused.grad = np.zeros_like(self.unused.data)
            return super().backward(grad_outputs)

    report = check_layer(Unused(unused=Parameter(np.ones(3))), (4, 3))
    report.raise_if_failed()
    assert report.remarks[0].startswith("the outputs do not depend on unused")


@pytest.mark.parametrize("shape", [(4, 0), (0, 3), 3, (4.0, 3), (), "43", (4, -1)])
def test_what_is_no_shape(shape):
    for check in (check_layer, check_model):
        with pytest.raises(ConfigurationError, match="input_shape=.*whole numbers of at least 1"):
            check(Affine(3, 3), shape)
    with pytest.raises(ConfigurationError, match="output_shape="):
        check_loss(MeanSquaredError(), shape)


class Positions:
    """Sines and cosines, which are added and not trained."""

    def __init__(self):
        self.P = np.zeros((1, 5, 4))
        angles = np.arange(5).reshape(-1, 1) / np.power(100.0, np.arange(0, 4, 2) / 4)
        self.P[:, :, 0::2] = np.sin(angles)
        self.P[:, :, 1::2] = np.cos(angles)

    def forward(self, x):
        return x + self.P

    def backward(self, d):
        return d


class LearnedPositions(Positions):
    def __init__(self):
        self.P = 0.1 * np.random.default_rng(0).standard_normal((1, 5, 4))


def test_a_table_that_is_computed_is_a_constant_and_random_numbers_are_weights():
    report = check_layer(Positions(), (2, 5, 4))
    report.raise_if_failed()
    assert any("P is taken for a constant" in remark for remark in report.remarks)
    assert not check_layer(LearnedPositions(), (2, 5, 4)).passed
