"""The command `mlp data`, from a clone: see mlp/commands/data.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("data")
