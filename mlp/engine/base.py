"""What an engine is: the methods that trainer, hooks and probes call, and what all engines share.

An engine does the arithmetic of training and owns nothing but scratch memory. Weights, gradients and moments belong to
the model and the learning rule. So checkpoints, hooks and `p.grad` (valid until the next step) are the same whichever
engine runs.

    changes the weights     train_step
    changes p.grad only     gradients                       for probes: no update, and buffers stay as they were
    changes nothing         evaluate, read_metrics, ...

Buffers are what a model keeps beside its weights: running statistics, the counters of dropout.

A copied or unpickled engine has the same settings, but is not bound to a model yet.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, SupportsFloat

from mlp.backend import get_array_module
from mlp.checks import number
from mlp.engine.gradient_statistics import GradientStatistics
from mlp.errors import ConfigurationError, MlpError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.checks import check_array
from mlp.layers.parameter import FlatParameters
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.typing import Array, BatchSource, Shape

LARGEST_AT_ONCE = 4  # arrays as large as a layer's outputs, beside what is kept


class Engine(Protocol):
    """The methods of an engine. The first call is `bind`, the last one `close`."""

    name: str

    @property
    def statistics(self) -> GradientStatistics | None:
        """The statistics of the gradients; None if `bind` was asked for none."""

    def bind(self, model: Layer, loss: Loss, rule: LearningRule, gradient_statistics: str | None = None) -> None:
        """Take a model, a loss and a learning rule to work on.

        Args:
            gradient_statistics: the gradients whose statistics are wanted: None, "weights" or "weights and biases".

        Raises:
            DeviceError: the model is on a device that this engine does not work on.
            ConfigurationError: the rule works on another model, see `gather`.
        """

    def train_step(self, x: Array, targets: Array) -> SupportsFloat:
        """Change the weights once, for one batch; return its loss: a float, or what `float()` turns into one.

        If the loss is not finite, it is returned, and weights and gradients stay as they were. But buffers have seen
        the batch: running statistics may be infinite, and then only an earlier checkpoint helps.
        """

    def gradients(self, x: Array, targets: Array) -> float:
        """Compute `p.grad` of one batch with the formulas of training, and return its loss; nothing else changes.

        Dropout draws the masks that the next training step will draw. If the loss is not finite, the gradients stay
        as they were: check the loss before you read them.
        """

    def evaluate(self, x: Array, targets: Array, *, training: bool = False) -> tuple[float, float]:
        """Return (loss, accuracy) of one batch; nothing changes.

        Args:
            training: whether to use the formulas of training: the batch's own statistics, and dropout with the masks
                that the next training step will draw.
        """

    def memory_needed(self, shape: Shape) -> int:
        """Return the bytes that steps take with batches of `shape` (N, ...), without those of model and rule."""

    def resident(self, batches: BatchSource) -> BatchSource:
        """Return the same batches, made on the engine's device if it can do that, otherwise those given."""

    def read_metrics(self, mean_over: str = "batches") -> tuple[float, float]:
        """Return (loss, accuracy), each a mean over the training batches since the last call, see `mean_metrics`."""

    def read_gradient_statistics(self) -> dict[str, Array]:
        """Return the statistics of the training steps since the last call, see `GradientStatistics.read`.

        Raises:
            MlpError: `bind` was asked for none.
        """

    def close(self) -> None:
        """Free memory and end threads; the engine can be bound again."""


class Binding:
    """What an engine works on between `bind` and `close`; the base class of all three engines."""

    _statistics: GradientStatistics | None = None
    _bound: tuple[Layer, Loss, LearningRule] | None = None

    def hold(
        self,
        model: Layer,
        loss: Loss,
        rule: LearningRule,
        gradient_statistics: str | None,
        make_statistics: Callable[[FlatParameters, str], GradientStatistics] = GradientStatistics,
    ) -> None:
        """Keep what `bind` was given; the rule has gathered the model's parameters."""
        loss.check_model(model)
        self._statistics = make_statistics(rule.flat, gradient_statistics) if gradient_statistics else None
        self._bound = model, loss, rule
        self.metrics: list[tuple[float, float, int]] = []  # (loss, accuracy, images) of every batch since last read

    @property
    def statistics(self) -> GradientStatistics | None:
        return self._statistics

    @property
    def model(self) -> Layer:
        return self._working_on()[0]

    @property
    def loss(self) -> Loss:
        return self._working_on()[1]

    @property
    def rule(self) -> LearningRule:
        return self._working_on()[2]

    def _working_on(self) -> tuple[Layer, Loss, LearningRule]:
        if self._bound is None:
            raise MlpError(
                "the engine has no model: call engine.bind(model, loss, rule), also after fit, which closes it"
            )
        return self._bound

    def check_batch(self, x: Array) -> None:
        """Raise ShapeError unless the inputs of a batch are an array with at least one sample."""
        check_array(self.model.label(), x)
        if len(x) == 0:
            raise ShapeError("a batch needs at least one sample, got none.")

    def check_arrays(self) -> None:
        """Raise an MlpError if the model's arrays are no longer those that were bound."""
        if not self.rule.flat.whole:
            raise MlpError("the model was moved or converted since bind: bind the engine again.")

    def memory_needed(self, shape: Shape) -> int:
        return textbook_memory(self.model, shape)

    def resident(self, batches: BatchSource) -> BatchSource:
        return batches

    def read_metrics(self, mean_over: str = "batches") -> tuple[float, float]:
        metrics, self.metrics = self.metrics, []
        return mean_metrics(metrics, mean_over)

    def read_gradient_statistics(self) -> dict[str, Array]:
        if self.statistics is None:
            raise MlpError('no gradient statistics: call engine.bind(..., gradient_statistics="weights")')
        return self.statistics.read()

    def close(self) -> None:
        self._bound = self._statistics = None


def textbook_memory(model: Layer, shape: Shape) -> int:
    """Return the bytes that a training step of the textbook takes with batches of `shape` (N, ...).

    At the end of forward every layer keeps what its backward needs. While a layer works there are the arrays that go in
    and out of it, two more of that size for its intermediate results, and a convolution's columns.
    """
    N = shape[0]
    weights = model.parameters()[0].data
    cards = model.cards(get_array_module(weights).zeros((1, *shape[1:]), weights.dtype), N)
    kept = sum(card.kept_bytes for card in cards) * N
    largest = max((math.prod(card.output_shape) for card in cards), default=0) * weights.itemsize * N
    return kept + LARGEST_AT_ONCE * largest + max((card.column_bytes for card in cards), default=0)


def gather(model: Layer, rule: LearningRule) -> None:
    """Let a learning rule gather the parameters of a model in its flat arrays, unless it has them already.

    A rule that has some of them keeps to these. If model and rule were moved, converted or copied together, the rule
    gathers them again and keeps its moments.

    Raises:
        ConfigurationError: the rule has parameters that are not the model's.
    """
    model.set_paths()
    parameters = model.parameters()
    if rule.flat is None:
        rule.initialize(parameters)
    known = {id(parameter) for parameter in parameters}
    same = all(id(parameter) in known for parameter in rule.flat.parameters)
    if same and not rule.flat.whole:
        rule.gather_again()
    if not same or not all(parameter.flat is rule.flat for parameter in rule.flat.parameters):
        raise ConfigurationError(
            f"this {type(rule).__name__} has the parameters of another model, or of layers that were replaced: "
            "make a new rule, call rule.initialize(model.parameters()), or copy both at once: "
            "copy.deepcopy((model, rule))."
        )


def mean_metrics(metrics: Sequence[tuple[float, float, int]], mean_over: str) -> tuple[float, float]:
    """Return the means of loss and accuracy over some batches; NaN if there are none.

        mean = sum_b w_b m_b / sum_b w_b          see `batch_weights` for w

    Args:
        metrics: (loss, accuracy, number of images) of each batch, the first two being means over the batch.
        mean_over: one of `mlp.data.MEANS`.
    """
    if not metrics:
        return math.nan, math.nan
    losses, accuracies, sizes = zip(*metrics, strict=True)
    weights = batch_weights(sizes, mean_over)
    return weighted_mean(losses, weights), weighted_mean(accuracies, weights)


def weighted_mean(values: Sequence[Any], weights: Sequence[float]) -> Any:
    """Return the mean of numbers, or of arrays of one shape, with a weight for each."""
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def batch_weights(sizes: Sequence[int], mean_over: str) -> Sequence[float]:
    """Return how much each batch counts in a mean over "images" or over "batches", see `mlp.data.Batches`.

    Batches that all have one size count 1 each: then both means are the same to the last bit.
    """
    return [1] * len(sizes) if mean_over == "batches" or len(set(sizes)) == 1 else sizes


def loss_and_accuracy(loss: Loss, outputs: Array, targets: Array) -> tuple[float, float]:
    """Return the two numbers of a loss for a batch; a ConfigurationError names the one that is no number."""
    name = type(loss).__name__
    value = number(f"what {name}.forward returns", loss.forward(outputs, targets))
    return value, number(f"what {name}.accuracy returns", loss.accuracy(outputs, targets))


def checked_gradient(loss: Loss, outputs: Array) -> Array:
    """Return dL/dy from a loss; a ShapeError unless it has the shape and dtype of the outputs y."""
    return same_kind(f"{type(loss).__name__}.backward must return dL/dy", loss.backward(), outputs)


def same_kind(wanted: str, gradient: Array, array: Array) -> Array:
    """Return a gradient; a ShapeError that begins with `wanted` unless it has the shape and dtype of `array`."""
    shape, dtype = getattr(gradient, "shape", None), getattr(gradient, "dtype", None)
    if shape != array.shape or dtype != array.dtype:
        got = f"a {type(gradient).__name__}" if shape is None else f"{shape} of {dtype}"
        raise ShapeError(f"{wanted}, an array {array.shape} of {array.dtype}, got {got}.")
    return gradient
