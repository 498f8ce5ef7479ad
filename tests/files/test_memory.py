"""Every reader of arrays compares what a header tells with the bytes that are there before it takes memory for it.

Memory is counted by tracemalloc, which sees every array of NumPy.
"""

import gzip
import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from mlp.data import load_indian_pines, load_mnist, load_npz
from mlp.data.formats.cifar.python import read_batch
from mlp.data.formats.matlab import read_variable
from mlp.data.formats.mnist import IDX_FILES, read_idx
from mlp.errors import CheckpointError, DataError
from mlp.experiments.images import read_picture
from mlp.experiments.probes.stored import read_landscape
from mlp.files.stored import read_arrays
from mlp.interop import load_safetensors
from mlp.layers import Affine
from mlp.training.checkpoint import read_checkpoint

HUGE = 2**40  # bytes that headers tell of
ENOUGH = 150e6  # bytes that a reader of a file of some kilobytes may take


def npy(shape, there=64, dtype="<f8"):
    """An .npy file whose header tells of `shape`, with `there` bytes after it."""
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + bytes(there)


def zipped(compression=zipfile.ZIP_STORED, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def matlab(inner):
    packed = zlib.compress(inner)
    return b"MATLAB 5.0".ljust(124) + struct.pack("<H", 256) + b"IM" + struct.pack("<II", 15, len(packed)) + packed


def cifar_pickle(shape):
    """A batch whose array tells of more numbers than it has bytes."""
    content = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, protocol=2)
    return content.replace(b"K\x02M\x00\x0c\x86", b"J" + struct.pack("<i", shape) + b"M\x00\x0c\x86")


def safetensors(header, there=64):
    return struct.pack("<Q", len(header)) + header + bytes(there)


def load_weights(path):
    pytest.importorskip("safetensors")
    load_safetensors(Affine(2, 2), path)


def zeros():
    """128 MB that pack to a hundred kilobytes."""
    return bytes(2**27)


CASES = {
    "npy": ("images.npy", npy((HUGE,)), lambda path: read_picture(path, (8, 8, 3))),
    "npy, negative": ("images.npy", npy((-1, 8)), lambda path: read_picture(path, (8, 8, 3))),
    "scene npy": ("Indian_pines_corrected.npy", npy((2**14, 2**14, 200)), lambda path: load_indian_pines(path.parent)),
    "npz": ("own.npz", zipped(images=npy((HUGE,), dtype="u1"), labels=npy((4,))), load_npz),
    "npz, packed": ("own.npz", lambda: zipped(zipfile.ZIP_DEFLATED, images=zeros(), labels=npy((4,))), load_npz),
    "checkpoint": ("c.npz", zipped(digest=npy((HUGE,))), read_checkpoint),
    "checkpoint, packed": ("c.npz", lambda: zipped(zipfile.ZIP_DEFLATED, digest=zeros()), read_checkpoint),
    "table": ("t.npz", zipped(names=npy((HUGE,), dtype="<U9")), read_arrays),
    "landscape": ("l.npz", zipped(loss=npy((2**20, 2**20))), read_landscape),
    "mat": ("x.mat", lambda: matlab(zeros()), lambda path: read_variable(path.read_bytes(), "x.mat", "scene")),
    "idx": (
        IDX_FILES[0],
        struct.pack(">4B3I", 0, 0, 8, 3, 2**12, 2**12, 2**12),
        lambda p: read_idx(p.read_bytes(), ""),
    ),
    "idx.gz": (
        f"{IDX_FILES[0]}.gz",
        lambda: gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2**7, 2**10, 2**10) + zeros(), 1),
        lambda path: read_idx(path.read_bytes(), "x"),
    ),
    "pickle": ("data", cifar_pickle(2**30), lambda path: read_batch(path.read_bytes(), "x", ["labels"])),
    "safetensors": (
        "w.safetensors",
        safetensors(b'{"weight":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'),
        load_weights,
    ),
    "safetensors, header": ("w.safetensors", struct.pack("<Q", 2**62) + b"{}", load_weights),
}


@pytest.mark.parametrize("name", CASES)
def test_a_header_that_lies_costs_no_memory(tmp_path, name):
    file, content, read = CASES[name]
    (tmp_path / "Indian_pines_gt.npy").write_bytes(npy((2, 2), 32))
    (tmp_path / file).write_bytes(content() if callable(content) else content)
    tracemalloc.start()
    try:
        with pytest.raises((DataError, CheckpointError)) as caught:
            read(tmp_path / file)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < ENOUGH
    assert "MemoryError" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_mnist_with_a_header_that_lies(tmp_path):
    for name in IDX_FILES:
        (tmp_path / name).write_bytes(struct.pack(">4B2I", 0, 0, 8, 2, 2**32 - 1, 2**32 - 1))
    with pytest.raises(DataError, match="more than any file of this set"):
        load_mnist(tmp_path)
