"""The command `mlp check`, from a clone: see mlp/commands/check.py."""

import sys

from mlp.commands.check import main

if __name__ == "__main__":
    sys.exit(main())
