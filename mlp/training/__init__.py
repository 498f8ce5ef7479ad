"""The training loop, its hooks, and checkpoints from which it continues exactly."""

from mlp.checks import names_elsewhere
from mlp.training.checkpoint import load_checkpoint, load_model, save_checkpoint
from mlp.training.history import History
from mlp.training.hooks import (
    Checkpoint,
    CsvLog,
    EarlyStop,
    Evaluate,
    Hook,
    Progress,
    StepLog,
    StopOnNonFinite,
    TensorBoardLog,
    evaluate,
)
from mlp.training.layer_table import LayerTable
from mlp.training.trainer import Trainer

__all__ = [
    "Checkpoint",
    "CsvLog",
    "EarlyStop",
    "Evaluate",
    "History",
    "Hook",
    "LayerTable",
    "Progress",
    "StepLog",
    "StopOnNonFinite",
    "TensorBoardLog",
    "Trainer",
    "evaluate",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
]

__getattr__ = names_elsewhere(
    __name__,
    {
        "Callback": "Hook",
        "ModelCheckpoint": "Checkpoint",
        "EarlyStopping": "EarlyStop",
        "SummaryWriter": "TensorBoardLog",
        "TensorBoard": "TensorBoardLog",
        "Optimiser": "Trainer",
        "Optimizer": "mlp.learning_rules.LearningRule",
        "DataLoader": "mlp.data.Batches",
    },
)
