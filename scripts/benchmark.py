"""Time a training step of mlp beside the same step in PyTorch, on the CPU."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

from benchmark_worker import settings

from mlp.commands.command_line import CommandLine
from mlp.errors import ConfigurationError, MlpError
from mlp.machine import cpu_model
from mlp.progress import progress_bar

DESCRIPTION = """\
Time a training step of mlp beside the same step in PyTorch, on the CPU.

A step is forward, loss, backward and Adam's update for one batch of random 32 x 32 images, 100 classes, in float32.
PyTorch runs as its users run it (eager), in its default memory layout NCHW and in channels_last.

Computers get slower and faster from minute to minute, so two numbers measured one after the other say little. Here
each variant is a process of its own, and they take turns: a step, or as many as fit into 0.3 seconds, one after the
other as in training. A computer that slows down slows all of them. Only the ratio within a round is to be trusted; the
table gives its median and its range over the rounds. Memory is the highest that each process needed.

Nothing else may run meanwhile. Where two threads share a core with another program, the one waits for the other, and
a library whose threads meet often (PyTorch's, for one) can get ten times slower: the ratios are then wrong as well.

Nets are called vgg<depth>[_bn][_rc]: vgg08, vgg38_bn_rc (batch normalization and residual connections), vgg38_rc, ...

Examples:
    python scripts/benchmark.py --nets vgg38_bn_rc --batch-sizes 100          # about a minute
    python scripts/benchmark.py --json benchmark.json                         # all nets and sizes: half an hour
    python scripts/benchmark.py --against none --engine textbook              # without PyTorch
    python scripts/benchmark.py --measure evaluation                          # loss of a batch, without training
    python scripts/benchmark.py --measure epoch --nets vgg08                  # what data and statistics cost

With --measure epoch, 20 bare steps are timed beside an epoch of 20 steps as scripts/train.py runs it, with crops,
flips, metrics and gradient flow: the ratio says which part of the bare step's images per second is left.
"""

NETS = "vgg08,vgg08_bn,vgg38,vgg38_bn,vgg38_rc,vgg38_bn_rc"
WORKER = Path(__file__).resolve().with_name("benchmark_worker.py")
TORCH = ("torch NCHW", "torch channels_last")
MEASURES = ("step", "evaluation", "epoch")
WARM_UP = 2  # turns that are not counted: memory is allocated in them
PAUSE = 0.05  # seconds before each turn: the threads of the process before spin that long after their work
BUSY = 0.5  # a load average above it means that other programs are running
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def main(arguments=None):
    options = parse(arguments)
    print(f"{cpu_model()}, {os.cpu_count()} cores; {options.threads} threads; {options.rounds} rounds")
    load = os.getloadavg()[0]  # of the last minute
    if load > BUSY:
        print(
            f"benchmark.py: other programs are running (load {load:.1f}): these ratios prove nothing", file=sys.stderr
        )
    records = []
    try:
        for net in options.nets:
            for batch in options.batch_sizes:
                times, workers = measure(net, batch, options)
                if not records:
                    print("\n".join(f"{worker.variant}: {worker.about['text']}" for worker in workers))
                    print_row(header(workers))
                    print_row(["---"] * len(header(workers)))
                records.append({**record(net, batch, options.threads, times, workers), "load_before": load})
                print_row(row(net, batch, times, workers))
                if options.json:
                    options.json.write_text(json.dumps(records, indent=1) + "\n")
    except MlpError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    return 0


def parse(arguments):
    """Return the options; leaves with a message and status 2 if one makes no sense."""
    parser = CommandLine(DESCRIPTION)
    parser.add_argument("--against", choices=("torch", "none"), default="torch", help="whom to compare with")
    parser.add_argument("--measure", choices=MEASURES, default="step", help="what is timed (default step)")
    parser.add_argument("--nets", default=NETS, metavar="A,B", help=f"default {NETS}")
    parser.add_argument("--batch-sizes", default="50,100,400", metavar="N,M", help="default 50,100,400")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each process that count (default 15)")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS and of PyTorch (default 2)")
    parser.add_argument("--engine", default="auto", help="how mlp computes: auto, textbook, ... (default auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
    parser.add_argument(
        "--keep-blas-environment",
        action="store_true",
        help=f"leave {' and '.join(BLAS_VARIABLES)} set, which choose OpenBLAS' kernels, often slow ones",
    )
    options = parser.parse_args(arguments)
    try:
        options.nets = [net for net in options.nets.split(",") if settings(net)]
        options.batch_sizes = [positive("--batch-sizes", size) for size in options.batch_sizes.split(",")]
        positive("--rounds", options.rounds)
        positive("--threads", options.threads)
    except MlpError as error:
        parser.error(str(error))
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")
    if options.measure == "epoch":
        options.against = "none"
    if options.against == "torch" and importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is not installed: pip install -e '.[oracle]', or time mlp alone with --against none")
    return options


def positive(flag, value):
    """Return a whole number of at least 1."""
    if not str(value).isdigit() or int(value) < 1:
        raise ConfigurationError(f"{flag} must be whole numbers of at least 1, got {value!r}")
    return int(value)


class Worker:
    """A process that takes a turn of one variant whenever it is told to."""

    def __init__(self, variant, net, batch, options):
        self.variant = variant
        command = [sys.executable, str(WORKER), variant, net, str(batch), str(options.threads), options.engine]
        command.append(options.measure)
        environment = dict(os.environ)
        if not options.keep_blas_environment:
            for name in BLAS_VARIABLES:
                environment.pop(name, None)
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in stop
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, **pipes, text=True, env=environment)

    def start(self):
        """Wait until it is ready, and let it warm up."""
        self.about = self.reply()
        for _ in range(WARM_UP):
            self.turn()

    def turn(self):
        """Return the seconds of one step, the mean of a turn."""
        time.sleep(PAUSE)
        with suppress(BrokenPipeError):  # it ended; reply says why
            print("turn", file=self.process.stdin, flush=True)
        reply = self.reply()
        self.peak_mb = reply["peak_mb"]
        return reply["seconds"]

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise MlpError(f"the process of {self.variant} ended:\n{self.errors.read()[-1500:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise MlpError(reply["error"])
        return reply

    def stop(self):
        """End the process."""
        self.process.communicate()  # closes its stdin, which ends its loop
        self.errors.close()


def measure(net, batch, options):
    """Return the seconds of every round by variant, and the workers, which have ended."""
    variants = ("ours", *(TORCH if options.against == "torch" else ()))
    if options.measure == "epoch":
        variants = ("ours", "epoch")
    times = {variant: [] for variant in variants}
    with ExitStack() as stack:
        workers = []
        for variant in variants:
            workers.append(Worker(variant, net, batch, options))
            stack.callback(workers[-1].stop)
        for worker in workers:
            worker.start()
        for _ in progress_bar(range(options.rounds), desc=f"{net}, batch {batch}", unit="round", leave=False):
            for worker in workers:
                times[worker.variant].append(worker.turn())
    return times, workers


def ratios(times, variant):
    """Return ours / theirs of every round."""
    return [ours / theirs for ours, theirs in zip(times["ours"], times[variant], strict=True)]


def record(net, batch, threads, times, workers):
    """Return the numbers of one comparison, as they stand in the JSON file: medians, and all seconds."""
    about = workers[0].about
    result = {"net": net, "batch": batch, "engine": about["engine"], "threads": threads, "blas": about["blas"]}
    result |= {"ours_s": median(times["ours"]), "ours_rss_mb": workers[0].peak_mb}
    for worker in workers[1:]:
        name = worker.variant.replace("torch ", "").lower()  # nchw, channels_last, epoch
        variant = worker.variant.replace(" ", "_").lower()
        result[f"{variant}_s"] = median(times[worker.variant])
        result[f"ratio_{name}"] = median(ratios(times, worker.variant))
        result["torch_rss_mb" if name == "nchw" else f"{variant}_rss_mb"] = worker.peak_mb
    return {**result, "rounds_s": times}


def header(workers):
    variants = [worker.variant for worker in workers]
    return ["net", "batch", *(f"{v}, s" for v in variants), *(f"ours / {v}" for v in variants[1:]), "peak MB"]


def row(net, batch, times, workers):
    seconds = [spread(values) for values in times.values()]
    against = [spread(ratios(times, worker.variant)) for worker in workers[1:]]
    return [net, str(batch), *seconds, *against, " / ".join(f"{worker.peak_mb:.0f}" for worker in workers)]


def spread(values):
    return f"{median(values):.3f} [{min(values):.3f}..{max(values):.3f}]"


def print_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
