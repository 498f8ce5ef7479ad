"""The CPU engine: the textbook's mathematics blocked, threaded and fused. Start with `engine`."""

from mlp.engine.cpu.engine import CpuEngine

__all__ = ["CpuEngine"]
