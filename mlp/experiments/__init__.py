"""Runs from settings to a folder of results."""

from mlp.experiments.config import RunConfig
from mlp.experiments.loading import LoadedRun, load_run
from mlp.experiments.run import run
from mlp.experiments.run_folder import RunFolder

__all__ = ["LoadedRun", "RunConfig", "RunFolder", "load_run", "run"]
