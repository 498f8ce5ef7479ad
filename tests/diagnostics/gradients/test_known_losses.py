"""Well-known losses: right ones pass and are recognized, a wrong gradient or loss is named."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss
from mlp.diagnostics.gradients.gallery.kinds import class_losses, known_losses
from mlp.diagnostics.gradients.losses.known.identity import the_loss
from mlp.diagnostics.gradients.losses.known.protocol import Parts, gradient_of
from mlp.diagnostics.gradients.losses.known.table import LOSSES
from mlp.diagnostics.gradients.losses.points import LossPoint


@pytest.mark.parametrize("kind", (*known_losses.RIGHT_LOSSES, *class_losses.RIGHT_LOSSES))
def test_right_losses_pass(kind):
    report = check_loss(kind(), (4, 5))
    report.raise_if_failed()
    assert report.diagnoses == []


def point_of(known, s, seed, shape):
    """Return a point at which a known loss is the student's."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0.1, 0.9, shape)
    t = rng.dirichlet(np.ones(shape[1]), shape[0])
    if "log-likelihood of a" in known.name:  # outputs are means and spreads
        y = np.concatenate([y, rng.uniform(0.1, 0.9, shape)], axis=1)
    value = float(known.value(y, t, s, Parts()).sum()) / len(y)
    right = gradient_of(known.value, y, t, s) / len(y)
    return LossPoint(right, right, y, t, False, {name: v for name, v in s.items() if isinstance(v, float)}, value)


SOME = [pytest.param(one, marks=() if i % 8 == 0 else pytest.mark.slow) for i, one in enumerate(LOSSES)]


@pytest.mark.parametrize("known", SOME)
def test_a_known_loss_is_recognized_by_its_values(known):
    s = {name: usual[0] for name, usual in known.usual.items() if usual}
    if len(s) < len(known.usual):
        return  # weights come from the student's loss alone
    points = [point_of(known, s, seed, shape) for seed, shape in ((0, (4, 5)), (1, (5, 6)), (2, (4, 5)))]
    if not points[0].right.any():
        return  # it is 0 for such outputs and targets
    _, found = the_loss(points)
    assert found is not None
    same = gradient_of(found.known.value, points[0].outputs, points[0].targets, found.settings)
    np.testing.assert_allclose(found.scales[0] * same, points[0].right, rtol=1e-5, atol=1e-9)


def test_parts_are_held_constant():
    def squared_product(y, t, s, part):
        return part("y + 1", y + 1.0) * part("y^2", y * y)

    y = np.array([[0.5, 2.0]])
    t = np.zeros_like(y)
    whole = gradient_of(squared_product, y, t, {})
    np.testing.assert_allclose(whole, y * y + 2.0 * y * (y + 1.0), rtol=1e-8)
    held = gradient_of(squared_product, y, t, {}, {"y^2": y * y})
    np.testing.assert_allclose(held, y * y, rtol=1e-8)


class Pair:
    """A student's loss with a setting that backward forgets."""

    strength = 0.3

    def forward(self, outputs, targets):
        self.d, self.y = outputs - targets, outputs
        return (np.abs(self.d) ** 2.5).mean() + self.strength * np.sin(outputs).mean()

    def backward(self):
        return 2.5 * np.sign(self.d) * np.abs(self.d) ** 1.5 / self.d.size


def test_a_setting_that_backward_does_not_use_is_named():
    report = check_loss(Pair(), (4, 3), np.random.default_rng(0).random((4, 3)))
    assert report.diagnoses[0].name == "setting not used"
    assert "`strength`" in report.diagnoses[0].sentence


class CrossEntropyLoss:
    """The softmax of forward runs over the batch; backward is that of the right loss."""

    def forward(self, z, t):
        e = np.exp(z - z.max(axis=0))
        self.t, self.z = t, z
        return -np.log((e / e.sum(axis=0))[np.arange(len(t)), t]).mean()

    def backward(self):
        e = np.exp(self.z - self.z.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True) - np.eye(self.z.shape[1])[self.t]) / len(self.t)


def test_a_wrong_forward_is_said_first():
    report = check_loss(CrossEntropyLoss(), (6, 4))
    assert report.diagnoses[0].name == "softmax over the batch"
    assert report.diagnoses[0].sentence.startswith("in forward")


class SmoothedDice:
    """1 - 2 I / (P + T + 1): no loss that is known here."""

    def forward(self, outputs, targets):
        self.p, self.t = 1.0 / (1.0 + np.exp(-outputs)), targets
        self.total = self.p.sum() + targets.sum() + 1.0
        return 1.0 - 2.0 * (self.p * targets).sum() / self.total

    def backward(self):
        return -2.0 * self.t / self.total * self.p * (1.0 - self.p)


class OfPaddedSequences:
    """Positions with the target -1 do not count."""

    def forward(self, outputs, targets):
        self.t, self.counts = targets, targets >= 0
        self.p = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
        self.q = np.eye(outputs.shape[-1])[targets] * self.counts[..., None]
        return -(self.q * np.log(self.p)).sum() / self.counts.sum()

    def backward(self):
        return (self.p - self.q) / self.counts.sum()


def test_a_value_that_backward_treats_as_a_constant_is_named():
    rng = np.random.default_rng(0)
    report = check_loss(SmoothedDice, rng.standard_normal((3, 4)), (rng.random((3, 4)) < 0.5) * 1.0)
    assert report.diagnoses[0].name == "part as a constant"
    assert "`self.total` of line" in report.diagnoses[0].sentence


def test_a_mask_that_is_missing_in_the_gradient_is_named():
    rng = np.random.default_rng(0)
    targets = np.where(rng.random((3, 4)) < 0.4, -1, rng.integers(0, 5, (3, 4)))
    report = check_loss(OfPaddedSequences, rng.standard_normal((3, 4, 5)), targets)
    assert report.diagnoses[0].name == "mask forgotten"
    assert "with the target -1 get a gradient" in report.diagnoses[0].sentence


def test_classes_that_are_off_by_one():
    class CrossEntropy:
        def forward(self, z, t):
            self.t, e = t, np.exp(z - z.max(axis=1, keepdims=True))
            self.p = e / e.sum(axis=1, keepdims=True)
            return -np.log(self.p[np.arange(len(t)), t]).mean()

        def backward(self):
            dz = self.p.copy()
            dz[np.arange(len(self.t)), self.t - 1] -= 1
            return dz / len(self.t)

    assert "off by one: it should be `self.t`" in str(check_loss(CrossEntropy(), (5, 7)).diagnoses[0])
