"""Three engines run the mathematics of the layers.

`textbook` runs the layers as they are written, on NumPy or CuPy; `cpu` runs the same mathematics in blocks, on several
threads and with fused operations; `cuda` runs it as hand-written kernels on a GPU. Read `base` first: it says what an
engine does. Then read `textbook`, then `cpu` or `cuda`; each of these says in which order to read its files.
"""

from typing import TYPE_CHECKING

from mlp.checks import choose
from mlp.engine.base import Engine
from mlp.engine.cuda.gpu import OLDEST, capability
from mlp.engine.gradient_statistics import GradientStatistics
from mlp.engine.textbook import TextbookEngine
from mlp.on_demand import loaded_on_demand

if TYPE_CHECKING:  # what `__getattr__` finds, for editors and mypy
    from mlp.engine.cpu.engine import CpuEngine
    from mlp.engine.cuda.engine import CudaEngine

ENGINES = ("auto", "textbook", "cpu", "cuda")


def make_engine(
    name: str = "auto", threads: int | None = None, device: str = "cpu", precision: str = "float32"
) -> Engine:
    """Return a new engine by name; "auto" picks the fastest one for the model's device.

    Args:
        name: one of `ENGINES`.
        threads: for the cpu engine; by default as many as the cores this process may use.
        device: where the model is.
        precision: of the cuda engine's convolutions, "float32" or "tf32".

    Raises:
        ConfigurationError: an unknown name or precision, a number of threads that makes no sense, or the cuda engine on
            the CPU.
        DeviceError: there is no such device.
    """
    choose("engine", name, ENGINES)
    if name == "cpu" or (name == "auto" and device == "cpu"):
        from mlp.engine.cpu.engine import CpuEngine  # 80 ms, and only one engine is needed

        return CpuEngine(threads)
    if name == "cuda" or (name == "auto" and capability(device) >= OLDEST):
        from mlp.engine.cuda.engine import CudaEngine

        return CudaEngine(device, precision)
    return TextbookEngine()


__all__ = ["ENGINES", "CpuEngine", "CudaEngine", "Engine", "GradientStatistics", "TextbookEngine", "make_engine"]

__getattr__ = loaded_on_demand(
    __name__, {"cpu": (), "cuda": (), "cpu.engine": ("CpuEngine",), "cuda.engine": ("CudaEngine",)}
)
