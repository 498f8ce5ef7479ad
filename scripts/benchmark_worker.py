"""A process that trains one network with mlp or PyTorch when it is told to; `benchmark.py` starts it.

    python benchmark_worker.py VARIANT NET BATCH THREADS ENGINE MEASURE

VARIANT is ours, epoch (ours, as train.py runs it) or one of COMPETITORS; MEASURE is step, evaluation or epoch (then 20
steps count as one). It gets ready and writes a line of JSON about itself to stdout. Then, for each line on stdin, it
runs steps for 0.3 seconds (6 seconds if the line is "turn 6"), at least one, and writes a line with the seconds of a
step and the memory needed so far. It ends when its stdin ends.
"""

import json
import re
import sys
import time
from contextlib import suppress

import numpy as np

from mlp.errors import ConfigurationError, MlpError
from mlp.machine.processor import peak_memory_mb
from mlp.models.options import blocks_per_stage

COMPETITORS = {  # names in the JSON file -> variants
    "nchw": "torch NCHW",
    "channels_last": "torch channels_last",
    "fused_adam": "torch fused_adam",
    "bf16": "torch bf16",
    "compile": "torch compile",
}
EPOCH = 20  # steps
TURN = 0.3  # seconds at least: the first step finds the caches full of another process' numbers, unlike in training


def main():
    variant, net, batch, threads, engine, measure = sys.argv[1:]
    answer, (x, targets) = answering(), random_batch(int(batch))
    try:
        if variant == "epoch":
            return train_when_told(x, settings(net), int(threads), engine, answer)
        if variant == "ours":
            step, about = our_step(x, targets, settings(net), int(threads), engine, measure)
        else:
            step, about = torch_step(x, targets, settings(net), int(threads), variant, measure)
    except MlpError as error:
        answer(error=str(error))
        return 2
    answer(**about)
    for line in sys.stdin:
        turn = float(line.split()[1]) if line.split()[1:] else TURN
        start, steps, seconds = time.perf_counter(), 0, 0.0
        while seconds < turn:
            step()
            steps, seconds = steps + 1, time.perf_counter() - start
        answer(seconds=seconds / steps, peak_mb=peak_memory_mb())
    return 0


def answering():
    """Return the function that answers with a line of JSON; whatever libraries print from now on is not an answer."""
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    return answer


def random_batch(N):
    """Return images (N, 32, 32, 3) and their classes (N,), of 100."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 32, 32, 3), dtype=np.float32)
    return x, rng.integers(0, 100, size=N)


def our_step(x, targets, keywords, threads, engine_name, measure):
    """Return the function that does a training step with mlp, and a dict about it."""
    from mlp.engine import make_engine
    from mlp.engine.cpu.blas import blas_kernels, import_threadpoolctl
    from mlp.learning_rules import Adam
    from mlp.losses import SoftmaxCrossEntropy
    from mlp.models import vgg

    if import_threadpoolctl():
        import_threadpoolctl().threadpool_limits(threads, user_api="blas")
    engine = make_engine(engine_name, threads=threads)
    engine.bind(vgg(**keywords), SoftmaxCrossEntropy(), Adam(learning_rate=1e-3))
    blas = blas_kernels()
    text = f"engine {engine.name}, NumPy {np.__version__}, {blas} kernels"
    about = {"engine": engine.name, "blas": blas, "text": text}
    if measure == "epoch":
        return lambda: [engine.train_step(x, targets) for _ in range(EPOCH)], about
    step = engine.evaluate if measure == "evaluation" else engine.train_step
    return lambda: step(x, targets), about


def train_when_told(x, keywords, threads, engine_name, answer):
    """Train as scripts/train.py does, an epoch of 20 steps for every line from stdin."""
    from mlp.data import Batches, ImageSet
    from mlp.diagnostics import GradientFlow
    from mlp.learning_rules import Adam
    from mlp.losses import SoftmaxCrossEntropy
    from mlp.models import vgg
    from mlp.training import Hook, Trainer

    class Turn(Hook):
        """Begins an epoch when told to, and answers at its end."""

        def before_epoch(self, trainer):
            if not sys.stdin.readline():
                raise EOFError
            self.start = time.perf_counter()

        def after_epoch(self, trainer, row):
            answer(seconds=time.perf_counter() - self.start, peak_mb=peak_memory_mb())

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(EPOCH * len(x), 32, 32, 3), dtype=np.uint8)
    image_set = ImageSet(images, rng.integers(0, 100, size=len(images)), tuple(str(k) for k in range(100)))
    batches = Batches(image_set, len(x), augment=True, shuffle=True)
    model, loss, rule = vgg(**keywords), SoftmaxCrossEntropy(), Adam(learning_rate=1e-3)
    trainer = Trainer(model, loss, rule, hooks=[GradientFlow(), Turn()], engine=engine_name, threads=threads)
    answer(text=f"an epoch of {EPOCH} steps with augmentation, metrics and gradient flow")
    with suppress(EOFError):
        trainer.fit(batches, epochs=10**9)
    return 0


def torch_step(x, targets, keywords, threads, variant, measure):
    """Return the function that does a training step with PyTorch, and a dict about it."""
    import torch
    from torch.nn import functional
    from torch_variants import make_torch
    from torch_vgg import images_to_torch

    torch.set_num_threads(threads)
    model, images, labels = make_torch(**keywords), images_to_torch(x), torch.tensor(targets)
    if variant not in (COMPETITORS["nchw"], COMPETITORS["compile"]):
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=variant == COMPETITORS["fused_adam"] or None)
    network = torch.compile(model) if variant == COMPETITORS["compile"] else model

    def loss_of_batch():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant == COMPETITORS["bf16"]):
            return functional.cross_entropy(network(images), labels)

    about = {"text": f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()} kernels"}
    if measure == "evaluation":
        model.eval()

        @torch.no_grad()
        def evaluate():
            return loss_of_batch().item()

        return evaluate, about

    def step():
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, about


def settings(net):
    """Return the keywords of `mlp.models.vgg` for a name such as vgg38_bn_rc, vgg20_bn_f64 or vgg38_dense_bn."""
    match = re.fullmatch(r"vgg(\d+)(_dense|_ms)?(_bn)?(_rc)?(?:_f([1-9]\d*))?", net)
    if match is None:
        raise ConfigurationError(
            f"unknown net {net!r}: names are vgg<depth>[_dense|_ms][_bn][_rc][_f<filters>], such as vgg38_bn_rc"
        )
    depth, kind, bn, rc, filters = match.groups()
    blocks_per_stage(int(depth))  # raises for impossible depths
    norm = "batch" if bn else "none"
    kinds = {None: {}, "_dense": {"dense": True}, "_ms": {"multi_scale": True}}  # others get no such keyword
    residual = {} if kind == "_dense" else {"residual": bool(rc)}
    return {"depth": int(depth), "norm": norm, **residual, "filters": int(filters or 32), **kinds[kind]}


if __name__ == "__main__":
    sys.exit(main())
