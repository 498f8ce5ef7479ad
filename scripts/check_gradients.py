"""The command `mlp check`, from a clone: see mlp/commands/check.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("check")
