"""Time a training step of mlp on a GPU beside the same step in PyTorch."""

import importlib.util
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

from benchmark import positive, print_row, spread
from benchmark_worker import settings

from mlp.commands.command_line import CommandLine
from mlp.engine.cuda.gpu import PRECISIONS
from mlp.errors import MlpError
from mlp.machine.cuda_devices import gpu_problem, list_gpus

DESCRIPTION = """\
Time a training step of mlp on a GPU beside the same step in PyTorch.

A step is forward, loss, backward and Adam's update for one batch of random 32 x 32 images, 100 classes. Images and
labels are on the GPU, nothing is read back, and the clock stops when the GPU has done all steps of a turn.

Precision: "float32" is float32 in every product (mlp makes it of three TF32 products, PyTorch has TF32 switched off);
"tf32" lets the tensor cores round the factors of products to 10 bits (PyTorch: TF32 for convolutions and matrices).
cuDNN chooses its algorithms by trying them (cudnn.benchmark). "eager" is PyTorch as its users run it; "compile" is
torch.compile with its defaults; "graph" records the whole step, with its update, as a CUDA graph.

Each variant is a process of its own, and they take turns of about 0.15 seconds; the table gives median and range over
the rounds, and the median of the ratio within a round, mlp's cuda engine against PyTorch at the same precision.
What cannot be measured stands in the table as well, with the reason.

Examples:
    python scripts/benchmark_gpu.py                                           # about four minutes
    python scripts/benchmark_gpu.py --nets vgg38_bn_rc --against none         # mlp alone
    python scripts/benchmark_gpu.py --time-limit 200 --json gpu.json          # whatever is ready within 200 seconds
"""

NETS = "vgg38_bn_rc,vgg08_bn"
WORKER = Path(__file__).resolve().with_name("benchmark_gpu_worker.py")
OURS = "mlp cuda"
TORCH = (
    "torch eager",
    "torch eager channels_last",
    "torch compile",
    "torch graph",
    "torch graph channels_last",
)
MINE = [(OURS, "float32"), (OURS, "tf32"), ("mlp textbook", "float32")]
VARIANTS = MINE + [(variant, precision) for precision in PRECISIONS for variant in TORCH]
WARM_UP = 2  # turns that are not counted: algorithms are chosen in them, and graphs recorded
HEADER = ("net", "variant", "precision", "ms a step", "images/s", f"{OURS} / it")


def main(arguments=None):
    options = parse(arguments)
    reasons = {"mlp": gpu_problem(), "torch": torch_problem()}
    if reasons["mlp"] is None:
        gpu = list_gpus()[0]
        print(f"{gpu.name}, driver for CUDA {gpu.driver}, CuPy with CUDA {gpu.runtime}; batch {options.batch_size}")
    variants = [v for v in VARIANTS if options.against == "torch" or v in MINE]
    results = measure(variants, reasons, options)
    print_row(HEADER)
    print_row(["---"] * len(HEADER))
    for record in results:
        print_row(row(record, results, options.batch_size))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def parse(arguments):
    """Return the options; leaves with a message and status 2 if one makes no sense."""
    parser = CommandLine(DESCRIPTION)
    parser.add_argument("--against", choices=("torch", "none"), default="torch", help="whom to compare with")
    parser.add_argument("--nets", default=NETS, metavar="A,B", help=f"default {NETS}")
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="default 100")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each variant that count (default 8)")
    parser.add_argument("--time-limit", type=int, default=600, metavar="SECONDS", help="for everything (default 600)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
    options = parser.parse_args(arguments)
    try:
        options.nets = [net for net in options.nets.split(",") if settings(net)]
        for name in ("batch_size", "rounds", "time_limit"):
            positive("--" + name.replace("_", "-"), getattr(options, name))
    except MlpError as error:
        parser.error(str(error))
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")
    return options


def torch_problem():
    """Say in one sentence why PyTorch cannot use a GPU; None if it can."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed."
    ask = [sys.executable, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]
    if subprocess.run(ask, check=False, capture_output=True).returncode:
        return "PyTorch sees no GPU (torch.cuda.is_available() is False)."
    return None


class Worker:
    """A process that measures one variant at one precision, for all nets.

    Attributes:
        problems: {net: why it cannot be measured, or None}. seconds: {net: those of a step, one number a round}.
    """

    def __init__(self, variant, precision, options):
        self.variant, self.precision, self.nets = variant, precision, options.nets
        self.problems, self.seconds = dict.fromkeys(options.nets), {net: [] for net in options.nets}
        command = [sys.executable, str(WORKER), variant, precision, str(options.batch_size), *options.nets]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in stop
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process, self.replies = subprocess.Popen(command, **pipes, text=True), queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.replies.put(json.loads(line))
        self.replies.put(None)  # it ended

    def get_ready(self, deadline):
        """Wait until its networks are built."""
        reply = self.reply(deadline, "it was not ready in time.")
        self.problems = reply.get("ready") or dict.fromkeys(self.nets, reply["problem"])

    def turn(self, net, deadline, counts):
        """Let it take its turn."""
        if self.problems[net]:
            return
        with suppress(OSError):  # it ended; reply says why
            print(net, file=self.process.stdin, flush=True)
        reply = self.reply(deadline, "the time was up.")
        if "problem" in reply:
            self.problems[net] = reply["problem"]
        elif counts:
            self.seconds[net].append(reply["seconds"])

    def reply(self, deadline, late):
        """Return its next answer, or {"problem": why there is none}."""
        try:
            reply = self.replies.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self.process.kill()  # a late answer must not be taken for that of the next turn
            self.problems = {net: problem or late for net, problem in self.problems.items()}
            return {"problem": late}
        if reply is None:
            self.errors.seek(0)
            last = [line for line in self.errors.read().splitlines() if line.strip()][-1:]
            return {"problem": f"its process ended: {' '.join(last)[:300]}"}
        return reply

    def stop(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


def measure(variants, reasons, options):
    """Return a record for each net and variant: seconds of a step in each round, or why there are none."""
    deadline = time.monotonic() + options.time_limit
    ready = time.monotonic() + 0.65 * options.time_limit
    with ExitStack() as stack:
        workers = {}
        for variant, precision in variants:
            if reasons[variant.partition(" ")[0]] is None:
                workers[variant, precision] = Worker(variant, precision, options)
                stack.callback(workers[variant, precision].stop)
        for worker in workers.values():
            worker.get_ready(ready)
        for net in options.nets:
            for round_ in range(-WARM_UP, options.rounds):
                for worker in workers.values():
                    worker.turn(net, deadline, counts=round_ >= 0)
    records = []
    for net in options.nets:
        for variant, precision in variants:
            worker = workers.get((variant, precision))
            seconds = worker.seconds[net] if worker else []
            problem = worker.problems[net] if worker else reasons[variant.partition(" ")[0]]
            records.append(
                {"net": net, "variant": variant, "precision": precision, "seconds": seconds, "problem": problem}
            )
    return records


def row(record, records, batch):
    """Return the cells of one record."""
    start = [record["net"], record["variant"], record["precision"]]
    seconds = record["seconds"]
    if not seconds:
        return [*start, f"not measured: {record['problem']}", "", ""]
    ms = [1e3 * s for s in seconds]
    return [*start, spread(ms), f"{batch / median(seconds):,.0f}", ratio(record, records)]


def ratio(record, records):
    """Return the median of ours / theirs over the rounds, as text; "" where there is nothing to compare."""
    for ours in records:
        if (ours["net"], ours["variant"], ours["precision"]) == (record["net"], OURS, record["precision"]):
            pairs = list(zip(ours["seconds"], record["seconds"], strict=False))
            if ours is not record and pairs:
                return f"{median(a / b for a, b in pairs):.2f}"
    return ""


if __name__ == "__main__":
    from mlp.commands.command_line import start

    start(main)
