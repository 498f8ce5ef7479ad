"""Time a training step of mlp beside the same step in PyTorch, on the CPU."""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import importlib.util
import os
import sys
from functools import partial
from statistics import median

from benchmark_shared import add_flags, check_flags, print_header, print_row, spread
from benchmark_turns import BLAS_VARIABLES, py_spy, take_turns
from benchmark_worker import COMPETITORS

from mlp.commands.command_line import CommandLine
from mlp.engine.cpu.threads import usable_cores
from mlp.errors import MlpError
from mlp.files import write_json
from mlp.machine.processor import cpu_model

DESCRIPTION = """\
Time a training step of mlp beside the same step in PyTorch, on the CPU.

A step is forward, loss, backward and Adam's update for one batch of random 32 x 32 images, 100 classes, in float32.
PyTorch runs in the ways in which people use it, chosen with --competitors:

    nchw            eager, in its default memory layout
    channels_last   eager, in the layout that is faster on most processors
    fused_adam      channels_last, with the fused update: Adam(fused=True)
    bf16            channels_last, under autocast to bfloat16: a thousandth of float32's precision
    compile         torch.compile, default layout; not among the defaults, because compiling takes minutes for each net

Computers get slower and faster from minute to minute, so two numbers measured one after the other say little. Here
each variant is a process of its own, and they take turns: a step, or as many as fit into 0.3 seconds, one after the
other as in training. If the computer slows down, it slows all of them. Trust only the ratio within a round: the table
gives its median and its range over the rounds. Memory is the most that each process needed.

Nothing else may run meanwhile. If another program takes a core from one of two threads, the other thread waits for it;
a library whose threads meet often (such as PyTorch) can get ten times slower, and then the ratios are wrong, too.

Nets are called vgg<depth>[_dense|_ms][_bn][_rc][_f<filters>]: vgg08, vgg38_bn_rc (batch normalization and residual
connections), vgg38_dense_bn (blocks that concatenate), vgg38_ms_bn_rc (multi-scale blocks), vgg20_bn_f64 (64 filters;
32 without), ...

Examples:
    python scripts/benchmark.py --nets vgg38_bn_rc --batch-sizes 100          # about a minute
    python scripts/benchmark.py --json benchmark.json                         # all nets and sizes: half an hour
    python scripts/benchmark.py --against none --engine textbook              # without PyTorch
    python scripts/benchmark.py --measure evaluation                          # loss of a batch, without training
    python scripts/benchmark.py --measure epoch --nets vgg08                  # what data and statistics cost
    python scripts/benchmark.py --scaling --nets vgg38_bn_rc --batch-sizes 100
    python scripts/benchmark.py --nets vgg08_bn_f8,vgg08_bn_f128,vgg20_bn_f64 --batch-sizes 25,1024 \\
        --competitors nchw,channels_last,fused_adam,bf16,compile

With --measure epoch, 20 bare steps are timed beside an epoch of 20 steps as scripts/train.py runs it, with crops,
flips, metrics and gradient flow: the ratio says what part of the images per second of bare steps is left.

With --scaling a step is timed with 1, 2, 4, 8 and 16 threads, as far as there are cores, beside PyTorch in
channels_last with as many. Python lets only one thread of a process run Python code at a time, while the others compute
in NumPy or wait. If py-spy is installed (pip install py-spy), the table says for what part of the time each thread has
that lock.
"""

NETS = "vgg08,vgg08_bn,vgg38,vgg38_bn,vgg38_rc,vgg38_bn_rc"
DEFAULT_COMPETITORS = "nchw,channels_last,fused_adam,bf16"
MEASURES = ("step", "evaluation", "epoch")
THREADS = (1, 2, 4, 8, 16)  # of --scaling
BUSY = 0.5  # a load average above it means that other programs are running


def main(arguments=None):
    options = parse(arguments)
    print(f"{cpu_model()}, {os.cpu_count()} cores; {options.threads} threads; {options.rounds} rounds")
    load = os.getloadavg()[0]  # of the last minute
    if load > BUSY:
        print(
            f"benchmark.py: other programs are running (load {load:.1f}): these ratios prove nothing", file=sys.stderr
        )
    table = scaling_table if options.scaling else comparison_table
    records = []
    for record in table(options):
        records.append({**record, "load_before": load})
        if options.json:
            write_json(options.json, records)
    return 0


def parse(arguments):
    """Return the options; exits with a message and status 2 if one makes no sense."""
    parser = CommandLine(DESCRIPTION)
    parser.add_argument("--against", choices=("torch", "none"), default="torch", help="what to compare with")
    parser.add_argument(
        "--competitors",
        default=DEFAULT_COMPETITORS,
        metavar="A,B",
        help=f"of {', '.join(COMPETITORS)} (default {DEFAULT_COMPETITORS})",
    )
    parser.add_argument("--scaling", action="store_true", help="time a step with 1, 2, 4, 8, 16 threads")
    parser.add_argument("--measure", choices=MEASURES, default="step", help="what is timed (default step)")
    add_flags(parser, NETS)
    parser.add_argument("--batch-sizes", default="50,100,400", metavar="N,M", help="default 50,100,400")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each process that are counted (default 15)")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS and of PyTorch (default 2)")
    parser.add_argument("--engine", default="auto", help="how mlp computes: auto, textbook, ... (default auto)")
    parser.add_argument(
        "--keep-blas-environment",
        action="store_true",
        help=f"leave {' and '.join(BLAS_VARIABLES)} set: they choose OpenBLAS' kernels, often slow ones",
    )
    options = parser.parse_args(arguments)
    check_flags(parser, options, ("batch_sizes", "rounds", "threads"))
    options.batch_sizes = [int(size) for size in options.batch_sizes.split(",")]
    options.competitors = options.competitors.split(",")
    for name in options.competitors:
        if name not in COMPETITORS:
            parser.error(f"--competitors must be one of {', '.join(COMPETITORS)}, got {name!r}")
    if options.scaling and options.measure != "step":
        parser.error("--scaling times training steps: leave --measure out")
    if options.measure == "epoch":
        options.against = "none"
    if options.against == "torch" and importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is not installed: pip install -e '.[oracle]', or time mlp alone with --against none")
    return options


# --- beside PyTorch ---------------------------------------------------------------------------------------------------


def comparison_table(options):
    """Print a row for each net and batch size; yield its numbers."""
    first = True
    for net in options.nets:
        for batch in options.batch_sizes:
            kinds = [(variant, options.threads) for variant in variants(options)]
            seconds, workers = take_turns(kinds, net, batch, options)
            times = {worker.variant: values for worker, values in zip(workers, seconds, strict=True)}
            if first:
                print("\n".join(f"{worker.variant}: {worker.about['text']}" for worker in workers))
                print_header(header(workers))
                first = False
            print_row(row(net, batch, times, workers))
            yield record(net, batch, options.threads, times, workers)


def variants(options):
    """Return the variants that are timed, ours first."""
    if options.measure == "epoch":
        return ["ours", "epoch"]
    names = options.competitors if options.against == "torch" else []
    if options.measure == "evaluation":
        names = [name for name in names if name != "fused_adam"]  # nothing is updated
    return ["ours", *(COMPETITORS[name] for name in names)]


def ratios(times, variant):
    """Return ours / theirs of every round."""
    return [ours / theirs for ours, theirs in zip(times["ours"], times[variant], strict=True)]


def record(net, batch, threads, times, workers):
    """Return the numbers of one comparison for the JSON file: medians, and all seconds."""
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


# --- more threads -----------------------------------------------------------------------------------------------------


def scaling_table(options):
    """Print a row for each net, batch size and number of threads; yield the numbers of each net and batch size."""
    counts = [threads for threads in THREADS if threads <= usable_cores()]
    rival = [COMPETITORS["channels_last"]] if options.against == "torch" else []
    columns = ["net", "batch", "threads", "ours, s", "times faster", "lock held by a thread"]
    print_header([*columns, *(f"{name}, s" for name in rival), *(f"ours / {name}" for name in rival)])
    for net in options.nets:
        for batch in options.batch_sizes:
            shares = {}
            kinds = [(variant, threads) for threads in counts for variant in ("ours", *rival)]
            times, workers = take_turns(kinds, net, batch, options, partial(watch_lock, shares))
            seconds = {(w.variant, w.threads): values for w, values in zip(workers, times, strict=True)}
            rows = []
            for threads in counts:
                ours, slowest = seconds["ours", threads], seconds["ours", counts[0]]
                faster = [one / many for one, many in zip(slowest, ours, strict=True)]
                found = {"threads": threads, "ours_s": median(ours), "times_faster": median(faster)}
                found["lock_share"] = shares.get(threads)
                lock = "-" if shares.get(threads) is None else f"{100 * shares[threads]:.1f} %"
                cells = [net, str(batch), str(threads), spread(ours), spread(faster), lock]
                for name in rival:
                    theirs = seconds[name, threads]
                    ratio = [a / b for a, b in zip(ours, theirs, strict=True)]
                    cells += [spread(theirs), spread(ratio)]
                    found |= {"torch_channels_last_s": median(theirs), "ratio_channels_last": median(ratio)}
                print_row(cells)
                rows.append(found)
            about = workers[0].about
            yield {"net": net, "batch": batch, "engine": about["engine"], "blas": about["blas"], "scaling": rows}


def watch_lock(shares, workers):
    """Put into `shares`, {number of threads: part of the time that a thread has Python's lock}, what py-spy sees."""
    if py_spy() is None:
        return
    for worker in workers:
        if worker.variant == "ours":
            try:
                shares[worker.threads] = worker.lock_share()
            except MlpError as error:
                print(f"benchmark.py: {error}", file=sys.stderr)
                return


if __name__ == "__main__":
    start(main)
