"""Two wrong lines are both named, and the values inside of a right backward are right."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer
from mlp.diagnostics.gradients.diagnoses.evidence import Point
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.repairs.search import several_lines
from mlp.diagnostics.gradients.repairs.search.inside import values_inside
from mlp.diagnostics.gradients.repairs.search.several_lines import BackwardRuns, wrong_lines
from mlp.diagnostics.gradients.repairs.sources import source_of
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer


class TwoLayers:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.W1, self.b1 = rng.standard_normal((3, 4)), rng.standard_normal(4)
        self.W2 = rng.standard_normal((4, 2))

    def forward(self, x):
        self.x = x
        z = x @ self.W1 + self.b1
        self.h = np.tanh(z)
        return self.h @ self.W2

    def backward(self, g):
        self.dW2 = self.h.T @ g
        dh = g @ self.W2.T
        dz = dh * (1 - self.h**2)
        self.dW1, self.db1 = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W1.T


class TwoSlips(TwoLayers):
    def backward(self, g):
        self.dW2 = self.h.T @ g
        dh = g @ self.W2.T
        dz = dh * (1 - self.h)
        self.dW1 = self.x.T @ dh
        self.db1 = dz.sum(axis=0)
        return dz @ self.W1.T


class NoUsualSlip(TwoLayers):
    def backward(self, g):
        self.dW2 = self.h.T @ g
        dh = g @ self.W2.T
        dz = dh * np.cos(1.3 * self.h) ** 3 + 0.2 * np.roll(dh, 1, axis=1)
        self.dW1, self.db1 = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W1.T


def point_of(kind):
    layer = StudentLayer(kind()).learn((3, 3))
    rng = np.random.default_rng(1)
    probe = Probe(layer, rng.standard_normal((3, 3)), training=True)
    outputs = probe.outputs()
    upstream = rng.standard_normal(outputs.shape)
    point = Point(layer, probe, upstream, outputs, 0, probe.backward(upstream))
    point.numeric = {name: probe.differences(upstream, name) for name in probe.arrays}
    point.wrong = [name for name, n in point.numeric.items() if not np.allclose(n, point.gradients[name], atol=1e-6)]
    return point


@pytest.mark.slow
def test_both_lines_are_named():
    (found,) = wrong_lines([point_of(TwoSlips)])
    assert "2 lines are wrong" in found.sentence
    assert "`dz = dh * (1 - self.h)`" in found.sentence and "`self.dW1 = self.x.T @ dh`" in found.sentence


@pytest.mark.slow
def test_the_first_wrong_value_is_named_where_no_change_of_a_line_mends_it(monkeypatch):
    monkeypatch.setattr(several_lines, "SECONDS", 0.2)
    (found,) = wrong_lines([point_of(NoUsualSlip)])
    assert "this is the first line whose value is wrong. dz[" in found.sentence
    assert "with the right dz, inputs, W1, b1 is right" in found.evidence


def test_the_values_inside_of_a_right_backward_are_right():
    point = point_of(TwoLayers)
    forward, backward = (source_of(point.layer.student, name) for name in ("forward", "backward"))
    inside = values_inside(point, forward, backward)
    assert [(one.name, one.of) for one in inside] == [("dh", "self.h"), ("dz", "z")]
    right = BackwardRuns(point, inside, forward).right(backward, backward.function)
    assert right == {"inputs", "W1", "b1", "W2", "inside dh", "inside dz"}


@pytest.mark.slow
def test_a_report_begins_with_both_lines():
    report = check_layer(TwoSlips(), (5, 3))
    assert "2 lines are wrong" in report.diagnoses[0].sentence, str(report)


class Reflected:
    """Rows (N, L) with p values more at both ends, the border not repeated."""

    p = 2

    def forward(self, x):
        return np.pad(x, ((0, 0), (self.p, self.p)), mode="reflect")

    def backward(self, d):
        return self.folded(d)

    def folded(self, d):
        p = self.p
        n = d.shape[1] - 2 * p
        dx = d[:, p : p + n].copy()
        dx[:, 0:p] += d[:, :p][:, ::-1]
        dx[:, n - p : n] += d[:, p + n :][:, ::-1]
        return dx


@pytest.mark.slow
def test_two_slips_in_a_helper_are_found_by_the_values_that_become_right():
    report = check_layer(Reflected(), (3, 6))
    text = report.diagnoses[0].sentence
    assert "2 lines are wrong" in text and "one too early" in text and "one too late" in text
