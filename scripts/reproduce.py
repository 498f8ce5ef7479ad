"""The command `mlp reproduce`, from a clone: see mlp/commands/reproduce.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("reproduce")
