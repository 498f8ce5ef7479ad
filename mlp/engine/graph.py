"""From a tree of layers to a flat list of ops with known shapes ("lowering"): what the cpu and the cuda engine share.

    ops        each layer becomes an op, see below
    wiring     `Sequential` and `Identity` vanish: all that is left of them is which op reads which value; `Residual`
               becomes a sum, `Concat` a copy of its branches
    fusing     an op and the only reader of its output become one op where that is possible

A function that is registered for a layer's exact type adds ops to the graph and returns the value with the outputs:

    @lowers(Flatten)
    def lower_flatten(layer, value, plan):
        return plan.add(ReshapeOp([value], (value.size,)))

A subclass may have other formulas, so it is not replaced: it runs its own code in a `TextbookOp`. Each engine has its
own registry and its own kinds of `Op`.
"""

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlp.engine.base import same_kind
from mlp.errors import ShapeError
from mlp.layers import Concat, Identity, Residual, Sequential
from mlp.layers.concat import check_parts
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.checks import check_returned
from mlp.models.deep_supervision import DeeplySupervised
from mlp.typing import Array, DType, Shape


class Value:
    """What one op computes and others read: an array (N, *shape), and the gradient of the loss with respect to it.

    Attributes:
        shape: of one image, (H, W, C) or (D,). producer: the op that computes it.
        needs_grad: whether its gradient is needed: there are parameters before it.
        data, grad: the arrays, set by the plan.
        border, grad_border: the numbers of zero rows that data and grad have above and below each image, because a
            reader needs them (in the CPU engine alone).
    """

    def __init__(self, shape: Sequence[int], producer: "Op | None" = None) -> None:
        self.shape, self.producer = tuple(shape), producer
        self.needs_grad = False
        self.data: Any = None
        self.grad: Any = None
        self.border = self.grad_border = (0, 0)

    @property
    def size(self) -> int:
        """How many numbers an image has."""
        return math.prod(self.shape)

    def ask_border(self, above: int, below: int) -> None:
        """Ask for at least so many zero rows around each image of data."""
        self.border = max(self.border[0], above), max(self.border[1], below)

    def ask_grad_border(self, above: int, below: int) -> None:
        """Ask for at least so many zero rows around each image of grad."""
        self.grad_border = max(self.grad_border[0], above), max(self.grad_border[1], below)


class Op:
    """One step of a graph, from input values to an output value."""

    def __init__(self, inputs: Sequence[Value], output_shape: Sequence[int], *, has_parameters: bool = False) -> None:
        self.inputs = list(inputs)
        self.output = Value(output_shape, self)
        self.output.needs_grad = has_parameters or any(value.needs_grad for value in inputs)

    def fused_with(self, following: "Op", *, training: bool) -> "Op | None":
        """Return one op that does the work of this and of `following`, the only reader of its output, or None."""
        return None


class Pointwise(Op):
    """z = activation(norm(y) + shortcut), each of the three optional: all that treats each value on its own.

    Args:
        y, shortcut: values. slope: of the activation, None for none. norm: a layer.
    """

    def __init__(self, y: Value, shortcut: Value | None = None, slope: float | None = None, norm: Any = None) -> None:
        super().__init__([y] if shortcut is None else [y, shortcut], y.shape, has_parameters=norm is not None)
        self.shortcut, self.norm, self.slope = shortcut, norm, slope

    def fused_with(self, following: Op, *, training: bool) -> Op | None:
        if not isinstance(following, Pointwise) or following.norm is not None:
            return None
        if following.inputs[0] is not self.output or self.slope is not None or (self.shortcut and following.shortcut):
            return None  # not in the order norm, shortcut, activation
        return type(self)(self.inputs[0], self.shortcut or following.shortcut, following.slope, self.norm)


class Lowerings(dict[type, Callable[..., Value]]):
    """Exact type of a layer -> function (layer, value, plan) that adds ops and returns the value with the outputs.

    The function for `object` is for all layers without one of their own.
    """

    def lowers(self, *layer_types: type) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
        """Register the decorated function for exactly these types of layers."""

        def register(function: Callable[..., Value]) -> Callable[..., Value]:
            self.update(dict.fromkeys(layer_types, function))
            return function

        return register


class Graph:
    """A model, lowered for batches of one shape; an engine's plan is a graph that can run.

    Args:
        lowerings: a registry. batch_shape: (N, H, W, C) or (N, D). dtype: of the inputs.
        training: whether it is for training steps or for evaluation.

    Attributes:
        images: N. ops: in the order in which they run. source: the value of the inputs. result: that of the outputs.
    """

    def __init__(self, lowerings: Lowerings, batch_shape: Sequence[int], dtype: DType, *, training: bool) -> None:
        self.lowerings, self.images, self.dtype, self.training = lowerings, batch_shape[0], np.dtype(dtype), training
        self.ops: list[Any] = []
        self.source = self.result = Value(batch_shape[1:])

    def lower(self, layer: Layer, value: Value) -> Value:
        """Add the ops of a layer that reads `value`; return the value with its outputs."""
        if type(layer) is Sequential:
            for child in layer.layers.values():
                value = self.lower(child, value)
            return value
        if type(layer) is Identity:
            return value
        if type(layer) is DeeplySupervised:  # its companions are the branches of taps within the network
            return self.lower(layer.network, value)
        return self.lowerings.get(type(layer), self.lowerings[object])(layer, value, self)

    def lower_branches(self, layer: Residual, value: Value) -> tuple[Value, Value]:
        """Return the values of body and shortcut of a Residual, whose shapes must be equal."""
        body, shortcut = self.lower(layer.body, value), self.lower(layer.shortcut, value)
        layer.check_sum((self.images, *body.shape), (self.images, *shortcut.shape))
        return body, shortcut

    def lower_parts(self, layer: Concat, value: Value) -> list[Value]:
        """Return the values of the branches of a Concat; their shapes may differ in the number of channels only."""
        parts = [self.lower(branch, value) for branch in layer.branch_list]
        check_parts(layer, [(self.images, *part.shape) for part in parts])
        return parts

    def add(self, op: Op) -> Value:
        """Add an op; return its output value."""
        self.ops.append(op)
        return op.output

    def check(self, layer: Layer, value: Value, expected: tuple[int | str, ...]) -> None:
        """Let a layer check the shape and dtype of its inputs, as its own forward does."""
        layer.check_inputs(self.example(value), expected)

    def example(self, value: Value, xp: Any = np) -> Array:
        """Return an array with the shape and dtype of a value. It takes no memory: all numbers are the same zero."""
        example: Array = xp.broadcast_to(xp.zeros((), self.dtype), (self.images, *value.shape))
        return example

    def readers(self, value: Value) -> list[Any]:
        """Return the ops that read a value; the loss, which reads the result, counts as None."""
        found = [op for op in self.ops for read in op.inputs if read is value]
        return [*found, None] if value is self.result else found

    def fuse(self) -> None:
        """Replace two ops by one wherever `op.fused_with(the only reader of its output)` returns one."""
        i = 0
        while i < len(self.ops):
            op, merged = self.ops[i], None
            following = self.readers(op.output)
            if len(following) == 1 and following[0] is not None:
                merged = op.fused_with(following[0], training=self.training)
            if merged is None:
                i += 1
            else:
                output = following[0].output  # the value that others read stays
                output.needs_grad = output.needs_grad or op.output.needs_grad
                merged.output, output.producer = output, merged
                self.ops[self.ops.index(following[0])] = merged
                del self.ops[i]


def probe_output_shape(layer: Layer, value: Value, plan: Graph, xp: Any = np) -> Shape:
    """Return the shape of one image's outputs, found by running the layer on random numbers.

    It is a copy that runs, so that the layer itself (its buffers, its random state) sees real batches only.

    Args:
        xp: the library of the arrays.
    """
    probe = np.random.default_rng(0).standard_normal((plan.images, *value.shape)).astype(plan.dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outputs = copy.deepcopy(layer).forward(xp.asarray(probe), training=plan.training)
    return check_returned(layer.label(), outputs).shape[1:]


def checked_forward(layer: Layer, x: Array, outputs: Array, *, training: bool) -> Array:
    """Return what a layer's forward returns; a ShapeError unless it has the shape and dtype of the array `outputs`."""
    y = check_returned(layer.label(), layer.forward(x, training=training))
    if y.shape != outputs.shape or y.dtype != outputs.dtype:
        raise ShapeError(
            f"{layer.label()}: expected outputs {outputs.shape} of {outputs.dtype}, got {y.shape} of {y.dtype}: a "
            "layer keeps the dtype, and the shape of its outputs follows from that of its inputs."
        )
    return y


def checked_backward(layer: Layer, grad_outputs: Array, x: Array) -> Array:
    """Return what a layer's backward returns; a ShapeError unless it has the shape and dtype of the inputs `x`."""
    return same_kind(f"{layer.label()}: backward must return dL/dx", layer.backward(grad_outputs), x)
