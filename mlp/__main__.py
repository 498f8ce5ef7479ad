"""`python -m mlp train ...` is `mlp train ...`."""

import sys

from mlp.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
