"""The command `mlp predict`, from a clone: see mlp/commands/predict.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("predict")
