"""Layers whose gradients are right, and whose forward is not what the name of the class says."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Layer, Parameter
from mlp.typing import Array


class MySigmoid(Layer):
    """The sign in the exponent is wrong."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = 1.0 / (1.0 + np.exp(x))
        self.keep(y)
        return np.asarray(y)

    def backward(self, grad_outputs: Array) -> Array:
        y = self.take()
        return np.asarray(-grad_outputs * y * (1.0 - y))


class MyELU(Layer):
    """The 1 is not subtracted where x < 0."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.where(x > 0, x, np.exp(np.minimum(x, 0.0)))
        self.keep(x, y)
        return np.asarray(y)

    def backward(self, grad_outputs: Array) -> Array:
        x, y = self.take()
        return np.asarray(grad_outputs * np.where(x > 0, 1.0, y))


class MyGELU(Layer):
    """It is x sigmoid(x), a Swish."""

    def forward(self, x: Array, training: bool = False) -> Array:
        s = 1.0 / (1.0 + np.exp(-x))
        self.keep(x, s)
        return np.asarray(x * s)

    def backward(self, grad_outputs: Array) -> Array:
        x, s = self.take()
        return np.asarray(grad_outputs * (s + x * s * (1.0 - s)))


class MyGroupNorm(Layer):
    """Every other channel makes a group, where neighbours should."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, x: Array, training: bool = False) -> Array:
        sets = x.reshape(*x.shape[:3], -1, self.groups)
        std = np.sqrt(sets.var(axis=(1, 2, 3), keepdims=True) + 1e-5)
        x_hat = (sets - sets.mean(axis=(1, 2, 3), keepdims=True)) / std
        self.keep(x_hat, std)
        return np.asarray(x_hat.reshape(x.shape))

    def backward(self, grad_outputs: Array) -> Array:
        (x_hat, std), axes = self.take(), (1, 2, 3)
        d = grad_outputs.reshape(x_hat.shape)
        dx = d - d.mean(axes, keepdims=True) - x_hat * (d * x_hat).mean(axes, keepdims=True)
        return np.asarray((dx / std).reshape(grad_outputs.shape))


class MyLayerNorm(Layer):
    """The standard deviation stands where the variance belongs, and a root is taken of it."""

    def forward(self, x: Array, training: bool = False) -> Array:
        c = x - x.mean(axis=1, keepdims=True)
        std = x.std(axis=1, keepdims=True)
        self.keep(c, std)
        return np.asarray(c / np.sqrt(std))

    def backward(self, grad_outputs: Array) -> Array:
        c, std = self.take()
        along = (grad_outputs * c).mean(axis=1, keepdims=True)
        d = grad_outputs / np.sqrt(std) - 0.5 * c * along / std**2.5
        return np.asarray(d - d.mean(axis=1, keepdims=True))


class MyDropout(Layer):
    """p is the probability of being dropped, and values stay with it."""

    def __init__(self, p: float) -> None:
        self.p = p
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array, training: bool = False) -> Array:
        mask = (self.rng.random(x.shape) < self.p) / self.p if training else np.ones(x.shape)
        self.keep(mask.astype(x.dtype))
        return np.asarray(x * mask)

    def backward(self, grad_outputs: Array) -> Array:
        return np.asarray(grad_outputs * self.take())


class SwiGLU(Layer):
    """The gate is a sigmoid, and must be a swish."""

    def __init__(self, d: int, h: int) -> None:
        rng = np.random.default_rng(0)
        self.gate, self.value = (Parameter(rng.standard_normal((d, h))) for _ in range(2))

    def forward(self, x: Array, training: bool = False) -> Array:
        s, v = 1.0 / (1.0 + np.exp(-(x @ self.gate.data))), x @ self.value.data
        self.keep(x, s, v)
        return np.asarray(s * v)

    def backward(self, grad_outputs: Array) -> Array:
        x, s, v = self.take()
        da, dv = grad_outputs * v * s * (1.0 - s), grad_outputs * s
        self.gate.grad, self.value.grad = x.T @ da, x.T @ dv
        return np.asarray(da @ self.gate.data.T + dv @ self.value.data.T)


class PReLU(Layer):
    """The slope is applied where x > 0."""

    def __init__(self, features: int) -> None:
        self.slope = Parameter(np.full(features, 0.25))

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.where(x > 0.0, self.slope.data * x, x)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        self.slope.grad = np.where(x > 0.0, grad_outputs * x, 0.0).sum(axis=0)
        return np.where(x > 0.0, self.slope.data, 1.0) * grad_outputs


class ResidualBlock(Layer):
    """The inputs are not added to what the two matrices give."""

    def __init__(self, d: int, h: int) -> None:
        rng = np.random.default_rng(0)
        self.first, self.second = (Parameter(rng.standard_normal(shape)) for shape in ((d, h), (h, d)))

    def forward(self, x: Array, training: bool = False) -> Array:
        h = np.tanh(x @ self.first.data)
        self.keep(x, h)
        return np.asarray(h @ self.second.data)

    def backward(self, grad_outputs: Array) -> Array:
        x, h = self.take()
        self.second.grad = h.T @ grad_outputs
        dz = grad_outputs @ self.second.data.T * (1.0 - h * h)
        self.first.grad = x.T @ dz
        return np.asarray(dz @ self.first.data.T)


class L2Normalize(Layer):
    """The rows are divided by the squares of their lengths."""

    def forward(self, x: Array, training: bool = False) -> Array:
        n = (x * x).sum(axis=1, keepdims=True)
        self.keep(x, n)
        return np.asarray(x / n)

    def backward(self, grad_outputs: Array) -> Array:
        x, n = self.take()
        return np.asarray(grad_outputs / n - 2.0 * x * (grad_outputs * x).sum(axis=1, keepdims=True) / n**2)


class CosineLinear(Layer):
    """The weights are not divided by their lengths."""

    def __init__(self, d: int, h: int) -> None:
        self.weight = Parameter(np.random.default_rng(0).standard_normal((d, h)))

    def forward(self, x: Array, training: bool = False) -> Array:
        n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        self.keep(x / n, n)
        return np.asarray(x / n @ self.weight.data)

    def backward(self, grad_outputs: Array) -> Array:
        unit, n = self.take()
        self.weight.grad = unit.T @ grad_outputs
        d = grad_outputs @ self.weight.data.T
        return np.asarray((d - unit * (d * unit).sum(axis=1, keepdims=True)) / n)


class HardSwish(Layer):
    """It is divided by 3, and must be by 6."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.asarray(x * np.clip(x + 3.0, 0.0, 6.0) / 3.0)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        inside = (x > -3.0) & (x < 3.0)
        return np.asarray(grad_outputs * (np.clip(x + 3.0, 0.0, 6.0) + x * inside) / 3.0)


BUGS = [
    PlantedBug(MySigmoid, "forward", tuple, (4, 5)),
    PlantedBug(MyELU, "forward", tuple, (4, 5)),
    PlantedBug(MyGELU, "forward", tuple, (4, 5)),
    PlantedBug(MyGroupNorm, "groups of channels", lambda: (2,), (2, 3, 3, 4)),
    PlantedBug(MyLayerNorm, "root twice", tuple, (4, 5)),
    PlantedBug(SwiGLU, "forward", lambda: (4, 3), (5, 4)),
    PlantedBug(PReLU, "forward", lambda: (4,), (5, 4)),
    PlantedBug(ResidualBlock, "shortcut missing", lambda: (4, 3), (5, 4)),
    PlantedBug(L2Normalize, "forward", tuple, (4, 5)),
    PlantedBug(CosineLinear, "forward", lambda: (4, 3), (5, 4)),
    PlantedBug(HardSwish, "forward", tuple, (4, 5)),
    PlantedBug(MyDropout, "keeps what it must drop", lambda: (0.2,), (10, 20)),
]
