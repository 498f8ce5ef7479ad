"""Layers of other protocols are checked, and explained, like those of the library."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_model
from mlp.diagnostics.gradients.styles.adapters import adapt
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Layer, Sequential


class WithoutTraining(Layer):
    def forward(self, x):
        self.keep(x)
        return x * x

    def backward(self, grad_outputs):
        return 2.0 * grad_outputs * self.take()


def test_a_forward_without_training_is_called_so_and_a_remark_says_what_to_write():
    for layer in (WithoutTraining, WithoutTraining(), Sequential(Affine(3, 3), WithoutTraining())):
        report = check_layer(layer, (4, 3))
        report.raise_if_failed()
        assert len(report.remarks) == 1
        assert "write def forward(self, x, training=False)" in report.remarks[0]
        assert "Note: WithoutTraining" in str(report)
    layer = WithoutTraining()
    check_layer(layer, (4, 3))
    assert type(layer) is WithoutTraining  # the caller's object is no other than before
    check_model(Sequential(Affine(3, 5), WithoutTraining()), (4, 3)).raise_if_failed()


def test_a_weight_that_is_no_parameter_does_not_pass():
    class Scale(Layer):
        buffer_names = ("mean",)

        def __init__(self):
            self.weight, self.mean = np.ones(3, np.float32), np.zeros(3)

        def forward(self, x, training=False):
            return x * self.weight

        def backward(self, grad_outputs):
            return grad_outputs * self.weight

    report = check_layer(Scale(), (4, 3))
    assert not report.passed
    assert [(one.name, one.array) for one in report.diagnoses] == [("not checked", "weight")]
    assert "self.weight = Parameter(...)" in report.diagnoses[0].sentence

    class Constant(Scale):
        def __init__(self):
            super().__init__()
            self.weight.flags.writeable = False

    check_layer(Constant(), (4, 3)).raise_if_failed()


class Stateless:
    """fprop, bprop, grads_wrt_params: the weights (D_out, D_in)."""

    def __init__(self):
        self.weights, self.biases = np.ones((4, 3)), np.zeros(4)

    @property
    def params(self):
        return [self.weights, self.biases]

    def fprop(self, inputs):
        return inputs @ self.weights.T + self.biases

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return grads_wrt_outputs @ self.weights

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        return [grads_wrt_outputs.T @ inputs, grads_wrt_outputs.sum(axis=0)]


def test_the_stateless_protocol():
    report = check_layer(Stateless, (5, 3))
    report.raise_if_failed()
    assert {row.array for row in report.rows} == {"inputs", "weights", "biases"}

    class Averaged(Stateless):
        def grads_wrt_params(self, inputs, grads_wrt_outputs):
            return [grads_wrt_outputs.T @ inputs / len(inputs), grads_wrt_outputs.sum(axis=0)]

    report = check_layer(Averaged(), (5, 3))
    assert {row.array for row in report.rows if not row.passed} == {"weights"}
    assert report.diagnoses[0].name == "mean over the batch"

    class Transposed(Stateless):
        def grads_wrt_params(self, inputs, grads_wrt_outputs):
            return [inputs.T @ grads_wrt_outputs, grads_wrt_outputs.sum(axis=0)]

    assert check_layer(Transposed(), (5, 3)).diagnoses[0].name == "transposed"

    class OneMissing(Stateless):
        def grads_wrt_params(self, inputs, grads_wrt_outputs):
            return [grads_wrt_outputs.T @ inputs]

    assert "returned 1 arrays for the 2 of params" in str(check_layer(OneMissing(), (5, 3)))


class StatelessDropout:
    def __init__(self, rng, keep=0.6):
        self.rng, self.keep = rng, keep

    def fprop(self, inputs, stochastic=True):
        self.mask = self.rng.random_sample(inputs.shape) < self.keep if stochastic else np.full(inputs.shape, self.keep)
        return inputs * self.mask

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return grads_wrt_outputs * self.mask


def test_random_numbers_are_held_still_and_the_mode_is_passed_on():
    class Global(StatelessDropout):
        def fprop(self, inputs, stochastic=True):
            self.rng = np.random  # draws from NumPy's global generator
            return super().fprop(inputs, stochastic)

    for layer in (StatelessDropout(np.random.RandomState(1)), Global(None)):  # noqa: NPY002
        check_layer(layer, (4, 5)).raise_if_failed()

    class Redrawn(StatelessDropout):
        def bprop(self, inputs, outputs, grads_wrt_outputs):
            self.fprop(inputs)
            return super().bprop(inputs, outputs, grads_wrt_outputs)

    assert check_layer(Redrawn(np.random.RandomState(1)), (4, 5)).diagnoses[0].name in (
        "another mask",
        "not repeatable",
    )  # noqa: NPY002


class Pairs:
    """Weights W with gradients dW beside them, in float32."""

    def __init__(self):
        self.W, self.b = np.ones((3, 4), np.float32), np.zeros(4, np.float32)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW, self.db = self.x.T @ grad, grad.sum(axis=0)
        return grad @ self.W.T


class Dicts:
    def __init__(self):
        self.params, self.grads = {"W": np.ones((3, 4))}, {}

    def forward(self, x, train=False):
        self.x = x
        return x @ self.params["W"]

    def backward(self, grad):
        self.grads["W"] = self.x.T @ grad
        return grad @ self.params["W"].T


def test_plain_classes_with_weights_in_attributes_or_dicts():
    for kind, arrays in ((Pairs, {"inputs", "W", "b"}), (Dicts, {"inputs", "W"})):
        layer = kind()
        report = check_layer(layer, (5, 3))
        report.raise_if_failed()
        assert {row.array for row in report.rows} == arrays
    plain = Pairs()
    check_layer(plain, (5, 3))
    assert plain.W.dtype == np.float32
    assert (plain.W == 1.0).all()
    assert not hasattr(plain, "dW")

    class Forgetful(Dicts):
        def backward(self, grad):
            return grad @ self.params["W"].T

    assert check_layer(Forgetful(), (5, 3)).diagnoses[0].name == "never written"


def test_an_inner_derivative_that_one_path_forgets():
    class TanhUnit(Dicts):
        def forward(self, x, train=False):
            self.y = np.tanh(super().forward(x))
            return self.y

        def backward(self, grad):
            super().backward(grad * (1.0 - self.y**2))
            return grad @ self.params["W"].T

    report = check_layer(TanhUnit(), (5, 3))
    assert report.diagnoses[0].name == "activation left out"
    assert report.diagnoses[0].array == "inputs"


class PlainLayerNorm:
    """Normalizes each sample; `missing` is the term that backward leaves out."""

    def __init__(self, missing=None):
        self.missing = missing

    def forward(self, x):
        centred = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        self.x_hat = centred / self.std
        return self.x_hat

    def backward(self, grad):
        mean = grad.mean(axis=1, keepdims=True)
        along = self.x_hat * (grad * self.x_hat).mean(axis=1, keepdims=True)
        terms = {"mean": mean, "variance": along}
        return (grad - sum(term for name, term in terms.items() if name != self.missing)) / self.std


def test_other_normalizations_are_understood_without_knowing_them():
    check_layer(PlainLayerNorm(), (4, 6)).raise_if_failed()
    for term in ("mean", "variance"):
        report = check_layer(PlainLayerNorm(term), (4, 6))
        assert report.diagnoses[0].name == f"no term through the {term}"
        assert "over each sample" in report.diagnoses[0].sentence


def test_what_is_no_layer_is_said_in_words():
    with pytest.raises(ConfigurationError, match="object has no forward and no backward"):
        check_layer(object(), (2, 3))
    with pytest.raises(ConfigurationError, match="give a layer, Affine"):
        check_layer(Affine, (2, 3))


def test_an_array_in_two_places_stays_one():
    class Listed(Pairs):
        def __init__(self):
            super().__init__()
            self.params = [self.W, self.b]

        @property
        def grads(self):
            return [self.dW, self.db]

    check_layer(Listed(), (5, 3)).raise_if_failed()
    adapted, remarks = adapt(Listed(), (5, 3))
    assert remarks == []
    assert [name for name, _ in adapted.named_parameters()] == ["W", "b"]
    assert adapted.student.params[0] is adapted.student.W


class Scale:
    """A class of any kind, with the gradient of W in gradW, five times too large."""

    def __init__(self):
        self.W = np.full(3, 2.0)

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, grad):
        self.gradW = 5.0 * (grad * self.x).sum(axis=0)
        return grad * self.W


def test_gradients_may_be_called_grad_w():
    report = check_layer(Scale(), (4, 3))
    assert [row.array for row in report.rows if not row.passed] == ["W", "W"]


def test_a_gradient_of_any_name_is_found_by_its_shape():
    class Hidden(Scale):
        def backward(self, grad):
            self.slope_of_W = 5.0 * (grad * self.x).sum(axis=0)
            return grad * self.W

    report = check_layer(Hidden(), (4, 3))
    assert [row.array for row in report.rows if not row.passed] == ["W", "W"]


def test_an_array_without_a_gradient_does_not_pass():
    class Forgets(Scale):
        def backward(self, grad):
            return grad * self.W

    report = check_layer(Forgets(), (4, 3))
    assert not report.passed
    assert "the outputs depend on W, which was not checked" in report.diagnoses[0].sentence
    assert "dW, W_grad" in report.diagnoses[0].sentence


class Views:
    """Keeps views of its inputs and weights, one of them read-only; and ends the program where a number is large."""

    def __init__(self):
        self.W, self.limit = np.full((3, 3), 2.0), np.full(3, 0.1)

    def forward(self, x):
        if self.limit.max() > 0.5:
            raise SystemExit
        self.x, self.mean = x[:], np.broadcast_to(x.mean(), x.shape)
        self.Wt = self.W.T
        return x @ self.Wt * self.limit

    def backward(self, grad):
        grad = grad * self.limit
        self.dW = grad.T @ self.x
        return grad @ self.W


def test_views_are_no_weights_and_what_is_moved_is_put_back():
    layer = Views()
    report = check_layer(layer, (4, 3))
    assert [(one.name, one.array) for one in report.diagnoses] == [("not checked", "limit")]
    assert layer.limit.tolist() == [0.1] * 3


def test_a_foreign_layer_that_ends_the_program_is_reported():
    class Ends(Scale):
        def forward(self, x):
            raise SystemExit("todo")

    assert "forward raised SystemExit: todo" in str(check_layer(Ends(), (4, 3)))
