"""While a network trains, measure how well the gradient predicts the loss and the gradient nearby; or draw the results.

    python scripts/smoothness.py --model vgg08 --epochs 2 --every 50 --out runs/smooth
    python scripts/smoothness.py --model vgg08 --norm batch --epochs 2 --every 50 --out runs/smooth-bn
    python scripts/smoothness.py runs/smooth runs/smooth-bn               draw both in one figure

With RUN folders it draws them. Without, it trains as scripts/train.py does, with the same flags and the same results.
It writes smoothness.csv, .npz and .png into the run's folder, and shift.png with --covariate-shift. You can interrupt
it at any time; repeat the command with --resume.
"""

from pathlib import Path
from typing import Any

from mlp.checks import at_least, at_least_one
from mlp.commands.command_line import CommandLine, mention_left_out, repeated_command
from mlp.commands.shared.flags import add_data_flag, add_runs_argument, add_trust_flag, braced, named_runs
from mlp.commands.shared.paths import folder_argument, require_no_other_files, usual_path
from mlp.commands.shared.pictures import show_picture
from mlp.diagnostics.smoothness import DIRECTIONS, Smoothness, SmoothnessRecord
from mlp.errors import ConfigurationError, each_of
from mlp.experiments.probes.images import label_of
from mlp.experiments.probes.smoothness import draw_shift, draw_smoothness, summary
from mlp.experiments.run import run
from mlp.experiments.settings.flags import add_flags, given_settings
from mlp.experiments.settings.naming import named_apart
from mlp.pages.markdown import aligned

OUTLIVES_READER = True
PICTURES = ("smoothness.png", "shift.png")


def main() -> int:
    parser = CommandLine(__doc__)
    add_runs_argument(parser, "*", "draw instead of training: the folder of a run")
    add_flags(parser)
    probe = parser.add_argument_group("the probe, paths and interruptions")
    add = probe.add_argument
    add("--every", type=int, default=50, metavar="N", help="steps between measurements (default: 50)")
    text = "direction of the points that are measured (default: gradient)"
    add("--direction", default="gradient", metavar=braced(DIRECTIONS), help=text)
    text = "also measure covariate shift of N layers (default: 0, off)"
    add("--covariate-shift", type=int, default=0, metavar="N", help=text)
    add("--out", type=folder_argument, help="folder for the run, or for the figures")
    add_data_flag(probe)
    add("--resume", action="store_true", help="continue the run in --out")
    add_trust_flag(probe)
    add("--stop-after", type=int, metavar="N", help="stop after epoch N")
    add("--threads", type=int, metavar="N", help="threads of the cpu engine (default: one per core)")
    arguments = parser.parse_args()
    if arguments.runs:
        return draw_runs(arguments)
    train(arguments)
    return 0


def after_interrupt() -> str:
    return f"to continue, {repeated_command('--resume')}"


def draw_runs(arguments: Any) -> int:
    """Draw the runs that were named; return the exit status."""
    if given := given_settings(arguments):
        names = ", ".join(given)
        raise ConfigurationError(f"folders of runs are only drawn: leave out {names}, or the folders, to train")
    runs, out = named_runs(arguments.runs), arguments.out or usual_path(folder_argument, "runs/smoothness")
    if [Path(run).resolve() for run in runs] != [out.resolve()]:  # the pictures in a run's folder are its own
        require_no_other_files(out, PICTURES)
    records, problems = each_of(runs, lambda run: (label_of(run), SmoothnessRecord.read(run)))
    if records:
        draw(named_apart(records), out)
    return mention_left_out(problems)


def train(arguments: Any) -> None:
    """Train a run with the probe and draw what it found."""
    given = given_settings(arguments)
    out = arguments.out or f"runs/smooth-{given.get('model', 'vgg08').rpartition(':')[2]}"
    names = ("data_dir", "resume", "stop_after", "threads", "trust_code")
    options = {name: getattr(arguments, name) for name in names}
    every = at_least_one("--every", arguments.every)
    probe = Smoothness(every, out, arguments.direction, at_least("--covariate-shift", arguments.covariate_shift, 0))
    run(out, given, more_hooks=[probe], **options)
    draw({label_of(out): SmoothnessRecord.read(out)}, Path(out))


def draw(records: dict[str, SmoothnessRecord], out: Path) -> None:
    """Draw runs on shared axes, and print a table of their means over the measured steps."""
    print(aligned(summary(records), "<" + ">" * 8))
    show_picture(out / PICTURES[0], draw_smoothness(records))
    if any(record.shifts for record in records.values()):
        show_picture(out / PICTURES[1], draw_shift(records))
