"""Wrong concatenations: dL/dy is cut into the branches' channels, and what they return is added."""

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Affine, Concat, Identity, Tanh
from mlp.typing import Array


class FirstBranchAlone(Concat):
    """Only the first branch hands its gradient on."""

    def backward(self, grad_outputs: Array) -> Array:
        start, grads = 0, []
        for branch, channels in zip(self.branch_list, self.take(), strict=True):
            grads.append(branch.backward(grad_outputs[..., start : start + channels]))
            start += channels
        return grads[0]


class PartsSwapped(Concat):
    """The parts of dL/dy are cut off in the opposite order."""

    def backward(self, grad_outputs: Array) -> Array:
        end, grads = grad_outputs.shape[-1], []
        for branch, channels in zip(self.branch_list, self.take(), strict=True):
            grads.append(branch.backward(grad_outputs[..., end - channels : end]))
            end -= channels
        return sum(grads[1:], start=grads[0])


class GradientsAveraged(Concat):
    """The gradients of the branches are averaged instead of added."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs) / len(self.branch_list)


class ChannelsInterleaved(Concat):
    """Backward takes every other channel, as if the channels of two branches took turns."""

    def backward(self, grad_outputs: Array) -> Array:
        self.take()
        grads = [branch.backward(grad_outputs[..., i::2]) for i, branch in enumerate(self.branch_list)]
        return grads[0] + grads[1]


BUGS = [
    PlantedBug(FirstBranchAlone, "wiring", lambda: (Affine(3, 2), Affine(3, 2)), (4, 3)),
    PlantedBug(PartsSwapped, "wiring", lambda: (Affine(3, 2), Affine(3, 2)), (4, 3)),
    PlantedBug(GradientsAveraged, "factor 2", lambda: (Identity(), Tanh()), (4, 3)),
    PlantedBug(ChannelsInterleaved, "wiring", lambda: (Affine(3, 2), Affine(3, 2)), (4, 3)),
]
