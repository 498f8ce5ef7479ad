"""Wrong convolutions: the gradient of the inputs is a convolution with the kernel turned and its channels exchanged."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug, Spoiled
from mlp.layers import Conv2d
from mlp.typing import Array


class WithAnotherKernel(Conv2d):
    """The gradient of the inputs is computed with `other(kernel)`; the parameters' gradients are right."""

    def other(self, kernel: Array) -> Array:
        """Return the wrong kernel."""
        return kernel

    def backward(self, grad_outputs: Array) -> Array:
        kernel, kept = self.weight.data.copy(), self._kept
        self.weight.data = self.other(kernel)
        grad_inputs = super().backward(grad_outputs)
        self.weight.data, self._kept = kernel, kept
        super().backward(grad_outputs)
        return grad_inputs


class KernelNotTurned(WithAnotherKernel):
    """The gradient of the inputs takes the kernel as it stands, not turned by 180 degrees."""

    def other(self, kernel: Array) -> Array:
        return kernel[::-1, ::-1]


class ChannelsNotExchanged(WithAnotherKernel):
    """The gradient of the inputs takes the kernel turned, but with C_in and C_out not exchanged."""

    def other(self, kernel: Array) -> Array:
        return kernel.transpose(0, 1, 3, 2)


class KernelTurnedInOneAxis(WithAnotherKernel):
    """The kernel is turned upside down, but not left to right."""

    def other(self, kernel: Array) -> Array:
        return kernel[:, ::-1]


class KernelGradientTurned(Spoiled, Conv2d):
    """The kernel's gradient comes out turned by 180 degrees."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad = self.weight.grad[::-1, ::-1].copy()


class KernelGradientReshaped(Spoiled, Conv2d):
    """The kernel's gradient is put together as (C_out, KH, KW, C_in) and reshaped, not transposed."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad = self.weight.grad.transpose(3, 0, 1, 2).reshape(self.weight.data.shape)


class PaddingOffByOne(Conv2d):
    """The padding is cut off one pixel too low: the gradient of the inputs is shifted by a row."""

    def backward(self, grad_outputs: Array) -> Array:
        return np.roll(super().backward(grad_outputs), 1, axis=1)


class PaddingLeftOn(Conv2d):
    """The gradient of the padded inputs is returned, border and all."""

    def backward(self, grad_outputs: Array) -> Array:
        return np.pad(super().backward(grad_outputs), ((0, 0), (1, 1), (1, 1), (0, 0)))


class BorderForgotten(Conv2d):
    """The first row of pixels gets no gradient."""

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        grad_inputs[:, 0] = 0.0
        return grad_inputs


class BiasOfEachPixel(Spoiled, Conv2d):
    """The bias's gradient is summed over the batch, but not over the pixels."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs.sum(axis=0)


class BiasOverOnePixel(Spoiled, Conv2d):
    """The bias's gradient is summed over the batch at the first pixel alone."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs.sum(axis=0)[0, 0]


class BiasMeanOverPixels(Spoiled, Conv2d):
    """The bias's gradient is the mean over the pixels, not the sum."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs.mean(axis=(1, 2)).sum(axis=0)


def bug(kind: type, expected: str, outputs: int = 3) -> PlantedBug:
    """Return the entry of one class: 3 x 3, padding 1, as many channels out as in or one more."""
    return PlantedBug(kind, expected, lambda: (2, outputs, 3, 1, 1), (2, 4, 5, 2))


BUGS = [
    bug(KernelNotTurned, "kernel not turned"),
    bug(ChannelsNotExchanged, "transposed", outputs=2),
    bug(KernelTurnedInOneAxis, "kernel not turned"),
    bug(KernelGradientTurned, "kernel not turned"),
    bug(KernelGradientReshaped, "reshaped, not transposed"),
    bug(PaddingOffByOne, "shifted"),
    bug(PaddingLeftOn, "border not cut off"),
    bug(BorderForgotten, "overwritten or one line too many"),
    bug(BiasOfEachPixel, "not summed"),
    bug(BiasOverOnePixel, "contributions overwritten"),
    bug(BiasMeanOverPixels, "mean over the pixels"),
]
