"""The kernels compile as they are, for every generation of GPUs that matters, and no kernel spills registers.

No GPU is needed: NVRTC does it, the compiler that CuPy uses (pip install nvidia-cuda-nvrtc), with the options that it
gets from CuPy; or nvcc with those of them that it has.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlp.engine.cuda.source import FAMILIES, FOLDER, OPTIONS, joined_source

WHEELS = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
TOOLS = os.pathsep.join([os.environ["PATH"], *map(str, WHEELS.glob("*/bin"))])
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
# What CuPy adds to the options of a RawModule: numbers below 1.2e-38 are zero. (Its folders of headers make no
# difference here, where nothing is included.)
CUPY = ("-ftz=true",)
CUPY_FOR_NVRTC = ("--device-as-default-execution-space",)  # what has no __device__ is for the device as well
KERNEL = re.compile(
    r"entry function '(\w+)' for.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers",
    re.DOTALL,
)
UNKNOWN = re.compile(r"not defined for option|Unsupported gpu architecture|invalid value for --gpu-architecture")
REGISTERS = {"convolve": 128, "weight_gradient": 112}  # what the launch bounds promise: two blocks on a multiprocessor


def nvrtc_library():
    """Return the path of NVRTC in the wheel, None without it."""
    found = sorted(WHEELS.glob("*/lib/libnvrtc.so.1?"))
    return found[-1] if found else None


def compile_with_nvcc(architecture, folder):
    """Return (whether it compiled, what the compiler said); the result is in kernels.cubin."""
    (folder / "kernels.cu").write_text(joined_source())
    options = [*OPTIONS, *CUPY, f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", str(folder / "kernels.cubin")]
    result = subprocess.run(["nvcc", *options, str(folder / "kernels.cu")], capture_output=True, text=True)
    return result.returncode == 0, result.stdout + result.stderr


def compile_with_nvrtc(architecture, folder):
    """The same with the library."""
    library = nvrtc_library()
    for builtins in library.parent.glob("libnvrtc-builtins.so*"):  # it would not find them beside itself
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(str(library))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), joined_source().encode(), b"kernels.cu", 0, None, None)
    texts = (*OPTIONS, *CUPY, f"-arch={architecture}", *CUPY_FOR_NVRTC, "--ptxas-options=-v")
    options = [text.encode() for text in texts]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    if status == 0:
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        cubin = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, cubin)
        (folder / "kernels.cubin").write_bytes(cubin.raw)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status == 0, log.value.decode()


@pytest.fixture(scope="module")
def compilations(tmp_path_factory):
    """For each architecture (whether it compiled, what the compiler said, the result); they compile side by side."""
    if nvrtc_library():
        compiler = compile_with_nvrtc
    elif shutil.which("nvcc"):
        compiler = compile_with_nvcc
    else:
        pytest.skip("neither NVRTC nor nvcc is installed: pip install nvidia-cuda-nvrtc")
    folders = [tmp_path_factory.mktemp(architecture) for architecture in ARCHITECTURES]
    with ThreadPoolExecutor() as pool:
        results = pool.map(compiler, ARCHITECTURES, folders)
        return {
            architecture: (*result, folder / "kernels.cubin")
            for architecture, result, folder in zip(ARCHITECTURES, results, folders, strict=True)
        }


def compiled(compilations, architecture):
    """Return (what the compiler said, the result) for an architecture; skip where the compiler does not know it."""
    success, log, cubin = compilations[architecture]
    if not success and UNKNOWN.search(log):
        pytest.skip(f"this compiler is older than {architecture}")
    assert success, log
    return log, cubin


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_compile_without_spills(compilations, architecture):
    log, _ = compiled(compilations, architecture)
    assert not re.search("warning", log, re.IGNORECASE), log
    kernels = {name: list(map(int, numbers)) for name, *numbers in KERNEL.findall(log)}
    assert len(kernels) >= 40
    spilled = {name: numbers for name, numbers in kernels.items() if any(numbers[:3])}
    assert not spilled, f"stack, spill stores, spill loads, registers: {spilled}"
    for name, (*_, registers) in kernels.items():
        limit = next((most for start, most in REGISTERS.items() if name.startswith(start)), 64)
        assert registers <= limit, f"{name} uses {registers} registers"


@pytest.mark.slow
def test_machine_code_of_the_convolutions(compilations):
    """Copies of 16 bytes that pass by the registers, products on the tensor cores, nothing in local memory."""
    tool = shutil.which("cuobjdump", path=TOOLS)
    if not tool:
        pytest.skip("cuobjdump is not installed: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm")
    _, cubin = compiled(compilations, "sm_90")
    listing = subprocess.run(
        [tool, "-sass", str(cubin)], capture_output=True, text=True, check=True, env={**os.environ, "PATH": TOOLS}
    ).stdout
    functions = dict(re.findall(r"Function : (\w+)(.*?)(?=Function :|\Z)", listing, re.DOTALL))
    assert not re.search(r"\b(LDL|STL)\b", listing)
    for name in ("convolve_32_32_256_float32", "weight_gradient_32_32_float32"):
        assert re.search(r"LDGSTS\.E\.BYPASS\.128", functions[name]), name
        assert re.search(r"HMMA\.1688\.F32\.TF32", functions[name]), name


def test_the_options_are_those_of_cupy(monkeypatch):
    """CuPy's own code is followed up to its call of the compiler; it needs no device so far."""
    if not hasattr(pytest.importorskip("cupy"), "RawModule"):
        pytest.skip("CuPy is not whole")
    from cupy._core import core
    from cupy.cuda import compiler

    class Caught(Exception):  # noqa: N818  no error, but a way out
        pass

    def not_begun(program, *args, **keywords):
        program.ptr = None  # there is nothing to end

    def options_of(program, options, log_stream=None):
        raise Caught(options)

    monkeypatch.setattr(compiler._NVRTCProgram, "__init__", not_begun)
    monkeypatch.setattr(compiler._NVRTCProgram, "compile", options_of)
    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", lambda arch=None: ("-arch=sm_90", "cubin"))
    monkeypatch.setattr(compiler, "_preprocess", lambda *args: "")
    monkeypatch.setattr(compiler, "_get_nvrtc_version", lambda: (13, 0))
    monkeypatch.setattr(compiler._kernel_cache_backend, "load", lambda name: None)
    with pytest.raises(Caught) as caught:
        compiler._compile_with_cache_cuda(joined_source(), core.assemble_cupy_compiler_options(OPTIONS), "90")
    found = [option for option in caught.value.args[0] if not option.startswith("-I")]
    assert sorted(found) == sorted([*OPTIONS, *CUPY, "-arch=sm_90", *CUPY_FOR_NVRTC])


def test_the_kernels_come_with_the_package():
    setup = (Path(__file__).parents[2] / "setup.py").read_text()
    assert '"mlp.engine.cuda": ["kernels/*.cuh"]' in setup
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{family}.cuh" for family in FAMILIES)


def test_the_joined_source_can_be_printed():
    printed = subprocess.run(
        [sys.executable, "-m", "mlp.engine.cuda.source"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert printed.stdout == joined_source()
    for family in FAMILIES:
        assert f'#line 1 "{family}.cuh"' in printed.stdout
