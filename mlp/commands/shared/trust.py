"""The flag that lets a command run code which the folder of a run names."""

from argparse import _ActionsContainer


def add_trust_flag(parser: _ActionsContainer) -> None:
    """Add --trust-code."""
    parser.add_argument(
        "--trust-code", action="store_true", help="run the file of a run's own model, FILE.py, which its folder names"
    )
