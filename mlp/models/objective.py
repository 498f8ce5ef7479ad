"""A deeply supervised network and its objective as one layer: what a gradient check of both together needs.

    y_n = F / N for each of N samples        F: the objective of the batch, see `deep_supervision`
    dL/dx = (mean of dL/dy) dF/dx            through the network and through all companions

The targets are made up: sample n is of class n mod K.
"""

import numpy as np

from mlp.backend import get_array_module
from mlp.layers.machinery.base import Layer
from mlp.models.deep_supervision import DeeplySupervised, DeepSupervision
from mlp.typing import Array


class Objective(Layer):
    """x (N, ...) -> F / N for each sample, (N, 1).

    Args:
        model: a deeply supervised network. loss: a `DeepSupervision` with its taps. num_classes: K.
    """

    def __init__(self, model: DeeplySupervised, loss: DeepSupervision, num_classes: int) -> None:
        self.model, self.loss, self.num_classes = model, loss, num_classes

    def forward(self, x: Array, training: bool = False) -> Array:
        xp, N = get_array_module(x), len(x)
        self.loss.forward(self.model.forward(x, training), xp.arange(N) % self.num_classes)
        return xp.full((N, 1), self.loss.objective / N, x.dtype)

    def backward(self, grad_outputs: Array) -> Array:
        scale = float(np.mean(grad_outputs))
        grad_logits = self.loss.backward() * scale
        for tap in self.model.taps.values():
            if tap.grad_branch is not None:
                tap.grad_branch = tap.grad_branch * scale
        return self.model.backward(grad_logits)
