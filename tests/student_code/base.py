# ruff: noqa
# mypy: ignore-errors
"""What the collections of student code share: right layers to derive mistakes from, and a list of cases."""

import math, copy
import numpy as np
from mlp.layers import Layer, Parameter
from mlp.losses import Loss
from mlp.learning_rules.base import LearningRule

CASES = []


def mistake(sentence, regex, shape=None, formula=None, loss=None, **kw):
    def deco(cls):
        CASES.append(
            dict(
                cls=cls,
                name=cls.__name__,
                sentence=sentence,
                regex=regex,
                shape=shape,
                formula=formula,
                loss=loss,
                kw=kw,
            )
        )
        return cls

    return deco


def right(shape=None, formula=None, loss=None, **kw):
    return mistake("", "", shape, formula, loss, **kw)


def rnd(*shape, seed=1, scale=0.5):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def onehot(t, K):
    y = np.zeros((len(t), K))
    y[np.arange(len(t)), t] = 1
    return y


class Affine(Layer):
    def __init__(self, i=4, o=3):
        self.weight, self.bias = Parameter(rnd(i, o)), Parameter(rnd(o, seed=2))

    def forward(self, x, training=False):
        self.keep(x)
        return x @ self.weight.data + self.bias.data

    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = x.T @ g, g.sum(0)
        return g @ self.weight.data.T


class Conv(Layer):
    ci, co, k, s, p = 2, 3, 3, 1, 0

    def __init__(self):
        self.weight, self.bias = (
            Parameter(rnd(self.k, self.k, self.ci, self.co, scale=0.3)),
            Parameter(rnd(self.co, seed=3)),
        )

    def pad(self, x):
        p = self.p
        return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))

    def size(self, xp):
        return (xp.shape[1] - self.k) // self.s + 1, (xp.shape[2] - self.k) // self.s + 1

    def forward(self, x, training=False):
        xp, s, k = self.pad(x), self.s, self.k
        H, W = self.size(xp)
        out = np.zeros((len(x), H, W, self.co), x.dtype)
        for i in range(H):
            for j in range(W):
                out[:, i, j] = (
                    np.tensordot(xp[:, i * s : i * s + k, j * s : j * s + k], self.weight.data, 3) + self.bias.data
                )
        self.keep(xp)
        return out

    def crop(self, dxp):
        p = self.p
        return dxp[:, p : dxp.shape[1] - p, p : dxp.shape[2] - p]

    def backward(self, g):
        xp = self.take()
        s, k, (N, H, W, F) = self.s, self.k, g.shape
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i * s : i * s + k, j * s : j * s + k], g[:, i, j])
                dxp[:, i * s : i * s + k, j * s : j * s + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


class BN(Layer):
    buffer_names = ("running_mean", "running_var")
    eps, momentum = 1e-5, 0.9

    def __init__(self, c=4):
        self.gamma, self.beta = Parameter(rnd(c, seed=5) + 1), Parameter(rnd(c, seed=6))
        self.running_mean, self.running_var = np.zeros(c, np.float32), np.ones(c, np.float32)

    def axes(self, x):
        return tuple(range(x.ndim - 1))

    def move(self, mu, var):
        m = self.momentum
        self.running_mean[...] = m * self.running_mean + (1 - m) * mu
        self.running_var[...] = m * self.running_var + (1 - m) * var

    def forward(self, x, training=False):
        if training:
            mu, var = x.mean(self.axes(x)), x.var(self.axes(x))
            self.move(mu, var)
        else:
            mu, var = self.running_mean.copy(), self.running_var.copy()
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(x, mu, std, xh, training)
        return self.gamma.data * xh + self.beta.data

    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        g = g * self.gamma.data
        if not training:
            return g / std
        return (g - g.mean(ax) - xh * (g * xh).mean(ax)) / std


class LN(Layer):
    eps = 1e-5

    def __init__(self, d=5):
        self.gamma, self.beta = Parameter(rnd(d, seed=5) + 1), Parameter(rnd(d, seed=6))

    def forward(self, x, training=False):
        mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(xh, std)
        return xh * self.gamma.data + self.beta.data

    def params_grad(self, g, xh):
        lead = tuple(range(g.ndim - 1))
        self.beta.grad, self.gamma.grad = g.sum(lead), (g * xh).sum(lead)

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(-1, keepdims=True) - xh * (g * xh).mean(-1, keepdims=True)) / std


class Pool(Layer):
    k = s = 2

    def size(self, x):
        return (x.shape[1] - self.k) // self.s + 1, (x.shape[2] - self.k) // self.s + 1

    def forward(self, x, training=False):
        k, s, (H, W) = self.k, self.s, self.size(x)
        out = np.zeros((len(x), H, W, x.shape[3]), x.dtype)
        for i in range(H):
            for j in range(W):
                out[:, i, j] = self.reduce(x[:, i * s : i * s + k, j * s : j * s + k])
        self.keep(x)
        return out

    def reduce(self, w):
        return w.max((1, 2))

    def spread(self, w, g):
        N, k, _, C = w.shape
        flat = w.reshape(N, k * k, C)
        d = np.zeros_like(flat)
        np.put_along_axis(d, flat.argmax(1)[:, None], g[:, None], 1)
        return d.reshape(w.shape)

    def backward(self, g):
        x = self.take()
        k, s = self.k, self.s
        dx = np.zeros_like(x)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                dx[:, i * s : i * s + k, j * s : j * s + k] += self.spread(
                    x[:, i * s : i * s + k, j * s : j * s + k], g[:, i, j]
                )
        return dx


class RuleBase:
    """params and grads as dictionaries; everything in one place, so that a mistake is one overridden line."""

    def __init__(self, lr=0.01, momentum=0.9, decay=0.9, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.momentum, self.decay, self.beta1, self.beta2, self.eps = lr, momentum, decay, beta1, beta2, eps
        self.state, self.t = {}, 0

    def slot(self, k, name, like):
        return self.state.setdefault((k, name), np.zeros_like(like))

    def update(self, params, grads):
        self.t += 1
        for k in params:
            self.step(k, params[k], grads[k])
