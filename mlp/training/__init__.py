"""The training loop, what hangs on it, and checkpoints from which it goes on exactly."""

from mlp.training.checkpoint import load_checkpoint, load_model, save_checkpoint
from mlp.training.history import History, LayerTable
from mlp.training.hooks import Checkpoint, CsvLog, Evaluate, Hook, Progress, StopOnNonFinite, evaluate
from mlp.training.trainer import Trainer

__all__ = [
    "Checkpoint",
    "CsvLog",
    "Evaluate",
    "History",
    "Hook",
    "LayerTable",
    "Progress",
    "StopOnNonFinite",
    "Trainer",
    "evaluate",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
]
