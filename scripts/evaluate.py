"""The command `mlp evaluate`, from a clone: see mlp/commands/evaluate.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("evaluate")
