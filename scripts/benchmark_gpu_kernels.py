"""Time every kernel of a training step on a GPU, and the whole step as a recorded graph."""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import time
from collections import Counter

from benchmark_gpu_worker import GPU, OurNet
from benchmark_shared import positive, print_header, print_row
from benchmark_worker import random_batch, settings

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import file_argument
from mlp.engine.cuda.gpu import PRECISIONS, WARM_UP, Program
from mlp.errors import MlpError
from mlp.files import write_json

DESCRIPTION = """\
Time every kernel of a training step on a GPU, and the whole step as a recorded graph.

Launches of the same kernel with the same grid and the same sizes are one row: how many there are in a step, and the
microseconds of one. A launch is timed in a graph that repeats it on the same numbers, which stay in the caches: this is
the least time that it can take. Compare the sum over the rows with the time of the whole step: the difference lies
between the kernels. Rows are printed, and --json is written, as soon as they are known.

Examples:
    python scripts/benchmark_gpu_kernels.py
    python scripts/benchmark_gpu_kernels.py --precision tf32 --json kernels.json
"""

IN_A_ROW = 20  # repetitions of a launch in its graph
HEADER = ("kernel", "blocks", "threads", "shared bytes", "in a step", "us each", "us in a step")


def main(arguments=None):
    options = parse(arguments)
    x, targets = random_batch(options.batch_size)
    net = OurNet("mlp cuda", options.precision, options.net, x, targets)
    for _ in range(WARM_UP + 1):
        net.step()
    (program,) = net.engine.programs.values()
    rows, whole = [], None
    print_header(HEADER)
    try:
        for launch, count in distinct(program.steps):
            us = 1e6 * seconds(net, Program(net.engine.gpu, [launch] * IN_A_ROW), options.repeats) / IN_A_ROW
            rows.append([launch.name, launch.grid, launch.threads, launch.shared, count, us])
            write(options, rows, whole)
            blocks = "x".join(map(str, launch.grid))
            sizes = (launch.name, blocks, str(launch.threads), str(launch.shared), str(count))
            print_row([*sizes, f"{us:.2f}", f"{us * count:.1f}"])
        whole = 1e3 * seconds(net, program, options.repeats)
    finally:
        write(options, rows, whole)
        kernels = sum(count * us for *_, count, us in rows) / 1e3
        step = "not measured" if whole is None else f"{whole:.3f} ms"
        print(f"{options.net}, {options.precision}: kernels {kernels:.3f} ms, the step as a graph {step}")
    return 0


def parse(arguments):
    """Return the options."""
    parser = CommandLine(DESCRIPTION)
    parser.add_argument("--net", default="vgg38_bn_rc", help="default vgg38_bn_rc")
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="default float32")
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="default 100")
    parser.add_argument("--repeats", type=int, default=10, help="runs of each graph that are timed (default 10)")
    parser.add_argument("--json", type=file_argument, metavar="FILE", help="write the numbers to FILE as well")
    options = parser.parse_args(arguments)
    try:
        settings(options.net)
        for name in ("batch_size", "repeats"):
            positive("--" + name.replace("_", "-"), str(getattr(options, name)))
    except MlpError as error:
        parser.error(str(error))
    return options


def distinct(launches):
    """Yield (launch, how many of the same kernel and sizes there are)."""
    first, counts = {}, Counter()
    for launch in launches:
        arguments = tuple(getattr(a, "shape", None) or (None if a is None else str(a)) for a in launch.args)
        key = launch.name, launch.grid, launch.threads, launch.shared, arguments
        first.setdefault(key, launch)
        counts[key] += 1
    for key, launch in first.items():
        yield launch, counts[key]


def seconds(net, program, repeats):
    """Return the seconds of one run of a program, when it has been recorded."""
    gpu = net.engine.gpu
    with gpu.working():
        for _ in range(WARM_UP + 1):
            program()
    net.wait()
    start = time.perf_counter()
    with gpu.working():
        for _ in range(repeats):
            program()
    net.wait()
    return (time.perf_counter() - start) / repeats


def write(options, rows, whole):
    """Write what is known to the JSON file."""
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        names = ("kernel", "blocks", "threads", "shared", "in_a_step", "us")
        kernels = [dict(zip(names, row, strict=True)) for row in rows]
        start = {"net": options.net, "precision": options.precision, "batch": options.batch_size, "device": GPU}
        write_json(options.json, start | {"step_ms": whole, "kernels": kernels})


if __name__ == "__main__":
    start(main)
