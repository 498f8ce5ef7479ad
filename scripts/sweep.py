"""The command `mlp sweep`, from a clone: see mlp/commands/sweep.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("sweep")
