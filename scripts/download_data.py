"""The command `mlp data`, from a clone: see mlp/commands/data.py."""

import sys

from mlp.commands.data import main

if __name__ == "__main__":
    sys.exit(main())
