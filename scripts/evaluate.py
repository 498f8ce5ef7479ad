"""The command `mlp evaluate`, from a clone: see mlp/commands/evaluate.py."""

import sys

from mlp.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
