"""Train with every combination of some settings, and compare the results.

    python scripts/sweep.py --model vgg38 --learning-rate 1e-4 1e-3 --norm none batch --seed 0 1 2 --out runs/sweep
    python scripts/sweep.py --learning-rate 1e-3 1e-2 --batch-size 50 500 --zip          pairs instead of combinations
    python scripts/sweep.py --learning-rate 1e-5 1e-1 --dropout 0 0.5 --sample 20        20 draws from these ranges

Each run gets a folder like those of scripts/train.py, named after what varies. Repeat the command after Ctrl-C, a
failure or a power cut: finished runs are skipped, interrupted ones continue, and no run is done twice. At the end you
get a table with mean and standard deviation over the seeds (table.md), curves on shared axes (curves.png), and the
setting with the best validation accuracy.

On a cluster:

    python scripts/sweep.py ... --cluster slurm --time 2:00:00 --cores 4     submit what is not finished or queued
    python scripts/sweep.py status FOLDER [--watch]                          show the state of each run
    python scripts/sweep.py cancel FOLDER                                    take its runs out of the queue

The command returns at once. Repeat it to continue, and again at the end to get the table. status and cancel also work
for the folders of scripts/reproduce.py. Switches take yes and no: --residual yes no.
"""

import dataclasses
import sys
from argparse import SUPPRESS, Namespace

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.paths import folder_argument, path_argument
from mlp.commands.shared.running import add_machine_flags, add_watch_flag, do_runs, show_states
from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.experiments.settings.fields import kind_of
from mlp.experiments.settings.flags import flags_of, rule_name
from mlp.reproduction.cluster.states import cancel
from mlp.reproduction.index import RunIndex
from mlp.reproduction.sweep.grid import combine, draw_points, idle_lines, plan_sweep, read_values
from mlp.reproduction.sweep.results import write_results

OUT = "runs/sweep"


def sweep_command(arguments: Namespace) -> int:
    fields = dataclasses.fields(RunConfig)
    words = {f.name: getattr(arguments, f.name) for f in fields if hasattr(arguments, f.name)}
    if arguments.devices:
        words["device"] = ["cuda:0"]  # each run sees one GPU, which is its first
    values = {name: read_values(name, given) for name, given in words.items()}
    if arguments.zip and arguments.sample is not None:
        raise ConfigurationError("--zip pairs values up, --sample draws from them: choose one")
    if arguments.sample is None:
        settings = combine(values, zipped=arguments.zip)
    else:
        settings = draw_points(values, arguments.sample, arguments.sample_seed)
    planned, left_out = plan_sweep(settings, values)
    print("".join(f"{line}\n" for line in (*left_out, *idle_lines(planned))), end="")
    varied = [f"{len(chosen)} {name.replace('_', ' ')}s" for name, chosen in values.items() if len(chosen) > 1]
    root = arguments.out
    status = do_runs(planned, root, ", ".join(varied) or "nothing varies", arguments)
    if arguments.dry_run or arguments.estimate:
        return status
    text, written = write_results(planned, RunIndex(root))
    print("\n".join(["", text, *(f"written: {path}" for path in written)] if text else ["no results yet"]))
    return status


def make_sweep_parser() -> CommandLine:
    parser = CommandLine(__doc__)
    add = parser.add_argument
    add("--out", type=folder_argument, default=OUT, metavar="DIR", help=f"where the runs go (default: {OUT})")
    add("--zip", action="store_true", help="pair the values up instead of combining all with all")
    add("--sample", type=int, metavar="N", help="draw N settings at random; two numbers are the ends of a range")
    add("--sample-seed", type=int, default=0, metavar="N", help="seed of the draws (default: 0)")
    add_machine_flags(parser)
    settings = parser.add_argument_group("settings: see scripts/train.py --help; each takes several values")
    for f in dataclasses.fields(RunConfig):
        kind = kind_of(f)
        words, metavar = ("*", "yes|no") if kind is bool else ("+", kind.__name__.upper())
        read = rule_name if f.name == "learning_rule" else str
        settings.add_argument(*flags_of(f.name), dest=f.name, type=read, nargs=words, metavar=metavar, default=SUPPRESS)
    return parser


def make_folder_parser(word: str) -> CommandLine:
    """Return the parser of `sweep.py status` or `sweep.py cancel`."""
    texts = {"status": "Show the state of each run of a folder.", "cancel": "Cancel the queued runs of a folder."}
    parser = CommandLine(texts[word])
    parser.prog = f"{parser.prog} {word}"
    text = "folder of a sweep, or of scripts/reproduce.py: runs/reproduce/full"
    parser.add_argument("folder", type=path_argument, metavar="FOLDER", help=text)
    if word == "status":
        add_watch_flag(parser)
    return parser


def main() -> int:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word not in ("status", "cancel"):
        return sweep_command(make_sweep_parser().parse_args())
    arguments = make_folder_parser(word).parse_args(sys.argv[2:])
    if word == "status":
        return show_states(arguments.folder, arguments.watch)
    print(cancel(arguments.folder))
    return 0


def after_interrupt() -> str:
    asked = sys.argv[1:2] in (["status"], ["cancel"])
    return "" if asked else "repeat the command to continue; finished runs are skipped"
