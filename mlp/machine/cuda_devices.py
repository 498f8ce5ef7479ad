"""CUDA devices: which there are, or in one sentence why one cannot be used, and what to type.

`import cupy` succeeds on a machine without a GPU, and fails in a dozen ways where something is wrong. What can be wrong
is checked in the order in which an installation works, each step with the cheapest test that can tell:

    metadata        no package; two packages that overwrite each other
    import          the package's files are gone, or do not load
    device count    no driver, one that is too old, no device, not this device
    a tiny kernel   no compiler: CuPy looks for the CUDA toolkit only when it compiles its first kernel

CuPy is imported inside the functions, so nothing imports it until a device is asked for.
"""

import ctypes
import os
import sys
from dataclasses import dataclass
from typing import Any

OLDEST, NEWEST = 12, 13  # the versions of CUDA for which there are wheels: cupy-cuda12x and cupy-cuda13x


def gpu_problem(index: int = 0) -> str | None:
    """Say in one sentence why CUDA device `index` cannot be used, and what to do; None if it can."""
    from importlib.metadata import packages_distributions  # 30 ms, which only machines with a GPU need

    wheels = sorted(set(packages_distributions().get("cupy", ())))
    if len(wheels) > 1:
        return (
            f"{' and '.join(wheels)} are both installed and overwrite each other's files: "
            f"pip uninstall -y {' '.join(wheels)}, then pip install {wheel_for(driver_version())}."
        )
    name = wheels[0] if wheels else "CuPy"
    try:
        import cupy

        runtime = cupy.cuda.runtime
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return files_gone(name) if wheels else not_installed(driver_version())
        return broken(name, error)
    except Exception as error:  # a broken package can raise anything
        return broken(name, error)
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return driver_problem(name, runtime, error)
    if index >= count:
        return device_missing(index, count)
    try:
        with cupy.cuda.Device(index):
            (cupy.arange(2) + 1).sum().get()  # compiles and runs kernels
    except Exception as error:  # of many classes, some of them private
        return kernel_problem(index, name, error)
    return None


# --- one sentence for each state ----------------------------------------------------------------------------------


def not_installed(driver: int) -> str:
    """Return the sentence for a machine without CuPy, whose driver supports CUDA `driver` (13000; 0 for no driver)."""
    if driver == 0:
        return (
            "neither CuPy nor an NVIDIA driver is installed: run on 'cpu'; or install a driver that nvidia-smi shows, "
            f"then pip install {wheel_for(driver)}."
        )
    if driver < OLDEST * 1000:
        return f"CuPy is not installed, and needs a newer driver than one for CUDA {dotted(driver)}: run on 'cpu'."
    return f"CuPy is not installed: pip install {wheel_for(driver)}, which fits the driver (CUDA {dotted(driver)})."


def files_gone(wheel: str) -> str:
    """Return the sentence for a wheel whose files went with another wheel that was uninstalled."""
    return (
        f"{wheel} is registered but its files are gone, as after uninstalling another CuPy package: "
        f"pip install --force-reinstall --no-deps {wheel}."
    )


def broken(name: str, error: Exception) -> str:
    """Return the sentence for a package that does not import."""
    reinstall = wheel_for(driver_version()) if name == "CuPy" else name
    return (
        f"{name} is installed but cannot be imported ({summary(error)}): "
        f"pip install --force-reinstall --no-deps {reinstall}."
    )


def driver_problem(name: str, runtime: Any, error: Exception) -> str:
    """Return the sentence for a runtime (cupy.cuda.runtime) that cannot even count devices."""
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        return f"{name} is installed but there is no NVIDIA driver (nvidia-smi would show it): run on 'cpu'."
    if "NoDevice" in str(error):
        return device_missing(0, 0)
    if "InsufficientDriver" in str(error):
        other = wheel_for(driver)
        swap = f", or pip uninstall -y {name} and pip install {other}" if OLDEST <= driver // 1000 < NEWEST else ""
        return (
            f"the NVIDIA driver supports CUDA {dotted(driver)}, which is too old for {name} (CUDA {dotted(needed)}): "
            f"update the driver{swap}."
        )
    return f"the NVIDIA driver lists no devices ({summary(error)}): see whether nvidia-smi works, or run on 'cpu'."


def device_missing(index: int, count: int) -> str:
    """Return the sentence for a device that is not among the `count` devices that can be seen."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cause = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    if count == 0:
        remedy = "see whether nvidia-smi lists one, or run on 'cpu'" if visible is None else "unset it, or run on 'cpu'"
        return f"there is a driver but no GPU to be seen{cause}: {remedy}."
    known = "only cuda:0" if count == 1 else f"only cuda:0 to cuda:{count - 1}"
    return f"there is no device {index}, {known}{cause}: choose one of these."


def kernel_problem(index: int, name: str, error: Exception) -> str:
    """Return the sentence for a device on which a first kernel fails."""
    text = f"{type(error).__name__} {error}".lower()
    if any(sign in text for sign in ("nvrtc", "libnotfound", "importerror", "compileexception")):
        wheel = wheel_for(driver_version()) if name == "CuPy" else name
        return (
            f"device {index} is there, but the CUDA toolkit that compiles kernels is missing or incomplete "
            f"({summary(error)}): pip install '{wheel}[ctk]'."
        )
    return (
        f"device {index} is there, but a first kernel fails ({summary(error)}): "
        "see in nvidia-smi whether another program holds it."
    )


def summary(error: Exception) -> str:
    """Return class and message of an error as one line: of a long message, the last line that says something."""
    lines = [line.strip(" =-") for line in str(error).splitlines()]
    told = [line for line in lines if line]
    return f"{type(error).__name__}: {told[-1]}" if told else type(error).__name__


# --- versions and devices -----------------------------------------------------------------------------------------


def driver_version() -> int:
    """Return the newest CUDA that the driver supports (13000 for 13.0), asked without CuPy; 0 without a driver."""
    version = ctypes.c_int(0)
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        library.cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return 0
    return version.value


def wheel_for(driver: int) -> str:
    """Return the CuPy wheel for a driver; without one the newest."""
    return f"cupy-cuda{OLDEST}x" if 0 < driver < NEWEST * 1000 else f"cupy-cuda{NEWEST}x"


def dotted(version: int) -> str:
    """Return a version of CUDA for people: 12040 -> "12.4"."""
    return f"{version // 1000}.{version % 1000 // 10}"


@dataclass
class GpuCard:
    """One CUDA device: its name, memory in bytes, compute capability ("9.0"), and the versions of CUDA.

    `driver` is the newest CUDA that the driver supports, `runtime` the one that CuPy was built for.
    """

    device: str
    name: str
    free: int
    total: int
    capability: str
    driver: str
    runtime: str


def list_gpus() -> list[GpuCard]:
    """Return all devices that this process can see. Ask `gpu_problem` first."""
    import cupy

    runtime, gpus = cupy.cuda.runtime, []
    versions = dotted(runtime.driverGetVersion()), dotted(runtime.runtimeGetVersion())
    for index in range(runtime.getDeviceCount()):
        properties = runtime.getDeviceProperties(index)
        capability = f"{properties['major']}.{properties['minor']}"
        with cupy.cuda.Device(index):
            free, total = runtime.memGetInfo()
        gpus.append(GpuCard(f"cuda:{index}", properties["name"].decode(), free, total, capability, *versions))
    return gpus
