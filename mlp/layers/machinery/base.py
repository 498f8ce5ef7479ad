"""What every layer is: a forward formula, a backward formula, and named arrays.

A layer computes y = f(x; w). Training needs two derivatives of the loss L, and the chain rule delivers both from the
one that arrives from above, dL/dy:

    dL/dx = dL/dy . dy/dx        handed on to the layer below: what backward() returns
    dL/dw = dL/dy . dy/dw        used to change the weights: what backward() writes to parameter.grad

Your own layer is a class with these two methods:

    class Square(Layer):
        def forward(self, x, training=False):
            self.keep(x)
            return x * x

        def backward(self, grad_outputs):
            x = self.take()
            return grad_outputs * 2 * x

Attributes that are a `Parameter` or a `Layer` are found automatically, in the order of their assignment; those in a
list or a dict are not, and `set_paths` says so. What a layer can do as a part of a model (names, saved weights,
conversion to another dtype or device) is in `tree`.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from mlp.backend import get_array_module
from mlp.checks import at_least_one
from mlp.errors import BackwardError, ShapeError
from mlp.layers.machinery.checks import check_array, check_same_kind, check_shape
from mlp.layers.machinery.summary import LayerCard, cards_of, format_summary
from mlp.layers.machinery.tree import Tree
from mlp.typing import Array


class Layer(Tree["Layer"]):
    """Base class of all layers, and of whole models (a model is a layer made of layers)."""

    _kept: Any = None

    # --- the two formulas -----------------------------------------------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> Array:
        """Compute the outputs of a batch, and keep what backward needs.

        Args:
            x: inputs, batch axis first, channels last: (N, D) or (N, H, W, C), in the dtype of the parameters. They
                stay as they are: other layers use them, too.
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

    def __call__(self, *arguments: Any, **options: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not called: write .forward(x) to evaluate, .forward(x, training=True) to train"
        )

    def keep(self, *values: Any) -> None:
        """Keep values of the forward pass for the one backward pass that follows."""
        self._kept = values

    def take(self) -> Any:
        """Return what `keep` kept (a single value as it is, several as a tuple), once.

        Raises:
            BackwardError: nothing is there: forward did not run, or this was called before.
        """
        if self._kept is None:
            raise BackwardError(
                f"{self.label()}: backward called before forward (or twice): forward must run once per backward."
            )
        values, self._kept = self._kept, None
        return values[0] if len(values) == 1 else values

    @property
    def kept(self) -> tuple[Any, ...]:
        """What the last forward kept, () once it is used up."""
        return self._kept if isinstance(self._kept, tuple) else ()

    def forget(self) -> None:
        """Drop what forward kept, for a backward that will not come."""
        self._kept = None

    def branches(self, x: Array) -> Array | None:
        """For a formula in pieces (ReLU, max pooling): which piece each input takes, as an array; None if smooth.

        A finite difference is meaningless across the border of two pieces; the gradient checker compares this
        array at both of its points, and draws another point where they differ.
        """

    # --- checks ---------------------------------------------------------------------------------------------------

    def check_inputs(self, x: Array, expected: tuple[int | str, ...]) -> None:
        """Check inputs against an expected shape such as ("N", "H", "W", 32); letters stand for any size.

        Raises:
            ShapeError, DeviceError: with the layer's path, what was expected and what was given.
        """
        check_array(self.label(), x)
        check_shape(self.label(), x.shape, expected)
        for _, parameter in self.own_parameters():
            check_same_kind(self.label(), x, parameter.data)

    # --- what it costs --------------------------------------------------------------------------------------------

    def multiply_adds(self, output_shape: Sequence[int]) -> int:
        """Return the multiply-adds of forward for one image, whose outputs have `output_shape`: (OH, OW, F) or (D,).

        0 for layers that have no matrix product: what they do costs little beside the others.
        """
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

        Raises:
            ShapeError: the shape is not a sequence of whole numbers, or does not fit the model.
            ConfigurationError: a batch size below 1.
        """
        at_least_one("batch_size", batch_size)
        if not isinstance(input_shape, Sequence) or not all(isinstance(n, int | np.integer) for n in input_shape):
            raise ShapeError(f"expected the shape of one image, (32, 32, 3), or vector, (64,); got {input_shape!r}")
        parameters = self.parameters()
        like = parameters[0].data if parameters else np.empty(0, np.float32)
        x = get_array_module(like).zeros((1, *input_shape), like.dtype)
        return format_summary(self.cards(x, batch_size), like.dtype.itemsize, batch_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
