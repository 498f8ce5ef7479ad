"""Tiny good files of all kinds for `campaign_inputs`: data sets, runs, weights, measurements, plans, code, flags."""

import gzip
import importlib.util
import json
import pickle
import struct
import tarfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from campaign_kills import make_run, write_images
from PIL import Image

from mlp.data.formats.mnist import COURSE_FILES, IDX_FILES
from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.files import write_arrays, write_json
from mlp.interop import save_safetensors
from mlp.layers import Affine, BatchNorm, Sequential

PICTURES = ("png", "jpg", "gif", "bmp", "webp", "tif", "ppm")  # kinds of them


def tiny_cifar(n: int, seed: int, fine: str) -> dict[bytes, Any]:
    """Return a batch of CIFAR as Python 2 wrote it."""
    rng = np.random.default_rng(seed)
    labels = [int(label) for label in rng.integers(0, 4, n)]
    batch = {fine.encode(): labels, b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8)}
    return batch | ({b"coarse_labels": [label // 2 for label in labels]} if fine == "fine_labels" else {})


def write_cifar(root: Path) -> None:
    """Write CIFAR-100 and CIFAR-10, tiny, unpacked and as archives."""
    names = [f"class {k}".encode() for k in range(4)]
    meta = {b"fine_label_names": names, b"coarse_label_names": names[:2]}
    hundred = {"train": tiny_cifar(7, 1, "fine_labels"), "test": tiny_cifar(3, 2, "fine_labels"), "meta": meta}
    ten = {f"data_batch_{k}": tiny_cifar(4, k, "labels") for k in range(1, 6)}
    ten |= {"test_batch": tiny_cifar(3, 9, "labels"), "batches.meta": {b"label_names": names}}
    for folder, files in (("cifar-100-python", hundred), ("cifar-10-batches-py", ten)):
        (root / folder).mkdir(parents=True)
        for name, value in files.items():
            (root / folder / name).write_bytes(pickle.dumps(value, protocol=2))
    for suffix in ("gz", "xz"):
        (root / suffix).mkdir()
        with tarfile.open(root / suffix / f"cifar-100-python.tar.{suffix}", f"w:{suffix}") as archive:
            archive.add(root / "cifar-100-python", "cifar-100-python")
    binary = root / "cifar-100-binary"
    binary.mkdir()
    for name, n in (("train.bin", 5), ("test.bin", 3)):
        (binary / name).write_bytes(np.random.default_rng(n).integers(0, 2, (n, 3074), dtype=np.uint8).tobytes())
    for name in ("fine", "coarse"):
        (binary / f"{name}_label_names.txt").write_text("a\nb\nc\n")


def write_mnist(root: Path) -> None:
    """Write MNIST, tiny, in its three forms."""
    for folder in ("idx", "packed", "keras", "course"):
        (root / folder).mkdir(parents=True)
    for name, shape in zip(IDX_FILES, [(4, 28, 28), (4,)] * 2, strict=True):
        content = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(int(np.prod(shape)))
        (root / "idx" / name).write_bytes(content)
        (root / "packed" / f"{name}.gz").write_bytes(gzip.compress(content))
    images, labels = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
    np.savez(root / "keras" / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    for name in COURSE_FILES:
        np.savez_compressed(root / "course" / name, inputs=np.zeros((3, 784), np.float16), targets=np.zeros(3, np.int8))


def write_scene(root: Path) -> None:
    """Write a small scene in its three forms."""
    image = np.random.default_rng(0).integers(0, 9000, (6, 5, 4)).astype(np.uint16)
    classes = (np.arange(30).reshape(6, 5) % 17).astype(np.uint8)
    for folder in ("npz", "npy", "mat"):
        (root / folder).mkdir(parents=True)
    np.savez(root / "npz" / "indian-pines.npz", image=image, classes=classes)
    for name, array in (("Indian_pines_corrected", image), ("Indian_pines_gt", classes)):
        np.save(root / "npy" / f"{name}.npy", array)
        (root / "mat" / f"{name}.mat").write_bytes(matlab(name.lower(), array))


def matlab(name: str, array: np.ndarray) -> bytes:
    """Return an array as a MATLAB 5 file."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    stored, number = (4, 11) if array.dtype == np.uint16 else (2, 9)
    parts = element(6, struct.pack("<II", number, 0)) + element(5, np.array(array.shape, "<i4").tobytes())
    parts += element(1, name.encode()) + element(stored, array.tobytes(order="F"))
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + element(14, parts)


def write_pictures(root: Path) -> None:
    """Write folders of pictures and an array of some."""
    (root / "pictures").mkdir(parents=True)
    np.save(root / "images.npy", np.zeros((2, 8, 8, 3), np.uint8))
    for number in range(2 * len(PICTURES)):
        path = root / "pictures" / "ab"[number % 2] / f"{number}.{PICTURES[number // 2]}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * number, np.uint8)).save(path)


def write_run(root: Path) -> None:
    """Write a data set of your own images, and a run on it that can continue."""
    root.mkdir(parents=True)
    write_images(root / "own.npz")
    with chdir(root):  # so that the run continues wherever both are copied to
        make_run(root / "run", Path("own.npz"), stop_after=2)
    write_json(root / "run" / "test.json", {"test_loss": 1.0, "test_acc": 0.5, "best_epoch": 2, "images": 9})


def write_others(root: Path) -> None:
    """Write weights, what is measured around runs, plans and a model's code."""
    root.mkdir(parents=True)
    model = small_model()
    if importlib.util.find_spec("safetensors"):
        save_safetensors(model, root / "weights.safetensors")
    for epoch in range(3):
        write_arrays(root / f"epoch-{epoch:04d}.npz", model.state_dict())
    grid = {"x": np.linspace(-1, 1, 3), "y": np.zeros(1), "loss": np.ones((1, 3)), "accuracy": np.ones((1, 3))}
    words = {"kind": "line", "split": "train", "statistics": "running", "images": 3, "seed": 0}
    grid |= {"visited": np.ones((1, 3), bool), "settings": np.array(json.dumps(words)), "weights": np.array("0")}
    write_arrays(root / "landscape.npz", grid)
    SmoothnessRecord({"every": 1}, [], {}).write(root)
    (root / "planned.tsv").write_text("a/b\t--filters 2 --seed 1\nc\t--filters 3\n")
    (root / "net.py").write_text(CODE)


CODE = """from mlp.layers import Affine, Flatten, Layer, Sequential


class Twice(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return 2 * x

    def backward(self, grad_outputs):
        self.take()
        return 2 * grad_outputs


def model(num_classes, image_channels):
    return Sequential(Flatten(), Twice(), Affine(8 * 8 * image_channels, num_classes))
"""


def small_model() -> Sequential:
    """Return a model with buffers."""
    return Sequential(Affine(3, 4), BatchNorm(4), Affine(4, 2)).initialize(0)


def write_flags(root: Path) -> None:
    """Write words of a command line: none of them names a data set that is there."""
    root.mkdir(parents=True)
    (root / "words.flags").write_text(json.dumps(["train", "--dataset", "folder:/nowhere", "--epochs", "1"]))


BASES: dict[str, Callable[[Path], None]] = {
    "cifar": write_cifar,
    "mnist": write_mnist,
    "scene": write_scene,
    "pictures": write_pictures,
    "run": write_run,
    "others": write_others,
    "flags": write_flags,
}
