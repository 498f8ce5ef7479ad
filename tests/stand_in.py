"""A stand-in for CuPy, so that errors of mixing show on a machine without a GPU.

`StandIn` is a module with the name cupy whose arrays hold a NumPy array and refuse what CuPy's refuse:

    mixing            an operation on its arrays and NumPy's is a TypeError; only asarray and get cross over
    conversion        np.asarray(array) is a TypeError
    NumPy functions   np.zeros_like(array) and the like come back to this module, as with CuPy
    what is missing   what CuPy does not have, or has in another sense, is missing here too (its add.reduceat subtracts
                      running sums, in which small numbers beside large ones are lost)

Its numbers are NumPy's own, so results must be equal bit for bit. `reads` counts how often a number was brought to the
host (get, float, int, bool): each makes a real GPU wait. Fresh memory (empty) is full of NaN.
"""

import types

import numpy as np

# What the library may call: all of these exist in CuPy 14, with the same meaning and arguments.
UFUNCS = """abs absolute add subtract multiply divide true_divide maximum minimum negative power square sqrt exp expm1
    log log1p log2 tanh sin cos sign isfinite isnan isinf equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_not floor floor_divide remainder matmul bitwise_and bitwise_or invert"""
FUNCTIONS = """zeros ones full empty arange zeros_like ones_like empty_like full_like concatenate stack broadcast_to
    where clip sum mean var std max min argmax any all dot einsum cumsum tile repeat pad moveaxis transpose reshape
    shape take take_along_axis expand_dims squeeze ravel copyto ascontiguousarray array_equal allclose split flip roll
    swapaxes count_nonzero linspace eye outer tensordot argsort sort unravel_index ndim size"""
NAMES = """float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ dtype inf nan pi newaxis"""
METHODS = """reshape transpose sum mean max min argmax argmin std var any all astype copy ravel cumsum clip dot squeeze
    take repeat round prod swapaxes view argsort flatten"""
ATTRIBUTES = """shape dtype ndim size nbytes itemsize strides flags"""
SCALARS = (int, float, bool, np.generic)


class StandIn(types.ModuleType):
    """The module; put it into sys.modules as "cupy"."""

    def __init__(self, devices=1):
        super().__init__("cupy")
        self.reads = 0
        library = self

        class ndarray(Array):  # noqa: N801  as in CuPy
            xp = library

        ndarray.__module__ = "cupy"
        self.ndarray = ndarray
        for name in FUNCTIONS.split():
            setattr(self, name, self.crossing(getattr(np, name)))
        for name in UFUNCS.split():
            setattr(self, name, Ufunc(self, name))
        for name in NAMES.split():
            setattr(self, name, getattr(np, name))
        self.linalg = types.SimpleNamespace(norm=self.crossing(np.linalg.norm))
        as_strided = self.crossing(np.lib.stride_tricks.as_strided)
        self.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=as_strided))
        self.cuda = types.SimpleNamespace(
            runtime=types.SimpleNamespace(
                getDeviceCount=lambda: devices,
                getDeviceProperties=lambda index: {"name": b"stand-in"},
                CUDARuntimeError=RuntimeError,
            ),
            Device=Device,
        )

    def get_default_memory_pool(self):
        return types.SimpleNamespace(total_bytes=lambda: 12_000_000)

    def __getattr__(self, name):
        raise AttributeError(f"CuPy has no {name}, or none that does the same; see tests/stand_in.py")

    def wrap(self, value):
        """Return a result of NumPy as this library gives it: reductions are arrays of no dimension, not scalars."""
        if isinstance(value, (np.ndarray, np.generic)):
            return self.ndarray(np.asarray(value))
        if isinstance(value, (list, tuple)):
            return type(value)(self.wrap(item) for item in value)
        return value

    def unwrap(self, value):
        """Return an argument for NumPy; a TypeError for an array that does not belong to this library."""
        if isinstance(value, Array):
            return value.held
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}: a NumPy array where one of CuPy is needed")
        if isinstance(value, (list, tuple)):
            return type(value)(self.unwrap(item) for item in value)
        if isinstance(value, slice):
            return slice(*(self.unwrap(item) for item in (value.start, value.stop, value.step)))
        return value

    def crossing(self, function):
        """Return a function of NumPy as one of this library."""
        fresh = function.__name__ in ("empty", "empty_like")

        def call(*args, **kwargs):
            result = function(*self.unwrap(args), **{name: self.unwrap(value) for name, value in kwargs.items()})
            if fresh and result.dtype.kind == "f":
                result.fill(np.nan)
            return self.wrap(result)

        call.__name__ = function.__name__
        return call

    def asarray(self, values, dtype=None):
        """Return values as an array of this library: the only way in."""
        if isinstance(values, Array):
            return values if dtype is None or values.dtype == dtype else values.astype(dtype)
        return self.ndarray(np.array(values, dtype))  # a copy: the device's memory is another

    def array(self, values, dtype=None):
        return self.ndarray(np.array(values.held if isinstance(values, Array) else values, dtype))


class Ufunc:
    """A function that works number by number. It has none of NumPy's methods reduce, at, reduceat, ..."""

    def __init__(self, library, name):
        self.__name__, self.call = name, library.crossing(getattr(np, name))

    def __call__(self, *args, **kwargs):
        return self.call(*args, **kwargs)


class Device:
    """A device, as a context and as an attribute of arrays."""

    def __init__(self, index):
        self.id = index

    def use(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the device that is none: a NumPy array, held."""

    device = Device(0)
    xp = None

    def __init__(self, held):
        self.held = held

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed: use .get()")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method != "__call__" or not all(isinstance(value, (Array, *SCALARS)) for value in inputs):
            return NotImplemented  # NumPy makes a TypeError of it
        if out is not None:
            (array,) = out
            kwargs["out"] = self.xp.unwrap(array)
            getattr(np, ufunc.__name__)(*self.xp.unwrap(inputs), **kwargs)
            return array
        return getattr(self.xp, ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        mine = getattr(self.xp, function.__name__, None)
        return NotImplemented if mine is None else mine(*args, **kwargs)

    def __getattr__(self, name):
        if name in METHODS.split():
            method = getattr(self.held, name)
            return self.xp.crossing(method)
        if name in ATTRIBUTES.split():
            return getattr(self.held, name)
        raise AttributeError(f"CuPy's arrays have no {name}; see tests/stand_in.py")

    @property
    def T(self):  # noqa: N802
        return self.xp.wrap(self.held.T)

    def __len__(self):
        return len(self.held)

    def __getitem__(self, index):
        return self.xp.wrap(self.held[self.xp.unwrap(index)])

    def __setitem__(self, index, values):
        if not isinstance(values, (Array, *SCALARS)):
            raise TypeError(f"Unsupported type {type(values)} in an assignment")
        self.held[self.xp.unwrap(index)] = self.xp.unwrap(values)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def fill(self, value):
        self.held.fill(self.xp.unwrap(value))

    def get(self):
        """Return the numbers on the host: the only way out."""
        self.xp.reads += 1
        return self.held.copy()

    def item(self):
        self.xp.reads += 1
        return self.held.item()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    __index__ = __int__

    def __bool__(self):
        if self.size != 1:
            raise ValueError("the truth value of an array of several numbers is ambiguous")
        return bool(self.item())
