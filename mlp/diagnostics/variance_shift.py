"""Variance shift: why dropout before batch norm spoils the evaluation of a network that trains well.

Dropout with probability p keeps the mean of its inputs x and makes their variance larger, in training only. A batch
norm after it records the larger variance, and in evaluation divides by a root that is too large for what arrives:

    directly after dropout, x with mean c and variance v

        Var_train = (v + p c^2) / (1 - p)          Var_eval = v                                 (1)

    with a linear layer y_j = sum_i w_ij x_i between the two (the masks of different units are independent)

        Var_train(y_j) = Var_eval(y_j) + p/(1 - p) sum_i w_ij^2 E[x_i^2]                        (2)

The shift of a channel is Var_eval / Var_train: 1 without dropout, 1 - p or less directly after it. In evaluation the
norm's outputs have this variance instead of 1, so the layers after it see inputs that are too small; in a deep network
every norm adds its part. An activation with f(a x) = a f(x) for a > 0, such as LeakyReLU, may stand between dropout and
the linear layer: (2) stays the same, with x the outputs of the activation.

Reference: Li et al., Understanding the disharmony between dropout and batch normalization by variance shift, 2019.
"""

import copy
from dataclasses import dataclass

import numpy as np

from mlp.backend import to_numpy
from mlp.checks import at_least_one, fraction
from mlp.diagnostics.untouched import batch_norms, kept_momentum
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Conv2d, frozen_buffers, observed
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


@dataclass(frozen=True)
class NormShift:
    """What one batch norm receives in the two modes.

    Attributes:
        name: its path. training, evaluation: the variance of its inputs for each channel, (C,) each.
    """

    name: str
    training: Array
    evaluation: Array

    @property
    def ratio(self) -> Array:
        """The shift of each channel, Var_eval / Var_train, (C,)."""
        return self.evaluation / self.training


@dataclass(frozen=True)
class VarianceShift:
    """The shifts of all batch norms of a model, in forward order; `print` shows them as a table."""

    norms: list[NormShift]

    def __str__(self) -> str:
        width = max(10, *(len(norm.name) for norm in self.norms))
        header = ("training", "evaluation", "ratio", "lowest", "highest")
        lines = [f"{'batch norm':<{width}}" + "".join(f"{word:>12}" for word in header)]
        for norm in self.norms:
            ratio = norm.ratio
            numbers = norm.training.mean(), norm.evaluation.mean(), ratio.mean(), ratio.min(), ratio.max()
            lines.append(f"{norm.name:<{width}}" + "".join(f"{number:>12.4g}" for number in numbers))
        lines.append(
            "Variances of the inputs, means over the channels; ratio = evaluation / training, 1 without a shift."
        )
        return "\n".join(lines)


def measure_variance_shift(model: Layer, x: Array, passes: int = 20) -> VarianceShift:
    """Measure the variance of what each BatchNorm of a model receives, in training and in evaluation mode.

    The batch runs forward in training mode `passes` times, each time with new dropout masks; running statistics become
    plain averages over these passes. Then it runs in evaluation mode. The model and its buffers are left as they were.

    Args:
        model: with at least one BatchNorm.
        x: a batch, large enough for variances (a few hundred pixels or samples per channel).
        passes: training-mode passes, over which variances are averaged.

    Raises:
        ConfigurationError: the model has no BatchNorm.
    """
    at_least_one("passes", passes)
    norms = batch_norms(model)
    if not norms:
        raise ConfigurationError("variance shift is measured at BatchNorm layers, and the model has none")
    variances: dict[int, list[Array]] = {id(norm): [] for norm in norms}

    def see(layer: Layer, inputs: Array, outputs: Array) -> None:
        if id(layer) in variances:
            rows = to_numpy(inputs).reshape(-1, inputs.shape[-1])  # (m, C)
            variances[id(layer)].append(rows.var(axis=0, dtype=np.float64))

    with frozen_buffers(model), kept_momentum(norms), observed(model, see):
        for k in range(1, passes + 1):
            for norm in norms:
                norm.momentum = 1.0 / k  # makes the running average a plain one
            model.forward(x, training=True)
        model.forward(x)
    shifts = []
    for norm in norms:
        *training, evaluation = variances[id(norm)]
        shifts.append(NormShift(norm.path or type(norm).__name__, np.mean(training, axis=0), evaluation))
    return VarianceShift(shifts)


def expected_variance_ratio(x: Array, p: float, layer: Conv2d | Affine | None = None) -> Array:
    """Return the shift Var_eval / Var_train of each channel after dropout, (C,), by formula (1), or (2) with a layer.

    Args:
        x: inputs of the dropout, a batch, channels last.
        p: its probability. layer: the linear layer between dropout and batch norm; None if there is none.

    Raises:
        ConfigurationError: a probability outside 0 <= p < 1.
    """
    p = fraction("p", p)
    if layer is None:
        squares, y = x * x, x
    else:
        squared = copy.deepcopy(layer)
        squared.weight.data = squared.weight.data**2
        if squared.bias is not None:
            squared.bias.data = 0.0 * squared.bias.data
        squares, y = squared.forward(x * x), layer.forward(x)  # sum_i w_ij^2 x_i^2 of every row, and y
    added = to_numpy(squares).reshape(-1, y.shape[-1]).mean(axis=0, dtype=np.float64) * p / (1.0 - p)  # (C,)
    evaluation = to_numpy(y).reshape(-1, y.shape[-1]).var(axis=0, dtype=np.float64)  # (C,)
    return evaluation / (evaluation + added)
