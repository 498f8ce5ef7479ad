"""Slices at the wrong place, names mixed up in a whole line, paths that are missing, sums that run the wrong way."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import OneWeight, PlantedBug
from mlp.layers import Layer, Parameter
from mlp.typing import Array


class SumForwardAgain(Layer):
    """The gradient of a cumulative sum is summed from the start again, where it must be from the end."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return np.cumsum(x, axis=1)

    def backward(self, grad_outputs: Array) -> Array:
        return np.cumsum(grad_outputs, axis=1)


class PaddingCutAtTheEnd(OneWeight):
    """Zeros were put before the first step, and backward cuts off the last ones."""

    def forward(self, x: Array, training: bool = False) -> Array:
        k, T = len(self.weight.data), x.shape[1]
        padded = np.concatenate([np.zeros((len(x), k - 1, x.shape[2]), x.dtype), x], axis=1)
        self.keep(padded)
        return np.asarray(sum(padded[:, i : i + T] @ self.weight.data[i] for i in range(k)))

    def backward(self, grad_outputs: Array) -> Array:
        padded, T = self.take(), grad_outputs.shape[1]
        dx, dw = np.zeros_like(padded), np.zeros_like(self.weight.data)
        for i in range(len(dw)):
            dx[:, i : i + T] += grad_outputs @ self.weight.data[i].T
            dw[i] = np.einsum("ntc,ntf->cf", padded[:, i : i + T], grad_outputs)
        self.weight.grad = dw
        return dx[:, :T]


class FirstGroupForAll(Layer):
    """Every group of channels takes the part of grad_outputs that belongs to the first one."""

    def __init__(self, groups: int, c: int) -> None:
        self.c = c
        self.weight = Parameter(np.random.default_rng(0).standard_normal((groups, c, c)))

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        parts = [x[:, g * self.c : (g + 1) * self.c] @ w for g, w in enumerate(self.weight.data)]
        return np.concatenate(parts, axis=1)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for g in range(len(dw)):
            part = grad_outputs[:, : self.c]
            dw[g] = x[:, g * self.c : (g + 1) * self.c].T @ part
            dx[:, g * self.c : (g + 1) * self.c] = part @ self.weight.data[g].T
        self.weight.grad = dw
        return dx


class PathThroughTheGate(OneWeight):
    """In a product x sigmoid(x W) the path through the gate is missing."""

    def forward(self, x: Array, training: bool = False) -> Array:
        s = 1.0 / (1.0 + np.exp(-x @ self.weight.data))
        self.keep(x, s)
        return np.asarray(x * s)

    def backward(self, grad_outputs: Array) -> Array:
        x, s = self.take()
        w = self.weight.data
        da = grad_outputs * x * s * (1.0 - s)
        self.weight.grad = np.zeros_like(w) + x.T @ da
        return np.asarray(grad_outputs * s)


class DiagonalOfAttention(OneWeight):
    """Of the softmax inside, only the diagonal of its Jacobian is taken."""

    def forward(self, x: Array, training: bool = False) -> Array:
        z = x @ self.weight.data
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        a = e / e.sum(axis=-1, keepdims=True)
        self.keep(x, a)
        return np.asarray(a * x)

    def backward(self, grad_outputs: Array) -> Array:
        x, a = self.take()
        da = grad_outputs * x
        dz = a * (1.0 - a) * da
        self.weight.grad = x.T @ dz
        return np.asarray(grad_outputs * a + dz @ self.weight.data.T)


class GateBeforeItsSigmoid(Layer):
    """The derivative of a gate is taken of its inputs, in both places of the line."""

    def __init__(self, d: int, k: int) -> None:
        self.first, self.second = (Parameter(np.random.default_rng(i).standard_normal((d, k))) for i in range(2))

    def forward(self, x: Array, training: bool = False) -> Array:
        a, z = x @ self.first.data, x @ self.second.data
        s = 1.0 / (1.0 + np.exp(-z))
        self.keep(x, a, z, s)
        return np.asarray(a * s)

    def backward(self, grad_outputs: Array) -> Array:
        x, a, z, s = self.take()
        da = grad_outputs * s
        dz = grad_outputs * a * z * (1.0 - z)
        self.first.grad, self.second.grad = x.T @ da, x.T @ dz
        return np.asarray(da @ self.first.data.T + dz @ self.second.data.T)


class EmptyWhereNothingIsCut(Layer):
    """Backward writes to n:-n, which is empty where n is 0."""

    n = 0

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.asarray(x[:, self.n : x.shape[1] - self.n] ** 2)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        dx = np.zeros_like(x)
        dx[:, self.n : -self.n] = grad_outputs
        return 2.0 * x * dx


BUGS = [
    PlantedBug(EmptyWhereNothingIsCut, "empty slice", tuple, (3, 5)),
    PlantedBug(SumForwardAgain, "forward once more", tuple, (3, 6)),
    PlantedBug(PaddingCutAtTheEnd, "shifted", lambda: (3, 3, 2), (2, 6, 3)),
    PlantedBug(FirstGroupForAll, "wrong index", lambda: (2, 3), (4, 6)),
    PlantedBug(PathThroughTheGate, "term missing", lambda: (4, 4), (5, 4)),
    PlantedBug(DiagonalOfAttention, "only the diagonal", lambda: (4, 4), (3, 4)),
    PlantedBug(GateBeforeItsSigmoid, "another array", lambda: (4, 3), (5, 4)),
]
