"""What every layer is: a forward formula, a backward formula, and named arrays.

A layer computes y = f(x; w). Training needs two derivatives of the loss L, and the chain rule delivers both from the
one that arrives from above, dL/dy:

    dL/dx = dL/dy . dy/dx        handed on to the layer below: what backward() returns
    dL/dw = dL/dy . dy/dw        used to change the weights: what backward() writes to parameter.grad

A layer of one's own is a class with these two methods:

    class Square(Layer):
        def forward(self, x, training=False):
            self.keep(x)
            return x * x

        def backward(self, grad_outputs):
            x = self.take()
            return grad_outputs * 2 * x

Attributes that are a `Parameter` or a `Layer` are found by themselves, in the order of their assignment; those in a
list or a dict are not, and `set_paths` says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module, move, to_numpy
from mlp.errors import BackwardError
from mlp.layers.machinery.checks import check_same_kind, check_shape, check_state
from mlp.layers.machinery.lost_parts import check_buffers, check_first_use, check_nothing_lost
from mlp.layers.machinery.parameter import Parameter, join
from mlp.layers.machinery.summary import LayerCard, cards_of, format_summary
from mlp.rng import generator
from mlp.typing import Array, DType


class Layer:
    """Base class of all layers, and of whole models (a model is a layer made of layers)."""

    path = ""  # dotted place in the model, set by `set_paths`
    buffer_names: tuple[str, ...] = ()  # attributes that are saved with the weights but not trained
    _kept: Any = None

    # --- the two formulas -----------------------------------------------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute the outputs of a batch, and keep what backward needs.

        Args:
            x: inputs, batch axis first, channels last: (N, D) or (N, H, W, C), in the dtype of the parameters.
            training: whether the batch is a training batch (batch norm and dropout act differently then).

        Returns:
            The outputs, batch axis first.

        Raises:
            ShapeError: shape or dtype do not fit the layer. DeviceError: x is on another device.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def backward(self, grad_outputs: Array) -> Array:
        """Propagate the gradient of the loss from the outputs to the inputs.

        Uses up what the last forward kept, and overwrites (never adds to) the `grad` of each parameter.

        Args:
            grad_outputs: dL/dy, of the shape of the last outputs.

        Returns:
            dL/dx, of the shape of the last inputs.

        Raises:
            BackwardError: there was no forward since the last backward.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward method")

    def keep(self, *values: Any) -> None:
        """Keep values of the forward pass for the one backward pass that follows."""
        self._kept = values

    def take(self) -> Any:
        """Return what `keep` kept (a single value as it is, several as a tuple), once."""
        if self._kept is None:
            raise BackwardError(
                f"{self.label()}: backward called before forward (or twice): forward must run once per backward."
            )
        values, self._kept = self._kept, None
        return values[0] if len(values) == 1 else values

    def branches(self, x: Array) -> Array | None:
        """For a formula in pieces (ReLU, max pooling): which piece each input takes, as an array; None if smooth.

        A finite difference is meaningless across the border of two pieces; the gradient checker compares this
        array at both of its points, and draws another point where they differ.
        """

    # --- names ----------------------------------------------------------------------------------------------------

    def children(self) -> list[tuple[str, "Layer"]]:
        """Return the layers this one is made of, as (name, layer) pairs in forward order."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Layer)]

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters of this layer alone, as (name, parameter) pairs."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]

    def named_layers(self, path: str = "") -> Iterator[tuple[str, "Layer"]]:
        """Yield (dotted path, layer) for this layer and all layers below it, in forward order."""
        yield path, self
        for name, child in self.children():
            yield from child.named_layers(join(path, name))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter) in forward order, weight before bias, gamma before beta."""
        for path, layer in self.named_layers():
            for name, parameter in layer.own_parameters():
                yield join(path, name), parameter

    def parameters(self) -> list[Parameter]:
        """Return the list of all parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Yield (dotted name, array) for everything that is saved but not trained (running statistics)."""
        for path, layer in self.named_layers():
            for name in layer.buffer_names:
                yield join(path, name), getattr(layer, name)

    def set_paths(self) -> Self:
        """Tell every layer and parameter its dotted path.

        Raises:
            ConfigurationError: the same layer or parameter stands in two places (each needs one of its own, because a
                layer keeps the values of one forward pass). Or a list or dict holds layers or parameters that are
                found nowhere else, and so would never be trained.
        """
        used: dict[int, str] = {}
        for path, layer in self.named_layers():
            check_first_use(used, layer, path)
            layer.path = path
            for name, parameter in layer.own_parameters():
                check_first_use(used, parameter, join(path, name))
                parameter.name = join(path, name)
        for _, layer in self.named_layers():
            check_nothing_lost(layer.label(), vars(layer), (Layer, Parameter), used.keys())
            check_buffers(layer.label(), {name: getattr(layer, name) for name in layer.buffer_names})
        return self

    def label(self) -> str:
        """Return the class and path of this layer, for messages: "Conv2d 'stage_0.block_1.conv_0'"."""
        return f"{type(self).__name__} {self.path!r}" if self.path else type(self).__name__

    # --- checks ---------------------------------------------------------------------------------------------------

    def check_inputs(self, x: Array, expected: tuple[int | str, ...]) -> None:
        """Check inputs against an expected shape such as ("N", "H", "W", 32); letters stand for any size.

        Raises:
            ShapeError, DeviceError: with the layer's path, what was expected and what was given.
        """
        check_shape(self.label(), x.shape, expected)
        for _, parameter in self.own_parameters():
            check_same_kind(self.label(), x, parameter.data)

    # --- weights --------------------------------------------------------------------------------------------------

    def reset_parameters(self, rng: Generator) -> None:
        """Draw the parameters of this layer alone from the generator `rng`; layers with weights override it."""

    def initialize(self, seed: int) -> Self:
        """Draw all weights anew: those of each layer are a function of the seed and the layer's path alone."""
        self.set_paths()
        for path, layer in self.named_layers():
            layer.reset_parameters(generator(seed, "init", path))
        return self

    @property
    def num_parameters(self) -> int:
        """The number of weights."""
        return sum(parameter.data.size for parameter in self.parameters())

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers as NumPy arrays, by dotted name."""
        arrays = {name: parameter.data for name, parameter in self.named_parameters()} | dict(self.named_buffers())
        return {name: to_numpy(array).copy() for name, array in arrays.items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy the arrays of a `state_dict` into this model.

        Raises:
            ShapeError: names or shapes differ; nothing is copied then.
        """
        mine = {name: parameter.data for name, parameter in self.named_parameters()} | dict(self.named_buffers())
        check_state(mine, state)
        for name, array in mine.items():
            array[...] = get_array_module(array).asarray(state[name], dtype=array.dtype)

    def astype(self, dtype: DType) -> Self:
        """Convert all parameters and floating-point buffers to `dtype`, in place; returns the model."""
        return self._convert(lambda array: array.astype(dtype))

    def to(self, device: str) -> Self:
        """Move all parameters and buffers to "cpu" or "cuda:N", in place; returns the model."""
        return self._convert(lambda array: move(array, device))

    def _convert(self, function: Callable[[Array], Array]) -> Self:
        for _, layer in self.named_layers():
            for _, parameter in layer.own_parameters():
                parameter.replace(function(parameter.data))
            for name in layer.buffer_names:
                buffer = getattr(layer, name)
                if buffer.dtype.kind == "f":  # counters stay whole numbers, on the host
                    setattr(layer, name, function(buffer))
        return self

    # --- what it costs --------------------------------------------------------------------------------------------

    def multiply_adds(self, output_shape: Sequence[int]) -> int:
        """Return the multiplications of one image's forward pass (0 where they are not worth counting)."""
        return 0

    def column_bytes(self, x: Array, batch_size: int) -> int:
        """Return the bytes of the largest matrix of columns (im2col) in a step with images like those of `x`, or 0."""
        return 0

    def cards(self, x: Array, batch_size: int) -> list[LayerCard]:
        """Run the one-image batch `x` forward; return a list with a `LayerCard` for each layer."""
        return cards_of(self.set_paths(), x, batch_size)

    def summary(self, input_shape: Sequence[int], batch_size: int = 100) -> str:
        """Return a table of all layers as text: output shapes, parameters, multiply-adds, memory.

        Args:
            input_shape: the shape of one image, (H, W, C), or of one vector, (D,).
            batch_size: images in a training step, for which memory is counted.
        """
        parameters = self.parameters()
        like = parameters[0].data if parameters else np.empty(0, np.float32)
        x = get_array_module(like).zeros((1, *input_shape), like.dtype)
        return format_summary(self.cards(x, batch_size), like.dtype.itemsize, batch_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
