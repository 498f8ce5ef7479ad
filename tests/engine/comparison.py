"""Trains a model with the textbook engine and with the CPU engine, and compares everything that is left."""

import numpy as np

from mlp.diagnostics import relative_error
from mlp.engine import CpuEngine, TextbookEngine
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, GroupNorm, Layer, Sequential
from mlp.learning_rules import GradientDescent
from mlp.losses import SoftmaxCrossEntropy

CLASSES = 5
TOLERANCE = 1e-10


def conv(*args, **keywords):
    """A convolution with known initial weights."""
    return Conv2d(*args, rng=np.random.default_rng(3), **keywords)


def affine(*args, **keywords):
    """An affine layer with known initial weights."""
    return Affine(*args, rng=np.random.default_rng(3), **keywords)


def head(channels):
    """The last layers of a network for `CLASSES` classes."""
    return [GlobalAvgPool(), affine(channels, CLASSES)]


class Square(Layer):
    """A student's layer."""

    def forward(self, x, training=False):
        self.keep(x)
        return x * x

    def backward(self, grad_outputs):
        return grad_outputs * 2 * self.take()


class Result:
    """What `steps` training steps and an evaluation leave behind."""

    def __init__(self, engine, make_model, shape, rule, loss, steps, dtype):
        rng = np.random.default_rng(7)
        model = make_model().astype(dtype)
        for name, p in model.named_parameters():  # off the symmetric first values: gamma = 1, beta = 0
            if name.endswith(("gamma", "beta")):
                p.data += 0.3 * rng.standard_normal(p.data.shape).astype(dtype)
        engine.bind(model, loss, rule)
        x = rng.standard_normal((steps, *shape)).astype(dtype)
        targets = rng.integers(0, CLASSES, (steps, shape[0]))
        self.losses = [engine.train_step(*batch) for batch in zip(x, targets, strict=True)]
        self.metrics = engine.read_metrics()
        self.gradients = {name: p.grad.copy() for name, p in model.named_parameters()}
        self.evaluation = engine.evaluate(x[0], targets[0])
        self.state = model.state_dict()
        self.vanishing = biases_before_norm(model)
        engine.close()


def compare_engines(
    make_model, shape, threads=2, rule=GradientDescent, loss=SoftmaxCrossEntropy, steps=1, tolerance=TOLERANCE
):
    """Assert that both engines agree in float64."""
    textbook = Result(TextbookEngine(), make_model, shape, rule(1e-2), loss(), steps, np.float64)
    cpu = Result(CpuEngine(threads), make_model, shape, rule(1e-2), loss(), steps, np.float64)
    np.testing.assert_allclose(cpu.losses, textbook.losses, rtol=tolerance, atol=0)
    np.testing.assert_allclose(cpu.metrics, textbook.metrics, rtol=tolerance, atol=0)
    np.testing.assert_allclose(cpu.evaluation, textbook.evaluation, rtol=tolerance, atol=0)
    largest = max(np.linalg.norm(g) for g in textbook.gradients.values())
    for name, gradient in cpu.gradients.items():
        size = np.linalg.norm(textbook.gradients[name])
        if name in textbook.vanishing or size < 1e-12 * largest:  # zero on paper, so that both are nothing but rounding
            assert max(np.linalg.norm(gradient), size) < 1e-12 * largest
        else:
            error = relative_error(gradient, textbook.gradients[name], largest)
            assert error < tolerance, f"gradient of {name}: {error}"
    largest = max(np.linalg.norm(array) for array in textbook.state.values())
    for name, array in cpu.state.items():
        error = relative_error(array, textbook.state[name], largest)
        assert error < tolerance, f"{name} after {steps} steps: {error}"


def biases_before_norm(model):
    """Return the names of biases that a norm cancels: their gradient is zero."""
    names = set()
    for _, layer in model.named_layers():
        if type(layer) is Sequential:
            children = [child for child in layer.layers.values() if type(child) is not AvgPool2d]  # a bias passes it
            for first, second in zip(children, children[1:], strict=False):
                if type(first) is Conv2d and first.bias is not None and takes_channels_alone(second):
                    names.add(first.bias.name)
    return names


def takes_channels_alone(layer):
    """Return whether a layer is a norm that takes a mean for each channel alone."""
    return type(layer) is BatchNorm or (isinstance(layer, GroupNorm) and layer.num_groups == layer.num_features)
