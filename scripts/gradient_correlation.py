"""The command `mlp gradient-correlation`, from a clone: see mlp/commands/gradient_correlation.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("gradient_correlation")
