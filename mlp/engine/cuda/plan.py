"""From a model to lists of launches, for the CUDA engine.

As in the CPU engine (read its `plan` first), each layer of a model becomes an op, once for each batch shape;
normalization, shortcut and activation become one; every value gets its array. Then each op is turned into launches with
fixed arguments, and a step is these launches in order.

Memory: in training all values stay until backward has read them. The memory of a gradient, and of the blocks' partial
sums, is reused after its last reader; the launches run in order, so nobody is disturbed.
"""

from typing import Any

import numpy as np

from mlp.engine.cuda.convolution import ConvolutionOp
from mlp.engine.cuda.gpu import Gpu, Step
from mlp.engine.cuda.lowering import LOWERINGS, TextbookOp
from mlp.engine.cuda.ops import MOST_NUMBERS
from mlp.engine.cuda.outputs import HeadOp
from mlp.engine.graph import Graph, Value
from mlp.layers import Affine, GlobalAvgPool
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import FlatParameters
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.typing import Array, DType, Shape


class Pool:
    """Memory that is reused: `take` an array of a shape, `give` it back when its last reader is in the list."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.free: dict[Shape, list[Array]] = {}

    def take(self, shape: Shape) -> Array:
        free = self.free.setdefault(tuple(shape), [])
        return free.pop() if free else self.gpu.empty(shape)

    def give(self, array: Array) -> None:
        self.free[array.shape].append(array)


class CudaPlan(Graph):
    """A model, lowered for batches of one shape.

    Args:
        gpu: a `Gpu`. model: the tree of layers. loss: of the engine.
        flat: the FlatParameters with the model's parameters.
        batch_shape: (N, H, W, C) or (N, D). dtype: of the inputs.
        training: whether it is for training steps or for evaluation.
        state, log: device arrays, see kernels/basics.cuh and kernels/head.cuh.

    Attributes:
        forward, backward: steps. head: the `HeadOp`, which computes the loss, too; None if the textbook does that.
        textbook: the layers without a kernel. by_kernels: whether kernels do it all, the loss included.
    """

    def __init__(
        self,
        gpu: Gpu,
        model: Layer,
        loss: Loss,
        flat: FlatParameters,
        batch_shape: Shape,
        dtype: DType,
        *,
        training: bool,
        state: Array,
        log: Array,
    ) -> None:
        super().__init__(LOWERINGS, batch_shape, dtype, training=training)
        self.gpu, self.flat, self.state, self.log = gpu, flat, state, log
        self.pool = Pool(gpu)
        self.owners: dict[Value, Array] = {}
        self.source.data = gpu.empty(batch_shape, dtype)
        self.targets = gpu.empty((self.images,), np.int32)
        self.given_targets: Any = None  # those of a loss without a kernel, whatever they are
        self.result = self.lower(model, self.source)
        self.fuse()
        self.head = self._find_head(loss)
        for op in self.ops:
            op.output.data = gpu.empty((self.images, *op.output.shape), dtype)
        arrange = self._arrange_weights()
        for op in self.ops:
            op.prepare(self)
        self.forward = arrange + [step for op in self.ops for step in op.forward(self)]
        self.backward = self._backward() if training else []
        self.textbook = [op.layer for op in self.ops if type(op) is TextbookOp]
        self.by_kernels = self.head is not None and not self.textbook

    # --- lowering -------------------------------------------------------------------------------------------------

    def lower(self, layer: Any, value: Value) -> Value:
        """See the base class; what the kernels cannot count or are not made for is left to the textbook."""
        if self.dtype == np.float32 and self.images * value.size < MOST_NUMBERS:
            return super().lower(layer, value)
        return self.lowerings[object](layer, value, self)

    def example(self, value: Value, xp: Any = None) -> Array:
        """See the base class; by default the array is on the device."""
        return super().example(value, xp or self.gpu.xp)

    def _find_head(self, loss: Loss) -> HeadOp | None:
        """Replace the last two layers and the loss by one op where that is possible; return it."""
        if len(self.ops) < 2 or self.dtype != np.float32 or type(loss) is not SoftmaxCrossEntropy:
            return None
        pool, affine = self.ops[-2:]
        layers = [type(op.layer) if type(op) is TextbookOp else None for op in (pool, affine)]
        if layers != [GlobalAvgPool, Affine] or affine.inputs[0] is not pool.output or affine.output is not self.result:
            return None
        if len(self.readers(pool.output)) > 1 or len(self.readers(pool.inputs[0])) > 1:
            return None
        if not HeadOp.knows(self.gpu, affine.layer):
            return None
        head = HeadOp(pool.inputs[0], affine.layer, loss)
        self.ops[-2:] = [head]
        self.result = head.output
        return head

    def _arrange_weights(self) -> list[Step]:
        """Give the convolutions memory for their arranged weights; return the launch of `arrange_weights`, if any."""
        convolutions = [op for op in self.ops if type(op) is ConvolutionOp]
        if not convolutions:
            return []
        begins = {id(p): begin for p, begin in zip(self.flat.parameters, self.flat.offsets, strict=True)}
        table, places, end = [], [], 0
        for op in convolutions:
            size = 9 * op.CP * op.F
            both = self.training and op.inputs[0].needs_grad
            forward, backward = end, end + size if both else -1
            sizes = (op.C, op.F, op.CP, *op.chunks, *op.back_chunks)
            table.append([begins[id(op.layer.weight)], *sizes, forward, backward])
            places.append([slice(begin, begin + size) for begin in (forward, backward) if begin >= 0])
            end += len(places[-1]) * size
        arranged = self.gpu.empty((end,))
        for op, slices in zip(convolutions, places, strict=True):
            op.arranged = [arranged[place] for place in slices]
        table = self.gpu.xp.asarray(np.array(table, np.int32))
        args = (self.flat.data, table, arranged, self.gpu.precision == "tf32")
        largest = max(9 * op.CP * op.F for op in convolutions)
        return [self.gpu.launch("arrange_weights", (min(-(-largest // 256), 64), len(table), 2), 256, args)]

    # --- gradients ------------------------------------------------------------------------------------------------

    def _backward(self) -> list[Step]:
        self.result.grad = self.gpu.empty(self.result.data.shape, self.dtype)
        steps = []
        for op in reversed(self.ops):
            if op.output.needs_grad:
                steps += op.backward(self)
                if op.output in self.owners:
                    self.pool.give(self.owners.pop(op.output))
        return steps

    def claim(self, value: Value) -> tuple[Array, int]:
        """Return (memory for the gradient of a value, 1 if others have written to it, so that one must add, else 0)."""
        if value.grad is not None:
            return value.grad, 1
        if self.dtype == np.float32:
            value.grad = self.owners[value] = self.pool.take(value.data.shape)
        else:
            value.grad = self.gpu.empty(value.data.shape, self.dtype)
        return value.grad, 0

    def hand_over(self, giver: Value, taker: Value) -> bool:
        """Let the gradient of `taker` take over the memory of that of `giver`; return False if that does not fit."""
        if taker.grad is not None or giver not in self.owners:
            return False
        taker.grad = self.owners[taker] = self.owners.pop(giver)
        return True
