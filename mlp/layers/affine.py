"""Affine layer: each output is a weighted sum of all inputs, plus a bias.

    x  inputs   (N, D_in)         W  weight  (D_in, D_out)
    y  outputs  (N, D_out)        b  bias    (D_out,)

Forward, for all N samples at once:

    y = x W + b                                                     (1)

Backward. In components y_no = sum_d x_nd W_do + b_o, so dy_no/dW_do = x_nd, dy_no/dx_nd = W_do, dy_no/db_o = 1.
Summing over every path by which a value reaches the loss:

    dL/dW = x^T dL/dy          sum over the batch                   (2)
    dL/db = sum_n dL/dy                                             (3)
    dL/dx = dL/dy W^T          sum over the outputs                 (4)

Keeps x.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from mlp.checks import at_least_one, float_type
from mlp.initializers import pytorch_default
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.weights import draw_weight_and_bias, generator_of
from mlp.layers.parameter import Parameter
from mlp.typing import Array, DType, Initializer


class Affine(Layer):
    """Fully connected layer, (N, D_in) -> (N, D_out). PyTorch calls it Linear.

    Args:
        in_features, out_features: D_in and D_out.
        bias: whether to add b.
        initializer: draws the weight, see `mlp.initializers`.
        rng: NumPy generator for the initial weights; without one they differ from run to run.
        dtype: of the weights.

    Raises:
        ConfigurationError: a number of features below 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        initializer: Initializer = pytorch_default,
        rng: Generator | None = None,
        dtype: DType = np.float32,
    ) -> None:
        self.in_features = at_least_one("in_features", in_features)
        self.out_features = at_least_one("out_features", out_features)
        self.initializer = initializer
        dtype = float_type(dtype)
        self.weight = Parameter(np.empty((in_features, out_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(generator_of(rng))

    def reset_parameters(self, rng: Generator) -> None:
        draw_weight_and_bias(self, self.in_features, self.out_features, rng)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_inputs(x, ("N", self.in_features))
        self.keep(x)
        y = x @ self.weight.data  # (N, D_out)      (1)
        return y if self.bias is None else y + self.bias.data

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()  # (N, D_in)
        self.weight.grad = x.T @ grad_outputs  # (D_in, D_out)   (2)
        if self.bias is not None:
            self.bias.grad = grad_outputs.sum(axis=0)  # (D_out,)        (3)
        return grad_outputs @ self.weight.data.T  # (N, D_in)       (4)

    def multiply_adds(self, output_shape: Sequence[int]) -> int:
        return self.in_features * self.out_features

    def __repr__(self) -> str:
        return f"Affine({self.in_features}, {self.out_features}, bias={self.bias is not None})"
