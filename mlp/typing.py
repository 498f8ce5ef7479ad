"""Names for types in signatures. They say what is meant; nothing is checked while a program runs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

Array = np.ndarray  # or a CuPy array, which has the same operators, attributes and methods
Shape = tuple[int, ...]
DType = DTypeLike  # np.float32, "float64", ...
PathLike = str | Path
Schedule = Callable[[int], float]  # step -> learning rate
Initializer = Callable[[Shape, int, int, Generator], Array]  # shape, fan_in, fan_out, rng -> float64


class ArrayLibrary(Protocol):
    """NumPy or CuPy: functions of the same names, which return arrays."""

    linalg: Any
    lib: Any
    uint16: Any

    def __getattr__(self, name: str, /) -> Callable[..., Array]:
        """Return a function of the library."""


class BatchSource(Protocol):
    """What the trainer asks of training and validation data; `mlp.data.Batches` is one."""

    def __len__(self) -> int:
        """The number of batches in an epoch."""

    def epoch(self, epoch: int, /) -> Iterable[tuple[Array, Array]]:
        """The batches of an epoch: (inputs, targets), batch axis first; new arrays each, as a thread works ahead."""
