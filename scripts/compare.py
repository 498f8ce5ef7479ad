"""The command `mlp compare`, from a clone: see mlp/commands/compare.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("compare")
