"""The launches of a training step as they would be made on an H200; no kernel runs, so no GPU is needed.

    python tests/engine/launch_list.py          # writes launches.txt anew, after a change that was meant

Each line is a launch: kernel, blocks, threads of a block, bytes of shared memory, and its arguments: shapes of arrays
(float32, where nothing else is said), null pointers as -, numbers as they are.
"""

from pathlib import Path

import numpy as np
from cuda_emulation import H200

from mlp.data import Batches, synthetic
from mlp.engine import CudaEngine
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg

GOLDEN = Path(__file__).resolve().with_name("launches.txt")
BATCH = 100
PARTS = {  # what is listed: a model at a precision
    "VGG38 BN+RC, float32": ({"depth": 38, "norm": "batch", "residual": True}, "float32"),
    "VGG08 BN, tf32": ({"depth": 8, "norm": "batch"}, "tf32"),
}


class Recorder:
    """A module whose kernels take note of their launches, and do nothing."""

    def __init__(self):
        self.lines = []

    def get_function(self, name):
        return RecordingKernel(self, name)


class RecordingKernel:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, recorder, name):
        self.recorder, self.name = recorder, name

    def __call__(self, grid, block, args, shared_mem=0):
        blocks = "x".join(map(str, grid))
        words = [self.name, f"blocks {blocks}", f"threads {block[0]}", f"shared {shared_mem}", *map(described, args)]
        self.recorder.lines.append("  ".join(words))


def described(value):
    """Return an argument as text."""
    if value is None:
        return "-"
    if isinstance(value, np.ndarray):
        shape = "(" + ",".join(map(str, value.shape)) + ")"
        return shape if value.dtype == np.float32 else f"{value.dtype}{shape}"
    return f"{value.item():.6g}"


def launches(settings, precision):
    """Return the lines of a batch that is made on the device and a training step with it."""
    recorder = Recorder()
    engine = CudaEngine("cuda:0", precision, xp=np, module=recorder)
    engine.gpu.multiprocessors = H200
    engine.bind(vgg(num_classes=100, **settings), SoftmaxCrossEntropy(), Adam(learning_rate=1e-3))
    train, _ = synthetic(2 * BATCH, BATCH, image_size=32, num_classes=100)
    x, targets = next(iter(engine.resident(Batches(train, BATCH, augment=True)).epoch(0)))
    x[...], targets[...] = 0.0, 0  # they have not been made
    engine.train_step(x, targets)
    return recorder.lines


def listing():
    """Return the whole text."""
    lines = []
    for title, (settings, precision) in PARTS.items():
        found = launches(settings, precision)
        lines += [f"# {title}, batch {BATCH}, {H200} multiprocessors: {len(found)} launches", *found, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    GOLDEN.write_text(listing())
    print(f"{GOLDEN.name}: {len(GOLDEN.read_text().splitlines())} lines")
