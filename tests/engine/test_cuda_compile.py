"""kernels.cu compiles as it is, for every generation of GPUs that matters, and no kernel spills registers.

No GPU is needed: nvcc does it, or NVRTC, the compiler that CuPy uses (pip install nvidia-cuda-nvrtc).
"""

import ctypes
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlp.engine.cuda.gpu import SOURCE

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
KERNEL = re.compile(
    r"entry function '(\w+)' for.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers",
    re.DOTALL,
)
UNKNOWN = re.compile(r"not defined for option|Unsupported gpu architecture|invalid value for --gpu-architecture")


def nvrtc_library():
    """Return the path of NVRTC in the wheel, None without it."""
    found = sorted(Path(sysconfig.get_paths()["purelib"]).glob("nvidia/*/lib/libnvrtc.so.1?"))
    return found[-1] if found else None


def compile_with_nvcc(architecture, folder):
    """Return (whether it compiled, what the compiler said)."""
    options = ["-std=c++17", f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", str(folder / "kernels.cubin")]
    result = subprocess.run(["nvcc", *options, str(SOURCE)], capture_output=True, text=True)
    return result.returncode == 0, result.stdout + result.stderr


def compile_with_nvrtc(architecture, library):
    """The same with the library."""
    for builtins in Path(library).parent.glob("libnvrtc-builtins.so*"):  # it would not find them beside itself
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(str(library))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), SOURCE.read_bytes(), b"kernels.cu", 0, None, None)
    options = [b"-std=c++17", f"-arch={architecture}".encode(), b"--ptxas-options=-v"]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status == 0, log.value.decode()


@pytest.fixture(scope="module")
def compilations(tmp_path_factory):
    """For each architecture (whether it compiled, what the compiler said); they compile side by side."""
    library = nvrtc_library()
    if shutil.which("nvcc"):
        folders = [tmp_path_factory.mktemp(architecture) for architecture in ARCHITECTURES]
        compile_all = lambda pool: pool.map(compile_with_nvcc, ARCHITECTURES, folders)  # noqa: E731
    elif library:
        compile_all = lambda pool: pool.map(compile_with_nvrtc, ARCHITECTURES, [library] * 3)  # noqa: E731
    else:
        pytest.skip("neither nvcc nor NVRTC is installed: pip install nvidia-cuda-nvrtc")
    with ThreadPoolExecutor() as pool:
        return dict(zip(ARCHITECTURES, compile_all(pool), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_compile_without_spills(compilations, architecture):
    compiled, log = compilations[architecture]
    if not compiled and UNKNOWN.search(log):
        pytest.skip(f"this compiler is older than {architecture}")
    assert compiled, log
    assert not re.search("warning", log, re.IGNORECASE), log
    kernels = {name: list(map(int, numbers)) for name, *numbers in KERNEL.findall(log)}
    assert len(kernels) >= 40
    spilled = {name: numbers for name, numbers in kernels.items() if any(numbers[:3])}
    assert not spilled, f"stack, spill stores, spill loads, registers: {spilled}"
    # what the launch bounds promise: two blocks of a convolution fit on a multiprocessor
    for name, (*_, registers) in kernels.items():
        limit = 128 if name.startswith("convolve") else 168 if name.startswith("weight_gradient") else 64
        assert registers <= limit, f"{name} uses {registers} registers"


def test_the_kernels_come_with_the_package():
    setup = (Path(__file__).parents[2] / "setup.py").read_text()
    assert SOURCE.exists() and '"mlp.engine.cuda": ["*.cu"' in setup
