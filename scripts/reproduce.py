"""The command `mlp reproduce`, from a clone: see mlp/commands/reproduce.py."""

import sys

from mlp.commands.reproduce import main

if __name__ == "__main__":
    sys.exit(main())
