"""The command `mlp compare`, from a clone: see mlp/commands/compare.py."""

import sys

from mlp.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
