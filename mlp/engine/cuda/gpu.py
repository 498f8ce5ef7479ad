"""Launching kernels on a GPU, one by one or a recorded list at once.

A launch says which kernel runs, on how many blocks of how many threads, with which arguments:

    launch = gpu.launch("pointwise", grid=(528,), threads=256, args=(y, moments, ..., 102400, 32, 0.01))
    launch()                          # asks the GPU to run it, and does not wait until it has

A launch costs some microseconds in Python, about as long as most kernels run, and a training step has hundreds of them.
So a `Program`, a list of launches, is recorded once as a CUDA graph, which is then launched as a whole. The recording
holds the arguments as they are: addresses of arrays, and numbers. So they may not change from step to step; what does
change (the learning rate, say) lies in device memory, where the kernels read it.

The library of the arrays is a parameter: CuPy on a GPU; in tests NumPy, with a module that runs the kernels on the CPU.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.backend import parse_device, require_device
from mlp.checks import choose
from mlp.engine.cuda.source import OPTIONS, joined_source
from mlp.errors import ConfigurationError, DeviceError
from mlp.typing import Array, DType, Shape

WARM_UP = 2  # runs of a program before it is recorded: kernels are compiled and loaded at their first launch
PRECISIONS = ("float32", "tf32")
OLDEST = 80  # compute capability 8.0 (Ampere, 2020): the first tensor cores that know TF32
Step = Callable[[], object]  # a launch, or a Python function


@dataclass(eq=False)
class Launch:
    """A kernel with everything it needs to run; calling it runs it."""

    name: str
    kernel: Any
    grid: tuple[int, ...]
    threads: int
    args: tuple[Any, ...]
    shared: int

    def __call__(self) -> None:
        self.kernel(self.grid, (self.threads,), self.args, shared_mem=self.shared)


class Gpu:
    """One device: its array library, the kernels, and the stream on which an engine works.

    Args:
        device: "cuda:N". precision: of the convolutions' products, one of `PRECISIONS`.
        xp, module: an array library and a module of kernels to use in place of CuPy and the kernels.

    Raises:
        ConfigurationError: an unknown precision, or a device that is not a GPU.
        DeviceError: there is no such GPU, or it is too old.
    """

    def __init__(self, device: str = "cuda:0", precision: str = "float32", xp: Any = None, module: Any = None) -> None:
        self.device, self.precision = device, choose("precision", precision, PRECISIONS)
        self.index = parse_device(device)
        if self.index is None:
            raise ConfigurationError(
                "the cuda engine needs a CUDA device, got 'cpu': call model.to('cuda:0') (scripts: --device cuda:0), "
                "or take the engine 'cpu'"
            )
        if xp is None:
            if capability(device) < OLDEST:
                raise DeviceError(
                    f"the cuda engine needs compute capability 8.0 or newer, {device} has "
                    f"{capability(device) / 10}: take the engine 'textbook', which runs on CuPy as well"
                )
            import cupy

            xp, module = cupy, load_kernels()
        self.xp, self.module = xp, module
        self.kernels: dict[str, Any] = {}
        self.cuda = getattr(xp, "cuda", None)  # None with NumPy: then everything runs at once
        self.multiprocessors, self.shared_limit = 2, 232448
        if self.cuda is not None:
            attributes = self.cuda.Device(self.index).attributes
            self.multiprocessors = attributes["MultiProcessorCount"]
            self.shared_limit = attributes["MaxSharedMemoryPerBlockOptin"]
        self.stream = self.new_stream()

    def new_stream(self) -> Any:
        """Return a stream: its own work runs in order, side by side with other streams. None without CuPy."""
        if self.cuda is None:
            return None
        with self.cuda.Device(self.index):
            return self.cuda.Stream(non_blocking=True)

    @contextlib.contextmanager
    def working(self, stream: Any = None) -> Iterator[Any]:
        """Within this context work goes to a stream, by default the engine's: after all earlier work, before all later.

        Recording needs a separate stream. It is "non-blocking": only these two events tie it to other streams.
        """
        if self.cuda is None:
            yield
            return
        stream = stream or self.stream
        with self.cuda.Device(self.index), self._saying_what_is_full():
            outside = self.cuda.get_current_stream()
            stream.wait_event(outside.record())
            try:
                with stream:
                    yield
            finally:  # after an error or Ctrl-C, too: later work must not overtake what was asked for here
                outside.wait_event(stream.record())

    @contextlib.contextmanager
    def allocating(self, stream: Any) -> Iterator[Any]:
        """Within this context arrays are taken from the memory of a stream; nothing may be launched.

        CuPy gives a freed block straight back to the stream that it came from, even while another stream still has to
        read it. So memory that other streams will read is taken before `working` is entered: by then the last read of
        a freed block was asked for, and `working` waits for it.
        """
        if self.cuda is None:
            yield
            return
        with self.cuda.Device(self.index), self._saying_what_is_full(), stream:
            yield

    @contextlib.contextmanager
    def _saying_what_is_full(self) -> Iterator[None]:
        """Within this context, where memory runs out, the error is a sentence that says what to do."""
        try:
            yield
        except MemoryError as error:
            raise DeviceError(
                f"{self.device} has no room left ({error}): take a smaller batch (--batch-size), or end what else uses "
                "the GPU (nvidia-smi shows it)"
            ) from None

    def launch(self, name: str, grid: Sequence[int], threads: int, args: Sequence[Any], shared: int = 0) -> Launch:
        """Return a `Launch`; Python numbers become the 32-bit ones of the kernels. shared: bytes of shared memory."""
        kernel = self.kernels.get(name)
        if kernel is None:
            kernel = self.kernels[name] = self.module.get_function(name)
        if shared > 48 * 1024 and kernel.max_dynamic_shared_size_bytes < shared:
            kernel.max_dynamic_shared_size_bytes = shared  # more than usual: it must be asked for
        return Launch(name, kernel, tuple(grid), threads, tuple(map(argument, args)), shared)

    def elementwise(self, name: str, size: int, args: Sequence[Any]) -> Launch:
        """Return a launch of a kernel whose threads share `size` elements: each of n threads takes every n-th."""
        return self.launch(name, (max(1, min(-(-size // 256), 8 * self.multiprocessors)),), 256, args)

    def empty(self, shape: Shape, dtype: DType = np.float32) -> Array:
        """Return a new array on the device."""
        return self.xp.empty(shape, dtype)

    def copy(self, target: Any, source: Any) -> None:
        """Copy `source`, a NumPy array or one on the device, into the device array `target`."""
        if self.cuda is not None and isinstance(source, np.ndarray):
            target.set(np.ascontiguousarray(source, dtype=target.dtype))
        else:
            target[...] = source


def argument(value: Any) -> Any:
    """Return an argument of a kernel: arrays and NumPy scalars as they are, Python numbers as int32 or float32."""
    if isinstance(value, bool | int):
        return np.int32(value)
    return np.float32(value) if isinstance(value, float) else value


def capability(device: str) -> int:
    """Return the compute capability of a device, "cuda:N", as an integer: 90 for 9.0.

    Raises:
        DeviceError: there is no such device.
    """
    require_device(device)
    import cupy

    return int(cupy.cuda.Device(parse_device(device)).compute_capability)


@functools.cache
def load_kernels() -> Any:
    """Return the kernels as a module, compiled for the device; CuPy keeps the result on disk."""
    import cupy

    return cupy.RawModule(code=joined_source(), options=OPTIONS)


class Program:
    """A list of steps that run in order: launches, and Python functions for layers without a kernel.

    Args:
        gpu: where it runs. steps: callables without arguments.
        record: whether to record a graph if that is possible (only launches, and on a GPU).
    """

    def __init__(self, gpu: Gpu, steps: Sequence[Step], *, record: bool = True) -> None:
        self.gpu, self.steps = gpu, list(steps)
        self.recordable = record and gpu.cuda is not None and all(isinstance(step, Launch) for step in self.steps)
        self.runs, self.graph = 0, None

    def __call__(self) -> None:
        if self.graph is None and self.recordable and self.runs >= WARM_UP:
            self.graph = self._record()
        if self.graph is not None:
            self.graph.launch()
        else:
            for step in self.steps:
                step()
        self.runs += 1

    def _record(self) -> Any:
        """Record the launches on the current stream; nothing runs meanwhile."""
        stream = self.gpu.stream
        stream.begin_capture()
        try:
            for step in self.steps:
                step()
        finally:
            graph = stream.end_capture()
        graph.upload()
        return graph
