"""Parameters: an array of weights together with the gradient of the loss with respect to it.

While a network trains, all its parameters live in one flat array, and all their gradients in another. Each parameter is
a view of its part. A learning rule is then one formula on two long vectors instead of a loop over tensors, and a
statistic over all gradients is one pass over memory.

    flat.data   [ conv weight ........ | gamma .. | beta .. | conv weight ........ | ... ]
                  ^ parameters[0].data   ^ parameters[1].data
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from mlp.backend import device_of, get_array_module
from mlp.checks import NoShallowCopy
from mlp.errors import ConfigurationError, DeviceError, OtherAttributeError, ShapeError
from mlp.machine.processor import available_memory
from mlp.typing import Array, Shape

UNSUSPICIOUS = 2**27  # bytes: smaller arrays are made without asking how much memory is free


def join(*parts: str) -> str:
    """Join the components of a dotted name; empty ones (wrappers that add none) vanish."""
    return ".".join(part for part in parts if part)


def require_memory(needed: int, shape: Shape) -> None:
    """Raise MemoryError if an array does not fit into the free memory.

    The system itself may promise memory that it does not have, and end the process when the array is written to.

    Args:
        needed: bytes. shape: of the array, for the message.
    """
    available = available_memory() if needed > UNSUSPICIOUS else None
    if available is not None and needed > available:
        raise MemoryError(f"an array of shape {shape} needs {needed:,} bytes, and {available:,} are free")


class Parameter(NoShallowCopy):
    """An array of weights, `data`, and the gradient of the loss, `grad`, of the same shape and dtype.

    Both can be read and assigned. Assigning copies the values into the existing array, so shape and dtype stay; the
    gradient is zero until the first backward pass.

    Args:
        data: the initial values, an array.
        name: its dotted path in the model, for messages and plots; the model sets it.

    Raises:
        ConfigurationError: data is not an array of floating-point numbers.
        ShapeError, DeviceError: values that are assigned do not fit.
    """

    def __init__(self, data: Array, name: str = "") -> None:
        if not isinstance(data, np.ndarray) and get_array_module(data) is np:
            raise ConfigurationError(
                f"Parameter needs an array, got a {type(data).__name__}: write Parameter(np.array(..., np.float32))"
            )
        if data.dtype.kind != "f":
            raise ConfigurationError(
                f"Parameter needs floating-point numbers, got {data.dtype}, in which small steps would be lost: write "
                "Parameter(values.astype(np.float32))"
            )
        self.name = name
        self.flat: FlatParameters | None = None  # the FlatParameters it is a view of, once gathered
        self.replace(data)

    @property
    def data(self) -> Array:
        return self._data

    @data.setter
    def data(self, values: Array) -> None:
        self._copy(self._data, values, "data")

    @property
    def grad(self) -> Array:
        return self._grad

    @grad.setter
    def grad(self, values: Array) -> None:
        self._copy(self._grad, values, "grad")

    def _refuse(self, value: object = None) -> NoReturn:
        raise OtherAttributeError(
            "Parameter has no requires_grad: to train some parameters only, give them to the rule, "
            "rule.initialize(model.layers['4'].parameters()), before fit"
        )

    requires_grad = property(_refuse, _refuse)  # PyTorch's way to freeze weights would be ignored here

    def _copy(self, target: Array, values: Array, what: str) -> None:
        if values is target:  # p.grad += g ends here: Python assigns the result back
            return
        label = f"parameter {self.name!r}.{what}"
        if np.shape(values) != target.shape:
            raise ShapeError(f"{label} has shape {target.shape}, got values of shape {np.shape(values)}")
        if hasattr(values, "dtype") and values.dtype != target.dtype:
            raise ShapeError(
                f"{label} is {target.dtype}, got {values.dtype} values: convert them with "
                f".astype({target.dtype}), or the whole model with model.astype({values.dtype})"
            )
        if hasattr(values, "dtype") and device_of(values) != device_of(target):
            raise DeviceError(
                f"{label} is on {device_of(target)}, got values on {device_of(values)}: "
                f"move the model with model.to({device_of(values)!r}) or the values with mlp.backend.move"
            )
        target[...] = values

    def replace(self, data: Array) -> None:
        """Start again from `data`, of any shape and dtype; leaves the flat arrays it may be part of."""
        if self.flat is not None:
            self.flat.whole = False
            self.flat = None
        self._data = data
        if isinstance(data, np.ndarray):
            require_memory(data.nbytes, data.shape)
        self._grad = get_array_module(data).zeros_like(data)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle gets: arrays of its own, which are no part of a flat array."""
        return {**vars(self), "flat": None}

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, shape={self._data.shape}, {self._data.dtype})"


class FlatParameters(NoShallowCopy):
    """All parameters of a model in one flat array, all gradients in another.

    Attributes:
        parameters: the list of parameters, now views.
        data, grad: arrays of shape (P,), P being the number of weights.
        offsets: where each parameter starts, integers of shape (len(parameters),).
        whole: False once a parameter was replaced (by `model.to` or `model.astype`) and is not a view any more.

    Raises:
        ShapeError: no parameters, or parameters of several dtypes.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        parameters = list(parameters)
        check_one_dtype(parameters)
        xp = get_array_module(parameters[0].data)
        sizes = [p.data.size for p in parameters]
        self.parameters = parameters
        self.offsets = np.cumsum([0, *sizes[:-1]])
        self.data = xp.concatenate([p.data.ravel() for p in parameters])
        self.grad = xp.concatenate([p.grad.ravel() for p in parameters])
        self.whole = True
        for p, start, size in zip(parameters, self.offsets, sizes, strict=True):
            shape = p.data.shape
            p.replace(self.data[start : start + size].reshape(shape))
            p._grad = self.grad[start : start + size].reshape(shape)
            p.flat = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy, or what was in a pickle: the parameters have arrays of their own there and are not views."""
        self.__dict__.update(state, whole=False)

    @staticmethod
    def gather(parameters: Iterable[Parameter]) -> "FlatParameters":
        """Return the flat arrays of `parameters`: the ones they are in already, or new ones."""
        parameters = list(parameters)
        flat = parameters[0].flat if parameters else None
        if flat is not None and flat.whole and flat.parameters == parameters:
            return flat
        return FlatParameters(parameters)


def check_one_dtype(parameters: Sequence[Parameter]) -> None:
    """Check that there are parameters, all of one dtype; the ShapeError names those that differ from the majority."""
    dtypes = Counter(str(p.data.dtype) for p in parameters)
    if not dtypes:
        raise ShapeError("expected parameters of one dtype, got no parameters")
    if len(dtypes) > 1:
        common = dtypes.most_common(1)[0][0]
        others = [f"{p.name!r} is {p.data.dtype}" for p in parameters if p.data.dtype != common]
        more = f", and {len(others) - 3} more" if len(others) > 3 else ""
        raise ShapeError(
            f"expected parameters of one dtype, got {sorted(dtypes)}: {', '.join(others[:3])}{more}, all others are "
            f"{common}: make them with dtype=np.{common}, or call model.astype(np.float32)"
        )
