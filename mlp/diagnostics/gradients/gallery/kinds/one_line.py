"""Layers with a slip in one line that no formula tells: the line itself is what the check names."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import OneWeight, PlantedBug
from mlp.layers import Layer, Parameter
from mlp.typing import Array


def attention_weights(scores: Array) -> Array:
    """Return the softmax along the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


class ScoresNotScaled(Layer):
    """The scores are divided by sqrt(d) in forward alone; two samples, so that N = sqrt(d) misleads."""

    def __init__(self, d: int) -> None:
        rng = np.random.default_rng(0)
        self.query, self.key = (Parameter(rng.standard_normal((d, d))) for _ in range(2))

    def forward(self, x: Array, training: bool = False) -> Array:
        q, k = x @ self.query.data, x @ self.key.data
        a = attention_weights(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]))
        self.keep(x, q, k, a)
        return a

    def backward(self, grad_outputs: Array) -> Array:
        x, q, k, a = self.take()
        ds = a * (grad_outputs - (grad_outputs * a).sum(axis=-1, keepdims=True))
        dq, dk = ds @ k, ds.transpose(0, 2, 1) @ q
        self.query.grad = np.einsum("ntd,nte->de", x, dq)
        self.key.grad = np.einsum("ntd,nte->de", x, dk)
        return np.asarray(dq @ self.query.data.T + dk @ self.key.data.T)


class LettersExchanged(OneWeight):
    """Two letters of einsum are exchanged, so the weight is not transposed."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.asarray(np.einsum("ngc,gco->ngo", x, self.weight.data))

    def backward(self, grad_outputs: Array) -> Array:
        self.weight.grad = np.einsum("ngc,ngo->gco", self.take(), grad_outputs)
        return np.asarray(np.einsum("ngo,goc->ngc", grad_outputs, self.weight.data))


class FiltersNotInFront(OneWeight):
    """grad_outputs is reshaped to (filters, -1) without bringing the axis of the filters to the front."""

    def forward(self, x: Array, training: bool = False) -> Array:
        N, C, T = x.shape
        columns = x.transpose(1, 0, 2).reshape(C, -1)
        self.keep(columns, x.shape)
        return np.asarray((self.weight.data @ columns).reshape(-1, N, T).transpose(1, 0, 2))

    def backward(self, grad_outputs: Array) -> Array:
        columns, (N, C, T) = self.take()
        flat = grad_outputs.reshape(len(self.weight.data), -1)
        self.weight.grad = flat @ columns.T
        return np.asarray((self.weight.data.T @ flat).reshape(C, N, T).transpose(1, 0, 2))


class StateOfTheSameStep(OneWeight):
    """A gate is multiplied with the new state, where the old one belongs."""

    def forward(self, x: Array, training: bool = False) -> Array:
        gate = np.tanh(x @ self.weight.data)
        state = gate * x + 1.0
        self.keep(x, gate, state)
        return np.asarray(state * state)

    def backward(self, grad_outputs: Array) -> Array:
        x, gate, state = self.take()
        d = 2.0 * grad_outputs * state
        dz = d * state * (1.0 - gate**2)
        self.weight.grad = x.T @ dz
        return np.asarray(d * gate + dz @ self.weight.data.T)


class ActivationTwice(OneWeight):
    """The outputs are a tanh already, and backward applies it to them once more."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.tanh(x @ self.weight.data)
        self.keep(x, y)
        return np.asarray(y)

    def backward(self, grad_outputs: Array) -> Array:
        x, y = self.take()
        da = grad_outputs * (1.0 - np.tanh(y) ** 2)
        self.weight.grad = x.T @ da
        return np.asarray(da @ self.weight.data.T)


class BothPiecesOfMaxout(Layer):
    """Both pieces of a maximum get the gradient, where only the larger one may."""

    def __init__(self, d: int, k: int) -> None:
        rng = np.random.default_rng(0)
        self.first, self.second = (Parameter(rng.standard_normal((d, k))) for _ in range(2))

    def forward(self, x: Array, training: bool = False) -> Array:
        a, b = x @ self.first.data, x @ self.second.data
        self.keep(x, a, b)
        return np.maximum(a, b)

    def backward(self, grad_outputs: Array) -> Array:
        x, a, b = self.take()
        da = grad_outputs
        db = grad_outputs * (b >= a)
        self.first.grad, self.second.grad = x.T @ da, x.T @ db
        return np.asarray(da @ self.first.data.T + db @ self.second.data.T)


class BatchCountedAlone(Layer):
    """The means of a batch norm of images run over N H W values, and backward divides by N."""

    def __init__(self, c: int) -> None:
        self.gamma = Parameter(np.ones((1, c, 1, 1)))

    def forward(self, x: Array, training: bool = False) -> Array:
        axes = (0, 2, 3)
        std = np.sqrt(x.var(axes, keepdims=True) + 1e-5)
        x_hat = (x - x.mean(axes, keepdims=True)) / std
        self.keep(x_hat, std)
        return np.asarray(self.gamma.data * x_hat)

    def backward(self, grad_outputs: Array) -> Array:
        (x_hat, std), axes = self.take(), (0, 2, 3)
        self.gamma.grad = (grad_outputs * x_hat).sum(axes, keepdims=True)
        v, m = grad_outputs * self.gamma.data, grad_outputs.shape[0]
        along = (v * x_hat).sum(axes, keepdims=True)
        return np.asarray((v - v.sum(axes, keepdims=True) / m - x_hat * along / m) / std)


BUGS = [
    PlantedBug(ScoresNotScaled, "factor or term missing", lambda: (4,), (2, 3, 4)),
    PlantedBug(LettersExchanged, "transposed", lambda: (2, 3, 3), (4, 2, 3)),
    PlantedBug(FiltersNotInFront, "order of axes or parts", lambda: (4, 3), (2, 3, 5)),
    PlantedBug(StateOfTheSameStep, "another array", lambda: (3, 3), (4, 3)),
    PlantedBug(ActivationTwice, "function or axis", lambda: (3, 4), (5, 3)),
    PlantedBug(BothPiecesOfMaxout, "activation left out", lambda: (4, 3), (5, 4)),
    PlantedBug(BatchCountedAlone, "wrong term through the mean", lambda: (3,), (4, 3, 3, 2)),
]
