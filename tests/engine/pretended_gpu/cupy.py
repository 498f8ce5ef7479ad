"""CuPy for programs that tests start: a folder to put on PYTHONPATH, on a machine without a GPU.

`import cupy` gives the stand-in of gpu_stand_in.py with emulated kernels, compiled into the folder $EMULATION_FOLDER.
Numbers are right, times mean nothing.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1]), str(HERE.parent)]  # stand_in, gpu_stand_in, cuda_emulation

from cuda_emulation import H200, EmulatedModule  # noqa: E402
from gpu_stand_in import Gpu, GpuStandIn  # noqa: E402

from mlp.engine.cuda.source import joined_source  # noqa: E402


class LazyModule:
    """Compiled when the first kernel is asked for, as with CuPy."""

    def get_function(self, name):
        if not hasattr(self, "module"):
            self.module = EmulatedModule(joined_source(), os.environ["EMULATION_FOLDER"])
        return self.module.get_function(name)


library = GpuStandIn(LazyModule())
properties = {"name": b"no GPU, but an emulated one", "major": 9, "minor": 0}
library.cuda.runtime.getDeviceProperties = lambda index: properties
library.cuda.runtime.driverGetVersion = library.cuda.runtime.runtimeGetVersion = lambda: 13000
library.cuda.runtime.memGetInfo = lambda: (10**9, 10**9)
library.cuda.set_allocator = lambda allocator: None
library.cuda.is_available = lambda: True
Gpu.multiprocessors = H200
library.__spec__, library.__file__ = SimpleNamespace(name="cupy", origin=__file__), __file__
sys.modules["cupy"] = library
