"""The command `mlp predict`, from a clone: see mlp/commands/predict.py."""

import sys

from mlp.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
