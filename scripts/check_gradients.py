"""The command `mlp check`, from a clone: see mlp/commands/check.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("check")
