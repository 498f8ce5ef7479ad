"""What happens around the steps: `base` has the moments, each other file one hook."""

from mlp.training.hooks.base import Hook
from mlp.training.hooks.checkpoint import Checkpoint
from mlp.training.hooks.companion_log import CompanionLog
from mlp.training.hooks.csv_log import CsvLog
from mlp.training.hooks.early_stop import EarlyStop
from mlp.training.hooks.evaluate import Evaluate, evaluate
from mlp.training.hooks.keep_weights import KeepWeights
from mlp.training.hooks.peak_memory import PeakMemory
from mlp.training.hooks.progress import Progress
from mlp.training.hooks.step_log import StepLog
from mlp.training.hooks.stop_on_non_finite import StopOnNonFinite
from mlp.training.hooks.stop_on_signal import StopOnSignal
from mlp.training.hooks.tensorboard_log import TensorBoardLog

__all__ = [
    "Checkpoint",
    "CompanionLog",
    "CsvLog",
    "EarlyStop",
    "Evaluate",
    "Hook",
    "KeepWeights",
    "PeakMemory",
    "Progress",
    "StepLog",
    "StopOnNonFinite",
    "StopOnSignal",
    "TensorBoardLog",
    "evaluate",
]
