"""Wrong dropouts: backward takes the mask and the scale 1/(1 - p) of forward, and neither in evaluation."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Dropout
from mlp.typing import Array


class MaskNotApplied(Dropout):
    """Backward hands the gradient on, also to units that were dropped."""

    def backward(self, grad_outputs: Array) -> Array:
        self.take()
        return grad_outputs.copy()


class MaskWithoutScale(Dropout):
    """Backward applies the mask, and forgets the division by 1 - p."""

    def backward(self, grad_outputs: Array) -> Array:
        scale = self.take()
        return grad_outputs if scale is None else grad_outputs * (scale > 0)


class ScaledTwice(Dropout):
    """Backward divides by 1 - p once more."""

    def backward(self, grad_outputs: Array) -> Array:
        scale = self.take()
        return grad_outputs if scale is None else grad_outputs * scale / (1.0 - self.p)


class NewMask(Dropout):
    """Backward draws a mask of its own."""

    def backward(self, grad_outputs: Array) -> Array:
        if self.take() is None:
            return grad_outputs
        mask = np.random.default_rng(0).random(grad_outputs.shape) >= self.p
        return grad_outputs * mask / (1.0 - self.p)


class ScaledInEvaluation(Dropout):
    """Backward scales in evaluation, too, where forward does nothing."""

    def backward(self, grad_outputs: Array) -> Array:
        scale = self.take()
        return grad_outputs * (1.0 / (1.0 - self.p) if scale is None else scale)


BUGS = [
    PlantedBug(MaskNotApplied, "mask not applied", lambda: (0.4,), (5, 6)),
    PlantedBug(MaskWithoutScale, "dropout scale", lambda: (0.4,), (5, 6)),
    PlantedBug(ScaledTwice, "dropout scale", lambda: (0.4,), (5, 6)),
    PlantedBug(NewMask, "another mask", lambda: (0.4,), (5, 6)),
    PlantedBug(ScaledInEvaluation, "dropout scale", lambda: (0.4,), (5, 6)),
]
