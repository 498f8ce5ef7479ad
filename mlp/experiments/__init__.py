"""Runs from settings to a folder of results."""

from mlp.experiments.config import RunConfig
from mlp.experiments.run import run
from mlp.experiments.run_folder import RunFolder

__all__ = ["RunConfig", "RunFolder", "run"]
