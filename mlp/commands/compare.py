"""Compare runs: a table, curves, and gradient flow, on shared scales.

    python scripts/compare.py runs/vgg08 runs/vgg38 runs/best --out runs/comparison

Runs that differ only in the seed are shown as mean and standard deviation. You can also compare unfinished runs and
kept results. A folder that cannot be read is left out: the table says so, and the exit status is 2. Folders that hold
comparisons, such as runs/comparison, are left out silently, so you can write `runs/*`.
"""

import sys

from mlp.commands.command_line import CommandLine, one_line, path_argument, program
from mlp.errors import MlpError
from mlp.experiments.comparison import is_comparison, read_runs, write_comparison


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=path_argument, help="the folder of a run")
    parser.add_argument(
        "--out", type=path_argument, default="runs/comparison", help="where to write (default: runs/comparison)"
    )
    arguments = parser.parse_args()
    runs = [path for path in arguments.runs if not is_comparison(path)]
    records, problems = read_runs(runs or arguments.runs)
    table, written = write_comparison(records, problems, arguments.out)
    print(table)
    print("\n".join(f"written: {path}" for path in written))
    for problem in problems:
        print(one_line(f"{program()}: left out: {problem}"), file=sys.stderr)
    return MlpError.exit_status if problems else 0
