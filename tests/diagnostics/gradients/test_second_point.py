"""A diagnosis must fit at a second point of another shape; where nothing is known, small inputs that fail are shown."""

import numpy as np

from mlp.diagnostics import check_layer, check_loss
from mlp.diagnostics.gradients.diagnoses import Diagnosis, diagnose_gradients
from mlp.diagnostics.gradients.diagnoses.evidence import Evidence, Point
from mlp.diagnostics.gradients.diagnoses.repeated.confirmation import holds_elsewhere
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes, second_evidences
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers import Layer
from mlp.losses import Loss
from mlp.rng import generator


class Double(Layer):
    """y = x^2, dx = 2 x g."""

    def forward(self, x, training=False):
        self.keep(x)
        return x * x

    def backward(self, grad_outputs):
        return grad_outputs * self.take()


def point_of(layer, shape):
    """Return a point of a layer with everything measured."""
    rng = generator(0, "probe", "test")
    probe = random_probe(layer, shape, rng, training=True)
    outputs = probe.outputs()
    upstream = rng.standard_normal(outputs.shape)
    point = Point(layer, probe, upstream, outputs, 0, probe.backward(upstream))
    point.numeric = {name: probe.differences(upstream, name) for name in probe.arrays}
    point.wrong = ["inputs"]
    return point


def test_a_guess_that_holds_at_one_shape_alone_is_not_said():
    evidence = Evidence(point_of(Double(), (3, 4)), "inputs")

    def fits_here(e):
        if e.point.x.shape == (3, 4):
            yield Diagnosis("an accident", "inputs", "training", "")

    def fits_everywhere(e):
        yield Diagnosis("a mistake", "inputs", "training", "")

    assert not holds_elsewhere(evidence, fits_here, next(fits_here(evidence)), guess=False)
    assert holds_elsewhere(evidence, fits_everywhere, next(fits_everywhere(evidence)), guess=False)
    assert [one.name for one in diagnose_gradients([evidence.point])] == ["factor 2", "product rule"]


def test_other_points_are_measured_once_and_differ():
    evidence = Evidence(point_of(Double(), (3, 4)), "inputs")
    first = next(second_evidences(evidence))
    assert first.point.x.shape == (2, 5)
    assert next(second_evidences(evidence)) is first
    assert next(other_shapes((6, 4))) == (5, 5)
    assert list(other_shapes((2, 6, 5, 3)))[-1] == (2, 6, 5, 3)


def test_an_unknown_mistake_of_a_layer_is_shown_at_its_smallest():
    class Odd(Double):
        def backward(self, grad_outputs):
            x = self.take()
            return grad_outputs * (1.9 * x + 0.1 * np.cos(3.0 * x) * np.sin(x.sum()))

    report = check_layer(Odd(), (3, 4))
    assert "inputs of shape (1, 4) and (2, 4)" in report.diagnoses[0].evidence


def test_an_unknown_mistake_of_a_loss_is_shown_at_its_smallest():
    class Odd(Loss):
        def forward(self, outputs, targets):
            self._kept = outputs, targets
            return float(((outputs - targets) ** 2).mean())

        def backward(self):
            y, t = self.take()
            return 1.9 * (y - t) / y.size + 0.01 * np.cos(5.0 * y + t)

    first = check_loss(Odd(), (4, 3), np.random.default_rng(0).random((4, 3))).diagnoses[0]
    assert first.name == "unknown"
    assert "outputs of shape (1, 1) and (1, 2)" in first.sentence
    assert "right is" in first.sentence
