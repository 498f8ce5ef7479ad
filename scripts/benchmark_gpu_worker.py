"""A process that trains networks on a GPU with mlp or PyTorch when it is told to; `benchmark_gpu.py` starts it.

    python benchmark_gpu_worker.py VARIANT PRECISION BATCH TORCH_DEVICE NET [NET ...]

VARIANT and PRECISION are a pair of `benchmark_gpu.VARIANTS`; PyTorch runs on TORCH_DEVICE. The process builds all
networks, runs a step of each, and writes a line of JSON: {"ready": {net: null, or why it cannot be measured}}. After
that, each line on stdin names a network. The process runs as many steps of it as take about 0.15 seconds and answers
{"seconds": those of one step}. It ends when its stdin ends.

Within a turn the host never waits for the GPU: losses are added up on the GPU.
"""

import functools
import sys
import time
import traceback

from benchmark_worker import answering, random_batch, settings

TURN = 0.15  # seconds
GPU = "cuda:0"


def main():
    variant, precision, batch, torch_device, *nets = sys.argv[1:]
    answer, (x, targets) = answering(), random_batch(int(batch))
    make = functools.partial(TorchNet, torch_device) if variant.startswith("torch") else OurNet
    made, ready = {}, {}
    for net in nets:
        made[net], ready[net] = attempt(make, variant, precision, net, x, targets)
    answer(ready=ready)
    for line in sys.stdin:
        seconds, problem = attempt(turn, made[line.strip()])
        answer(**({"problem": problem} if problem else {"seconds": seconds}))


def attempt(function, *arguments):
    """Call a function; return (its result, None), or (None, why it failed in one line). stderr gets the traceback."""
    try:
        return function(*arguments), None
    except Exception as error:  # a library, a compiler or a GPU can fail in any way; the other networks still run
        traceback.print_exc()
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def turn(net):
    """Return the seconds of one step: the mean of as many as fit into a turn."""
    while True:
        net.wait()
        start = time.perf_counter()
        for _ in range(net.steps_in_a_turn):
            net.step()
        net.wait()
        seconds = time.perf_counter() - start
        result = seconds / net.steps_in_a_turn
        net.steps_in_a_turn = max(3, round(TURN / result))
        if seconds > TURN / 2:
            return result


class OurNet:
    """A network of mlp and an engine on the GPU."""

    steps_in_a_turn = 3  # at first

    def __init__(self, variant, precision, net, x, targets):
        from mlp.backend import move
        from mlp.engine import make_engine
        from mlp.learning_rules import Adam
        from mlp.losses import SoftmaxCrossEntropy
        from mlp.models import vgg

        model = vgg(**settings(net)).to(GPU)
        engine = make_engine(variant.removeprefix("mlp "), device=GPU, precision=precision)
        engine.bind(model, SoftmaxCrossEntropy(), Adam(learning_rate=1e-3))
        self.engine, self.batch = engine, (move(x, GPU), move(targets, GPU))
        self.step()

    def step(self):
        self.engine.train_step(*self.batch)

    def wait(self):
        import cupy

        cupy.cuda.Device(0).synchronize()


class TorchNet:
    """The same network in PyTorch: eager or compiled, and launched one by one or as a CUDA graph of the whole step."""

    steps_in_a_turn = 3  # at first

    def __init__(self, device, variant, precision, net, x, targets):
        import torch
        from torch_variants import make_torch
        from torch_vgg import images_to_torch

        self.torch, self.device, self.graph = torch, device, None
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self.model, self.images = make_torch(**settings(net)).to(device), images_to_torch(x).to(device)
        if "channels_last" in variant:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.labels, self.total = torch.tensor(targets, device=device), torch.zeros((), device=device)
        self.graphed = "graph" in variant
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, capturable=self.graphed)
        self.run = torch.compile(self.model) if "compile" in variant else self.model
        self.eager_step()  # compiles while the others get ready
        self.wait()

    def eager_step(self):
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.run(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach()

    def step(self):
        torch = self.torch
        if not torch.backends.cudnn.benchmark:  # in the first turn, when no other process uses the GPU
            torch.backends.cudnn.benchmark = True
        if not self.graphed:
            return self.eager_step()
        if self.graph is None:
            self.capture()
        return self.graph.replay()

    def capture(self):
        """Record a step, after a few on another stream, as PyTorch's manual has it."""
        torch, stream = self.torch, self.torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager_step()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.eager_step()

    def wait(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()


if __name__ == "__main__":
    main()
