"""Wrong deep supervision: companions hand on alpha times their gradient, and nothing when they are silent."""

import math

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Affine, Sequential, Tanh, Tap
from mlp.losses import SoftmaxCrossEntropy
from mlp.models.deep_supervision import DeeplySupervised, DeepSupervision
from mlp.models.objective import Objective
from mlp.typing import Array


class CompanionsForgotten(Objective):
    """The gradients of the companions reach nobody."""

    def backward(self, grad_outputs: Array) -> Array:
        grad_logits = self.loss.backward() * float(grad_outputs.mean())
        for tap in self.model.taps.values():
            tap.take_gradient()
        return self.model.backward(grad_logits)


class AlphaTwice(Objective):
    """The gradients of the companions are multiplied by alpha twice."""

    def backward(self, grad_outputs: Array) -> Array:
        grad_logits = self.loss.backward() * float(grad_outputs.mean())
        for tap in self.model.taps.values():
            gradient = tap.take_gradient()
            tap.grad_branch = None if gradient is None else gradient * self.loss.alpha * float(grad_outputs.mean())
        return self.model.backward(grad_logits)


class SilentCompanionsSpeak(Objective):
    """Companions whose loss is below the threshold hand their gradient on as well."""

    def backward(self, grad_outputs: Array) -> Array:
        threshold, self.loss.threshold = self.loss.threshold, -math.inf
        try:
            return super().backward(grad_outputs)
        finally:
            self.loss.threshold = threshold


def supervised(threshold: float = 0.0) -> tuple[DeeplySupervised, DeepSupervision, int]:
    """Return a small network with two companions, and its loss."""
    taps = {"first": Tap(Affine(4, 3)), "second": Tap(Affine(4, 3))}
    layers = (Affine(3, 4), Tanh(), taps["first"], Affine(4, 4), Tanh(), taps["second"], Affine(4, 3))
    model = DeeplySupervised(Sequential(*layers), taps)
    model.initialize(seed=0)
    return model, DeepSupervision(SoftmaxCrossEntropy(), taps, weight=0.5, threshold=threshold), 3


BUGS = [
    PlantedBug(CompanionsForgotten, "gradient is zero", supervised, (4, 3)),
    PlantedBug(AlphaTwice, "factor 2", supervised, (4, 3)),
    PlantedBug(SilentCompanionsSpeak, "not used in forward", lambda: supervised(threshold=9.0), (4, 3)),
]
