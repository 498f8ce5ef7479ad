"""Compare runs: a table, curves, and gradient flow, on shared scales.

    python scripts/compare.py runs/vgg08 runs/vgg38 runs/best --out runs/comparison

Runs that differ only in the seed are shown as mean and standard deviation. You can also compare unfinished runs and
kept results.
"""

from mlp.commands.command_line import CommandLine, path_argument
from mlp.experiments.comparison import compare_runs


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=path_argument, help="the folder of a run")
    parser.add_argument(
        "--out", type=path_argument, default="runs/comparison", help="where to write (default: runs/comparison)"
    )
    arguments = parser.parse_args()
    table, written = compare_runs(arguments.runs, arguments.out)
    print(table)
    print("\n".join(f"written: {path}" for path in written))
    return 0
