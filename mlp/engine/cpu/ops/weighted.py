"""Ops with weights: the gradients of weight and bias are sums over the blocks, in a fixed order, see `block_sum`."""

from typing import Any

import numpy as np

from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.op import BlockedOp, Phase
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.typing import Array, Shape


class WeightedOp(BlockedOp):
    """An op of a layer with a weight (..., F) and a bias (F,) or none; its outputs are (n, ..., F)."""

    inputs_needed = True

    def __init__(self, layer: Any, value: Value, output_shape: Shape) -> None:
        super().__init__([value], output_shape, has_parameters=True)
        self.layer = layer

    def bind_gradients(self, plan: Plan, rows: int | None = None) -> None:
        """Ask for memory for the gradients of weight and bias.

        Args:
            rows: of the matrix as which dL/dW is computed; by default it has F columns.
        """
        size, F = self.layer.weight.data.size, self.layer.weight.data.shape[-1]
        rows = rows or size // F
        self.grad_weight = BlockSum(len(self.blocks), (rows, size // rows), plan.memory)
        self.grad_biases = np.zeros((len(self.blocks), F), plan.dtype)  # of each block

    def backward_phases(self) -> list[Phase]:
        return [Phase(self.backward, self.blocks, begin=self.start_gradients)]

    def start_gradients(self, t: int) -> None:
        self.grad_weight.start()

    def add_gradients(self, lo: int, grad_weight: Array, grad_outputs: Array) -> None:
        """Add what the block that begins with image lo gives to the gradients of weight and bias.

        Args:
            grad_weight: the block's part of dL/dW, a matrix from `self.grad_weight.take()`.
            grad_outputs: dL/dy of the block, (n, F) or (n, OH, OW, F).
        """
        i = self.blocks.number[lo]
        self.grad_weight.add(i, grad_weight)
        if self.layer.bias is not None:
            rows = np.add.reduce(grad_outputs, axis=(0, 1)) if grad_outputs.ndim == 4 else grad_outputs  # (OW, F)
            np.add.reduce(rows, axis=0, out=self.grad_biases[i])

    def finish(self) -> None:
        grad = self.layer.weight.grad
        grad[...] = self.grad_weight.hand_out().reshape(grad.shape)
        if self.layer.bias is not None:
            np.add.reduce(self.grad_biases, axis=0, out=self.layer.bias.grad)
