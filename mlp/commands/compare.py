"""Compare runs: a table, curves, and gradient flow, on shared scales.

    python scripts/compare.py runs/vgg08 runs/vgg38 runs/best --out runs/comparison

Runs that differ only in the seed are shown as mean and standard deviation. You can also compare unfinished runs and
kept results. The folder of a sweep stands for the runs in it. A run that is missing or damaged is left out: the table
says so, and the exit status is 2. Other folders are left out with a note, so you can write `runs/*`.

Below the table are the settings that differ, and a warning if the runs have different images or classes. Without --out,
the same runs are compared in the same folder again, and others get a new one: runs/comparison-2, -3 ...
"""

from mlp.commands.command_line import CommandLine, mention_left_out
from mlp.commands.shared.flags import add_runs_argument, named_runs
from mlp.commands.shared.paths import folder_argument, require_no_other_files
from mlp.experiments.comparison import (
    CURVES,
    FLOWS,
    TABLE,
    USUAL,
    is_comparison,
    read_runs,
    usual_folder,
    write_comparison,
)


def main() -> int:
    parser = CommandLine(__doc__)
    add_runs_argument(parser)
    text = f"where to write; what is there is replaced (default: {USUAL}, or {USUAL}-2, -3 ... for other runs)"
    parser.add_argument("--out", type=folder_argument, metavar="DIR", help=text)
    arguments = parser.parse_args()
    others = [path for path in arguments.runs if not is_comparison(path)]
    runs = named_runs(others or arguments.runs)
    out = arguments.out or usual_folder(runs)
    if not is_comparison(out):
        require_no_other_files(out, (TABLE, CURVES, FLOWS))
    records, problems = read_runs(runs)
    table, written = write_comparison(records, problems, runs, out)
    print(table)
    print("\n".join(f"written: {path}" for path in written))
    return mention_left_out(problems)
