"""Flags that several commands have, with the same words."""

import math
import sys
from argparse import ArgumentTypeError, _ActionsContainer
from collections.abc import Iterable, Sequence

from mlp.commands.shared.paths import path_argument
from mlp.typing import PathLike


def number_argument(text: str) -> float:
    """The type of a flag that takes a number: nan and inf, which `float` takes, mean nothing to a command."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArgumentTypeError(f"expected a number, got {text!r}")
    return value


def add_data_flag(parser: _ActionsContainer, text: str = "folder with the data sets") -> None:
    """Add --data-dir."""
    parser.add_argument(
        "--data-dir", type=path_argument, metavar="DIR", help=f"{text} (default: MLP_DATA_DIR, else ./data)"
    )


def add_checkpoint_flag(parser: _ActionsContainer) -> None:
    """Add --checkpoint."""
    from mlp.experiments.loading import CHECKPOINTS  # imported here because most commands do not need it

    text = "which weights of a run (default: best)"
    parser.add_argument("--checkpoint", default="best", metavar=braced(CHECKPOINTS), help=text)


def braced(choices: Iterable[str]) -> str:
    """Return choices as a help shows them: {best,latest}."""
    return f"{{{','.join(choices)}}}"


def add_device_flag(parser: _ActionsContainer) -> None:
    """Add --device, for a model of a run."""
    parser.add_argument("--device", help="cpu, or cuda:0 for a GPU (default: that of the run)")


def add_trust_flag(parser: _ActionsContainer) -> None:
    """Add --trust-code, which lets a command run code that the folder of a run names."""
    parser.add_argument(
        "--trust-code", action="store_true", help="run the Python file that a run names as its own model"
    )


def add_runs_argument(parser: _ActionsContainer, nargs: str = "+", text: str = "the folder of a run") -> None:
    """Add RUN ..., for `named_runs`."""
    parser.add_argument("runs", metavar="RUN", nargs=nargs, type=path_argument, help=f"{text}, or of a sweep")


def named_runs(paths: Sequence[PathLike]) -> list[PathLike]:
    """Return the runs that these folders are or hold, see `unfolded`; notes say what became of the other folders."""
    from mlp.experiments.run_folder import unfolded

    runs, notes = unfolded(paths)
    print("".join(f"note: {note}\n" for note in notes), file=sys.stderr, end="")
    return runs
