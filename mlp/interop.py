"""Weights to and from PyTorch, as a file of safetensors: plain arrays with names, no pickle.

    save_safetensors(model, "vgg38.safetensors")                # here

    state = safetensors.torch.load_file("vgg38.safetensors")    # there, for a model whose modules have the same names
    torch_model.load_state_dict(state)

and the other way with safetensors.torch.save_file and `load_safetensors`. The names are the dotted paths of layers, and
the arrays are laid out as PyTorch has them:

    layer        mlp                                 PyTorch
    Conv2d       weight (KH, KW, C, F)               weight (F, C, KH, KW)
    Affine       weight (D_in, D_out)                weight (D_out, D_in)
    BatchNorm    gamma, beta                         weight, bias
                 running_mean, running_var           the same, and num_batches_tracked, which has no meaning here
    GroupNorm    gamma, beta                         weight, bias (LayerNorm and InstanceNorm likewise)
    Dropout      step, which counts its masks        nothing

Parameters and buffers of your own layers keep name and layout, unless `torch_names` learns about them:

    @torch_names.register
    def _(layer: MyLayer):
        return [("kernel", "weight", (1, 0))]       # name here, name there, axes of `transpose` on the way there

The companions of a deeply supervised network are left out: a file holds the network alone.

A model that flattens images before an affine layer needs more than this: PyTorch flattens (C, H, W), `mlp` (H, W, C).
"""

from collections.abc import Mapping
from functools import singledispatch
from types import ModuleType
from typing import Any

import numpy as np

from mlp.errors import CheckpointError, ConfigurationError
from mlp.files import atomic_write
from mlp.layers import Affine, BatchNorm, Conv2d, Dropout, GroupNorm, Layer
from mlp.layers.machinery.parameter import join
from mlp.models.deep_supervision import without_companions
from mlp.typing import Array, PathLike

COUNTER = "num_batches_tracked"  # PyTorch needs it with a batch norm; it is used only where momentum is None


@singledispatch
def torch_names(layer: Layer) -> list[tuple[str, str, tuple[int, ...] | None]]:
    """Return (name in mlp, name in PyTorch, axes or None) for each array of one layer, those of its children left out.

    `axes` is what `transpose` makes PyTorch's layout of ours with; None for the same layout.
    """
    names = [name for name, _ in layer.own_parameters()] + list(layer.buffer_names)
    return [(name, name, None) for name in names]


@torch_names.register
def _(layer: Conv2d) -> list[tuple[str, str, tuple[int, ...] | None]]:
    return [("weight", "weight", (3, 2, 0, 1)), *([("bias", "bias", None)] if layer.bias is not None else [])]


@torch_names.register
def _(layer: Affine) -> list[tuple[str, str, tuple[int, ...] | None]]:
    return [("weight", "weight", (1, 0)), *([("bias", "bias", None)] if layer.bias is not None else [])]


@torch_names.register
def _(layer: BatchNorm) -> list[tuple[str, str, tuple[int, ...] | None]]:
    own = ("running_mean", "running_var")
    return [("gamma", "weight", None), ("beta", "bias", None), *((name, name, None) for name in own)]


@torch_names.register
def _(layer: GroupNorm) -> list[tuple[str, str, tuple[int, ...] | None]]:
    return [("gamma", "weight", None), ("beta", "bias", None)]


@torch_names.register
def _(layer: Dropout) -> list[tuple[str, str, tuple[int, ...] | None]]:
    return []


def check_known(model: Layer) -> None:
    """Check that no layer has arrays that its base class, whose names in PyTorch are registered, does not have."""
    for path, layer in model.named_layers():
        base: Any = next(kind for kind in type(layer).__mro__ if kind in torch_names.registry)
        if base in (type(layer), object):  # its own names are registered, or all that it has is taken
            continue
        known = {name for name, _, _ in torch_names(layer)} | set(base.buffer_names)
        extra = [name for name in (*dict(layer.own_parameters()), *layer.buffer_names) if name not in known]
        if extra:
            raise ConfigurationError(
                f"{type(layer).__name__} {path!r} adds {', '.join(extra)} to what PyTorch's layer has: register its "
                "names with mlp.interop.torch_names.register"
            )


def to_torch_arrays(model: Layer) -> dict[str, Array]:
    """Return the weights and buffers of a model as NumPy arrays with the names and the layout of PyTorch."""
    model = without_companions(model)
    state, arrays = model.state_dict(), {}
    check_known(model)
    for path, layer in model.named_layers():
        for name, there, axes in torch_names(layer):
            array = state[join(path, name)]
            arrays[join(path, there)] = np.ascontiguousarray(array if axes is None else array.transpose(axes))
        if isinstance(layer, BatchNorm):
            arrays[join(path, COUNTER)] = np.zeros((), np.int64)
    return arrays


def from_torch_arrays(model: Layer, arrays: Mapping[str, Array]) -> None:
    """Copy arrays with the names and the layout of PyTorch into a model, converted to its dtype.

    Raises:
        CheckpointError: names or shapes do not fit; it lists all of them, and nothing is copied.
    """
    model = without_companions(model)
    state, problems = model.state_dict(), []
    check_known(model)
    unused = {name for name in arrays if name.rpartition(".")[2] != COUNTER}
    for path, layer in model.named_layers():
        for name, there, axes in torch_names(layer):
            mine, there = join(path, name), join(path, there)
            expected = state[mine].shape if axes is None else tuple(state[mine].shape[axis] for axis in axes)
            if there not in arrays:
                problems.append(f"{there} {expected} is missing")
            elif arrays[there].shape != expected:
                problems.append(f"{there} must be {expected}, got {arrays[there].shape}")
            else:
                state[mine] = arrays[there] if axes is None else arrays[there].transpose(np.argsort(axes))
            unused.discard(there)
    problems += [f"{name} {arrays[name].shape} is not in the model" for name in sorted(unused)]
    if problems:
        raise CheckpointError("the weights do not fit the model:\n  " + "\n  ".join(problems))
    model.load_state_dict(state)


def save_safetensors(model: Layer, path: PathLike) -> None:
    """Write the weights and buffers of a model for PyTorch, atomically.

    Raises:
        ConfigurationError: the package safetensors is missing.
    """
    content = import_safetensors().save(to_torch_arrays(model), metadata={"format": "pt"})
    with atomic_write(path) as file:
        file.write(content)


def load_safetensors(model: Layer, path: PathLike) -> None:
    """Read weights and buffers that PyTorch, or `save_safetensors`, has written into a model.

    Raises:
        ConfigurationError: the package safetensors is missing.
        CheckpointError: the file is missing or damaged, or names and shapes do not fit; the model stays as it was.
    """
    package = import_safetensors()
    try:
        with open(path, "rb") as file:
            arrays = package.load(file.read())
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except Exception as error:  # a damaged file can raise anything
        raise CheckpointError(f"{path} cannot be read as safetensors ({type(error).__name__}: {error})") from error
    try:
        from_torch_arrays(model, arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def import_safetensors() -> ModuleType:
    """Return the module safetensors.numpy."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ConfigurationError(
            "weights for PyTorch need the package safetensors, which is not installed: "
            "python -m pip install 'safetensors>=0.4'"
        ) from error
    return safetensors.numpy


__all__ = ["from_torch_arrays", "load_safetensors", "save_safetensors", "to_torch_arrays", "torch_names"]
