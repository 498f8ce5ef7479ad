"""Average pooling and the affine layer: short passes that need no tricks beyond blocks and long rows.

A window's mean is taken one direction after the other: first rows are added to rows (long stretches of W C numbers),
then the columns of the sums, which are fewer by then.
"""

import numpy as np

from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.op import Op, Phase, lowers
from mlp.errors import ShapeError
from mlp.layers import Affine, AvgPool2d, GlobalAvgPool


@lowers(AvgPool2d)
def lower_average_pool(layer, value, plan):
    k, s = layer.kernel_size, layer.stride
    if len(value.shape) != 3 or min(value.shape[:2]) < k:
        given = (plan.images, *value.shape)
        raise ShapeError(f"{layer.label()}: expected (N, H, W, C) with H and W at least {k}, got {given}.")
    H, W, C = value.shape
    return plan.add(AveragePoolOp(value, ((H - k) // s + 1, (W - k) // s + 1, C), k, s))


class AveragePoolOp(Op):
    """(n, H, W, C) -> (n, OH, OW, C), means over k x k windows at distances s."""

    name = "pool"

    def __init__(self, value, output_shape, k, s):
        super().__init__([value], output_shape)
        OH, OW, _ = output_shape
        self.row_slices = [slice(u, u + s * OH, s) for u in range(k)]
        self.column_slices = [slice(v, v + s * OW, s) for v in range(k)]
        self.share = 1.0 / (k * k)

    def bind(self, plan):
        (_, W, C), (OH, _, _) = self.inputs[0].shape, self.output.shape
        self.rows = [rows for (rows,) in plan.memory.temporary((self.block, OH, W, C))]

    def forward_phases(self):
        return [Phase(self.forward, self.blocks)]

    def backward_phases(self):
        return [Phase(self.backward, self.blocks)]

    def forward(self, t, lo, hi):
        x, y, rows = self.inputs[0].data.part(t, lo, hi), self.output.data.part(t, lo, hi), self.rows[t][: hi - lo]
        np.multiply(x[:, self.row_slices[0]], self.share, out=rows)
        for place in self.row_slices[1:]:
            rows += x[:, place] * self.share
        np.copyto(y, rows[:, :, self.column_slices[0]])
        for place in self.column_slices[1:]:
            y += rows[:, :, place]

    def backward(self, t, lo, hi):
        grad, rows = self.inputs[0].grad.part(t, lo, hi), self.rows[t][: hi - lo]
        share = self.output.grad.part(t, lo, hi) * self.share  # (n, OH, OW, C)
        rows[...] = 0.0
        for place in self.column_slices:
            rows[:, :, place] += share
        if self.writes[0]:
            grad[...] = 0.0
        for place in self.row_slices:
            grad[:, place] += rows


@lowers(GlobalAvgPool)
def lower_global_average_pool(layer, value, plan):
    if len(value.shape) != 3:
        raise ShapeError(f"{layer.label()}: expected (N, H, W, C), got {(plan.images, *value.shape)}.")
    return plan.add(GlobalAveragePoolOp([value], value.shape[2:]))


class GlobalAveragePoolOp(Op):
    """(n, H, W, C) -> (n, C), means over all pixels."""

    name = "pool"

    def bind(self, plan):
        H, W, self.C = self.inputs[0].shape
        self.pixels = H * W
        self.shares = np.full(H * W, 1.0 / (H * W), plan.dtype)

    def forward_phases(self):
        return [Phase(self.forward, self.blocks)]

    def backward_phases(self):
        return [Phase(self.backward, self.blocks)]

    def forward(self, t, lo, hi):
        x = self.inputs[0].data.part(t, lo, hi).reshape(hi - lo, self.pixels, self.C)
        np.matmul(self.shares, x, out=self.output.data.part(t, lo, hi))

    def backward(self, t, lo, hi):
        grad = self.inputs[0].grad.part(t, lo, hi)  # (n, H, W, C)
        share = self.output.grad.part(t, lo, hi)[:, None, None] * (1.0 / self.pixels)  # (n, 1, 1, C)
        if self.writes[0]:
            np.copyto(grad, share)
        else:
            grad += share


@lowers(Affine)
def lower_affine(layer, value, plan):
    plan.check(layer, value, ("N", layer.in_features))
    return plan.add(AffineOp(layer, value))


class AffineOp(Op):
    """y = x W + b, (n, D_in) -> (n, D_out)."""

    name = "affine"
    inputs_needed = True

    def __init__(self, layer, value):
        super().__init__([value], (layer.out_features,), has_parameters=True)
        self.layer = layer

    def bind(self, plan):
        if plan.training:
            shape = self.layer.weight.data.shape
            self.grad_weight = BlockSum(len(self.blocks), shape, plan.memory)
            self.grad_biases = np.zeros((len(self.blocks), shape[1]), plan.dtype)  # of each block
            self.grad_scratch = plan.memory.scratch("affine dx", (self.block, shape[0]))

    def forward_phases(self):
        return [Phase(self.forward, self.blocks)]

    def backward_phases(self):
        return [Phase(self.backward, self.blocks, begin=self.start_gradients)]

    def forward(self, t, lo, hi):
        y = self.output.data.part(t, lo, hi)
        np.matmul(self.inputs[0].data.part(t, lo, hi), self.layer.weight.data, out=y)
        if self.layer.has_bias:
            y += self.layer.bias.data

    def start_gradients(self, t):
        self.grad_weight.start()

    def backward(self, t, lo, hi):
        x, grad = self.inputs[0], self.output.grad.part(t, lo, hi)
        i, weight = self.blocks.number[lo], self.grad_weight.take()
        np.matmul(x.data.part(t, lo, hi).T, grad, out=weight)
        self.grad_weight.add(i, weight)
        np.add.reduce(grad, axis=0, out=self.grad_biases[i])
        if not x.needs_grad:
            return
        grad_inputs = x.grad.part(t, lo, hi)
        out = grad_inputs if self.writes[0] else self.grad_scratch[t][: hi - lo]
        np.matmul(grad, self.layer.weight.data.T, out=out)
        if not self.writes[0]:
            grad_inputs += out

    def finish(self):
        self.layer.weight.grad = self.grad_weight.hand_out()
        if self.layer.has_bias:
            self.layer.bias.grad = self.grad_biases.sum(axis=0)
