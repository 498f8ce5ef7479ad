"""The command `mlp train`, from a clone: see mlp/commands/train.py."""

import sys

from mlp.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
