"""One run, one folder.

config.json              every setting, and the versions that ran it
metrics.csv              a row an epoch
gradient_flow.npz        gradient statistics per epoch and layer
checkpoint-latest.npz    to resume from           checkpoint-best.npz    highest validation accuracy
test.json                loss and accuracy on the test images, with the best weights
curves.png, gradient_flow*.png
"""

import json
import platform
from pathlib import Path

import numpy as np

import mlp
from mlp.errors import CheckpointError, MlpError
from mlp.experiments.config import RunConfig
from mlp.files import write_json


class RunFolder:
    """The folder of a run; making one writes nothing."""

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    @property
    def latest(self):
        """Path of the checkpoint to resume from."""
        return self / "checkpoint-latest.npz"

    @property
    def best(self):
        """Path of the checkpoint with the highest validation accuracy."""
        return self / "checkpoint-best.npz"

    def stored_settings(self):
        """Return the settings in config.json; None if there is no such file.

        Raises:
            CheckpointError: the file is no configuration of a run.
        """
        try:
            settings = json.loads((self / "config.json").read_text(encoding="utf-8"))["settings"]
            return RunConfig(**settings).as_dict()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, MlpError) as error:
            raise CheckpointError(f"{self / 'config.json'} is damaged: {error}") from None

    def open(self, given, resume):
        """Prepare the folder for a run and return the run's RunConfig.

        Args:
            given: the settings that were asked for, a dict; all others have their defaults, or, in a resume,
                the values of the run that is resumed.
            resume: whether to go on with the run in the folder. In a folder without one a new run starts.

        Raises:
            CheckpointError: there is a run already and resume is not set, or it has other settings.
        """
        stored = self.stored_settings()
        different = {name: value for name, value in given.items() if stored is not None and stored[name] != value}
        if different:
            lines = [f"  {name}: {stored[name]!r} there, {value!r} here" for name, value in different.items()]
            raise CheckpointError(
                f"{self.path} holds a run with another configuration; leave these settings out, "
                "or choose another --out:\n" + "\n".join(lines)
            )
        if stored is not None and not resume:
            raise CheckpointError(
                f"{self.path} holds a run already: add --resume to go on with it, or choose another --out"
            )
        if stored is None and self.latest.exists():
            raise CheckpointError(f"{self.path} has a checkpoint but no config.json: choose another --out")
        config = RunConfig(**{**(stored or {}), **given})
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path} is a file: --out must name a folder")
        return config

    def write_config(self, config):
        """Make the folder, and write config.json unless it is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self / "config.json").exists():
            versions = {"mlp": mlp.__version__, "python": platform.python_version(), "numpy": np.__version__}
            write_json(self / "config.json", {"settings": config.as_dict(), "versions": versions})
