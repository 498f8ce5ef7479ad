"""`python -m mlp train ...` is `mlp train ...`."""

from mlp.commands.shared.begin import start


def main() -> None:
    """The command `mlp`."""
    start("shared.main")


if __name__ == "__main__":
    main()
