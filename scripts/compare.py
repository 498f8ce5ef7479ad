"""The command `mlp compare`, from a clone: see mlp/commands/compare.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("compare")
