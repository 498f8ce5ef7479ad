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


class PlaceOfWinners(MaxPool2d):
    """Max pooling with windows side by side, which keeps the place of each winner, row by row."""

    def backward(self, grad_outputs: Array) -> Array:
        shape, winners = self.take()
        grad_inputs = np.zeros(shape, grad_outputs.dtype)
        chosen = self.chosen(winners, shape)
        for number, place in enumerate(self.places(shape)):
            grad_inputs[place] += np.where(chosen == number, grad_outputs, 0.0)
        return grad_inputs

    def chosen(self, winners: Array, shape: tuple[int, ...]) -> Array:
        """Return which place of its window backward takes for the winner."""
        return winners


class OneWinnerForAllChannels(PlaceOfWinners):
    """The winner of the first channel is taken for all channels."""

    def chosen(self, winners: Array, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(winners[..., :1], winners.shape)


class RowAndColumnExchanged(PlaceOfWinners):
    """The row of the winner is taken for its column."""

    def chosen(self, winners: Array, shape: tuple[int, ...]) -> Array:
        row, column = np.divmod(winners, self.kernel_size)
        return np.asarray(column * self.kernel_size + row)


class AlwaysTheFirstPixel(PlaceOfWinners):
    """The gradient goes to the first pixel of each window."""

    def chosen(self, winners: Array, shape: tuple[int, ...]) -> Array:
        return np.zeros_like(winners)


class OnlyTheLargestChannel(MaxPool2d):
    """The argmax runs over the channels, too, so that one of them gets the gradient alone."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = super().forward(x, training)
        self.largest = y == y.max(axis=-1, keepdims=True)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs * self.largest)


BUGS = [
    PlantedBug(NotDivided, "division by the pixels", lambda: (2,), (2, 4, 5, 2)),
    PlantedBug(OnePixelOff, "shifted", lambda: (2,), (2, 4, 5, 2)),
    PlantedBug(OverlapsOverwritten, "overlaps overwritten", lambda: (3, 2), (2, 5, 5, 2)),
    PlantedBug(ImageNotDivided, "division by the pixels", tuple, (2, 3, 4, 2)),
    PlantedBug(SharedAmongLosers, "gradient to the losers", lambda: (2,), (2, 4, 6, 2)),
    PlantedBug(OneWinnerForAllChannels, "wrong index", lambda: (2,), (2, 4, 6, 3)),
    PlantedBug(RowAndColumnExchanged, "another array", lambda: (2,), (2, 4, 6, 3)),
    PlantedBug(AlwaysTheFirstPixel, "another array", lambda: (2,), (2, 4, 6, 3)),
    PlantedBug(OnlyTheLargestChannel, "sign, factor or term", lambda: (2,), (2, 4, 6, 3)),
    PlantedBug(WinnersOverwritten, "overlaps overwritten", lambda: (3, 1), (2, 5, 5, 2)),
]
