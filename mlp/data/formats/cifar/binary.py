"""The binary version of CIFAR: records of bytes, one for each image.

    CIFAR-10, 3,073 bytes       class, 3072 pixels
    CIFAR-100, 3,074 bytes      group, class, 3072 pixels

    cifar-10-batches-bin    data_batch_1.bin .. data_batch_5.bin, test_batch.bin, batches.meta.txt
    cifar-100-binary        train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt

The text files have one name on each line. Bytes carry no checksum: in an unpacked folder, a damaged pixel looks like
any other.
"""

from collections.abc import Sequence

import numpy as np

from mlp.errors import DataError
from mlp.typing import Array

PIXELS = 3 * 32 * 32


def read_batch(content: bytes, source: str, label_bytes: Sequence[int]) -> tuple[Array, ...]:
    """Return the rows (N, 3072) of a file, then the labels (N,) that stand in each of `label_bytes` of a record.

    Args:
        content: the bytes of the file.
        source: the file's name, for messages.
        label_bytes: places in the record; there are as many labels as places.
    """
    size = len(label_bytes) + PIXELS
    if len(content) == 0 or len(content) % size:
        raise DataError(
            f"{source}: {len(content):,} bytes are not a whole number of records of {size:,} bytes: "
            "it is truncated or from another data set; get it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    return records[:, len(label_bytes) :], *(records[:, place].astype(np.int64) for place in label_bytes)


def read_names(content: bytes, source: str) -> tuple[str, ...]:
    """Return the names in a text file, one on each line, as a tuple of strings."""
    names = tuple(line.strip() for line in content.decode("latin1").splitlines() if line.strip())
    if not names:
        raise DataError(f"{source} holds no names: get it again")
    return names
