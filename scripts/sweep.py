"""The command `mlp sweep`, from a clone: see mlp/commands/sweep.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("sweep")
