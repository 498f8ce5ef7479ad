"""NumPy or CuPy: which library an array belongs to, where it lives, how it moves.

The array decides the library. A layer that needs more than operators and methods asks

    xp = get_array_module(x)        # numpy for a NumPy array, cupy for a CuPy array

so the same formulas run on both. CuPy is imported only when a device asks for it: `import mlp` never touches
a GPU, and a machine without one loses nothing but speed.

Devices are written as PyTorch writes them: "cpu", "cuda:0", "cuda:1", ...
"""

import functools
import re
import sys
from typing import cast

import numpy as np

from mlp.errors import DeviceError
from mlp.machine.cuda_devices import gpu_problem
from mlp.typing import Array, ArrayLibrary


def get_array_module(array: Array) -> ArrayLibrary:
    """Return the library (numpy or cupy) that `array` belongs to."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return cast(ArrayLibrary, sys.modules["cupy"])
    return cast(ArrayLibrary, np)


def device_of(array: Array) -> str:
    """Return the device of an array: "cpu", or "cuda:N" for a CuPy array."""
    return "cpu" if get_array_module(array) is np else f"cuda:{array.device.id}"  # type: ignore[attr-defined]


def parse_device(device: str) -> int | None:
    """Return None for "cpu" and the integer N for "cuda:N".

    Raises:
        DeviceError: the text is neither.
    """
    if device == "cpu":
        return None
    match = re.fullmatch(r"cuda:(\d+)", str(device))
    if match is None:
        raise DeviceError(f"unknown device {device!r}: write cpu, or cuda:N with N = 0, 1, ...")
    return int(match.group(1))


def require_device(device: str) -> None:
    """Check that `device` can be used; if it is a GPU, CuPy's new arrays in this thread are made on it from now on.

    Raises:
        DeviceError: one sentence that says why it cannot, and what to do.
    """
    index = parse_device(device)
    if index is not None:
        check_gpu(index)
        import cupy

        cupy.cuda.Device(index).use()


@functools.cache  # only success is remembered: after an error the next call checks again
def check_gpu(index: int) -> None:
    """Raise DeviceError unless CUDA device `index` can be used."""
    problem = gpu_problem(index)
    if problem is not None:
        raise DeviceError(f"device 'cuda:{index}' cannot be used: {problem}")


def move(array: Array, device: str) -> Array:
    """Return `array` on `device`: the array itself if it is there already, a copy otherwise.

    Raises:
        DeviceError: an unknown device, or one that cannot be used.
    """
    if device_of(array) == device:
        return array
    index = parse_device(device)
    if index is None:
        return array.get()  # type: ignore[attr-defined]
    require_device(device)
    import cupy

    return cupy.asarray(array)


def to_numpy(array: Array) -> Array:
    """Return `array` as a NumPy array (a copy only when it comes from a GPU)."""
    return move(array, "cpu")


def reduce_segments(operation: str, array: Array, starts: Array) -> Array:
    """Sum up ("add") or find the largest ("maximum") of every segment of a flat array: (P,) -> (S,).

    Segment i begins at starts[i] and ends where the next one begins. NumPy's reduceat does it in one call. CuPy has no
    reduceat for the maximum, and its sums are differences of running sums, in which rounding swallows a small segment
    after a large one. So on a GPU each segment is reduced by itself.
    """
    xp = get_array_module(array)
    if xp is np:
        return getattr(np, operation).reduceat(array, starts)
    reduce = {"add": xp.sum, "maximum": xp.max}[operation]
    bounds = zip(starts, [*starts[1:], array.size], strict=True)
    return xp.stack([reduce(array[start:end]) for start, end in bounds])


def sum_rows(rows: Array) -> Array:
    """Sum (m, C) over its rows, as a product with a row of ones: five times faster than rows.sum(axis=0)."""
    return get_array_module(rows).ones(len(rows), rows.dtype) @ rows
