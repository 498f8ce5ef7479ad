"""Train a network and keep everything about the run in one folder.

    python scripts/train.py --model vgg08 --out runs/vgg08
    python scripts/train.py --model vgg38 --norm batch --residual --learning-rate 1e-2 --epochs 10 --out runs/best
    python scripts/train.py --model net.py:deep --out runs/deep         (a function in your own file, see --model)
    python scripts/train.py --dataset synthetic --epochs 3 --limit-train 2000 --out runs/try    (no data needed)
    python scripts/train.py --model vgg08 --find-lr             which learning rate? a picture and a suggestion, no run

You can interrupt it at any time (Ctrl-C, kill, power cut). Repeat the command with --resume: at most the epoch in
progress is lost, and the result is the same, bit for bit. The folder holds report.html (all of the run on one page),
config.json, metrics.csv, curves.png, the gradient flow as gradient_flow.npz and figures, two checkpoints, attempts.tsv
(when and where it ran, on what machine, and how it ended), and test.json once all epochs are done.

--statistics adds tables and figures of activations, gradients between layers, batch norm and updates. Like paths, it
can be switched on or off when you resume, and so can --log, --keep-weights and --smoothness: they change no number of
the run.

For job schedulers: the signal USR2 ends the run after the epoch in progress, with exit status 75. Exit status 73 means
that another process is writing to the folder; every other error is 2.
"""

import sys
from typing import Any

from mlp.checks import at_least, at_least_one, within
from mlp.commands.command_line import CommandLine, repeated_command, was_typed
from mlp.commands.shared.flags import add_data_flag, add_trust_flag
from mlp.commands.shared.paths import folder_argument
from mlp.diagnostics.learning_rate_range import RANGE_STEPS
from mlp.diagnostics.smoothness import Smoothness
from mlp.errors import ConfigurationError
from mlp.experiments.hooks import LOGS
from mlp.experiments.probes.learning_rates import search_for_run
from mlp.experiments.run import run
from mlp.experiments.settings.flags import add_flags, given_settings
from mlp.experiments.settings.naming import default_folder
from mlp.training.hooks import Hook, KeepWeights

OUTLIVES_READER = True
MOST_STEPS = 100_000  # of a search for a learning rate
OPTIONS = (  # flags that `run` has as arguments of the same names
    *("data_dir", "resume", "overwrite", "stretch_schedule", "stop_after", "download", "statistics", "threads"),
    *("log", "page", "trust_code"),
)


def main() -> int:
    arguments = make_train_parser().parse_args()
    given = given_settings(arguments)
    out = arguments.out or default_folder(given)
    if arguments.find_lr is not None:
        return find_rate(arguments, given, out)
    run(out, given, more_hooks=probes(arguments, out), **{name: getattr(arguments, name) for name in OPTIONS})
    return 0


def make_train_parser() -> CommandLine:
    parser = CommandLine(__doc__)
    add_flags(parser)
    paths = parser.add_argument_group("paths and interruptions")
    add = paths.add_argument
    add("--out", type=folder_argument, help="folder of the run (default: in runs/, named by its settings)")
    add_data_flag(paths)
    add("--download", action="store_true", help="download the data set if it is missing")
    add("--resume", action="store_true", help="continue the run in --out; settings may be left out")
    text = "with --resume and more --epochs: stretch a schedule that spans all epochs over the new number"
    add("--stretch-schedule", action="store_true", help=text)
    text = "start anew even if --out holds a run; that run is moved to OUT-old-1, -2 ..."
    add("--overwrite", action="store_true", help=text)
    add("--stop-after", type=int, metavar="N", help="stop after epoch N; the schedule still spans all")
    text = f"train no run, but try growing learning rates for {RANGE_STEPS} steps, draw the loss, and suggest one"
    add("--find-lr", type=int, nargs="?", const=RANGE_STEPS, metavar="STEPS", help=text)
    add("--threads", type=int, metavar="N", help="threads of the cpu engine (default: one per core)")
    add_trust_flag(paths)
    add_record_flags(parser)
    return parser


def add_record_flags(parser: CommandLine) -> None:
    """Add the flags that say what is recorded; they change no number of the run."""
    add = parser.add_argument_group("what is recorded").add_argument
    add("--statistics", action="store_true", help="also record and draw what flows between the layers")
    add("--keep-weights", action="store_true", help="keep the weights of every epoch, in OUT/weights/")
    text = "every N steps, measure how well the gradient predicts what is near"
    add("--smoothness", type=int, metavar="N", help=text)
    add("--covariate-shift", type=int, default=0, metavar="N", help="with --smoothness: covariate shift of N layers")
    text = "also write steps.csv, one line per step, or event files for `tensorboard --logdir runs` (needs "
    text += "`pip install tensorboardX tensorboard`)"
    add("--log", nargs="+", action="extend", choices=LOGS, default=[], help=text)
    add("--no-page", dest="page", action="store_false", help="do not write report.html")


def find_rate(arguments: Any, given: dict[str, Any], out: str) -> int:
    """Try learning rates for these settings, and say what was found."""
    if arguments.resume or arguments.overwrite:
        raise ConfigurationError("--find-lr trains no run: leave out --resume and --overwrite")
    steps = within("--find-lr", arguments.find_lr, 2, MOST_STEPS)
    options = {"steps": steps, "download": arguments.download, "threads": arguments.threads}
    search, written = search_for_run(out, given, arguments.data_dir, **options)
    rate = search.suggestion
    verb = "perhaps" if search.doubt else "try"
    print(search.reason if rate is None else f"{verb} --learning-rate {rate:g}: {search.reason}")
    if rate is None or search.doubt:
        why = f"too noisy or flat for a sure suggestion, {search.doubt}" if search.doubt else "there is no suggestion"
        print(f"note: {why}: look at the picture; --find-lr {2 * search.steps} makes it clearer")
    print("\n".join(f"written: {path}" for path in written))
    return 0


def probes(arguments: Any, out: str) -> list[Hook]:
    """Return the hooks that were asked for, in addition to those of every run."""
    hooks: list[Hook] = [KeepWeights(out)] if arguments.keep_weights else []
    layers = at_least("--covariate-shift", arguments.covariate_shift, 0)
    if arguments.smoothness is None:
        if layers:
            raise ConfigurationError("--covariate-shift is measured together with smoothness: add --smoothness 50, say")
        return hooks
    return [*hooks, Smoothness(at_least_one("--smoothness", arguments.smoothness), out, layers=layers)]


def after_interrupt() -> str:
    if any(was_typed("--find-lr", word) for word in sys.argv[1:]):
        return "repeat the command"  # it trains no run that could be continued
    return f"to continue, {repeated_command('--resume', without='--overwrite')}"
