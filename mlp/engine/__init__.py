"""How the mathematics of the textbook is run.

`textbook` runs the layers as they are written, on NumPy or CuPy; `cpu` runs the same mathematics blocked, threaded and
fused. Read `textbook` first, then `cpu`, which says in which order to read the rest.
"""

from mlp.checks import choose
from mlp.engine.cpu import CpuEngine
from mlp.engine.gradient_statistics import GradientStatistics
from mlp.engine.textbook import TextbookEngine

ENGINES = ("auto", "textbook", "cpu")
Engine = TextbookEngine | CpuEngine


def make_engine(name: str = "auto", threads: int | None = None, device: str = "cpu") -> Engine:
    """Return a new engine by name; "auto" picks the fastest one there is for the model's device.

    Args:
        name: one of `ENGINES`.
        threads: for the cpu engine; by default as many as the cores this process may use.
        device: where the model is.

    Raises:
        ConfigurationError: an unknown name, or fewer than one thread.
    """
    choose("engine", name, ENGINES)
    if name == "cpu" or (name == "auto" and device == "cpu"):
        return CpuEngine(threads)
    return TextbookEngine()


__all__ = ["ENGINES", "CpuEngine", "Engine", "GradientStatistics", "TextbookEngine", "make_engine"]
