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

A file may hold half precision, bfloat16 too, and names that all begin with what PyTorch's wrappers put before them
(`PREFIXES`). Weights must be finite numbers, and variances not negative; numbers of other kinds are refused.

The companions of a deeply supervised network are left out: a file holds only the network.

A model that flattens images before an affine layer needs more than this: PyTorch flattens (C, H, W), `mlp` (H, W, C).
"""

from collections.abc import Collection, Mapping
from functools import singledispatch
from typing import Any

import numpy as np

from mlp.checks import shown
from mlp.errors import CheckpointError, ConfigurationError
from mlp.files import atomic_write
from mlp.files.safe_tensors import LONGEST_HEADER, import_safetensors, read_safetensors
from mlp.layers import Affine, BatchNorm, Conv2d, Dropout, GroupNorm, Layer
from mlp.layers.machinery.checks import check_arrays
from mlp.layers.parameter import join
from mlp.models.deep_supervision import without_companions
from mlp.typing import Array, PathLike

COUNTER = "num_batches_tracked"  # PyTorch needs it with a batch norm; it is used only where momentum is None
PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile, Lightning
MOST_PROBLEMS = 10  # that a message lists
VARIANCE = "running_var"

TorchNames = list[tuple[str, str, tuple[int, ...] | None]]


@singledispatch
def torch_names(layer: Layer) -> TorchNames:
    """Return (name in mlp, name in PyTorch, axes or None) for each array of one layer, those of its children left out.

    `array.transpose(axes)` has PyTorch's layout; None means that the layouts are the same.
    """
    names = [name for name, _ in layer.own_parameters()] + list(layer.buffer_names)
    return [(name, name, None) for name in names]


@torch_names.register
def _(layer: Conv2d) -> TorchNames:
    return [("weight", "weight", (3, 2, 0, 1)), *([("bias", "bias", None)] if layer.bias is not None else [])]


@torch_names.register
def _(layer: Affine) -> TorchNames:
    return [("weight", "weight", (1, 0)), *([("bias", "bias", None)] if layer.bias is not None else [])]


@torch_names.register
def _(layer: BatchNorm) -> TorchNames:
    own = ("running_mean", "running_var")
    return [("gamma", "weight", None), ("beta", "bias", None), *((name, name, None) for name in own)]


@torch_names.register
def _(layer: GroupNorm) -> TorchNames:
    return [("gamma", "weight", None), ("beta", "bias", None)]


@torch_names.register
def _(layer: Dropout) -> TorchNames:
    return []


def checked_model(model: object) -> Layer:
    """Return a model without its companions; a ConfigurationError if it is no model."""
    if not isinstance(model, Layer):
        raise ConfigurationError(
            f"the model comes first, then the file or the arrays: save_safetensors(model, path); got {shown(model)}"
        )
    return without_companions(model)


def check_known(model: Layer) -> None:
    """Check that no subclass of a registered layer adds arrays: `torch_names` would not know about them."""
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
    """Return the weights and buffers of a model as NumPy arrays with the names and the layout of PyTorch.

    Raises:
        ConfigurationError: a layer that PyTorch does not have, or two arrays that would get one name.
    """
    model = checked_model(model)
    state, arrays = model.state_dict(), {}
    check_known(model)

    def put(name: str, array: Array) -> None:
        if name in arrays:
            raise ConfigurationError(f"PyTorch would get {name!r} twice: give torch_names a name for each array")
        arrays[name] = array

    for path, layer in model.named_layers():
        for name, there, axes in torch_names(layer):
            array = state[join(path, name)]
            put(join(path, there), np.asarray(array if axes is None else array.transpose(axes), order="C"))
        if isinstance(layer, BatchNorm):
            put(join(path, COUNTER), np.zeros((), np.int64))
    return arrays


def from_torch_arrays(model: Layer, arrays: Mapping[str, Array]) -> None:
    """Copy arrays with the names and the layout of PyTorch into a model, converted to its dtype.

    Raises:
        CheckpointError: names, shapes or values do not fit; it lists the first of them, and nothing is copied.
    """
    model = checked_model(model)
    state, problems = model.state_dict(), []
    check_known(model)
    check_arrays("arrays", arrays, "{name: tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}")
    arrays = without_prefixes(arrays, to_torch_arrays(model))
    unused = {name for name in arrays if name.rpartition(".")[2] != COUNTER}
    for path, layer in model.named_layers():
        for name, there, axes in torch_names(layer):
            mine, there = join(path, name), join(path, there)
            expected = state[mine].shape if axes is None else tuple(state[mine].shape[axis] for axis in axes)
            if there not in arrays:
                problems.append(f"{there} {expected} is missing")
            elif arrays[there].shape != expected:
                problems.append(f"{there} must be {expected}, got {arrays[there].shape}")
            elif problem := what_is_wrong(arrays[there], state[mine].dtype, lowest=0.0 if name == VARIANCE else None):
                problems.append(f"{there} {problem}")
            else:
                state[mine] = arrays[there] if axes is None else arrays[there].transpose(np.argsort(axes))
            unused.discard(there)
    problems += [f"{name} {arrays[name].shape} is not in the model" for name in sorted(unused)]
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS:,} more"] if len(problems) > MOST_PROBLEMS else []
        raise CheckpointError("the weights do not fit the model:\n  " + "\n  ".join(problems[:MOST_PROBLEMS] + more))
    model.load_state_dict(state)


def without_prefixes(arrays: Mapping[str, Array], expected: Collection[str]) -> Mapping[str, Array]:
    """Return the arrays, their names without each prefix that all of them share and no expected name has."""
    for prefix in PREFIXES * len(PREFIXES):  # several may follow each other, in any order
        if all(name.startswith(prefix) for name in arrays) and not any(name.startswith(prefix) for name in expected):
            arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return arrays


def what_is_wrong(array: Array, dtype: np.dtype, lowest: float | None = None) -> str:
    """Say why an array cannot become one of a model, of type `dtype`; "" if it can."""
    if array.dtype.kind != dtype.kind:
        advice = ": convert it with .float() before it is saved" if dtype.kind == "f" else ""
        return f"must be {dtype} numbers, got {array.dtype}{advice}"
    if dtype.kind != "f":
        return ""
    with np.errstate(over="ignore"):
        values = array.astype(dtype)
    if count := int((~np.isfinite(values)).sum()):
        return f"has {count:,} of {values.size:,} values that are NaN or infinite as {dtype}"
    if lowest is not None and values.size and values.min() < lowest:
        return f"must not be less than {lowest:g}, got {values.min():g}"
    return ""


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
    largest = LONGEST_HEADER + 8 * sum(array.size + 1 for array in to_torch_arrays(model).values())
    arrays = read_safetensors(path, largest)
    try:
        from_torch_arrays(model, arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


__all__ = ["from_torch_arrays", "load_safetensors", "save_safetensors", "to_torch_arrays", "torch_names"]
