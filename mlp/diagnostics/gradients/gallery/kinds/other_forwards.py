"""Forwards that are not what their names say, with the backward that fits them; and windows, blocks and paths."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import OneWeight, PlantedBug
from mlp.layers import Layer, Parameter
from mlp.typing import Array


class Conv1d(Layer):
    """The last window is left out: the + 1 is missing in the number of outputs."""

    def __init__(self, k: int, stride: int) -> None:
        self.stride = stride
        self.weight = Parameter(np.random.default_rng(0).standard_normal((k, 2, 3)))

    def forward(self, x: Array, training: bool = False) -> Array:
        k, s = len(self.weight.data), self.stride
        count = (x.shape[1] - k) // s
        self.keep(x)
        windows = [x[:, t * s : t * s + k] for t in range(count)]
        return np.stack([np.tensordot(window, self.weight.data, 2) for window in windows], axis=1)

    def backward(self, grad_outputs: Array) -> Array:
        x, k, s = self.take(), len(self.weight.data), self.stride
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for t in range(grad_outputs.shape[1]):
            dw += np.tensordot(x[:, t * s : t * s + k], grad_outputs[:, t], (0, 0))
            dx[:, t * s : t * s + k] += np.tensordot(grad_outputs[:, t], self.weight.data, (1, 2))
        self.weight.grad = dw
        return dx


class PositionalEncoding(Layer):
    """The exponent is i / d, and must be 2 i / d."""

    def table(self, steps: int, size: int) -> Array:
        angle = np.arange(steps)[:, None] / 10000.0 ** (np.arange(size // 2) / size)
        return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(steps, size)

    def forward(self, x: Array, training: bool = False) -> Array:
        return np.asarray(x + self.table(*x.shape[1:]).astype(x.dtype))

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs


class PixelShuffle(Layer):
    """Rows and columns of the blocks are exchanged."""

    def __init__(self, r: int) -> None:
        self.r = r

    def forward(self, x: Array, training: bool = False) -> Array:
        N, C, H, W = x.shape
        c, r = C // self.r**2, self.r
        return x.reshape(N, c, r, r, H, W).transpose(0, 1, 4, 3, 5, 2).reshape(N, c, H * r, W * r)

    def backward(self, grad_outputs: Array) -> Array:
        N, c, H, W = grad_outputs.shape
        r = self.r
        parts = grad_outputs.reshape(N, c, H // r, r, W // r, r).transpose(0, 1, 5, 3, 2, 4)
        return parts.reshape(N, c * r * r, H // r, W // r)


class ZeroPadding(Layer):
    """Rows alone get zeros."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def forward(self, x: Array, training: bool = False) -> Array:
        return np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (0, 0)))

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs[:, :, self.pad : -self.pad]


class SelfAttention(Layer):
    """The heads are put together without their axis behind the steps."""

    def __init__(self, heads: int) -> None:
        self.heads = heads
        rng = np.random.default_rng(0)
        self.query, self.key, self.value = (Parameter(rng.standard_normal((4, 4))) for _ in range(3))

    def split(self, a: Array) -> Array:
        return a.reshape(*a.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def joined(self, a: Array) -> Array:
        return a.transpose(0, 2, 1, 3).reshape(a.shape[0], a.shape[2], -1)

    def forward(self, x: Array, training: bool = False) -> Array:
        q, k, v = (self.split(x @ p.data) for p in (self.query, self.key, self.value))
        scores = q @ k.swapaxes(2, 3) / q.shape[-1] ** 0.5
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        a = e / e.sum(axis=-1, keepdims=True)
        self.keep(x, q, k, v, a)
        return np.asarray((a @ v).reshape(x.shape))

    def backward(self, grad_outputs: Array) -> Array:
        x, q, k, v, a = self.take()
        g = grad_outputs.reshape(v.shape)
        da = g @ v.swapaxes(2, 3)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / q.shape[-1] ** 0.5
        dx = np.zeros_like(x)
        for p, part in ((self.query, ds @ k), (self.key, ds.swapaxes(2, 3) @ q), (self.value, a.swapaxes(2, 3) @ g)):
            d = self.joined(part)
            p.grad = np.einsum("nti,nto->io", x, d)
            dx += d @ p.data.T
        return dx


class MaxOverTime(Layer):
    """argmax counts from the start of the window, and backward takes it for a place in time."""

    def __init__(self, k: int) -> None:
        self.k = k

    def forward(self, x: Array, training: bool = False) -> Array:
        windows = x.reshape(len(x), -1, self.k, x.shape[2])
        self.keep(windows.argmax(axis=2), x.shape)
        return np.asarray(windows.max(axis=2))

    def backward(self, grad_outputs: Array) -> Array:
        best, shape = self.take()
        dx, k = np.zeros(shape, grad_outputs.dtype), self.k
        for n in range(shape[0]):
            for t in range(shape[1] // k):
                for c in range(shape[2]):
                    dx[n, best[n, t, c], c] += grad_outputs[n, t, c]
        return dx


class OneOfEachBlock(Layer):
    """Every pixel became a block, and its gradient is that of the first pixel of the block."""

    def __init__(self, s: int) -> None:
        self.s = s

    def forward(self, x: Array, training: bool = False) -> Array:
        return x.repeat(self.s, axis=1).repeat(self.s, axis=2)

    def backward(self, grad_outputs: Array) -> Array:
        s = self.s
        return grad_outputs[:, ::s, ::s]


class SecondPathForgotten(Layer):
    """h goes to the output and into the second layer, and what comes back through the second one is not added."""

    def __init__(self, n: int, k: int) -> None:
        rng = np.random.default_rng(0)
        self.n = n
        self.first, self.second = (Parameter(rng.standard_normal(shape)) for shape in ((n, k), (n + k, k)))

    def forward(self, x: Array, training: bool = False) -> Array:
        h = np.tanh(x @ self.first.data)
        both = np.concatenate([x, h], axis=1)
        self.keep(x, h, both)
        return np.concatenate([h, both @ self.second.data], axis=1)

    def backward(self, grad_outputs: Array) -> Array:
        x, h, both = self.take()
        dh, dy = np.split(grad_outputs, [h.shape[1]], axis=1)
        self.second.grad = both.T @ dy
        dboth = dy @ self.second.data.T
        dz = dh * (1.0 - h**2)
        self.first.grad = x.T @ dz
        return np.asarray(dz @ self.first.data.T + dboth[:, : self.n])


class GateForgottenInTime(OneWeight):
    """c = f c + i: the gradient that goes to the step before is not multiplied by f."""

    def forward(self, x: Array, training: bool = False) -> Array:
        c = np.zeros_like(x[:, 0])
        self.steps = []
        for t in range(x.shape[1]):
            f = 1.0 / (1.0 + np.exp(-(x[:, t] @ self.weight.data)))
            self.steps.append((c, f))
            c = f * c + x[:, t]
        self.keep(x)
        return np.asarray(c)

    def backward(self, grad_outputs: Array) -> Array:
        x, dc = self.take(), grad_outputs
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for t in reversed(range(x.shape[1])):
            c, f = self.steps[t]
            df = dc * c * f * (1.0 - f)
            dw += x[:, t].T @ df
            dx[:, t] = dc + df @ self.weight.data.T
        self.weight.grad = dw
        return dx


BUGS = [
    PlantedBug(Conv1d, "forward", lambda: (2, 2), (3, 8, 2)),
    PlantedBug(PositionalEncoding, "forward", tuple, (2, 5, 6)),
    PlantedBug(PixelShuffle, "forward", lambda: (2,), (2, 8, 2, 3)),
    PlantedBug(ZeroPadding, "forward", lambda: (2,), (2, 3, 4, 5)),
    PlantedBug(SelfAttention, "forward", lambda: (2,), (2, 3, 4)),
    PlantedBug(MaxOverTime, "wrong place", lambda: (3,), (2, 9, 2)),
    PlantedBug(OneOfEachBlock, "overlaps overwritten", lambda: (2,), (2, 3, 4, 2)),
    PlantedBug(SecondPathForgotten, "path missing", lambda: (3, 2), (5, 3)),
    PlantedBug(GateForgottenInTime, "line missing", lambda: (3, 3), (4, 3, 3)),
]
