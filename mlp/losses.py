"""Losses: one number for how wrong the outputs of a batch are, and its gradient.

Softmax cross-entropy. A network for K classes gives K logits z_1 .. z_K for a sample. The softmax makes them
probabilities, and the loss is the surprise about the true class t, in nats:

    p_k = exp(z_k) / sum_j exp(z_j)                                      (1)
    l = -log p_t = log(sum_j exp(z_j)) - z_t                             (2)
    L = (1/N) sum over the batch of l                                    (3)

From (2), d l / d z_k = exp(z_k) / sum_j exp(z_j) - [k = t], so

    dL/dz = (p - onehot(t)) / N                                          (4)

A network that knows nothing gives p = 1/K and L = log K: 4.605 for the 100 classes of CIFAR-100.

Adding a constant to all logits of a sample changes nothing; the largest is subtracted first: exp cannot overflow.
"""

from mlp.backend import get_array_module
from mlp.errors import BackwardError, ShapeError


class Loss:
    """Base class: `forward` gives the loss, `backward` its gradient with respect to the outputs."""

    _kept = None

    def forward(self, outputs, targets):
        """Return the mean loss of a batch as a Python float.

        Args:
            outputs: what the model gave, batch axis first.
            targets: what it should have given.

        Raises:
            ShapeError: outputs and targets do not fit together.
        """
        raise NotImplementedError

    def backward(self):
        """Return dL/d(outputs), of the shape and dtype of the last outputs.

        Raises:
            BackwardError: there was no forward since the last backward.
        """
        raise NotImplementedError

    def accuracy(self, outputs, targets):
        """Return the fraction of samples that are right, as a float; NaN where that means nothing."""
        return float("nan")

    def take(self):
        """Return what forward kept, once."""
        if self._kept is None:
            raise BackwardError(f"{type(self).__name__}: backward called before forward (or twice).")
        values, self._kept = self._kept, None
        return values


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, mean over the batch: logits (N, K), targets (N,) integers in 0 .. K - 1."""

    def forward(self, outputs, targets):
        check_targets(outputs, targets)
        xp = get_array_module(outputs)
        shifted = outputs - outputs.max(axis=1, keepdims=True)  # (N, K)
        exps = xp.exp(shifted)
        sums = exps.sum(axis=1, keepdims=True)  # (N, 1)
        true_logits = shifted[xp.arange(len(targets)), targets]  # (N,)
        self._kept = exps / sums, targets  # (1)
        return float((xp.log(sums[:, 0]) - true_logits).mean())  # (2), (3)

    def backward(self):
        probabilities, targets = self.take()
        xp = get_array_module(probabilities)
        grad = probabilities  # (N, K), ours alone, so it may be changed
        grad[xp.arange(len(targets)), targets] -= 1.0
        return grad / len(targets)  # (4)

    def accuracy(self, outputs, targets):
        return float((outputs.argmax(axis=1) == targets).mean())


def check_targets(outputs, targets):
    """Raise ShapeError unless outputs are (N, K) and targets (N,) integers in 0 .. K - 1."""
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ShapeError(f"expected logits (N, K) and targets (N,), got {outputs.shape} and {targets.shape}.")
    if targets.dtype.kind not in "iu":
        raise ShapeError(f"targets must be integers (class numbers), got {targets.dtype}.")
    if len(targets) == 0:
        raise ShapeError("a batch needs at least one sample, got none.")
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= outputs.shape[1]:
        raise ShapeError(f"targets must lie in 0 .. {outputs.shape[1] - 1}, got values in {low} .. {high}.")
