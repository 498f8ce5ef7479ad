"""What `mlp sweep` and `mlp reproduce` share: flags for where to compute, doing the runs, showing their states."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mlp.backend import require_device
from mlp.checks import at_least_one
from mlp.commands.shared.flags import add_data_flag
from mlp.errors import ConfigurationError
from mlp.experiments.settings.fields import flag_of
from mlp.reproduction.cluster.states import states_of, text_of
from mlp.reproduction.cluster.submit import submit
from mlp.reproduction.cluster.wishes import Wishes
from mlp.reproduction.costs import estimate_runs, estimate_text
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.places import share_machine
from mlp.reproduction.queue import run_all
from mlp.reproduction.work import exit_status_of, summarize
from mlp.typing import PathLike

CLUSTERS = ("slurm",)
WISHES = ("time", "cores", "memory", "gpus", "partition", "sbatch", "margin", "runs_per_task")  # flags of a cluster
WATCH = 10  # seconds between two looks


def add_machine_flags(parser: ArgumentParser) -> None:
    """Add the flags that say where runs are computed."""
    add_data_flag(parser)
    add = parser.add_argument
    add("--jobs", type=int, metavar="N", help="runs at once, each on its own cores (default: 1; on a cluster: all)")
    text = "GPUs of this machine, one run on each: cuda:0 cuda:1"
    add("--devices", nargs="+", default=[], metavar="DEVICE", help=text)
    text = "measure a few steps of each network, print the cost of all runs, and run nothing"
    add("--estimate", action="store_true", help=text)
    add = parser.add_argument_group("on a cluster (limits are for one task, and a task does one run)").add_argument
    add("--cluster", choices=CLUSTERS, help="submit the runs instead of doing them here, and return")
    add("--time", metavar="T", help="time limit, such as 2:00:00 (default: the partition's)")
    add("--cores", type=int, metavar="N", help="cores, and threads (default: 1)")
    add("--memory", metavar="M", help="memory (default: 4G)")
    add("--gpus", type=int, metavar="N", help="GPUs (default: 1 if --device is a GPU, else 0)")
    add("--partition", metavar="NAME", help="partition (default: the cluster's)")
    text = "another option for sbatch: --sbatch=--constraint=x"
    add("--sbatch", action="append", metavar="OPTION", help=text)
    text = "seconds before the limit at which a run is asked to stop after its epoch"
    add("--margin", type=int, metavar="S", help=f"{text} (default: the longest epoch so far plus a minute)")
    add("--runs-per-task", type=int, metavar="N", help="runs of a task, one after another (default: 1)")
    add("--dry-run", action="store_true", help="print the script for sbatch, and submit nothing")


def do_runs(planned: Sequence[PlannedRun], root: Path, what: str, arguments: Namespace) -> int:
    """Do the runs that are not finished, here or on a cluster, and say what became of them; return the exit status.

    Args:
        what: describes the runs in the first line: "quick scale; synthetic images".
    """
    wanted = [*(name for name in WISHES if getattr(arguments, name) is not None), *["dry_run"] * arguments.dry_run]
    if wanted and not arguments.cluster:
        flags = ", ".join(map(flag_of, wanted))
        raise ConfigurationError(f"{flags} {'belong' if len(wanted) > 1 else 'belongs'} to --cluster slurm")
    if arguments.estimate:
        return estimate(planned, arguments)
    if arguments.cluster:
        return submit_runs(planned, root, what, arguments)
    for device in dict.fromkeys(arguments.devices or [run.settings.get("device", "cpu") for run in planned]):
        require_device(device)
    places = share_machine(arguments.jobs, arguments.devices)
    print(f"{what}; {len(planned)} runs, {len(places)} at once, in {root}", flush=True)
    outcomes = run_all(planned, root, places, arguments.data_dir)
    print(summarize(outcomes))
    failed = [f"failed: {outcome.folder}: {outcome.message}\n" for outcome in outcomes if outcome.status == "failed"]
    print("".join(failed), file=sys.stderr, end="")
    return exit_status_of(outcomes)


def estimate(planned: Sequence[PlannedRun], arguments: Namespace) -> int:
    """Print what all runs cost, also those that are finished; return the exit status."""
    costs = estimate_runs(planned, lambda line: print(line, flush=True))
    places = share_machine(arguments.jobs, arguments.devices)
    cores = wishes_of(planned, arguments).cores if arguments.cluster else len(places[0].cores)
    print(estimate_text(costs, len(places), cores))
    return 0


def submit_runs(planned: Sequence[PlannedRun], root: Path, what: str, arguments: Namespace) -> int:
    """Submit the runs that are neither finished nor queued; return the exit status."""
    if arguments.devices:
        raise ConfigurationError("--devices is for this machine: on a cluster, --gpus 1 --device cuda:0")
    wishes = wishes_of(planned, arguments)
    if wishes.gpus and not on_gpu(planned):
        print("note: --gpus without --device cuda:0: the runs will compute on the CPU", file=sys.stderr)
    print(f"{what}; {len(planned)} runs, in {root}", flush=True)
    print("\n".join(submit(planned, root, wishes, arguments.data_dir, dry_run=arguments.dry_run)))
    return 0


def wishes_of(planned: Sequence[PlannedRun], arguments: Namespace) -> Wishes:
    """Return what the flags ask of a cluster."""
    given = {name: getattr(arguments, name) for name in WISHES if getattr(arguments, name) is not None}
    given = {"gpus": int(on_gpu(planned)), "at_once": arguments.jobs, **given}
    return Wishes(**{**given, "sbatch": tuple(given.get("sbatch", ()))})


def on_gpu(planned: Sequence[PlannedRun]) -> bool:
    """Return whether some of the runs compute on a GPU."""
    return any(run.settings.get("device", "cpu") != "cpu" for run in planned)


def add_watch_flag(parser: ArgumentParser) -> None:
    """Add --watch."""
    text = f"look again every S seconds (default: {WATCH}) until all runs are finished or you press Ctrl-C"
    parser.add_argument("--watch", type=int, nargs="?", const=WATCH, metavar="S", help=text)


def show_states(root: PathLike, watch: int | None) -> int:
    """Print the states of a folder's runs, with `watch` every so many seconds; return the exit status."""
    if watch is not None:
        at_least_one("--watch", watch)
    while True:
        states, warnings = states_of(Path(root))
        if watch and sys.stdout.isatty():
            print("\033[H\033[J", end="")  # to the top of the terminal, and clear it
        print(text_of(states, warnings, Path(root)), flush=True)
        if not watch or all(state.word == "finished" for state in states):
            return 0
        print(f"{datetime.now():%H:%M:%S}, again in {watch} s", flush=True)
        time.sleep(watch)
