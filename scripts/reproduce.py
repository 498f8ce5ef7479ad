"""The command `mlp reproduce`, from a clone: see mlp/commands/reproduce.py."""

from mlp.commands.command_line import start

if __name__ == "__main__":
    start("reproduce")
