"""`python -m mlp train ...` is `mlp train ...`."""

from typing import NoReturn

from mlp.commands.command_line import start


def main() -> NoReturn:
    """The command `mlp`."""
    start("shared.main")


if __name__ == "__main__":
    main()
