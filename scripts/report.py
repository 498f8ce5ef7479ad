"""The command `mlp report`, from a clone: see mlp/commands/report.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("report")
