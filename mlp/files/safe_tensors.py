"""Files of safetensors, as they are stored: a header in JSON with names, types and shapes, then the numbers."""

import json
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from mlp.errors import CheckpointError, ConfigurationError, DamagedError
from mlp.files.stored import open_file, with_names_once
from mlp.typing import Array, PathLike

BFLOAT16 = "BF16"  # the upper half of a float32; NumPy has no such type
ELEMENTS = {
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    "BOOL": "?",
    BFLOAT16: "<u2",
}
LARGEST_FILE = 1 << 32  # bytes, where no model says how many there should be
LONGEST_HEADER = 100_000_000  # bytes: the format allows no more


def read_safetensors(path: PathLike, largest: int = LARGEST_FILE) -> dict[str, Array]:
    """Return the arrays of a file of safetensors, with the names and the layout that they have there.

    Args:
        largest: how many bytes the file may have.

    Raises:
        ConfigurationError: the package safetensors is missing. CheckpointError: the file is missing or damaged.
    """
    package = import_safetensors()
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest:
                raise CheckpointError(f"{path} has {size:,} bytes, the model's weights at most {largest:,}")
            content = file.read()
            arrays = {name: as_array(name, stored) for name, stored in package.deserialize(content)}
            header = content[8 : 8 + int.from_bytes(content[:8], "little")]
            json.loads(header, object_pairs_hook=with_names_once)  # the package takes the last array of a name
            return arrays
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except DamagedError as error:
        raise CheckpointError(f"{path} cannot be read as safetensors ({error})") from error


def as_array(name: str, stored: Mapping[str, Any]) -> Array:
    """Return the array for what the package safetensors gives, a dict with dtype, shape and data (bytes)."""
    if stored["dtype"] not in ELEMENTS:
        raise CheckpointError(
            f"{name} holds numbers of type {stored['dtype']} (complex, or of 8 bits and less, say), which are no "
            "weights here: convert them with .float() before they are saved"
        )
    array = np.frombuffer(stored["data"], ELEMENTS[stored["dtype"]]).reshape(stored["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if stored["dtype"] == BFLOAT16 else array


def import_safetensors() -> ModuleType:
    """Return the module safetensors.numpy."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ConfigurationError(
            "weights for PyTorch need the package safetensors, which is not installed: "
            "python -m pip install 'safetensors>=0.4'"
        ) from error
    return safetensors.numpy
