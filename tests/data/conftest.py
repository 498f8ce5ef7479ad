"""A tiny data set in the layout of CIFAR-100: 7 training and 3 test images, 4 classes in 2 groups."""

import pickle
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

FOLDER = "cifar-100-python"


def tiny_batch(n, seed):
    """A batch dictionary as Python 2 wrote it: keys are byte strings."""
    rng = np.random.default_rng(seed)
    fine = [int(label) for label in rng.integers(0, 4, n)]
    return {
        b"filenames": [b"%d.png" % i for i in range(n)],
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": fine,
        b"coarse_labels": [label // 2 for label in fine],
        b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8),
    }


class TinyCifar:
    """The three dictionaries, to be changed by a test, and ways of writing them."""

    def __init__(self, root):
        self.root = root
        self.train, self.test = tiny_batch(7, 1), tiny_batch(3, 2)
        self.meta = {
            b"fine_label_names": [b"apple", b"bear", b"cup", b"dog"],
            b"coarse_label_names": [b"food", b"animals"],
        }

    def write_folder(self, folder=FOLDER, protocol=2):
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        for name in ("train", "test", "meta"):
            (path / name).write_bytes(pickle.dumps(getattr(self, name), protocol=protocol))
        return path

    def write_archive(self, compression="gz"):
        """Write the archive, its folder being packed from elsewhere; return its path."""
        packed = self.write_folder(f"packed/{FOLDER}")
        path = self.root / f"{FOLDER}.tar.{compression}"
        with tarfile.open(path, f"w:{compression}") as archive:
            for name in ("meta", "test", "train"):
                archive.add(packed / name, f"{FOLDER}/{name}")
        return path


@pytest.fixture
def tiny_cifar(tmp_path):
    return TinyCifar(tmp_path)


@pytest.fixture
def marker(tmp_path):
    """A file that a malicious pickle tries to make, and the object whose pickle makes it when it is loaded."""
    path = tmp_path / "executed"

    class Malicious:
        def __reduce__(self):
            import os

            return os.system, (f"touch {path}",)

    return SimpleNamespace(path=path, malicious=Malicious())
