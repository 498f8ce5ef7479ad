"""The CUDA engine: the textbook as hand-written kernels, recorded once as a graph. Start with `engine`."""

from mlp.engine.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]
