"""Layers that keep nothing for backward in evaluation pass, with a remark; what they do wrong in training is found."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer
from mlp.diagnostics.gradients.probes import forward_alone


class BatchNorm:
    """Batch normalization whose backward is for training only."""

    def __init__(self, size, momentum=0.9):
        self.gamma, self.beta, self.momentum = np.ones(size), np.zeros(size), momentum
        self.running_mean, self.running_var = np.zeros(size), np.ones(size)
        self.dgamma = self.dbeta = None

    def forward(self, x, training=True):
        if not training:
            return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + 1e-5) + self.beta
        mean, var = x.mean(axis=0), x.var(axis=0)
        self.std = np.sqrt(var + 1e-5)
        self.xhat = (x - mean) / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xhat).sum(axis=0), dout.sum(axis=0)
        dxhat = dout * self.gamma
        return (dxhat - dxhat.mean(axis=0) - self.xhat * (dxhat * self.xhat).mean(axis=0)) / self.std


class BatchNormWithoutMean(BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        dxhat = dout * self.gamma
        return (dxhat - self.xhat * (dxhat * self.xhat).mean(axis=0)) / self.std


class BatchNormStaleGamma(BatchNorm):
    """It knows evaluation, but the gradient of gamma is made with the inputs of the last training step."""

    def forward(self, x, training=True):
        self.training = training
        return super().forward(x, training)

    def backward(self, dout):
        dx = super().backward(dout)
        return dx if self.training else dout * self.gamma / np.sqrt(self.running_var + 1e-5)


class Recurrent:
    """A tanh recurrence whose steps are kept in training only."""

    def __init__(self, inputs, units):
        rng = np.random.default_rng(0)
        self.Wx, self.Wh = rng.normal(size=(inputs, units)), 0.5 * rng.normal(size=(units, units))
        self.dWx, self.dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)

    def forward(self, x, train=True):
        h, self.steps = np.zeros((len(x), len(self.Wh))), []
        outputs = []
        for t in range(x.shape[1]):
            before, h = h, np.tanh(x[:, t] @ self.Wx + h @ self.Wh)
            outputs.append(h)
            if train:
                self.steps.append((x[:, t], before, h))
        return np.stack(outputs, axis=1)

    def backward(self, dout):
        self.dWx, self.dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)
        dx, dh = np.zeros((*dout.shape[:2], len(self.Wx))), 0.0
        for t in reversed(range(dout.shape[1])):
            inputs, before, h = self.steps[t]
            dz = (dout[:, t] + dh) * (1 - h**2)
            self.dWx += inputs.T @ dz
            self.dWh += before.T @ dz
            dx[:, t], dh = dz @ self.Wx.T, dz @ self.Wh.T
        return dx


class TanhWithoutCache:
    def forward(self, x, mode="train"):
        y = np.tanh(x)
        return y, (y if mode == "train" else None)

    def backward(self, dout, cache):
        return dout * (1 - cache**2)


def tanh_forward(x, mode):
    y = np.tanh(x)
    return y, (y if mode == "train" else None)


def tanh_backward(dout, cache):
    return dout * (1 - cache**2)


@pytest.mark.parametrize(
    ("layer", "shape"), [(BatchNorm(4), (7, 4)), (Recurrent(3, 4), (2, 3, 3)), (TanhWithoutCache(), (4, 5))]
)
def test_right_layers_pass_with_a_remark(layer, shape):
    report = check_layer(layer, shape)
    report.raise_if_failed()
    assert any("keeps nothing of its inputs" in one for one in report.remarks)


def test_a_right_pair_passes_with_a_remark():
    report = check_functions(tanh_forward, tanh_backward, (4, 5))
    report.raise_if_failed()
    assert any("keeps nothing of its inputs" in one for one in report.remarks)


def test_a_mistake_of_training_is_found():
    report = check_layer(BatchNormWithoutMean(4), (7, 4))
    assert {row.mode for row in report.rows if not row.passed} == {"training"}
    assert "mean" in report.diagnoses[0].sentence


def test_a_backward_that_knows_evaluation_is_checked_there():
    report = check_layer(BatchNormStaleGamma(4), (7, 4))
    assert ("evaluation", "gamma") in {(row.mode, row.array) for row in report.rows if not row.passed}


def test_whether_evaluation_is_a_forward_alone_is_asked_once(monkeypatch):
    calls, asked = [], forward_alone.keeps_inputs
    monkeypatch.setattr(forward_alone, "keeps_inputs", lambda *args, **mode: calls.append(mode) or asked(*args, **mode))
    check_layer(TanhWithoutCache(), (4, 5)).raise_if_failed()
    assert calls == [{"training": True}, {"training": False}]
