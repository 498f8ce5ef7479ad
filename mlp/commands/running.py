"""What `mlp sweep` and `mlp reproduce run` share: the flags that say where runs are computed, and doing them there."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from mlp.backend import require_device
from mlp.commands.command_line import path_argument
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.queue import run_all, share_machine
from mlp.reproduction.work import exit_status_of, summarize


def add_machine_flags(parser: ArgumentParser) -> None:
    """Add the flags that say where runs are computed."""
    here = parser.add_argument_group("on this machine")
    here.add_argument("--jobs", type=int, metavar="N", help="runs at once, each on its own cores (default: 1)")
    here.add_argument(
        "--devices", nargs="+", default=[], metavar="DEVICE", help="GPUs, one run each at a time: cuda:0 cuda:1"
    )
    parser.add_argument(
        "--data-dir", type=path_argument, metavar="DIR", help="with the data sets (default: MLP_DATA_DIR, else ./data)"
    )


def do_runs(planned: Sequence[PlannedRun], root: Path, what: str, arguments: Namespace) -> int:
    """Do the runs that are not finished, and say what came of them; return the exit status.

    Args:
        what: the runs are, for the first line: "quick scale; synthetic images".
    """
    for device in dict.fromkeys(arguments.devices or [run.settings.get("device", "cpu") for run in planned]):
        require_device(device)
    places = share_machine(arguments.jobs, arguments.devices)
    print(f"{what}; {len(planned)} runs, {len(places)} at once, in {root}", flush=True)
    outcomes = run_all(planned, root, places, arguments.data_dir)
    print(summarize(outcomes))
    failed = [f"failed: {outcome.folder}: {outcome.message}" for outcome in outcomes if outcome.status == "failed"]
    print("\n".join(failed), file=sys.stderr, end="\n" if failed else "")
    return exit_status_of(outcomes)
