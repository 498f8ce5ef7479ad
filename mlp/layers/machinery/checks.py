"""What a layer says about arrays that do not fit it: what was expected, what was given, what to type instead."""

from collections.abc import Mapping, Sequence

import numpy as np

from mlp.backend import device_of
from mlp.checks import shown
from mlp.errors import DeviceError, ShapeError, excerpt
from mlp.typing import Array


def check_array(label: str, x: object) -> None:
    """Raise ShapeError unless `x`, inputs of a layer, is an array of NumPy or CuPy with a batch axis."""
    if not isinstance(getattr(x, "dtype", None), np.dtype):  # PyTorch's tensors have a dtype of their own
        raise ShapeError(f"{label}: expected an array, got {shown(x)}: write np.asarray(x, dtype=np.float32)")
    if not x.shape:  # type: ignore[attr-defined]
        raise ShapeError(f"{label}: expected a batch, with samples along its first axis, got the number {x}")
    if isinstance(x, np.ma.MaskedArray):
        raise ShapeError(f"{label}: expected numbers, got a masked array: write x.filled(0) if 0 is right for the gaps")


def check_arrays(what: str, given: object, advice: str) -> None:
    """Raise ShapeError unless `given` is a dict of arrays of NumPy or CuPy; `advice` says what to write instead."""
    values = given.values() if isinstance(given, Mapping) else ()
    strange = [shown(value) for value in values if not isinstance(getattr(value, "dtype", None), np.dtype)]
    if strange or not isinstance(given, Mapping):
        got = f"{strange[0]} in it" if strange else shown(given)
        raise ShapeError(f"expected {what} by name, a dict of arrays, got {got}: write {advice}")


def check_gradient(label: str, grad_outputs: object, expected: Sequence[int] | None) -> None:
    """Raise ShapeError unless `grad_outputs`, what a model's backward is given, has the shape of the last outputs."""
    shape = getattr(grad_outputs, "shape", ())
    if not shape:
        raise ShapeError(
            f"{label}: backward takes the gradient of the loss with respect to the outputs, an array of their shape, "
            f"got {shown(grad_outputs)}: write model.backward(loss.backward())"
        )
    if expected is not None and tuple(shape) != tuple(expected):
        raise ShapeError(f"{label}: backward takes the gradient of outputs of shape {expected}, got one of {shape}")


def check_shape(label: str, shape: Sequence[int], expected: Sequence[int | str]) -> None:
    """Check a shape against an expected one such as ("N", "H", "W", 32); letters stand for any size.

    Raises:
        ShapeError: another number of axes, or another size where a number was expected; `label` names the layer.
    """
    if len(shape) != len(expected):
        reason = f"{len(shape)} axes where {len(expected)} were expected{missing_step(shape, expected)}"
    else:
        sizes = zip(shape, expected, strict=True)
        wrong = next(((given, size) for given, size in sizes if isinstance(size, int) and given != size), None)
        if wrong is None:
            return
        given, declared = wrong
        reason = f"{given} {'channels' if len(shape) == 4 else 'features'} where {declared} were declared"
        if len(shape) == 4 and shape[1] == declared:
            reason += "; for images (N, C, H, W), as PyTorch has them, write np.moveaxis(x, 1, -1) first"
    text = "(" + ", ".join(str(size) for size in expected) + ")"
    raise ShapeError(f"{label}: expected {text}, got {tuple(shape)}: {reason}.")


def missing_step(shape: Sequence[int], expected: Sequence[int | str]) -> str:
    """Return "; write ..." if inputs have other axes because a usual step was left out, "" otherwise."""
    if (len(shape), len(expected)) == (4, 2):
        return "; put Flatten() or GlobalAvgPool() before this layer"
    if (len(shape), len(expected)) != (3, 4):
        return ""
    if shape[-1] == expected[-1]:
        return "; for one image (H, W, C) write x[None]"
    return "; for grey images (N, H, W) write x[..., None]" if expected[-1] == 1 else ""


def check_same_kind(label: str, x: Array, weights: Array) -> None:
    """Check that the inputs `x` have the dtype of the weights and are on the same device.

    Raises:
        ShapeError: another dtype. DeviceError: another device.
    """
    if x.dtype != weights.dtype:
        advice = f"call x.astype(np.{weights.dtype}) on the inputs"
        if x.dtype.kind == "f":
            advice += (
                f", or model.astype(np.{x.dtype}) on the model. Or the layer before made them so: its scalars must be "
                "Python floats, and its new arrays have x.dtype"
            )
        raise ShapeError(f"{label}: the parameters are {weights.dtype}, the inputs are {x.dtype}: {advice}.")
    if device_of(x) != device_of(weights):
        raise DeviceError(
            f"{label}: the parameters are on {device_of(weights)}, the inputs on {device_of(x)}: "
            f"call model.to({device_of(x)!r}), or mlp.backend.move(x, {device_of(weights)!r})."
        )


def check_returned(label: str, outputs: Array | None) -> Array:
    """Return what a forward returned; a ShapeError if that is None."""
    if outputs is None:
        raise ShapeError(f"{label}: forward returned None: is `return` missing?")
    return outputs


def check_state(mine: Mapping[str, Array], given: Mapping[str, Array]) -> None:
    """Check that `given` has the names, shapes and kinds of numbers of `mine`, the arrays of a model.

    Floats of another precision are accepted, they will be converted. Whole numbers cannot be weights, and floats cannot
    be counters.

    Raises:
        ShapeError: a name, a shape or a kind of numbers differs.
    """
    if not isinstance(given, Mapping):
        raise ShapeError(
            f"expected weights by name, as model.state_dict() gives them, got {shown(given)}: a file of a run is read "
            "by mlp.load_run(FOLDER) or mlp.training.load_model(FILE, model)"
        )
    check_arrays("weights", given, "mlp.interop.from_torch_arrays(model, ...) for weights of PyTorch")
    missing, unknown = sorted(mine.keys() - given.keys()), sorted(given.keys() - mine.keys())
    if missing or unknown:
        raise ShapeError(
            f"the weights do not fit the model: missing {excerpt(str(missing))}, unknown {excerpt(str(unknown))}"
        )
    for name, array in mine.items():
        if array.shape != given[name].shape:
            raise ShapeError(f"{name!r}: the model has shape {array.shape}, the weights {given[name].shape}")
        if array.dtype.kind != given[name].dtype.kind:
            raise ShapeError(f"{name!r}: the model has {array.dtype} numbers, the weights {given[name].dtype}")
