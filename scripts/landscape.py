"""The command `mlp landscape`, from a clone: see mlp/commands/landscape.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("landscape")
