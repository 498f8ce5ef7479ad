import importlib.metadata
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for comparison.py and the other helpers here

import cuda_emulation
from gpu_stand_in import GpuStandIn

from mlp import backend
from mlp.engine.cuda import gpu
from mlp.engine.cuda.source import joined_source


@pytest.fixture(scope="session")
def compiled_for_cpu(library_folder):
    """A function that compiles kernels for the CPU, see `EmulatedModule`."""
    if cuda_emulation.PROBLEM:
        pytest.skip(cuda_emulation.PROBLEM)
    return lambda source, **settings: cuda_emulation.EmulatedModule(source, library_folder, **settings)


@pytest.fixture(scope="session")
def emulated(compiled_for_cpu):
    """The engine's kernels, compiled for the CPU."""
    return compiled_for_cpu(joined_source())


KINDS = [
    "emulated",
    pytest.param("emulated, as large as an H200", marks=pytest.mark.slow),  # grids as on that device
    pytest.param("cupy", marks=pytest.mark.gpu),
]


@pytest.fixture(params=KINDS)
def make_gpu(request):
    """A function (precision) -> `Gpu`: a real one, or one that plays its kernels on NumPy arrays."""
    if request.param == "cupy":
        return lambda precision="float32": gpu.Gpu("cuda:0", precision)
    module = request.getfixturevalue("emulated")
    module.set_order(0)

    def make(precision="float32"):
        made = gpu.Gpu("cuda:0", precision, cuda_emulation.PoisonedNumpy(), module)
        if request.param != "emulated":
            made.multiprocessors = cuda_emulation.H200
        return made

    return make


@pytest.fixture
def stand_in(emulated, monkeypatch):
    """A CuPy that has one GPU, in place of the real one."""
    library = GpuStandIn(emulated)
    monkeypatch.setitem(sys.modules, "cupy", library)
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"cupy": ["cupy-cuda13x"]})
    backend.check_gpu.cache_clear()
    gpu.load_kernels.cache_clear()
    yield library
    backend.check_gpu.cache_clear()
    gpu.load_kernels.cache_clear()


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def library(request):
    """The library of cuda:0: CuPy, or what stands in for it."""
    return pytest.importorskip("cupy") if request.param == "cupy" else request.getfixturevalue("stand_in")
