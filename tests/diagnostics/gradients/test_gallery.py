"""A checker that never fails proves nothing, a diagnosis that is never tested is a guess: the gallery tests both."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_model, relative_error
from mlp.diagnostics.gradients.gallery import BUG_FAMILIES, BUGS
from mlp.diagnostics.gradients.gallery.batch_norm import (
    GammaForgotten,
    HalfVarianceTerm,
    NoVarianceTerm,
    RunningMeanForgotten,
    TrainingFormulaInEvaluation,
)
from mlp.diagnostics.gradients.gallery.convolution import ChannelsNotExchanged, KernelNotTurned
from mlp.diagnostics.gradients.gallery.residual import NoBody
from mlp.diagnostics.gradients.gallery.softmax_cross_entropy import NotDividedByN
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers import Affine, BatchNorm, Conv2d, GlobalAvgPool, Layer, LeakyReLU, Residual, Sequential
from mlp.losses import Loss
from mlp.rng import generator

NAMES = [f"{bug.family}.{bug.name}" for bug in BUGS]
RIGHT = {}  # reports about right layers and rules: many bugs are bugs of the same one


@pytest.mark.sampled
@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_planted_bug_is_caught_with_the_right_diagnosis_first_and_the_right_one_passes(bug):
    report = bug.check()
    assert not report.passed, f"{bug.name} was not caught:\n{report}"
    assert report.diagnoses, f"{bug.name} was not explained:\n{report}"
    assert report.diagnoses[0].name == bug.expected, str(report)
    with pytest.raises(AssertionError) as failure:
        report.raise_if_failed()
    assert str(failure.value) == str(report)
    assert str(report.diagnoses[0]).split()[0] in str(report)

    right = bug.right()
    if type(right) not in (Layer, Loss):  # else the class has formulas of its own
        key = (bug.family, repr(right), bug.shape)
        RIGHT[key] = RIGHT.get(key) or bug.check_right()
        RIGHT[key].raise_if_failed()
        assert RIGHT[key].diagnoses == []


def test_the_gallery_is_large_and_says_what_is_wrong():
    assert len(BUGS) >= 200
    assert {bug.family for bug in BUGS} == {family.__name__.rpartition(".")[2] for family in BUG_FAMILIES}
    for bug in BUGS:
        assert bug.wrong.endswith("."), bug.name
        assert type(bug.make()) is bug.kind


def test_only_the_wrong_mode_and_array_fail():
    report = check_layer(TrainingFormulaInEvaluation(3), (6, 3))
    assert [(row.mode, row.array) for row in report.rows if not row.passed] == [("evaluation", "inputs")]
    report = check_layer(RunningMeanForgotten(3), (6, 3))
    assert [(row.mode, row.array) for row in report.rows if not row.passed] == [("evaluation", "gamma")]
    assert "gamma (evaluation)" in str(report)


def network(norm=BatchNorm, conv=Conv2d, residual=Residual):
    body = Sequential(conv(3, 3, 3, padding=1, bias=False), norm(3), LeakyReLU(0.01))
    return Sequential(Conv2d(2, 3, 3, padding=1), residual(body), GlobalAvgPool(), Affine(3, 4))


@pytest.mark.parametrize(
    ("wrong", "name", "path"),
    [
        ({"norm": HalfVarianceTerm}, "wrong term through the variance", "1.1"),
        ({"conv": KernelNotTurned}, "kernel not turned", "1.0"),
        ({"conv": ChannelsNotExchanged}, "transposed", "1.0"),
        ({"residual": NoBody}, "path missing", "1"),
    ],
)
def test_one_wrong_layer_in_a_network_is_found_by_its_path(wrong, name, path):
    report = check_model(network(**wrong), (4, 4, 4, 2))
    assert not report.passed
    assert report.diagnoses[0].name == name, str(report)
    assert {diagnosis.subject for diagnosis in report.diagnoses} == {path}
    assert f"layer '{path}'" in str(report)


@pytest.mark.parametrize("activation", [np.tanh, lambda z: np.maximum(z, 0.0)], ids=["tanh", "ReLU"])
def test_an_activation_that_is_left_out_around_a_layer(activation):
    class Block(Layer):
        def __init__(self):
            self.affine = Affine(3, 4)

        def forward(self, x, training=False):
            return activation(self.affine.forward(x, training))

        def backward(self, grad_outputs):
            return self.affine.backward(grad_outputs)

    report = check_layer(Block(), (5, 3))
    assert report.diagnoses[0].name == "activation left out", str(report)


def test_a_right_network_with_a_wrong_loss():
    assert check_model(network(), (4, 4, 4, 2)).diagnoses == []
    report = check_model(Affine(3, 5), (4, 3), loss=NotDividedByN())
    assert not report.passed
    assert [diagnosis.name for diagnosis in report.diagnoses] == ["division by N"]


@pytest.mark.parametrize("wrong", [HalfVarianceTerm, NoVarianceTerm, GammaForgotten])
def test_an_upstream_gradient_of_ones_is_blind(wrong):
    """The outputs of batch norm sum to m beta, whatever the inputs: with u = 1 the right gradient is zero.

    So is that of these wrong formulas, because x_hat sums to zero. A random u shows them.
    """
    rng = generator(0, "probe", "blind")
    probe = random_probe(wrong(3), (6, 3), rng, training=True)
    errors = {}
    for label, upstream in (("ones", np.ones((6, 3))), ("random", rng.standard_normal((6, 3)))):
        analytic = probe.backward(upstream)
        indices, numeric = probe.measure(upstream, 18, 1.0, rng)["inputs"]
        differences = [analytic["inputs"][index] for index in indices] - numeric
        errors[label] = float(np.linalg.norm(differences))
    assert errors["ones"] < 1e-9
    assert errors["random"] > 1e-2


def test_a_gradient_that_should_be_zero_is_no_excuse():
    """A bias before batch norm has gradient zero; a wrong one shows, although nothing can be divided by zero."""

    class BiasOfItsOwn(Conv2d):
        def backward(self, grad_outputs):
            grad_inputs = super().backward(grad_outputs)
            self.bias.grad = self.bias.grad + 1e-3
            return grad_inputs

    right = Sequential(Conv2d(2, 3, 1), BatchNorm(3))
    wrong = Sequential(BiasOfItsOwn(2, 3, 1), BatchNorm(3))
    assert check_layer(right, (3, 2, 2, 2)).passed
    report = check_layer(wrong, (3, 2, 2, 2))
    assert {row.array for row in report.rows if not row.passed} == {"0.bias"}
    assert report.diagnoses[0].subject == "0"


def test_relative_error_sees_one_wrong_coordinate():
    numeric = np.ones(10_000)
    analytic = numeric.copy()
    analytic[17] *= 1.001
    assert relative_error(analytic, numeric, 100.0) == pytest.approx(1e-5)
