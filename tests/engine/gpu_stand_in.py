"""Stands in for a GPU: tests/stand_in.py's CuPy together with emulated kernels, streams and graphs.

The engine runs the same code as with a real GPU. The stand-in knows which stream is current and refuses kernels on the
default stream. While a graph is recorded it runs nothing: kernels are noted down with their arguments, and anything
else that touches an array is an error, as in CUDA.
"""

import functools
import threading

import numpy as np
from stand_in import Array, Device, StandIn

from mlp.engine.cuda.source import OPTIONS


class GpuStandIn(StandIn):
    """CuPy with one device on which kernels run.

    Args:
        module: an `EmulatedModule`.
    """

    def __init__(self, module):
        super().__init__()
        self.emulated, self.recording, self.recorder, self.graphs = module, None, None, []
        self.default_stream, self.streams = Stream(self), threading.local()
        self.cuda.Device = functools.partial(Gpu, self)
        self.cuda.Stream = functools.partial(Stream, self)
        self.cuda.get_current_stream = lambda: self.current
        self.RawModule = functools.partial(RawModule, self)
        self.ndarray.set = set_from_host

    @property
    def current(self):
        """The stream that is current in this thread."""
        return getattr(self.streams, "current", self.default_stream)

    @property
    def records(self):
        """Whether a graph is being recorded on the current stream."""
        return self.recording is not None and self.current is self.recorder

    def wrap(self, value):
        if self.__dict__.get("recording") is not None and self.records:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: arrays are touched while a graph is recorded")
        return super().wrap(value)


def set_from_host(array, values):
    """CuPy's ndarray.set: copy a NumPy array of the same shape and dtype."""
    assert isinstance(values, np.ndarray), type(values)
    assert (values.shape, values.dtype, values.flags.c_contiguous) == (array.shape, array.dtype, True)
    array.held[...] = values


class Gpu(Device):
    """A device with the attributes that the engine reads."""

    compute_capability, multiprocessors = "90", 2

    def __init__(self, library, index):
        super().__init__(index)
        self.attributes = {"MultiProcessorCount": self.multiprocessors, "MaxSharedMemoryPerBlockOptin": 232448}

    def synchronize(self):
        """Nothing to wait for: everything runs at once."""


class Stream:
    """A stream of work. Everything runs in order anyway, so it only checks what must not be done."""

    def __init__(self, library, non_blocking=False):
        self.library, self.non_blocking = library, non_blocking

    def __enter__(self):
        self.outer, self.library.streams.current = self.library.current, self
        return self

    def __exit__(self, *_):
        self.library.streams.current = self.outer
        return False

    def record(self):
        return "event"

    def wait_event(self, event):
        assert event == "event" and not self.library.records

    def begin_capture(self):
        assert self.non_blocking and self is self.library.current and self.library.recording is None
        self.library.recording, self.library.recorder = [], self

    def end_capture(self):
        graph, self.library.recording = Graph(self.library, self.library.recording), None
        self.library.graphs.append(graph)
        return graph


class Graph:
    """Recorded launches: (kernel, positional arguments, keywords)."""

    def __init__(self, library, launches):
        self.library, self.launches, self.runs = library, launches, 0

    def upload(self):
        pass

    def launch(self):
        assert self.library.current is not self.library.default_stream
        self.runs += 1
        for kernel, args, keywords in self.launches:
            kernel(*args, **keywords)


class RawModule:
    """Kernels of an emulated module, for arrays of the stand-in."""

    def __init__(self, library, code, options):
        assert "extern" in code and options == OPTIONS
        self.library = library

    def get_function(self, name):
        return RawKernel(self.library, self.library.emulated.get_function(name))


class RawKernel:
    """A kernel as CuPy has it: the size of its shared memory is the same for all who launch it."""

    sizes: dict = {}

    def __init__(self, library, kernel):
        self.library, self.kernel = library, kernel

    @property
    def max_dynamic_shared_size_bytes(self):
        return self.sizes.get(self.kernel.name, 48 * 1024)

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        assert 48 * 1024 < size <= 232448
        self.sizes[self.kernel.name] = size

    def __call__(self, grid, block, args, *, shared_mem=0):
        assert self.library.current is not self.library.default_stream
        self.kernel.max_dynamic_shared_size_bytes = self.max_dynamic_shared_size_bytes
        args = tuple(a.held if isinstance(a, Array) else a for a in args)
        if self.library.records:
            self.library.recording.append((self.kernel, (grid, block, args), {"shared_mem": shared_mem}))
        else:
            self.kernel(grid, block, args, shared_mem=shared_mem)
