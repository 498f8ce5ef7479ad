"""The command `mlp smoothness`, from a clone: see mlp/commands/smoothness.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("smoothness")
