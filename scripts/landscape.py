"""The command `mlp landscape`, from a clone: see mlp/commands/landscape.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("landscape")
