"""Flatten: (N, H, W, C) -> (N, H W C). Nothing is computed, so the gradient only gets its old shape back."""

from mlp.layers.base import Layer


class Flatten(Layer):
    """Turn each sample into one vector; the last axis (channels) varies fastest."""

    def forward(self, x, training=False):
        self.keep(x.shape)
        return x.reshape(len(x), -1)

    def backward(self, grad_outputs):
        return grad_outputs.reshape(self.take())
