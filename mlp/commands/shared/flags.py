"""Flags that several commands have, with the same words."""

from argparse import _ActionsContainer

from mlp.commands.command_line import path_argument


def add_data_flag(parser: _ActionsContainer, text: str = "folder with the data sets") -> None:
    """Add --data-dir."""
    parser.add_argument(
        "--data-dir", type=path_argument, metavar="DIR", help=f"{text} (default: MLP_DATA_DIR, else ./data)"
    )


def add_checkpoint_flag(parser: _ActionsContainer) -> None:
    """Add --checkpoint."""
    from mlp.experiments.inference import CHECKPOINTS  # which most commands can do without

    names = " or ".join(CHECKPOINTS)
    parser.add_argument("--checkpoint", default="best", help=f"which weights of a run: {names} (default: best)")


def add_device_flag(parser: _ActionsContainer) -> None:
    """Add --device, for a model that is there already."""
    parser.add_argument("--device", help="cpu, or cuda:0 for a GPU (default: that of the run)")


def add_trust_flag(parser: _ActionsContainer) -> None:
    """Add --trust-code, which lets a command run code that the folder of a run names."""
    parser.add_argument(
        "--trust-code", action="store_true", help="run the Python file that a run names as its own model"
    )
