"""The command `mlp devices`, from a clone: see mlp/commands/devices.py."""

import sys

from mlp.commands.devices import main

if __name__ == "__main__":
    sys.exit(main())
