"""The CPU engine: the textbook's mathematics blocked, threaded and fused. Start with `engine`."""

from typing import TYPE_CHECKING

from mlp.on_demand import loaded_on_demand

if TYPE_CHECKING:
    from mlp.engine.cpu.engine import CpuEngine

__all__ = ["CpuEngine"]

__getattr__ = loaded_on_demand(__name__, {"engine": __all__})
