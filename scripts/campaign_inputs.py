"""The kinds of input that mlp reads: for each, how to make a good one, and who reads it.

A kind is a file that gets damaged in a folder of good files, and the functions that read that folder. For your own
models the file is Python code; for flags it is a list of words.
"""

import importlib.util
import io
import json
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from campaign_bases import PICTURES, small_model
from campaign_kills import make_run

from mlp.commands.command_line import LONGEST, run_command
from mlp.data import load_cifar10, load_cifar100, load_folder, load_indian_pines, load_mnist, load_npz
from mlp.data.formats.mnist import COURSE_FILES, IDX_FILES
from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.experiments.fine_tuning import init_from
from mlp.experiments.images import read_picture
from mlp.experiments.inference import evaluate_run
from mlp.experiments.own_model import build_own_model
from mlp.experiments.probes.places import kept_weights
from mlp.experiments.probes.stored import read_landscape
from mlp.experiments.record import read_run
from mlp.interop import load_safetensors
from mlp.models import vgg
from mlp.reproduction.work import read_planned
from mlp.training.attempts import read_attempts

RUN_FILES = ("config.json", "metrics.csv", "gradient_flow.npz", "checkpoint-latest.npz", "checkpoint-best.npz")
RUN_FILES += ("test.json", "attempts.tsv")


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        base: the folder of good files. file: the one of them that gets damaged.
        read: called with a copy of that folder; every function must return, or raise an error of mlp.
    """

    base: str
    file: str
    read: tuple[Callable[[Path], Any], ...]


def read_words(folder: Path) -> None:
    """Run a command with the words in a file: it must end with status 2 and say why in one line."""
    words = json.loads((folder / "words.flags").read_text())
    sys.argv, error = ["mlp", *words[1:]], sys.stderr
    sys.stderr = io.StringIO()
    try:
        status = run_command(words[0])
        lines = sys.stderr.getvalue().strip().splitlines()
    finally:
        sys.stderr = error
    if status != 2 or len(lines) != 1 or len(lines[0]) > LONGEST:
        raise AssertionError(f"status {status}, {len(lines)} lines: {' '.join(lines)[:200]}")


def run_kinds() -> dict[str, Kind]:
    """Return the kinds of files of a run: it is compared, evaluated, continued, and another run begins with it."""

    def resume(root: Path) -> None:
        with chdir(root):
            make_run(root / "run", Path("own.npz"), stop_after=2)

    def evaluate(root: Path) -> None:
        with chdir(root):
            evaluate_run(root / "run", "valid")

    def compare(root: Path) -> None:
        read_run(root / "run"), read_attempts(root / "run")

    def begin_with(root: Path) -> None:
        init_from(vgg(8, filters=2, num_classes=3), root / "run")

    return {name: Kind("run", f"run/{name}", (compare, evaluate, resume, begin_with)) for name in RUN_FILES}


def data_kinds() -> dict[str, Kind]:
    """Return the kinds of data sets."""

    def at(load: Callable[..., Any], *parts: str) -> tuple[Callable[[Path], Any], ...]:
        return (lambda root: load(root.joinpath(*parts)),)

    kinds = {
        "CIFAR-100 pickle": Kind("cifar", "cifar-100-python/train", at(load_cifar100)),
        "CIFAR-100 names": Kind("cifar", "cifar-100-python/meta", at(load_cifar100)),
        "CIFAR-100 tar.gz": Kind("cifar", "gz/cifar-100-python.tar.gz", at(load_cifar100, "gz")),
        "CIFAR-100 tar.xz": Kind("cifar", "xz/cifar-100-python.tar.xz", at(load_cifar100, "xz")),
        "CIFAR-100 binary": Kind("cifar", "cifar-100-binary/train.bin", at(load_cifar100, "cifar-100-binary")),
        "CIFAR-10 pickle": Kind("cifar", "cifar-10-batches-py/data_batch_2", at(load_cifar10)),
        "MNIST idx": Kind("mnist", f"idx/{IDX_FILES[0]}", at(load_mnist, "idx")),
        "MNIST idx.gz": Kind("mnist", f"packed/{IDX_FILES[3]}.gz", at(load_mnist, "packed")),
        "MNIST of Keras": Kind("mnist", "keras/mnist.npz", at(load_mnist, "keras")),
        "MNIST of a course": Kind("mnist", f"course/{COURSE_FILES[0]}", at(load_mnist, "course")),
        "own images": Kind("run", "own.npz", at(load_npz, "own.npz")),
        "scene npz": Kind("scene", "npz/indian-pines.npz", at(load_indian_pines, "npz")),
        "scene npy": Kind("scene", "npy/Indian_pines_corrected.npy", at(load_indian_pines, "npy")),
        "scene mat": Kind("scene", "mat/Indian_pines_gt.mat", at(load_indian_pines, "mat")),
        "image npy": Kind("pictures", "images.npy", at(partial(read_picture, image_shape=(8, 8, 3)), "images.npy")),
    }
    for number, suffix in enumerate(PICTURES):
        kinds[suffix] = Kind("pictures", f"pictures/a/{2 * number}.{suffix}", at(load_folder, "pictures"))
    return kinds


def other_kinds() -> dict[str, Kind]:
    """Return the kinds of weights, measurements, plans, code and flags."""

    def build(root: Path) -> None:
        build_own_model(f"{root / 'net.py'}:model", 3, (8, 8, 3), 0, np.dtype("float32"), trust_code=True)

    def begin_with(file: str) -> Callable[[Path], Any]:
        return lambda root: init_from(small_model(), root / file)

    kinds = {
        "kept weights": Kind("others", "epoch-0001.npz", (kept_weights, begin_with("epoch-0001.npz"))),
        "landscape": Kind("others", "landscape.npz", (lambda root: read_landscape(root / "landscape.npz"),)),
        "smoothness": Kind("others", "smoothness.npz", (SmoothnessRecord.read,)),
        "plan": Kind("others", "planned.tsv", (read_planned,)),
        "own model": Kind("others", "net.py", (build,)),
        "flags": Kind("flags", "words.flags", (read_words,)),
    }
    if importlib.util.find_spec("safetensors"):
        load = partial(load_safetensors, small_model())
        file = "weights.safetensors"
        kinds["safetensors"] = Kind("others", file, (lambda root: load(root / file), begin_with(file)))
    return kinds
