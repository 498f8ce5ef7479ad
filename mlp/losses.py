"""Losses: one number for how wrong the outputs of a batch are, and its gradient.

Softmax cross-entropy. A network for K classes gives K logits z_1 .. z_K for a sample. The softmax makes them
probabilities, and the loss is the surprise about the true class t, in nats:

    p_k = exp(z_k) / sum_j exp(z_j)                                      (1)
    l = -log p_t = log(sum_j exp(z_j)) - z_t                             (2)
    L = (1/N) sum over the batch of l                                    (3)

From (2), d l / d z_k = exp(z_k) / sum_j exp(z_j) - (1 for k = t, else 0). With onehot(t), K numbers that are 1 at t and
0 elsewhere,

    dL/dz = (p - onehot(t)) / N                                          (4)

A network that knows nothing gives p = 1/K and L = log K: 4.605 for the 100 classes of CIFAR-100.

Adding a constant to all logits of a sample changes nothing. So the largest is subtracted first: exp cannot overflow.

Label smoothing with s > 0 asks for a little doubt: the target is q = (1 - s) onehot(t) + s/K, and

    l = -sum_k q_k log p_k          dL/dz = (p - q) / N                  (5)

Mean squared error, over all D numbers of N samples:

    L = 1/(N D) sum (y - t)^2       dL/dy = 2 (y - t) / (N D)            (6)

Binary cross-entropy, for N D yes-or-no questions with logits z and targets t between 0 and 1. With p = 1/(1 + exp(-z)),

    l = -t log p - (1 - t) log(1 - p) = max(z, 0) - z t + log(1 + exp(-|z|))
    L = 1/(N D) sum l               dL/dz = (p - t) / (N D)              (7)

where the second form of l cannot overflow.

References: Bishop, Pattern recognition and machine learning, 2006, section 4.3; Szegedy et al., Rethinking the
Inception architecture for computer vision, 2016, section 7 (label smoothing).
"""

import math
from typing import Any, NoReturn

from mlp.backend import get_array_module
from mlp.checks import counted_from_one, fraction, names_elsewhere, one_number_each, shown
from mlp.errors import BackwardError, ShapeError
from mlp.typing import Array


def chance_loss(num_classes: int) -> float:
    """Return log K, the cross-entropy of a network that knows nothing; its accuracy is 1 / K."""
    return math.log(num_classes)


class Loss:
    """Base class: `forward` gives the loss, `backward` its gradient with respect to the outputs."""

    _kept: Any = None

    def forward(self, outputs: Array, targets: Array) -> float:
        """Return the mean loss of a batch as a Python float.

        Args:
            outputs: what the model gave, batch axis first.
            targets: what it should have given.

        Raises:
            ShapeError: outputs and targets do not fit together.
        """
        raise NotImplementedError

    def backward(self) -> Array:
        """Return dL/d(outputs), of the shape and dtype of the last outputs.

        Raises:
            BackwardError: there was no forward since the last backward.
        """
        raise NotImplementedError

    def __call__(self, *arguments: Any) -> NoReturn:
        raise TypeError("a loss is not called: write loss.forward(outputs, targets), then loss.backward()")

    def accuracy(self, outputs: Array, targets: Array) -> float:
        """Return the fraction of samples that are right, as a float; NaN where that means nothing."""
        return float("nan")

    def check_model(self, model: Any) -> None:
        """Called before training; a loss that looks into a model raises an error if that is another model."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch of training, 0 .. epochs - 1, for losses that change from epoch to epoch."""

    def keep(self, *values: Any) -> None:
        """Keep values of forward for the one backward that follows."""
        self._kept = values[0] if len(values) == 1 else values

    def take(self) -> Any:
        """Return what `keep` kept (a single value as it is, several as a tuple), once.

        Raises:
            BackwardError: nothing is there: forward did not run, or this was called before.
        """
        if self._kept is None:
            raise BackwardError(f"{type(self).__name__}: backward called before forward (or twice).")
        values, self._kept = self._kept, None
        return values

    def forget(self) -> None:
        """Drop what forward kept, for a backward that will not come."""
        self._kept = None


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, mean over the batch: logits (N, K), targets (N,) integers in 0 .. K - 1.

    Args:
        label_smoothing: s, 0 <= s < 1.

    Raises:
        ConfigurationError: a smoothing outside 0 <= s < 1.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("label_smoothing", label_smoothing)

    def forward(self, outputs: Array, targets: Array) -> float:
        check_targets(outputs, targets)
        xp, s = get_array_module(outputs), self.label_smoothing
        z = outputs - outputs.max(axis=1, keepdims=True)  # (N, K)
        exps = xp.exp(z)
        sums = exps.sum(axis=1, keepdims=True)  # (N, 1)
        self.keep(exps / sums, targets)  # (1)
        wanted = z[xp.arange(len(targets)), targets]  # (N,): z_t
        if s > 0:
            wanted = (1.0 - s) * wanted + s * z.mean(axis=1)  # (N,): sum_k q_k z_k
        return float((xp.log(sums[:, 0]) - wanted).mean())  # (2), (3), (5)

    def backward(self) -> Array:
        probabilities, targets = self.take()
        (N, K), s = probabilities.shape, self.label_smoothing
        grad = probabilities - s / K if s > 0 else probabilities  # (N, K); nobody else has it, so it may be changed
        grad[get_array_module(grad).arange(N), targets] -= 1.0 - s
        return grad / N  # (4), (5)

    def accuracy(self, outputs: Array, targets: Array) -> float:
        return float((outputs.argmax(axis=1) == targets).mean())


class MeanSquaredError(Loss):
    """Mean of squared differences over all numbers: outputs and targets of one shape and dtype."""

    def forward(self, outputs: Array, targets: Array) -> float:
        check_same_shape(outputs, targets)
        difference = outputs - targets
        self.keep(difference)
        return float((difference * difference).mean())  # (6)

    def backward(self) -> Array:
        difference = self.take()
        return difference * (2.0 / difference.size)  # (6)


class BinaryCrossEntropy(Loss):
    """Sigmoid and cross-entropy in one, mean over all numbers: logits and targets (0 to 1) of one shape and dtype."""

    def forward(self, outputs: Array, targets: Array) -> float:
        check_same_shape(outputs, targets)
        if not ((targets >= 0) & (targets <= 1)).all():
            raise ShapeError(f"targets must lie in 0 .. 1, got {float(targets.min())} .. {float(targets.max())}.")
        xp = get_array_module(outputs)
        self.keep(outputs, targets)
        return float((xp.maximum(outputs, 0.0) - outputs * targets + xp.log1p(xp.exp(-abs(outputs)))).mean())  # (7)

    def backward(self) -> Array:
        logits, targets = self.take()
        probabilities = (get_array_module(logits).tanh(logits * 0.5) + 1.0) * 0.5  # the sigmoid, without overflow
        return (probabilities - targets) * (1.0 / logits.size)  # (7)

    def accuracy(self, outputs: Array, targets: Array) -> float:
        return float(((outputs > 0) == (targets > 0.5)).mean())


def check_arrays(outputs: object, targets: object) -> None:
    """Raise ShapeError unless both are arrays."""
    for name, value in (("outputs", outputs), ("targets", targets)):
        if not hasattr(value, "shape"):
            raise ShapeError(f"expected {name} as an array, got {shown(value)}: write np.asarray({name})")


def check_same_shape(outputs: Array, targets: Array) -> None:
    """Raise ShapeError unless outputs and targets have one shape and one dtype."""
    check_arrays(outputs, targets)
    if outputs.shape != targets.shape or outputs.dtype != targets.dtype:
        raise ShapeError(
            f"expected targets like the outputs, {outputs.shape} {outputs.dtype}, got {targets.shape} {targets.dtype}"
            f"{how_to_fit(outputs, targets)}."
        )
    if outputs.size == 0:
        raise ShapeError("a batch needs at least one sample, got none.")


def how_to_fit(outputs: Array, targets: Array) -> str:
    """Return ": write ..." if targets only lack axes of length 1 or have another dtype, "" otherwise."""
    if [n for n in outputs.shape if n != 1] != [n for n in targets.shape if n != 1]:
        return ""
    reshaped = "" if outputs.shape == targets.shape else ".reshape(outputs.shape)"
    converted = "" if outputs.dtype == targets.dtype else f".astype(np.{outputs.dtype})"
    return f": write targets{reshaped}{converted}"


def check_targets(outputs: Array, targets: Array) -> None:
    """Raise ShapeError unless outputs are (N, K) and targets (N,) integers in 0 .. K - 1."""
    check_arrays(outputs, targets)
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ShapeError(
            f"expected logits (N, K) and targets (N,), got {outputs.shape} and {targets.shape}"
            f"{one_number_each('targets', targets.shape)}."
        )
    if targets.dtype.kind not in "iu":
        raise ShapeError(
            f"targets must be integers (class numbers), got {targets.dtype}: write targets.astype(np.int64)."
        )
    if len(targets) == 0:
        raise ShapeError("a batch needs at least one sample, got none.")
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= outputs.shape[1]:
        hint = counted_from_one("targets", low)
        raise ShapeError(f"targets must lie in 0 .. {outputs.shape[1] - 1}, got values in {low} .. {high}{hint}.")


__getattr__ = names_elsewhere(
    __name__,
    {
        "CrossEntropyLoss": "SoftmaxCrossEntropy",
        "CrossEntropy": "SoftmaxCrossEntropy",
        "CrossEntropySoftmaxError": "SoftmaxCrossEntropy",
        "CategoricalCrossentropy": "SoftmaxCrossEntropy",
        "NLLLoss": "SoftmaxCrossEntropy",
        "MSELoss": "MeanSquaredError",
        "MSE": "MeanSquaredError",
        "BCELoss": "BinaryCrossEntropy",
        "BCEWithLogitsLoss": "BinaryCrossEntropy",
    },
)
