"""Layers made of layers: one after the other, and side by side with a shortcut.

Sequential, y = f_k( ... f_2(f_1(x))): the chain rule runs through the same layers in the opposite order.

Residual, y = F(x) + S(x), with a body F and a shortcut S, by default S(x) = x. A sum hands its gradient to
both terms, and x reaches y by both:

    dL/dx = dL/dy dF/dx + dL/dy dS/dx          with S(x) = x:   dL/dx = dL/dy (dF/dx + 1)

However small dF/dx is, the 1 carries dL/dy on unchanged: gradients do not vanish along the shortcut.

Reference: He et al., Deep residual learning for image recognition, 2016, equations 1 and 2.
"""

from collections.abc import Iterable
from typing import Any

from mlp.checks import check_strings
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.checks import check_array, check_gradient, check_returned
from mlp.typing import Array, Shape


class Identity(Layer):
    """y = x."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs


class Sequential(Layer):
    """Layers one after the other.

    Args:
        layers: the layers, which are then named 0, 1, 2, ...; or one dict from names to layers. The name "", and
            names that begin with "*", are for wrappers that add no component to the dotted paths of what they wrap.

    Raises:
        ConfigurationError: a part that is no layer, or a name that is no string.
    """

    output_shape: tuple[int, ...] | None = None  # of the last forward

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], dict):
            self.layers = dict(layers[0])
            check_strings("the names of layers", list(self.layers))
        else:
            self.layers = {str(i): layer for i, layer in enumerate(layers)}
        check_layers(self, self.layers.values())
        self.set_paths()

    def children(self) -> list[tuple[str, Layer]]:
        return [("" if name.startswith("*") else name, layer) for name, layer in self.layers.items()]

    def forward(self, x: Array, training: bool = False) -> Array:
        check_array(self.label(), x)
        for layer in self.layers.values():
            x = check_returned(layer.label(), layer.forward(x, training))
        self.output_shape = x.shape
        return x

    def backward(self, grad_outputs: Array) -> Array:
        check_gradient(self.label(), grad_outputs, self.output_shape)
        for layer in reversed(self.layers.values()):
            grad_outputs = layer.backward(grad_outputs)
        return grad_outputs

    def __repr__(self) -> str:
        rows = [f"  {name or '*'}: {layer!r}".replace("\n", "\n  ") for name, layer in self.layers.items()]
        return "Sequential(\n" + "\n".join(rows) + "\n)"


class Residual(Layer):
    """y = body(x) + shortcut(x).

    The parameters of the body keep the names they would have without the shortcut; those of the shortcut, if it has
    any, stand under "shortcut".

    Args:
        body: a layer whose outputs have the shape of the shortcut's.
        shortcut: any layer; None for the identity.

    Raises:
        ConfigurationError: a part that is no layer. ShapeError (forward): body and shortcut give different shapes.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        self.body = body
        self.shortcut = Identity() if shortcut is None else shortcut
        check_layers(self, (self.body, self.shortcut))
        self.set_paths()

    def children(self) -> list[tuple[str, Layer]]:
        return [("", self.body), ("shortcut", self.shortcut)]

    def forward(self, x: Array, training: bool = False) -> Array:
        y = check_returned(self.body.label(), self.body.forward(x, training))
        shortcut = check_returned(self.shortcut.label(), self.shortcut.forward(x, training))
        self.check_sum(y.shape, shortcut.shape)
        return y + shortcut

    def check_sum(self, body: Shape, shortcut: Shape) -> None:
        """Raise ShapeError unless the outputs of body and shortcut have one shape."""
        if body != shortcut:
            raise ShapeError(
                f"{self.label()}: the body gives {body}, the shortcut {shortcut}: give the Residual a shortcut that "
                "changes the shape in the same way (AvgPool2d, Conv2d with kernel_size=1)."
            )

    def backward(self, grad_outputs: Array) -> Array:
        return self.body.backward(grad_outputs) + self.shortcut.backward(grad_outputs)

    def __repr__(self) -> str:
        body = repr(self.body).replace("\n", "\n  ")
        return f"Residual(\n  {body}\n  shortcut: {self.shortcut!r}\n)"


def check_layers(container: Layer, layers: Iterable[Any]) -> None:
    """Check that a container was given layers; a ConfigurationError says what to write instead."""
    kind = type(container).__name__
    for layer in layers:
        if isinstance(layer, Layer):
            continue
        if isinstance(layer, type):
            raise ConfigurationError(f"{kind}: {layer.__name__} is a class: write {layer.__name__}(...)")
        if isinstance(layer, list | tuple):
            example = "Sequential(a, b), not Sequential([a, b])"
            raise ConfigurationError(f"{kind}: got a {type(layer).__name__}: give the layers one by one: {example}")
        name = type(layer).__name__
        advice = f"write class {name}(Layer)" if hasattr(layer, "forward") else "give it layers, as mlp.layers has them"
        raise ConfigurationError(f"{kind}: {name} is not a Layer: {advice}")
