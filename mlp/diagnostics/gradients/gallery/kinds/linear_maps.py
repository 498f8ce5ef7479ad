"""Wrong gradients of parameters: penalties inside, samples and pixels forgotten, sums over other axes."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Affine, Conv2d, Parameter
from mlp.typing import Array


class WeightPenaltyInside(Affine):
    """An L2 penalty is added to the weight's gradient."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad += 0.01 * self.weight.data
        return grad_inputs


class BiasPenaltyInside(Affine):
    """An L2 penalty is added to the bias's gradient."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad += 0.1 * self.bias.data
        return grad_inputs


class SparsePenaltyInside(Affine):
    """An L1 penalty is added to the weight's gradient."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad += 0.01 * np.sign(self.weight.data)
        return grad_inputs


class BiasTimesInputs(Affine):
    """The bias's gradient is multiplied with the inputs."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = self.weight.grad.sum(axis=0)
        return grad_inputs


class FirstSampleSkipped(Affine):
    """The loop over the batch starts at the second sample."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs[1:].sum(axis=0)
        return grad_inputs


class LastSampleSkipped(Affine):
    """The loop over the batch ends one sample too early."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs[:-1].sum(axis=0)
        return grad_inputs


class FirstSampleAlone(Affine):
    """Only the first sample counts."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs[0].copy()
        return grad_inputs


class BiasSign(Affine):
    """The bias's gradient has the wrong sign."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad *= -1.0
        return grad_inputs


class BiasOfAllOutputs(Affine):
    """The bias's gradient is the sum over all outputs."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = 0.0 * self.bias.grad + grad_outputs.sum()
        return grad_inputs


class BiasOfChannelsFirst(Conv2d):
    """The bias's gradient is summed over the axes of images with channels first."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs.sum(axis=(0, 2, 3))
        return grad_inputs


class LastRowSkipped(Conv2d):
    """The last row of the outputs does not count for the bias."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs[:, :-1].sum(axis=(0, 1, 2))
        return grad_inputs


class FirstColumnAlone(Conv2d):
    """Only the first column of the outputs counts for the bias."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.bias.grad = grad_outputs[:, :, 0].sum(axis=(0, 1))
        return grad_inputs


class KernelPenaltyInside(Conv2d):
    """An L2 penalty is added to the kernel's gradient."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad += 0.001 * self.weight.data
        return grad_inputs


class KernelAveraged(Conv2d):
    """The kernel's gradient is a mean over the pixels."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad /= grad_outputs.shape[1] * grad_outputs.shape[2]
        return grad_inputs


BUGS = [
    PlantedBug(WeightPenaltyInside, "penalty inside", lambda: (3, 4), (5, 3)),
    PlantedBug(BiasPenaltyInside, "penalty inside", lambda: (3, 4), (5, 3)),
    PlantedBug(SparsePenaltyInside, "penalty inside", lambda: (3, 4), (5, 3)),
    PlantedBug(BiasTimesInputs, "multiplied with x", lambda: (3, 4), (5, 3)),
    PlantedBug(FirstSampleSkipped, "wrong index", lambda: (3, 4), (5, 3)),
    PlantedBug(LastSampleSkipped, "wrong index", lambda: (3, 4), (5, 3)),
    PlantedBug(FirstSampleAlone, "contributions overwritten", lambda: (3, 4), (5, 3)),
    PlantedBug(BiasSign, "sign", lambda: (3, 4), (5, 3)),
    PlantedBug(BiasOfAllOutputs, "sum over other axes", lambda: (3, 4), (5, 3)),
    PlantedBug(BiasOfChannelsFirst, "summed over other axes", lambda: (2, 4, 3), (2, 6, 5, 2)),
    PlantedBug(LastRowSkipped, "wrong index", lambda: (2, 4, 3), (2, 6, 5, 2)),
    PlantedBug(FirstColumnAlone, "contributions overwritten", lambda: (2, 4, 3), (2, 6, 5, 2)),
    PlantedBug(KernelPenaltyInside, "penalty inside", lambda: (2, 4, 3), (2, 6, 5, 2)),
    PlantedBug(KernelAveraged, "mean over the pixels", lambda: (2, 4, 3), (2, 6, 5, 2)),
]
