"""Losses whose forward takes more than outputs and targets."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss
from mlp.diagnostics.gradients.own_file import check_file
from mlp.errors import ConfigurationError

CLASSES = """
import numpy as np

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

class Distillation:
    def __init__(self, T=3.0):
        self.T = T
    def backward(self):
        return self.T**POWER * (self.q - self.p) / len(self.p)

class DistillationLoss(Distillation):
    def forward(self, student_logits, teacher_logits):
        self.q, self.p = softmax(student_logits / self.T), softmax(teacher_logits / self.T)
        return self.T**2 * (self.p * (np.log(self.p) - np.log(self.q))).sum(axis=1).mean()

class HintonLoss(Distillation):
    def forward(self, student_logits, teacher_logits, labels):
        self.s, self.y = softmax(student_logits), np.eye(student_logits.shape[1])[labels]
        self.q, self.p = softmax(student_logits / self.T), softmax(teacher_logits / self.T)
        soft = self.T**2 * (self.p * (np.log(self.p) - np.log(self.q))).sum(axis=1).mean()
        return soft - (self.y * np.log(self.s)).sum(axis=1).mean()
    def backward(self):
        return super().backward() + (self.s - self.y) / len(self.y)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DistillationLoss", "HintonLoss"])
def test_logits_of_a_teacher_are_constants(tmp_path, name):
    path = tmp_path / "right.py"
    path.write_text(CLASSES.replace("POWER", "1"))
    check_file(f"{path}:{name}", "", (4, 5)).raise_if_failed()
    path = tmp_path / "wrong.py"
    path.write_text(CLASSES.replace("POWER", "2"))
    report = check_file(f"{path}:{name}", "", (4, 5))
    assert not report.passed and report.rows[0].mode == "loss"
    assert "exception" not in report.diagnoses[0].name


def weighted_mse(pred, target, weights):
    return np.mean(weights * (pred - target) ** 2), 2 * weights * (pred - target) / pred.size


def weighted_mse_without_weights(pred, target, weights):
    return np.mean(weights * (pred - target) ** 2), 2 * (pred - target) / pred.size


def test_weights_are_constants():
    check_loss(weighted_mse, (5, 3)).raise_if_failed()
    assert not check_loss(weighted_mse_without_weights, (5, 3)).passed


def loss_of_an_object(outputs, targets, model):
    return model.penalty + np.mean((outputs - targets) ** 2), 2 * (outputs - targets) / outputs.size


def test_what_cannot_be_known_is_asked_for():
    with pytest.raises(ConfigurationError, match=r"takes \(outputs, targets, model\).*def loss\(outputs, targets\)"):
        check_loss(loss_of_an_object, (5, 3))
