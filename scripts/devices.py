"""The command `mlp devices`, from a clone: see mlp/commands/devices.py."""

from mlp.commands.shared.begin import start

if __name__ == "__main__":
    start("devices")
