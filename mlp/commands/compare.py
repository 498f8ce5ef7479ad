"""Compare runs: a table, curves, and gradient flow, on shared scales.

    python scripts/compare.py runs/vgg08 runs/vgg38 runs/best --out runs/comparison

Runs that differ only in the seed are shown as mean and standard deviation. You can also compare unfinished runs and
kept results. The folder of a sweep stands for the runs in it. A run that is missing or damaged is left out: the table
says so, and the exit status is 2. Other folders are left out with a note, so you can write `runs/*`.
"""

from mlp.commands.command_line import CommandLine, mention_left_out
from mlp.commands.shared.flags import add_runs_argument, named_runs
from mlp.commands.shared.paths import folder_argument, output_folder
from mlp.experiments.comparison import CURVES, FLOWS, TABLE, is_comparison, read_runs, write_comparison


def main() -> int:
    parser = CommandLine(__doc__)
    add_runs_argument(parser)
    parser.add_argument(
        "--out", type=folder_argument, default="runs/comparison", help="where to write (default: runs/comparison)"
    )
    arguments = parser.parse_args()
    if not is_comparison(arguments.out):
        output_folder(arguments.out, (TABLE, CURVES, FLOWS))
    others = [path for path in arguments.runs if not is_comparison(path)]
    records, problems = read_runs(named_runs(others or arguments.runs))
    table, written = write_comparison(records, problems, arguments.out)
    print(table)
    print("\n".join(f"written: {path}" for path in written))
    return mention_left_out(problems)
