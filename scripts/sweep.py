"""The command `mlp sweep`, from a clone: see mlp/commands/sweep.py."""

import sys

from mlp.commands.sweep import main

if __name__ == "__main__":
    sys.exit(main())
