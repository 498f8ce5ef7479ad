"""A checker that never fails proves nothing: every one of these wrong backward passes must be caught."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss, check_model, relative_error
from mlp.diagnostics.random_point import random_probe
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, LeakyReLU, ReLU, Residual, Sequential
from mlp.losses import SoftmaxCrossEntropy
from mlp.rng import generator


class BatchNormBase(BatchNorm):
    """The right formulas once more, with a place for each fault."""

    def backward(self, grad_outputs):
        x_hat, std, training = self.take()
        g = grad_outputs.reshape(x_hat.shape)
        self.beta.grad, self.gamma.grad = g.sum(axis=0), (g * x_hat).sum(axis=0)
        return self.grad_inputs(g, x_hat, std, training).reshape(grad_outputs.shape)

    def grad_inputs(self, g, x_hat, std, training):
        m = len(g)
        terms = g - self.beta.grad / m - x_hat * self.gamma.grad / m if training else g
        return self.gamma.data / std * terms


class NoMeanTerm(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return self.gamma.data / std * (g - x_hat * self.gamma.grad / len(g) if training else g)


class NoVarianceTerm(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return self.gamma.data / std * (g - self.beta.grad / len(g) if training else g)


class UnbiasedCount(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        m = len(g) - 1
        return self.gamma.data / std * (g - (self.beta.grad + x_hat * self.gamma.grad) / m if training else g)


class HalfVarianceTerm(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        m = len(g)
        terms = g - self.beta.grad / m - 0.5 * x_hat * self.gamma.grad / m if training else g
        return self.gamma.data / std * terms


class TrainingFormulaInEvaluation(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return super().grad_inputs(g, x_hat, std, True)


class EvaluationFormulaInTraining(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return super().grad_inputs(g, x_hat, std, False)


class ForgottenGamma(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return super().grad_inputs(g, x_hat, std, training) / self.gamma.data


class ForgottenStd(BatchNormBase):
    def grad_inputs(self, g, x_hat, std, training):
        return super().grad_inputs(g, x_hat, std, training) * std


class RunningMeanForgotten(BatchNorm):
    """In evaluation gamma's gradient takes x / std for x_hat: right as long as the running mean is still 0."""

    def backward(self, grad_outputs):
        x_hat, std, training = self.take()
        self.keep(x_hat if training else x_hat + self.running_mean / std, std, training)
        return super().backward(grad_outputs)


class KernelNotTurned(Conv2d):
    def backward(self, grad_outputs):
        kernel, x = self.weight.data.copy(), self._kept
        self.weight.data = kernel[::-1, ::-1]
        grad_inputs = super().backward(grad_outputs)
        self.weight.data, self._kept = kernel, x
        Conv2d.backward(self, grad_outputs)
        return grad_inputs


class KernelNotTransposed(Conv2d):
    """C and F exchanged: no shape tells it where they are equal."""

    def backward(self, grad_outputs):
        kernel, x = self.weight.data.copy(), self._kept
        self.weight.data = kernel.transpose(0, 1, 3, 2)
        grad_inputs = super().backward(grad_outputs)
        self.weight.data, self._kept = kernel, x
        Conv2d.backward(self, grad_outputs)
        return grad_inputs


class KernelGradientTurned(Conv2d):
    def backward(self, grad_outputs):
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad = self.weight.grad[::-1, ::-1].copy()
        return grad_inputs


class PoolingWithoutDivision(AvgPool2d):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs) * self.kernel_size**2


class PoolingOffByOnePixel(AvgPool2d):
    def backward(self, grad_outputs):
        return np.roll(super().backward(grad_outputs), 1, axis=1)


class OverlapsOverwritten(AvgPool2d):
    """The last window wins where windows overlap, instead of a sum over all of them."""

    def backward(self, grad_outputs):
        shape = self.take()
        grad_inputs = np.zeros(shape)
        for place in self.places(shape):
            grad_inputs[place] = grad_outputs / self.kernel_size**2
        return grad_inputs


class GlobalPoolingWithoutDivision(GlobalAvgPool):
    def backward(self, grad_outputs):
        _, H, W, _ = self._kept[0]
        return super().backward(grad_outputs) * H * W


class NoShortcut(Residual):
    def backward(self, grad_outputs):
        self.shortcut.backward(grad_outputs)
        return self.body.backward(grad_outputs)


class NoBody(Residual):
    def backward(self, grad_outputs):
        self.body.backward(grad_outputs)
        return self.shortcut.backward(grad_outputs)


class ForwardOrder(Sequential):
    def backward(self, grad_outputs):
        for layer in self.layers.values():
            grad_outputs = layer.backward(grad_outputs)
        return grad_outputs


class APerMilleTooMuch(Affine):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs) * 1.001


class MeanBiasGradient(Affine):
    def backward(self, grad_outputs):
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs.mean(axis=0)
        return grad_inputs


class WeightGradientAveraged(Affine):
    def backward(self, grad_outputs):
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad = self.weight.grad / len(grad_outputs)
        return grad_inputs


class BiasForgotten(Affine):
    def backward(self, grad_outputs):
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = np.zeros_like(self.bias.grad)
        return grad_inputs


class TransposedAffine(Affine):
    def backward(self, grad_outputs):
        super().backward(grad_outputs)
        return grad_outputs @ self.weight.data


class TransposedWeightGradient(Affine):
    def backward(self, grad_outputs):
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad = self.weight.grad.T.copy()
        return grad_inputs


class AccumulatingAffine(Affine):
    def backward(self, grad_outputs):
        before = self.weight.grad.copy()
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad += before
        return grad_inputs


class ChangesGradOutputs(LeakyReLU):
    def backward(self, grad_outputs):
        grad_outputs *= np.where(self.take() > 0, 1.0, self.negative_slope)
        return grad_outputs


class ChangesInputs(ReLU):
    def forward(self, x, training=False):
        x[x < 0] = 0
        return super().forward(x, training)


class SlopeInTheWrongBranch(LeakyReLU):
    def backward(self, grad_outputs):
        return grad_outputs * np.where(self.take() > 0, self.negative_slope, 1.0)


class SlopeForgotten(LeakyReLU):
    def backward(self, grad_outputs):
        return grad_outputs * (self.take() > 0)


class DerivativeOfOutputsSign(ReLU):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs) * np.sign(grad_outputs)


class WrongShape(ReLU):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs).ravel()


class WrongDtype(ReLU):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs).astype(np.float32)


class NoReturn(ReLU):
    def backward(self, grad_outputs):
        super().backward(grad_outputs)


class NotANumber(ReLU):
    def backward(self, grad_outputs):
        return super().backward(grad_outputs) * np.nan


class RandomForward(ReLU):
    def forward(self, x, training=False):
        return super().forward(x, training) * np.random.default_rng().random()


WRONG_LAYERS = [
    (NoMeanTerm, (3,), (6, 3)),
    (NoVarianceTerm, (3,), (6, 3)),
    (UnbiasedCount, (3,), (6, 3)),
    (HalfVarianceTerm, (3,), (2, 2, 3, 3)),
    (TrainingFormulaInEvaluation, (3,), (6, 3)),
    (EvaluationFormulaInTraining, (3,), (6, 3)),
    (ForgottenGamma, (3,), (6, 3)),
    (ForgottenStd, (3,), (6, 3)),
    (RunningMeanForgotten, (3,), (6, 3)),
    (KernelNotTurned, (2, 2, 3), (2, 4, 5, 2)),
    (KernelNotTransposed, (2, 2, 3), (2, 4, 5, 2)),
    (KernelGradientTurned, (2, 3, 3), (2, 4, 5, 2)),
    (PoolingWithoutDivision, (2,), (2, 4, 5, 2)),
    (PoolingOffByOnePixel, (2,), (2, 4, 5, 2)),
    (OverlapsOverwritten, (3, 2), (2, 5, 5, 2)),
    (GlobalPoolingWithoutDivision, (), (2, 3, 4, 2)),
    (NoShortcut, (Affine(3, 3), Affine(3, 3)), (4, 3)),
    (NoBody, (Affine(3, 3),), (4, 3)),
    (ForwardOrder, (Affine(3, 3), LeakyReLU(0.1)), (4, 3)),
    (APerMilleTooMuch, (3, 4), (5, 3)),
    (MeanBiasGradient, (3, 4), (5, 3)),
    (WeightGradientAveraged, (3, 4), (5, 3)),
    (BiasForgotten, (3, 4), (5, 3)),
    (TransposedAffine, (3, 3), (5, 3)),
    (TransposedAffine, (3, 4), (5, 3)),
    (TransposedWeightGradient, (3, 3), (5, 3)),
    (TransposedWeightGradient, (3, 4), (5, 3)),
    (AccumulatingAffine, (3, 4), (5, 3)),
    (ChangesGradOutputs, (0.1,), (5, 3)),
    (ChangesInputs, (), (5, 3)),
    (SlopeInTheWrongBranch, (0.1,), (5, 3)),
    (SlopeForgotten, (0.01,), (5, 3)),
    (DerivativeOfOutputsSign, (), (5, 3)),
    (WrongShape, (), (5, 3)),
    (WrongDtype, (), (5, 3)),
    (NoReturn, (), (5, 3)),
    (NotANumber, (), (5, 3)),
    (RandomForward, (), (5, 3)),
]


@pytest.mark.parametrize(("wrong", "arguments", "input_shape"), WRONG_LAYERS)
def test_wrong_layer_is_caught_and_the_right_one_passes(wrong, arguments, input_shape):
    right = next(base for base in wrong.__mro__[1:] if base.__module__.startswith("mlp."))
    assert check_layer(right(*arguments), input_shape).passed

    report = check_layer(wrong(*arguments), input_shape)
    assert not report.passed, f"{wrong.__name__} was not caught:\n{report}"
    with pytest.raises(AssertionError, match="FAILED"):
        report.raise_if_failed()


def test_only_the_wrong_mode_and_array_fail():
    report = check_layer(TrainingFormulaInEvaluation(3), (6, 3))
    assert [(row.mode, row.array) for row in report.rows if not row.passed] == [("evaluation", "inputs")]
    report = check_layer(MeanBiasGradient(3, 4), (5, 3))
    assert {row.array for row in report.rows if not row.passed} == {"bias"}
    assert "0.2 times" in str(report)  # five samples


def test_faults_without_a_number_say_what_they_are():
    notes = {
        WrongShape: "shape (15,)",
        WrongDtype: "float32 where everything else is float64",
        NoReturn: "NoneType, not an array",
        NotANumber: "not finite",
        ChangesInputs: "forward changes its inputs",
        RandomForward: "other outputs for the same inputs",
    }
    for wrong, note in notes.items():
        assert note in str(check_layer(wrong(), (5, 3)))
    assert "grad_outputs in place" in str(check_layer(ChangesGradOutputs(0.1), (5, 3)))
    assert "second backward" in str(check_layer(AccumulatingAffine(3, 4), (5, 3)))


def test_an_exception_in_backward_is_a_row_and_the_cause_of_the_assertion():
    report = check_layer(TransposedWeightGradient(3, 4), (5, 3))  # grad of shape (4, 3) for a weight of shape (3, 4)
    assert "backward raised ShapeError" in str(report)
    with pytest.raises(AssertionError) as failure:
        report.raise_if_failed()
    assert failure.value.__cause__ is report.cause is not None


class LossWithoutDivision(SoftmaxCrossEntropy):
    def backward(self):
        _, targets = self._kept
        return super().backward() * len(targets)


class LossWithWrongSign(SoftmaxCrossEntropy):
    def backward(self):
        return -super().backward()


class TargetAdded(SoftmaxCrossEntropy):
    def backward(self):
        _, targets = self._kept
        grad = super().backward()
        grad[np.arange(len(targets)), targets] += 2.0 / len(targets)
        return grad


class TargetForgotten(SoftmaxCrossEntropy):
    def backward(self):
        probabilities, targets = self.take()
        return probabilities / len(targets)


class ChangesLogits(SoftmaxCrossEntropy):
    def forward(self, outputs, targets):
        outputs -= outputs.max(axis=1, keepdims=True)
        return super().forward(outputs, targets)


class WrongLossDtype(SoftmaxCrossEntropy):
    def backward(self):
        return super().backward().astype(np.float32)


WRONG_LOSSES = [LossWithoutDivision, LossWithWrongSign, TargetAdded, TargetForgotten, ChangesLogits, WrongLossDtype]


@pytest.mark.parametrize("wrong", WRONG_LOSSES)
def test_wrong_loss_is_caught(wrong):
    assert check_loss(SoftmaxCrossEntropy(), (4, 5)).passed
    assert not check_loss(wrong(), (4, 5)).passed
    assert not check_model(Affine(3, 5), (4, 3), loss=wrong()).passed


def network(norm=BatchNorm, conv=Conv2d, residual=Residual):
    body = Sequential(conv(3, 3, 3, padding=1, bias=False), norm(3), LeakyReLU(0.01))
    return Sequential(Conv2d(2, 3, 3, padding=1), residual(body), GlobalAvgPool(), Affine(3, 4))


@pytest.mark.parametrize(
    "wrong",
    [{"norm": HalfVarianceTerm}, {"conv": KernelNotTurned}, {"conv": KernelNotTransposed}, {"residual": NoBody}],
)
def test_one_wrong_layer_in_a_network_is_caught(wrong):
    assert check_model(network(), (4, 4, 4, 2)).passed
    assert not check_model(network(**wrong), (4, 4, 4, 2)).passed


@pytest.mark.parametrize("wrong", [HalfVarianceTerm, NoVarianceTerm, ForgottenGamma])
def test_an_upstream_gradient_of_ones_is_blind(wrong):
    """The outputs of batch norm sum to m beta, whatever the inputs: with u = 1 the right gradient is zero.

    So is that of these wrong formulas, because x_hat sums to zero. A random u shows them.
    """
    rng = generator(0, "probe", "blind")
    probe = random_probe(wrong(3), (6, 3), True, rng)
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


def test_relative_error_sees_one_wrong_coordinate():
    numeric = np.ones(10_000)
    analytic = numeric.copy()
    analytic[17] *= 1.001
    assert relative_error(analytic, numeric, 100.0) == pytest.approx(1e-5)
