"""The CUDA engine: the textbook's mathematics as hand-written kernels. Start with `engine`."""

from typing import TYPE_CHECKING

from mlp.on_demand import loaded_on_demand

if TYPE_CHECKING:
    from mlp.engine.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]

__getattr__ = loaded_on_demand(__name__, {"engine": __all__})
