"""Time a training step of mlp on a GPU beside the same step in PyTorch."""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

# ruff: noqa: E402

import time

STARTED = time.monotonic()  # before anything slow: --time-limit is for the whole program

import importlib.util
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmark_shared import add_flags, check_flags, print_header, print_row, spread
from benchmark_turns import PunctualWorker

from mlp.commands.command_line import CommandLine
from mlp.engine.cuda.gpu import PRECISIONS
from mlp.files import write_json
from mlp.machine.cuda_devices import gpu_problem, list_gpus

DESCRIPTION = """\
Time a training step of mlp on a GPU beside the same step in PyTorch.

A step is forward, loss, backward and Adam's update for one batch of random 32 x 32 images, 100 classes. Images and
labels are on the GPU, nothing is read back, and the clock stops when the GPU has done all steps of a turn.

Precision: "float32" is float32 in every product (mlp makes it of three TF32 products, PyTorch has TF32 switched off);
"tf32" lets the tensor cores round the factors of products to 10 bits (PyTorch: TF32 for convolutions and matrices).
cuDNN chooses its algorithms by trying them (cudnn.benchmark). "eager" is PyTorch as its users run it; "compile" is
torch.compile with its defaults; "graph" records the whole step, with its update, as a CUDA graph.

Each variant is a process of its own. They run in groups: float32, tf32, and at the end what must be compiled, which
takes longest to get ready. mlp's cuda engine is in each group, and all take turns of about 0.15 seconds. The table
gives median and range over the rounds, and the median of the ratio within a round: mlp's cuda engine against PyTorch
at the same precision.

After each round its times are printed, and --json is written anew; after each group its rows of the table are printed.
If the time is up, or after Ctrl-C, the rounds so far count. The table says why something could not be measured.

Examples:
    python scripts/benchmark_gpu.py                                           # about five minutes
    python scripts/benchmark_gpu.py --nets vgg38_bn_rc --against none         # mlp alone
    python scripts/benchmark_gpu.py --time-limit 200 --json gpu.json          # whatever is ready within 200 seconds
"""

NETS = "vgg38_bn_rc,vgg08_bn"
WORKER = Path(__file__).resolve().with_name("benchmark_gpu_worker.py")
OURS = "mlp cuda"
EAGER = ("torch eager", "torch eager channels_last", "torch graph", "torch graph channels_last")
COMPILED = ("torch compile", "torch compile graph")
MINE = [(OURS, "float32"), (OURS, "tf32"), ("mlp textbook", "float32")]
AGAINST = {"none": (), "eager": EAGER, "torch": EAGER + COMPILED}  # --against
VARIANTS = MINE + [(variant, precision) for precision in PRECISIONS for variant in AGAINST["torch"]]
WARM_UP = 2  # turns that are not counted: in them algorithms are chosen and graphs recorded
READY = 0.5  # of the remaining time: the processes of a group must be ready by then; those of the last may take longer
TURN = 0.4  # seconds that a turn takes, with what comes between turns
HEADER = ("net", "variant", "precision", "ms a step", "images/s", f"{OURS} / it")


def main(arguments=None, started=None):
    options = parse(arguments)
    options.deadline = (time.monotonic() if started is None else started) + options.time_limit
    reasons = {"mlp": gpu_problem(), "torch": torch_problem(options)}
    if reasons["mlp"] is None:
        gpu = list_gpus()[0]
        print(f"{gpu.name}, driver for CUDA {gpu.driver}, CuPy with CUDA {gpu.runtime}; batch {options.batch_size}")
    results = Results(reasons, options)
    print_header(HEADER)
    try:
        *before, last = groups(options.against)
        for group in before:
            measure(group, results, reasons, options)
        measure(last, results, reasons, options, last=True)
    finally:  # after Ctrl-C, too
        results.print_rest("it was interrupted before.")
    return 0


def parse(arguments):
    """Return the options; exits with a message and status 2 if one makes no sense."""
    parser = CommandLine(DESCRIPTION)
    parser.add_argument("--against", choices=AGAINST, default="torch", help="what to compare with (default torch)")
    add_flags(parser, NETS)
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="default 100")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each variant that are counted (default 8)")
    parser.add_argument("--time-limit", type=int, default=600, metavar="SECONDS", help="for everything (default 600)")
    where = "where PyTorch runs (default cuda:0); cpu is only for trying the script"
    parser.add_argument("--torch-device", choices=("cuda:0", "cpu"), default="cuda:0", help=where)
    options = parser.parse_args(arguments)
    check_flags(parser, options, ("batch_size", "rounds", "time_limit"))
    return options


def torch_problem(options):
    """Say in one sentence why PyTorch is not measured; None if it can be."""
    if options.against == "none":
        return "--against none."
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed."
    if options.torch_device == "cpu":
        return None
    ask = [sys.executable, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]
    try:
        left = max(1.0, options.deadline - time.monotonic())
        if subprocess.run(ask, check=False, capture_output=True, timeout=left).returncode:
            return "PyTorch sees no GPU (torch.cuda.is_available() is False)."
    except subprocess.TimeoutExpired:
        return "the time was up before PyTorch was imported."
    return None


def groups(against):
    """Return lists of variants; those of a list take turns."""
    if against == "none":
        return [MINE]
    found = []
    for precision in PRECISIONS:
        mine = [variant for variant in MINE if variant[1] == precision]
        found.append(mine + [(variant, precision) for variant in EAGER])
    compiled = [v for v in COMPILED if v in AGAINST[against]]
    if compiled:
        found.append([(v, precision) for precision in PRECISIONS for v in (OURS, *compiled)])
    return found


def measure(group, results, reasons, options, last=False):
    """Let the variants of a group take turns, and note their times. The last group leaves time for turns alone."""
    with ExitStack() as stack:
        workers = {}
        for variant, precision in group:
            if reasons[variant.partition(" ")[0]] is None:
                workers[variant, precision] = PunctualWorker(WORKER, variant, precision, options)
                stack.callback(workers[variant, precision].stop)
        now = time.monotonic()
        left = max(0.0, options.deadline - now)
        turns = TURN * len(workers) * len(options.nets) * (WARM_UP + options.rounds)
        ready = max(READY * left, left - turns) if last else READY * left
        for worker in workers.values():
            worker.get_ready(now + ready)
        for net in options.nets:
            try:
                for round_ in range(-WARM_UP, options.rounds):
                    for worker in workers.values():
                        worker.turn(net, options.deadline, round_)
                    results.note(net, round_, workers)
            finally:
                results.note(net, options.rounds, workers)
                results.print_rows(net, group)


class Results:
    """What has been measured, as it becomes known.

    Attributes:
        records: one for each net and variant, in the order of the table. "problem" says why there are no numbers;
            "ratio" is the median of ours / theirs over the rounds of its group, None if there is nothing to compare.
    """

    def __init__(self, reasons, options):
        self.batch, self.json, self.printed = options.batch_size, options.json, set()
        variants = [v for v in VARIANTS if v in MINE or v[0] in AGAINST[options.against]]
        self.records = {}
        for net in options.nets:
            for variant, precision in variants:
                start = {"net": net, "variant": variant, "precision": precision, "seconds": [], "ratio": None}
                self.records[net, variant, precision] = start | {"problem": reasons[variant.partition(" ")[0]]}
        self.write()

    def note(self, net, round_, workers):
        """Note what the workers have measured for a net up to a round, and print that round."""
        texts = []
        for (variant, precision), worker in workers.items():
            record, seconds = self.records[net, variant, precision], worker.seconds[net]
            if (net, variant, precision) in self.printed:
                continue  # it takes part again, so that others can be compared with it
            record["seconds"], record["problem"] = list(seconds.values()), worker.problems[net]
            ours = workers[OURS, precision].seconds[net] if (OURS, precision) in workers else {}
            both = [ours[r] / seconds[r] for r in seconds if r in ours]
            record["ratio"] = median(both) if both and variant != OURS else None
            if round_ in seconds:
                texts.append(f"{variant} {precision} {1e3 * seconds[round_]:.3f}")
        if texts:
            print(f"{net}, round {round_ + 1}, ms: {', '.join(texts)}", flush=True)
        self.write()

    def write(self):
        """Write all numbers to the JSON file."""
        if self.json:
            write_json(self.json, list(self.records.values()))

    def print_rows(self, net, group):
        """Print the rows of a group that have not been printed."""
        for variant, precision in group:
            key = net, variant, precision
            if key not in self.printed:
                self.printed.add(key)
                print_row(row(self.records[key], self.batch))

    def print_rest(self, reason):
        """Print the rows that are left, for which nothing was measured."""
        for key, record in self.records.items():
            if key not in self.printed:
                record["problem"] = record["problem"] or reason
                print_row(row(record, self.batch))
        self.write()


def row(record, batch):
    """Return the cells of one record."""
    start = [record["net"], record["variant"], record["precision"]]
    seconds = record["seconds"]
    if not seconds:
        return [*start, f"not measured: {record['problem'] or 'no round was over.'}", "", ""]
    ratio = "" if record["ratio"] is None else f"{record['ratio']:.2f}"
    return [*start, spread([1e3 * s for s in seconds]), f"{batch / median(seconds):,.0f}", ratio]


if __name__ == "__main__":
    start(lambda: main(started=STARTED))
