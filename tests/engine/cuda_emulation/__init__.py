"""Runs CUDA kernels on the CPU, with the calling convention of cupy.RawModule and NumPy arrays. For tests only.

    module = EmulatedModule(source, folder)
    module.get_function("pointwise")((blocks,), (threads,), (x, np.int32(n)), shared_mem=1024)

g++ compiles the source together with `cuda_on_cpu.h`, which explains how threads, barriers and shared memory are
played. Arguments are taken literally: an array must be contiguous and of the declared type, a number a NumPy scalar of
it (CuPy would pass a Python int as 64 bits). Every array is copied to a place between two guards, which hold NaN and
absurd numbers in turn: what is read beyond its ends spoils the results, what is written there is an `EmulationError`.
"""

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_cpu.h")
GUARD = 32768  # bytes before and behind every array
KEPT = 12  # compiled libraries
H200 = 132  # its multiprocessors, and an H100's
ONE_AT_A_TIME = threading.Lock()  # there is one block, one shared memory
ABSURD, NAN = 0xF2000000, 0xFFC00000  # as float32: -2.5e30, and not a number
TYPES = {"float": np.float32, "int": np.int32, "double": np.float64, "unsigned char": np.uint8}
C_TYPES = {"float": ctypes.c_float, "int": ctypes.c_int}
KERNEL = re.compile(r"__global__ void (?:__launch_bounds__\([^{;]*?\) )?(\w+)\(([^)]*)\)")
PROBLEM = None if shutil.which("g++") else "g++ is not installed: kernels cannot be run on the CPU"


def smallest_instances(source):
    """Return a source with the smallest instances of its templates alone: it compiles fast, without optimizing too."""
    return re.sub(r"^(CONVOLUTIONS|WEIGHT_GRADIENTS)\((8, 32|16, 16|32, 32)\)\n", "", source, flags=re.M)


class EmulationError(Exception):
    """A kernel did what a GPU would not forgive."""


class PoisonedNumpy:
    """NumPy, but fresh memory is full of NaN: what a kernel reads before somebody wrote it spoils the results."""

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype=np.float64):
        array = np.empty(shape, dtype)
        if array.dtype.kind == "f":
            array.fill(np.nan)
        return array


class EmulatedModule:
    """The kernels of a source, ready to run on the CPU.

    Args:
        source: CUDA C++ with `extern "C" __global__` kernels.
        folder: where compiled libraries are kept; the same source is compiled once.
        optimize: compile longer, run faster.
    """

    def __init__(self, source, folder, optimize=True):
        source = re.sub(r"^#line.*$", "", source, flags=re.M)  # barriers are known by their line in the joined source
        self.signatures = dict(signatures(source))
        text = f'#include "{HEADER}"\n#line 1 "kernels.cu"\n{source}\n' + "".join(map(thunk, self.signatures.items()))
        text += 'extern "C" const char *emulation_message() { return emulation::message; }\n'
        text += 'extern "C" void emulation_set(int order, int line) {\n'
        text += "  emulation::order = order;\n  emulation::skipped_line = line;\n}\n"
        text += 'extern "C" void emulation_set_mutant(int number) { emulation::mutant = number; }\n'
        text += 'extern "C" void emulation_set_adder(int adder) { emulation::adder = adder; }\n'
        key = hashlib.sha256(text.encode() + HEADER.read_bytes() + bytes([optimize])).hexdigest()[:16]
        library = Path(folder) / f"kernels-{key}.so"
        if not library.exists():
            options = [
                "-std=c++17",
                "-O1" if optimize else "-O0",
                "-w",
                "-shared",
                "-fPIC",
                "-ffp-contract=off",
                "-U_FORTIFY_SOURCE",
            ]
            temporary = library.with_suffix(".tmp")
            command = ["g++", *options, "-x", "c++", "-", "-o", str(temporary)]
            result = subprocess.run(command, input=text, text=True, capture_output=True)
            if result.returncode:
                raise EmulationError(result.stderr)
            temporary.rename(library)
            for old in sorted(library.parent.glob("kernels-*.so"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                old.unlink(missing_ok=True)
        self.library = ctypes.CDLL(str(library))
        self.library.emulation_message.restype = ctypes.c_char_p
        self.launches = []  # names of the kernels that ran

    def get_function(self, name):
        return EmulatedKernel(self, name, self.signatures[name])

    def set_order(self, order, skipped_line=0):
        """Run warps in ascending (0), descending (1) or shuffled order; leave out the barrier in a line."""
        self.library.emulation_set(order, skipped_line)

    def set_adder(self, name):
        """Set how tensor cores add: "exact" or "aligned", see sum_on_tensor_core."""
        self.library.emulation_set_adder(["exact", "aligned"].index(name))

    def set_mutant(self, number):
        """Set the number that a source finds in `emulation::mutant`."""
        self.library.emulation_set_mutant(number)


class EmulatedKernel:
    """One kernel; a call runs it to its end."""

    def __init__(self, module, name, types):
        self.module, self.name, self.types = module, name, types
        self.function = getattr(module.library, f"emulate_{name}")
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, args, shared_mem=0):
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise EmulationError(f"{self.name}: {shared_mem} bytes of shared memory; max_dynamic_shared_size_bytes")
        if len(args) != len(self.types):
            raise EmulationError(f"{self.name}: {len(args)} arguments for {self.types}")
        if len(block) > 1 or not 0 < block[0] <= 1024 or not all(0 < size < 65536 for size in grid[1:]):
            raise EmulationError(f"{self.name}: grid {grid}, block {block}")
        memory = GuardedMemory(self.name)
        values = [
            memory.place(a, t) if t.endswith("*") else scalar(a, t) for a, t in zip(args, self.types, strict=True)
        ]
        sizes = [ctypes.c_uint(size) for size in (*grid, 1, 1)[:3]]
        with ONE_AT_A_TIME:
            self.function(*sizes, block[0], ctypes.c_size_t(shared_mem), *values)
            message = self.module.library.emulation_message().decode()
        self.module.launches.append(self.name)
        if message:
            raise EmulationError(f"{self.name}: {message}")
        memory.take_back()


class GuardedMemory:
    """The arrays of one launch, each between two guards; the same array passed twice is one."""

    def __init__(self, kernel):
        self.kernel, self.places = kernel, {}

    def place(self, array, declared):
        if array is None:
            return ctypes.c_void_p(None)
        wanted = TYPES[declared.removesuffix("*").strip()]
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous or array.dtype != wanted:
            raise EmulationError(f"{self.kernel}: expected a contiguous {declared}, got {array!r}")
        key = array.ctypes.data, array.nbytes
        if key not in self.places:
            memory = np.empty(array.nbytes + 2 * GUARD + 64, np.uint8)
            start = GUARD + (array.ctypes.data - memory.ctypes.data - GUARD) % 64  # aligned as the array is
            pattern = guard(len(self.places))  # each array has its own
            guards = pattern[:start], pattern[:GUARD]
            end = start + array.nbytes
            memory[:start], memory[end : end + GUARD] = guards
            memory[start:end] = array.reshape(-1).view(np.uint8)
            self.places[key] = array, memory, start, guards
        _, memory, start, _ = self.places[key]
        return ctypes.c_void_p(memory.ctypes.data + start)

    def take_back(self):
        for array, memory, start, (before, behind) in self.places.values():
            end = start + array.nbytes
            if (memory[:start] != before).any() or (memory[end : end + GUARD] != behind).any():
                raise EmulationError(f"{self.kernel} wrote beyond the ends of an array {array.shape} {array.dtype}")
            array.reshape(-1).view(np.uint8)[...] = memory[start:end]


@functools.cache
def guard(number):
    """Return the bytes of a guard."""
    return np.tile(np.array([ABSURD, NAN], np.uint32) + np.uint32(number), GUARD // 8 + 16).view(np.uint8)


def scalar(value, declared):
    if not isinstance(value, np.generic) or value.dtype != TYPES[declared]:
        raise EmulationError(f"expected a NumPy scalar of type {declared}, got {value!r}")
    return C_TYPES[declared](value.item())


def signatures(source):
    """Yield (name, list of argument types) for each kernel of a source."""
    command = ["g++", "-x", "c++", "-E", "-P", "-D__align__(n)=", "-"]
    result = subprocess.run(command, input=source, text=True, capture_output=True, check=True)
    for name, arguments in KERNEL.findall(re.sub(r"\s+", " ", result.stdout)):
        words = [argument.replace("*", " * ").replace("const ", "").split() for argument in arguments.split(",")]
        yield name, [" ".join(w for w in word[:-1] if w != "*") + "*" * ("*" in word) for word in words]


def thunk(signature):
    """C++ for a function that launches a kernel."""
    name, types = signature
    declared = "".join(f", {t} a{i}" for i, t in enumerate(types))
    names = ", ".join(f"a{i}" for i in range(len(types)))
    sizes = "unsigned x, unsigned y, unsigned z, unsigned threads, size_t shared"
    call = f"emulation::launch({{x, y, z}}, {{threads, 1, 1}}, shared, [=] {{ {name}({names}); }});"
    return f'extern "C" void emulate_{name}({sizes}{declared}) {{\n  {call}\n}}\n'
