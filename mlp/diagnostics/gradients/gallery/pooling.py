"""Wrong poolings: the mean shares its gradient among a window, the maximum gives it to the winner."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import AvgPool2d, GlobalAvgPool, MaxPool2d
from mlp.typing import Array


class NotDivided(AvgPool2d):
    """Every pixel gets the whole gradient of its window, not its share 1/k^2."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs) * float(self.kernel_size**2)


class OnePixelOff(AvgPool2d):
    """The windows begin one pixel too late."""

    def backward(self, grad_outputs: Array) -> Array:
        return np.roll(super().backward(grad_outputs), 1, axis=1)


class OverlapsOverwritten(AvgPool2d):
    """Where windows overlap, the last one written counts, instead of the sum over all of them."""

    def backward(self, grad_outputs: Array) -> Array:
        shape = self.take()
        grad_inputs = np.zeros(shape, grad_outputs.dtype)
        for place in self.places(shape):
            grad_inputs[place] = grad_outputs / self.kernel_size**2
        return grad_inputs


class ImageNotDivided(GlobalAvgPool):
    """The gradient of a mean over the image is not divided by its number of pixels."""

    def backward(self, grad_outputs: Array) -> Array:
        _, H, W, _ = self._kept[0]
        return super().backward(grad_outputs) * float(H * W)


class SharedAmongLosers(MaxPool2d):
    """The gradient of the maximum is shared by the whole window, as if it were a mean."""

    def backward(self, grad_outputs: Array) -> Array:
        shape, _ = self.take()
        grad_inputs = np.zeros(shape, grad_outputs.dtype)
        for place in self.places(shape):
            grad_inputs[place] += grad_outputs / self.kernel_size**2
        return grad_inputs


class WinnersOverwritten(MaxPool2d):
    """A pixel that wins in several windows gets the gradient of one of them."""

    def backward(self, grad_outputs: Array) -> Array:
        shape, winners = self.take()
        grad_inputs = np.zeros(shape, grad_outputs.dtype)
        for number, place in enumerate(self.places(shape)):
            grad_inputs[place] = np.where(winners == number, grad_outputs, grad_inputs[place])
        return grad_inputs


BUGS = [
    PlantedBug(NotDivided, "division by the pixels", lambda: (2,), (2, 4, 5, 2)),
    PlantedBug(OnePixelOff, "shifted", lambda: (2,), (2, 4, 5, 2)),
    PlantedBug(OverlapsOverwritten, "overlaps overwritten", lambda: (3, 2), (2, 5, 5, 2)),
    PlantedBug(ImageNotDivided, "division by the pixels", tuple, (2, 3, 4, 2)),
    PlantedBug(SharedAmongLosers, "gradient to the losers", lambda: (2,), (2, 4, 6, 2)),
    PlantedBug(WinnersOverwritten, "overlaps overwritten", lambda: (3, 1), (2, 5, 5, 2)),
]
