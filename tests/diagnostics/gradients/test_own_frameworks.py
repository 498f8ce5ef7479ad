"""Layers of a student's own framework: weights are objects with data and grad, gradients add up until zero_grad."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Module:
    def parameters(self):
        return [value for value in vars(self).values() if isinstance(value, Parameter)]

    def zero_grad(self):
        for parameter in self.parameters():
            parameter.grad[...] = 0.0


class Dense(Module):
    def __init__(self, inputs, units):
        rng = np.random.default_rng(0)
        self.weight, self.bias = Parameter(rng.normal(size=(inputs, units))), Parameter(rng.normal(size=units))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, dy):
        self.weight.grad += self.x.T @ dy
        self.bias.grad += dy.sum(axis=0)
        return dy @ self.weight.data.T


class DenseWithoutModule:
    """The optimizer has zero_grad, the layer has not."""

    def __init__(self, inputs, units):
        vars(self).update(vars(Dense(inputs, units)))

    forward, backward = Dense.forward, Dense.backward


class Block(Module):
    def __init__(self):
        self.first, self.second = Dense(4, 5), DenseWithoutModule(5, 3)

    def zero_grad(self):
        self.first.zero_grad()
        self.second.weight.grad[...] = self.second.bias.grad[...] = 0.0

    def forward(self, x):
        return self.second.forward(self.first.forward(x))

    def backward(self, dy):
        return self.first.backward(self.second.backward(dy))


class Whole:
    """Its part knows it."""

    def __init__(self):
        self.part = DenseWithoutModule(4, 3)
        self.part.whole = self

    def forward(self, x):
        return self.part.forward(x)

    def backward(self, dy):
        return self.part.backward(dy)


class BiasTimesX(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.bias.grad += (dy * self.x[:, :1]).sum(axis=0) - dy.sum(axis=0)
        return dx


class AddsUpInAttributes:
    """No framework: nothing resets the gradient."""

    def __init__(self):
        self.w, self.dw = np.ones(4), np.zeros(4)

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dy):
        self.dw += (dy * self.x).sum(axis=0)
        return dy * self.w


@pytest.mark.parametrize("layer", [Dense(4, 3), DenseWithoutModule(4, 3), Block(), Whole()])
def test_right_layers_pass(layer):
    check_layer(layer, (5, 4)).raise_if_failed()


def test_a_wrong_gradient_is_found_by_the_weights_name():
    report = check_layer(BiasTimesX(4, 3), (5, 4))
    assert {row.array for row in report.rows if not row.passed} == {"bias"}


def test_gradients_that_nothing_resets_are_told():
    assert check_layer(AddsUpInAttributes(), (5, 4)).diagnoses[0].name == "accumulates"
