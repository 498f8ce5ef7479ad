"""The command `mlp data`, from a clone: see mlp/commands/data.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("data")
