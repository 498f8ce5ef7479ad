"""Concat: layers side by side. All read the same inputs, and their outputs are joined along the channels.

    x  inputs (N, ..., C)        f_1 .. f_B  the branches, each a layer        y = [f_1(x), ..., f_B(x)]

Forward. The outputs of the branches agree on every axis but the last; their channels stand one after the other:

    y[..., c_i + c] = f_i(x)[..., c]          c_i = the number of channels of f_1(x) .. f_(i-1)(x) together   (1)

Backward. (dL/dy)_i is the part of dL/dy that belongs to the channels of branch i. x reaches the loss through every
branch, so the gradients that the branches return are added:

    dL/dx = sum over i of  (dL/dy)_i  df_i/dx                                                                 (2)

With f_1(x) = x this is the layer of DenseNet, y = [x, F(x)]: everything computed before stays in sight, and
dL/dx = (dL/dy)_old + (dL/dy)_new dF/dx. The first term arrives unchanged, as along the shortcut of `Residual`.

Reference: Huang et al., Densely connected convolutional networks, 2017, equation 2.
"""

from collections.abc import Sequence

from mlp.backend import get_array_module
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.containers import Identity, check_layers
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.checks import check_returned
from mlp.typing import Array, Shape


class Concat(Layer):
    """Branches side by side, (N, ..., C) -> (N, ..., C_1 + ... + C_B).

    The parameters of the branches keep the names they would have alone. Where two branches would give a layer the same
    name, as in Concat(Conv2d(...), Conv2d(...)), the branches are named 0, 1, ...

    Args:
        branches: layers whose outputs have the same shape, except for the number of channels.

    Raises:
        ConfigurationError: no branches, or one that is no layer.
        ShapeError (forward): the branches' outputs differ in more than the channels.
    """

    def __init__(self, *branches: Layer) -> None:
        if not branches:
            raise ConfigurationError("Concat: got no branches: write Concat(Identity(), Conv2d(...)), for example")
        check_layers(self, branches)
        self.branch_list = list(branches)
        names = [name for branch in branches for name in names_below(branch)]
        self.names = [str(i) for i in range(len(branches))] if len(names) > len(set(names)) else [""] * len(branches)
        self.set_paths()

    def children(self) -> list[tuple[str, Layer]]:
        return list(zip(self.names, self.branch_list, strict=True))

    def forward(self, x: Array, training: bool = False) -> Array:
        parts = [check_returned(branch.label(), branch.forward(x, training)) for branch in self.branch_list]
        check_parts(self, [part.shape for part in parts])
        self.keep([part.shape[-1] for part in parts])
        return get_array_module(x).concatenate(parts, axis=-1)  # (1)

    def backward(self, grad_outputs: Array) -> Array:
        start, grads = 0, []
        for branch, channels in zip(self.branch_list, self.take(), strict=True):
            grads.append(branch.backward(grad_outputs[..., start : start + channels]))
            start += channels
        return sum(grads[1:], start=grads[0])  # (2)

    def __repr__(self) -> str:
        rows = [f"  {branch!r}".replace("\n", "\n  ") for branch in self.branch_list]
        return "Concat(\n" + "\n".join(rows) + "\n)"


def names_below(branch: Layer) -> list[str]:
    """Return the names of the layers of a branch that are not made of others, seen from the branch.

    An Identity has nothing that would be found by its name, so it needs none.
    """
    return [path for path, layer in branch.named_layers() if not layer.children() and type(layer) is not Identity]


def check_parts(concat: Concat, shapes: Sequence[Shape]) -> None:
    """Raise ShapeError unless the outputs of the branches differ on the last axis alone."""
    if len({tuple(shape[:-1]) for shape in shapes}) > 1:
        given = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ShapeError(
            f"{concat.label()}: the branches give {given}: they must agree on every axis but the last; give the "
            "branches the same stride and padding."
        )
