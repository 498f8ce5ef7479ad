"""Tap: a place in a network where a branch looks at what flows by.

    y = x                                   the network continues as if nothing were there
    b = B(x)                                what the branch B makes of it, in training only

Backward. The loss depends on x through y and through b, so both gradients are added:

    dL/dx = dL/dy + dL/db dB/dx                                                                            (1)

dL/dy comes from the layers above, as always. dL/db comes from a loss that looks at b: it calls `tap.look()` after the
forward pass, and sets `tap.grad_branch` before the backward pass. If that is None, nothing is added, and the gradients
of B's parameters are 0.

A deeply supervised network has a small classifier after each of many layers, see `mlp.models.deep_supervision`.

Reference: Lee, Xie, Gallagher, Zhang, Tu, Deeply-supervised nets, 2015.
"""

from mlp.layers.containers import check_layers
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class Tap(Layer):
    """y = x, with a branch hanging on it.

    Args:
        branch: a layer. It is not among the tap's children. Its owner, such as a model that drops it after training,
            gives it a place in the tree, and its parameters are found there.

    Raises:
        ConfigurationError: the branch is no layer.
    """

    def __init__(self, branch: Layer) -> None:
        check_layers(self, (branch,))
        self.branch = branch
        self.grad_branch: Array | None = None  # dL/db, set by the loss

    def children(self) -> list[tuple[str, Layer]]:
        return []

    def forward(self, x: Array, training: bool = False) -> Array:
        self.forget()
        if training:
            self.keep(self.branch.forward(x, training))  # b
        return x

    def look(self) -> Array | None:
        """Return what the branch made of the last training batch, once; None after an evaluation."""
        return self.take() if self.kept else None

    def take_gradient(self) -> Array | None:
        """Return dL/db as the loss has set it, once."""
        gradient, self.grad_branch = self.grad_branch, None
        return gradient

    def backward(self, grad_outputs: Array) -> Array:
        grad_branch = self.take_gradient()
        if grad_branch is not None:
            return grad_outputs + self.branch.backward(grad_branch)  # (1)
        for parameter in self.branch.parameters():
            parameter.grad[...] = 0.0
        return grad_outputs
