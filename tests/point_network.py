"""A network that is nothing but its weights: its loss is then any function of them that a test knows everywhere."""

import numpy as np

from mlp.layers import Layer, Parameter


class Point(Layer):
    """Gives its weights for every image."""

    def __init__(self, weights):
        self.weight = Parameter(np.array(weights, np.float64))

    def forward(self, x, training=False):
        self.keep(x.shape)
        return np.tile(self.weight.data, (len(x), 1))

    def backward(self, grad_outputs):
        self.weight.grad = grad_outputs.sum(axis=0)
        return np.zeros(self.take())
