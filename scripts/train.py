"""The command `mlp train`, from a clone: see mlp/commands/train.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("train")
