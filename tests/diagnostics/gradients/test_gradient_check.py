"""The gradient checker on right layers, on whole networks, on kinks, and what it leaves untouched."""

import math

import numpy as np
import pytest

from mlp import layers
from mlp.commands import check
from mlp.diagnostics import GradientReport, check_layer, check_loss, check_model, compare_gradients, relative_error
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.layer_cases import CASES
from mlp.errors import ShapeError
from mlp.layers import Affine, BatchNorm, Conv2d, Flatten, Layer, Parameter, ReLU, Sequential
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_every_layer(case):
    report = check_layer(case.make(), case.input_shape)
    report.raise_if_failed()
    arrays = {"inputs", *dict(case.make().named_parameters())}
    assert {(row.mode, row.array) for row in report.rows} == {
        (mode, array) for mode in ("training", "evaluation") for array in arrays
    }


def test_no_layer_of_the_library_is_missing():
    exported = {value for value in vars(layers).values() if isinstance(value, type) and issubclass(value, Layer)}
    checked = {type(layer) for case in CASES for _, layer in case.make().named_layers()}
    assert exported - {Layer} <= checked


RC = {"residual": True}
NETWORKS = {
    "plain": {},
    "residual": {"residual": True},
    "BN": {"norm": "batch"},
    "BN behind the activation": {"norm": "batch", "norm_position": "after"},
    "BN+RC": {"norm": "batch", "residual": True, "reduction_shortcut": "avgpool"},
    "LayerNorm": {"norm": "layer", "norm_position": "after"},
    "InstanceNorm, strided": {"norm": "instance", **RC, "reduction_shortcut": "strided"},
    "GroupNorm, projection": {
        "norm": "group",
        "norm_groups": 2,
        "norm_position": "after",
        **RC,
        "reduction_shortcut": "projection",
    },
    "projections everywhere": {**RC, "reduction_shortcut": "projection_everywhere"},
    "Dropout": {"norm": "batch", "norm_position": "after", **RC, "dropout": 0.2},
}


@pytest.mark.sampled
@pytest.mark.parametrize("label", NETWORKS)
@pytest.mark.parametrize("depth", [8, 14])
def test_whole_networks(depth, label):
    model = vgg(depth=depth, filters=4, num_classes=5, **NETWORKS[label])
    height = 16 if label.startswith(("Instance", "Group")) else 8  # which are halved to one pixel: too few to normalize
    report = check_model(model, (3, height, 8, 3), coordinates=3)
    report.raise_if_failed()
    assert len(report.rows) == 2 * (2 + len(model.parameters()))  # modes, loss, inputs
    assert report.worst < 1e-7


def test_a_network_without_convolutions_and_given_targets():
    model = Sequential(Flatten(), Affine(12, 6), ReLU(), Affine(6, 3))
    check_model(model, (5, 2, 3, 2), targets=np.array([0, 2, 1, 1, 0]), coordinates=100).raise_if_failed()


def test_the_loss():
    for shape in [(1, 2), (5, 7), (4, 100)]:
        check_loss(SoftmaxCrossEntropy(), shape).raise_if_failed()
    check_loss(SoftmaxCrossEntropy(), (3, 4), targets=np.array([3, 0, 3])).raise_if_failed()


def test_the_callers_layer_stays_untouched():
    layer = Sequential(Conv2d(2, 3, 3), BatchNorm(3), Flatten(), Affine(24, 4))
    x = np.ones((2, 4, 6, 2), np.float32)
    outputs = layer.forward(x, training=True)
    for parameter in layer.parameters():
        parameter.grad[...] = 7.0
    state = layer.state_dict()
    check_layer(layer, (3, 4, 6, 2)).raise_if_failed()
    check_model(layer, (3, 4, 6, 2)).raise_if_failed()
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, state[name])
        assert values.dtype == np.float32
    assert all((parameter.grad == 7.0).all() for parameter in layer.parameters())
    assert layer.backward(outputs).shape == x.shape  # what its forward kept is still there
    assert all("forward" not in vars(child) for _, child in layer.named_layers())


def test_the_same_seed_gives_the_same_report():
    first, second = (check_layer(Affine(3, 2), (4, 3), seed=5) for _ in range(2))
    assert str(first) == str(second)
    assert str(check_layer(Affine(3, 2), (4, 3), seed=6)) != str(first)


# --- kinks --------------------------------------------------------------------------------------------------------


class ShiftedReLU(ReLU):
    """y = max(x - shift, 0), which says where its kink is, or does not."""

    def __init__(self, shift, declare):
        self.shift, self.declare = shift, declare

    def forward(self, x, training=False):
        return super().forward(x - self.shift)

    def branches(self, x):
        return x > self.shift if self.declare else None


def test_a_coordinate_beside_a_kink_is_no_measurement():
    x = np.array([[0.3, 0.5 + 1e-7, 0.5 - 1e-7, 0.9]])
    upstream = np.array([[1.0, 2.0, 3.0, 4.0]])
    probe = Probe(ShiftedReLU(0.5, declare=True), x, training=True)
    values = [probe.difference(upstream, "inputs", (0, i)) for i in range(4)]
    assert values[0] == 0.0
    assert values[1:3] == [None, None]
    assert values[3] == pytest.approx(4.0)
    np.testing.assert_array_equal(x, [[0.3, 0.5 + 1e-7, 0.5 - 1e-7, 0.9]])

    undeclared = Probe(ShiftedReLU(0.5, declare=False), x, training=True)
    mixture = undeclared.difference(upstream, "inputs", (0, 1))
    assert 0.5 < mixture < 1.5  # half of the slope of 2: neither piece's


def test_sampled_coordinates_beside_kinks_are_replaced():
    x = np.linspace(-1.0, 1.0, 11)[None]  # the middle one is on the kink of shift 0
    x[0, 5] = 1e-9
    probe = Probe(ShiftedReLU(0.0, declare=True), x, training=True)
    rng = np.random.default_rng(0)
    indices, values = probe.measure(np.ones((1, 11)), 10, 1.0, rng)["inputs"]
    assert len(indices) == 10
    assert (0, 5) not in indices
    np.testing.assert_allclose(values, [float(x[index] > 0) for index in indices], atol=1e-9)
    assert probe.measure(np.ones((1, 11)), 11, 1.0, rng) is None
    assert probe.measure(np.ones((1, 11)), 11, 0.5, rng) is not None


def test_a_point_beside_a_kink_is_drawn_again_and_a_hopeless_layer_fails_in_words():
    class Staircase(ReLU):
        def branches(self, x):
            return np.floor(x * 1e7)

    report = check_layer(Staircase(), (2, 3))
    assert not report.passed
    assert "none of 20 random points could be measured" in str(report)
    report = check_model(Sequential(Affine(3, 4), Staircase()), (2, 3))
    assert "none of 20 random points could be measured" in str(report)

    class SometimesOnAKink(ReLU):
        """Kinks everywhere around points whose first value is positive: half of all points."""

        def branches(self, x):
            return np.floor(x * 1e7) if x[0, 0] > 0 else x > 0

    for seed in range(4):
        check_layer(SometimesOnAKink(), (2, 3), seed=seed).raise_if_failed()


def test_steep_and_flat_functions_find_their_step():
    class Sine(Layer):
        """y = sin(w x) / w: d^3y/dx^3 = -w^2 cos(w x) is large, so that h = 1e-5 is too long."""

        def forward(self, x, training=False):
            self.keep(x)
            return np.sin(1000.0 * x) / 1000.0

        def backward(self, grad_outputs):
            return grad_outputs * np.cos(1000.0 * self.take())

    class TinyBesideLarge(Layer):
        """y = x + 1e-5 b: next to dL/dx, dL/db is so small that rounding at h = 1e-5 hides it."""

        def __init__(self):
            self.b = Parameter(np.ones(3))

        def forward(self, x, training=False):
            return x + 1e-5 * self.b.data

        def backward(self, grad_outputs):
            self.b.grad = 1e-5 * grad_outputs.sum(axis=0)
            return grad_outputs

    check_layer(Sine(), (2, 3)).raise_if_failed()
    check_layer(TinyBesideLarge(), (5, 3)).raise_if_failed()


# --- the measure and the report -----------------------------------------------------------------------------------


def test_relative_error():
    numeric = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert relative_error(numeric, numeric, 5.0) == 0.0
    assert relative_error(numeric * 1.01, numeric, 5.0) == pytest.approx(0.01)
    assert relative_error(np.full(3, 1e-9), np.zeros(3), 1.0) == pytest.approx(math.sqrt(3) * 1e-3)  # the floor
    assert relative_error(np.zeros(3), np.zeros(3), 0.0) == 0.0
    assert relative_error(np.ones(3), np.zeros(3), 0.0) == math.inf
    assert relative_error(np.array([np.nan]), np.ones(1), 1.0) == math.inf
    tiny = np.full(4, 1e-30, np.float32)  # whose squares underflow in float32
    assert relative_error(tiny * np.float32(1.5), tiny, 2e-30) == pytest.approx(0.5, rel=1e-5)


def test_relative_error_of_other_shapes_is_an_error():
    with pytest.raises(ShapeError, match=r"shapes \(3,\) and \(1, 3\)"):
        relative_error(np.ones(3), np.ones((1, 3)), 1.0)


def test_compare_gradients_uses_the_largest_array():
    reference = {"weight": np.full(4, 10.0), "bias": np.zeros(2)}
    mine = {"weight": np.full(4, 10.1), "bias": np.array([1e-9, 0.0])}
    errors = compare_gradients(mine, reference)
    assert errors["weight"] == pytest.approx(0.01)
    assert errors["bias"] == pytest.approx(1e-9 / (1e-6 * 20.0))


def test_the_report_is_a_table_with_a_verdict():
    report = check_layer(Affine(3, 2), (4, 3))
    lines = str(report).splitlines()
    assert lines[0] == "Gradient check of Affine(3, 2, bias=True), inputs (4, 3)"
    assert lines[1].split() == ["mode", "array", "shape", "error"]
    assert len(lines) == 2 + len(report.rows) + 1
    assert lines[2].split()[:5] == ["training", "inputs", "4", "x", "3"]
    assert lines[-1].startswith("passed; worst error")
    assert report.passed is True
    assert report.worst == max(row.error for row in report.rows)
    report.raise_if_failed()


def test_a_report_without_rows_did_not_pass():
    report = GradientReport("nothing", 1e-7)
    assert not report.passed
    with pytest.raises(AssertionError, match="FAILED"):
        report.raise_if_failed()


# --- the script ---------------------------------------------------------------------------------------------------


def test_the_script_prints_a_row_for_each_check_and_a_last_line(capsys):
    assert check.main(["--only", "BatchNorm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum("batchnorm" in case.label.lower() for case in CASES)
    assert lines[-1].startswith("Worst error")
    assert lines[-1].endswith("all passed.")


def test_the_script_fails_with_status_1_if_a_check_fails(capsys, monkeypatch):
    monkeypatch.setattr(ReLU, "backward", lambda self, grad_outputs: 1.5 * grad_outputs * (self.take() > 0))
    assert check.main(["--only", "relu"]) == 1
    printed = capsys.readouterr().out
    assert "1.5 times what it should be" in printed
    assert printed.splitlines()[-1].endswith("FAILED: ReLU")
    with pytest.raises(SystemExit, match="2"):
        check.main(["--only", "no such layer"])


class OverwritesInputs(Layer):
    """Right gradients, but what forward kept, and others may have kept too, is gone afterwards."""

    def forward(self, x, training=False):
        self.keep(x)
        return 3.0 * x

    def backward(self, grad_outputs):
        self.take()[...] = 0.0
        return 3.0 * grad_outputs


class Logarithm(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        with np.errstate(invalid="ignore"):
            return np.log(x)

    def backward(self, grad_outputs):
        return grad_outputs / self.take()


class Leaves(Layer):
    def forward(self, x, training=False):
        raise SystemExit

    def backward(self, grad_outputs):
        return grad_outputs


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (OverwritesInputs, "backward changes the inputs of forward in place"),
        (Logarithm, "forward gives NaN or infinity for ordinary inputs"),
        (Leaves, "forward raised SystemExit"),
    ],
)
def test_what_is_wrong_besides_the_numbers_is_said(layer, text):
    report = check_layer(layer(), (4, 3))
    assert not report.passed
    assert text in str(report)


class Ones(Layer):
    """y = x, but for the dtype of the ones."""

    def forward(self, x, training=False):
        return x * np.ones(1)

    def backward(self, grad_outputs):
        return grad_outputs


class Wide(Layer):
    """y = w x, with a gradient of w that is float64 whatever w is."""

    def __init__(self):
        self.w = Parameter(np.ones(3, np.float32))

    def forward(self, x, training=False):
        self.keep(x)
        return x * self.w.data

    def backward(self, grad_outputs):
        self.w.grad = np.zeros(3) + (grad_outputs * self.take()).sum(axis=0)
        return grad_outputs * self.w.data


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Ones, "forward made float64 of float32, in which networks are trained"),
        (Wide, "float32 is not kept: parameter 'w'.grad is float32, got float64 values"),
        (lambda: Sequential(Affine(3, 3), Ones(), Affine(3, 3)), "the parameters are float32, the inputs are float64"),
    ],
)
def test_layers_that_make_float64_get_a_remark(layer, text):
    report = check_layer(layer(), (4, 3))
    assert report.passed
    assert any(text in remark for remark in report.remarks)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_the_librarys_layers_keep_float32(case):
    assert not any("float32" in remark for remark in check_layer(case.make(), case.input_shape).remarks)
