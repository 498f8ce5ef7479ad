"""Deep supervision: small classifiers ("companions") on many layers, which give these layers a gradient of their own.

    l_out  loss of the network's own output      e  the epoch, 0 .. E - 1      alpha_0  weight of the companions
    l_m    loss of companion m's output          E  how many epochs            gamma    threshold

    F = l_out + alpha(e) sum over m of max(l_m - gamma, 0)                                                   (1)
    alpha(e) = alpha_0 (1 - e/E)                                                                             (2)

The first layers of a deep network get their gradient through all the layers above. A companion after an early layer
is a classifier of its own, so they get one directly, however much of the other gradient is lost on the way. What is a
good representation for the companion need not be the best one for the output. So alpha falls linearly, to alpha_0 / E
in the last epoch, and a companion whose loss is below gamma is silent: its gradient is 0.

A companion is global average pooling and an affine layer. It is not part of the network: its parameters stand under
"companions", so those of the network keep names and first values, and `without_companions` leaves it behind.

Lee et al. use squared hinge losses and count the norms of the companions' weights; here all losses are the network's
own, and weights decay as the learning rule says. They shrink alpha each epoch from its last value; (2) is linear.

Reference: Lee, Xie, Gallagher, Zhang, Tu, Deeply-supervised nets, 2015.
"""

import copy

from mlp.checks import not_negative
from mlp.errors import ConfigurationError
from mlp.layers import Affine, GlobalAvgPool, Sequential, Tap
from mlp.layers.machinery.base import Layer
from mlp.losses import Loss
from mlp.typing import Array, DType

COMPANIONS = "companions"


class DeeplySupervised(Layer):
    """A network with taps, and the companions that hang on them.

    Args:
        network: a layer, the network. taps: {name: Tap}, those in the network, in forward order.
    """

    def __init__(self, network: Layer, taps: dict[str, Tap]) -> None:
        self.network = network
        self.companions = Sequential({name: tap.branch for name, tap in taps.items()})  # for their names alone
        self.taps = taps
        self.set_paths()

    def children(self) -> list[tuple[str, Layer]]:
        return [("", self.network), (COMPANIONS, self.companions)]

    def forward(self, x: Array, training: bool = False) -> Array:
        return self.network.forward(x, training)

    def backward(self, grad_outputs: Array) -> Array:
        return self.network.backward(grad_outputs)


class DeepSupervision(Loss):
    """Objective (1). `forward` returns l_out alone, which is what a run reports; `backward` is that of F.

    Args:
        loss: of the output, and of each companion.
        taps: {name: Tap}, where the companions are.
        weight: alpha_0. threshold: gamma; infinity silences all companions.

    Attributes:
        alpha: of the current epoch, see `begin_epoch`.
        objective: F of the last batch; l_out in evaluation.
        companion_losses, companion_accuracies: of the last training batch, a number for each tap.

    Raises:
        ConfigurationError: a negative weight.
    """

    def __init__(self, loss: Loss, taps: dict[str, Tap], weight: float = 0.1, threshold: float = 0.0) -> None:
        self.loss, self.taps = loss, taps
        self.weight, self.threshold = not_negative("weight", weight), threshold
        self.alpha = self.weight
        self.losses = [copy.copy(loss) for _ in taps]  # each keeps its own batch
        self.objective = float("nan")
        self.companion_losses: list[float] = []
        self.companion_accuracies: list[float] = []

    @property
    def names(self) -> list[str]:
        """The names of the companions."""
        return list(self.taps)

    def check_model(self, model: Layer) -> None:
        layers = {id(layer) for _, layer in model.named_layers()}
        if not all(id(tap) in layers for tap in self.taps.values()):
            raise ConfigurationError(
                "this DeepSupervision looks at the taps of another model, of which this one may be a copy: make one "
                "for this model, DeepSupervision(loss, taps_of(model)), or copy both at once, "
                "copy.deepcopy((model, loss))"
            )

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self.alpha = self.weight * (1.0 - epoch / epochs)  # (2)

    def forward(self, outputs: Array, targets: Array) -> float:
        value = self.loss.forward(outputs, targets)
        looks = zip(self.losses, [tap.look() for tap in self.taps.values()], strict=True)
        seen = [(loss, z) for loss, z in looks if z is not None]  # the logits z of companions; none in evaluation
        self.companion_losses = [loss.forward(z, targets) for loss, z in seen]
        self.companion_accuracies = [loss.accuracy(z, targets) for loss, z in seen]
        self.objective = value
        if self.alpha > 0:
            self.objective += self.alpha * sum(max(l_m - self.threshold, 0.0) for l_m in self.companion_losses)  # (1)
        return value

    def backward(self) -> Array:
        if self.companion_losses:
            parts = zip(self.taps.values(), self.losses, self.companion_losses, strict=True)
            for tap, loss, l_m in parts:
                gradient = loss.backward()  # also of a silent one, which uses up what it kept
                tap.grad_branch = gradient * self.alpha if self.alpha > 0 and l_m > self.threshold else None
        return self.loss.backward()

    def forget(self) -> None:
        for loss in (self.loss, *self.losses):
            loss.forget()

    def accuracy(self, outputs: Array, targets: Array) -> float:
        return self.loss.accuracy(outputs, targets)


def companion(channels: int, num_classes: int, dtype: DType) -> Tap:
    """Return a tap with a companion on it."""
    layers: dict[str, Layer] = {"pool": GlobalAvgPool(), "*": Affine(channels, num_classes, dtype=dtype)}
    return Tap(Sequential(layers))


def add_companions(
    stages: list[dict[str, Layer]], places: str, num_classes: int, filters: int, growth: int, dtype: DType
) -> dict[str, Tap]:
    """Put taps with companions into the stages of `vgg`, after their units, and return the taps by name.

    Args:
        stages: {name: unit} of each, changed in place.
        places: "none"; "stages", after all reductions but the last, whose companion is the head; "blocks", after the
            processing blocks as well.
        filters, growth: block b has filters + growth (b + 1) channels after it, a reduction has filters.
    """
    taps: dict[str, Tap] = {}
    if places == "none":
        return taps
    for s, units in enumerate(stages):
        for b, (name, unit) in enumerate(list(units.items())):
            reduces = name == "reduction"
            wanted = s < len(stages) - 1 if reduces else places == "blocks"
            if wanted:
                tap = companion(filters if reduces else filters + growth * (b + 1), num_classes, dtype)
                taps[f"stage_{s}_{name}"], units[name] = tap, Sequential({"*": unit, "tap": tap})
    return taps


def without_companions(model: Layer) -> Layer:
    """Return the network of a deeply supervised model, whose taps hand on what they get; any other model as it is."""
    return model.network if isinstance(model, DeeplySupervised) else model


def taps_of(model: Layer) -> dict[str, Tap]:
    """Return the taps of a deeply supervised model by the names of its companions.

    Raises:
        ConfigurationError: the model has no companions.
    """
    if not isinstance(model, DeeplySupervised):
        raise ConfigurationError("this model has no companions: build it with vgg(companions='blocks') (--companions)")
    return model.taps
