"""Wrong gradients of parameters: penalties inside, samples and pixels forgotten, sums over other axes."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug, Spoiled
from mlp.layers import Affine, Conv2d
from mlp.typing import Array


class WeightPenaltyInside(Spoiled, Affine):
    """An L2 penalty is added to the weight's gradient."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad += 0.01 * self.weight.data


class BiasPenaltyInside(Spoiled, Affine):
    """An L2 penalty is added to the bias's gradient."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad += 0.1 * self.bias.data


class SparsePenaltyInside(Spoiled, Affine):
    """An L1 penalty is added to the weight's gradient."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad += 0.01 * np.sign(self.weight.data)


class BiasTimesInputs(Spoiled, Affine):
    """The bias's gradient is multiplied with the inputs."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = self.weight.grad.sum(axis=0)


class FirstSampleSkipped(Spoiled, Affine):
    """The loop over the batch starts at the second sample."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs[1:].sum(axis=0)


class LastSampleSkipped(Spoiled, Affine):
    """The loop over the batch ends one sample too early."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs[:-1].sum(axis=0)


class FirstSampleAlone(Spoiled, Affine):
    """Only the first sample counts."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs[0].copy()


class BiasSign(Spoiled, Affine):
    """The bias's gradient has the wrong sign."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad *= -1.0


class BiasOfAllOutputs(Spoiled, Affine):
    """The bias's gradient is the sum over all outputs."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = 0.0 * self.bias.grad + grad_outputs.sum()


class BiasOfChannelsFirst(Spoiled, Conv2d):
    """The bias's gradient is summed over the axes of images with channels first."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs.sum(axis=(0, 2, 3))


class LastRowSkipped(Spoiled, Conv2d):
    """The last row of the outputs does not count for the bias."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs[:, :-1].sum(axis=(0, 1, 2))


class FirstColumnAlone(Spoiled, Conv2d):
    """Only the first column of the outputs counts for the bias."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs[:, :, 0].sum(axis=(0, 1))


class KernelPenaltyInside(Spoiled, Conv2d):
    """An L2 penalty is added to the kernel's gradient."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad += 0.001 * self.weight.data


class KernelAveraged(Spoiled, Conv2d):
    """The kernel's gradient is a mean over the pixels."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad /= grad_outputs.shape[1] * grad_outputs.shape[2]


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
