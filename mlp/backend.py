"""NumPy or CuPy: which library an array belongs to, where it lives, how it moves.

The array decides the library. A layer that needs more than operators and methods asks

    xp = get_array_module(x)        # numpy for a NumPy array, cupy for a CuPy array

so the same formulas run on both. CuPy is imported only when a device asks for it: `import mlp` never touches
a GPU, and a machine without one loses nothing but speed.

Devices are written as PyTorch writes them: "cpu", "cuda:0", "cuda:1", ...
"""

import importlib.metadata
import re
import sys
from types import ModuleType

import numpy as np

from mlp.errors import DeviceError
from mlp.typing import Array


def get_array_module(array: Array) -> ModuleType:
    """Return the library (numpy or cupy) that `array` belongs to."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return np


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
    """Check that `device` can be used.

    Raises:
        DeviceError: one sentence that says why it cannot, and what to do.
    """
    index = parse_device(device)
    if index is not None:
        problem = gpu_problem(index)
        if problem is not None:
            raise DeviceError(f"device {device!r} cannot be used: {problem}")


def move(array: Array, device: str) -> Array:
    """Return `array` on `device`: the array itself if it is there already, a copy otherwise."""
    if device_of(array) == device:
        return array
    index = parse_device(device)
    if index is None:
        return array.get()  # type: ignore[attr-defined]
    require_device(device)
    import cupy

    with cupy.cuda.Device(index):
        return cupy.asarray(array)


def to_numpy(array: Array) -> Array:
    """Return `array` as a NumPy array (a copy only when it comes from a GPU)."""
    return move(array, "cpu")


def gpu_problem(index: int = 0) -> str | None:
    """Say in one sentence why CUDA device `index` cannot be used; None if it can.

    The states are tried in the order in which an installation goes wrong: no package, two packages that overwrite
    each other, a package that does not import, no driver, no such device, no compiler for kernels.
    """
    wheels = sorted(set(importlib.metadata.packages_distributions().get("cupy", ())))
    if not wheels:
        return (
            "CuPy is not installed; install the extra that fits your driver, "
            "pip install 'mlp[cuda13x]' or 'mlp[cuda12x]', or run on 'cpu'."
        )
    if len(wheels) > 1:
        return f"{' and '.join(wheels)} overwrite each other; uninstall all of them, then install one."
    try:
        import cupy
    except Exception as error:  # a broken wheel can raise anything
        return f"{wheels[0]} is installed but does not import ({error}); reinstall it."
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"{wheels[0]} is installed but finds no usable NVIDIA driver ({error}); run on 'cpu'."
    if index >= count:
        return f"there is no device {index}: the driver shows {count}, numbered from 0."
    try:
        with cupy.cuda.Device(index):
            (cupy.arange(2) + 1).sum().get()  # compiles and runs a kernel
    except Exception as error:  # whatever a missing toolkit raises
        return f"device {index} is there but no kernel runs ({error}); try pip install '{wheels[0]}[ctk]'."
    return None
