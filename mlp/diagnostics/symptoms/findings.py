"""What was seen of a network, what a symptom is, and what to do about it."""

from dataclasses import dataclass

from mlp.backend import device_of, move
from mlp.layers.machinery.base import Layer
from mlp.losses import chance_loss
from mlp.training.history import History
from mlp.training.layer_table import LayerTable
from mlp.typing import Array, BatchSource

LEARNED = 0.97  # a network learns if its last losses are below this part of those of guessing

REMEDIES = {
    "running statistics in training": "let every layer know that it is training: forward(x, training=True).",
    "batch statistics in evaluation": "let every layer know that it is not training: forward(x, training=False).",
    "exploding gradients": "draw the weights with mlp.initializers.he_uniform, or add batch normalization.",
    "vanishing gradients": "add batch normalization or residual connections, or draw the weights wider.",
    "learning rate too large": "divide the learning rate by ten until the loss falls from the first steps on.",
    "dead units": "look at the biases, and for a step that was too large; LeakyReLU lets units come back.",
    "labels without relation to the images": "look at some images with their labels, as the batches deliver them.",
    "labels off by one": "compare the class names of some images in both sets: do both count from 0?",
    "no learning": "train for longer; try learning rates ten times as large and ten times as small.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its name, which is a key of REMEDIES, and the evidence in one sentence."""

    name: str
    evidence: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.name]

    def __str__(self) -> str:
        return f"{self.name}\n    seen   {self.evidence}\n    to do  {self.remedy}"


@dataclass(frozen=True)
class Observations:
    """What was seen of a network.

    Attributes:
        untrained, trained: the model before the first step and after the last.
        start: tables of the first batch, by name: activations and gradient_signal before the first step, update_ratio
            of that step.
        history: of the short training. losses: of all its steps.
        failure: why training ended early; None if it did not. classes: K, the number of logits.
        train_batches, valid_batches: the data; valid_batches may be None.
    """

    untrained: Layer
    trained: Layer
    start: dict[str, LayerTable]
    history: History
    losses: list[float]
    failure: str | None
    classes: int
    train_batches: BatchSource
    valid_batches: BatchSource | None

    @property
    def last_loss(self) -> float:
        """The mean loss of the last tenth of the steps."""
        newest = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(newest) / len(newest)

    @property
    def chance(self) -> float:
        """The loss of a network that knows nothing: log K."""
        return chance_loss(self.classes)

    @property
    def learns(self) -> bool:
        """Whether the loss fell below chance."""
        return self.failure is None and self.last_loss < LEARNED * self.chance


def on_device_of(model: Layer, x: Array) -> Array:
    """Return `x` on the device of the model's weights."""
    return move(x, device_of(model.parameters()[0].data))
