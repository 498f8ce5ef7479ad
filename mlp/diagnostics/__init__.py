"""Looking into layers and networks: are the gradients right, and what flows through while they train?"""

from mlp.diagnostics.finite_differences import compare_gradients, relative_error
from mlp.diagnostics.gradient_check import check_layer, check_loss, check_model
from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.diagnostics.gradient_report import GradientReport
from mlp.diagnostics.statistics import (
    Activations,
    BatchNormStatistics,
    GradientSignal,
    UpdateRatio,
    all_statistics,
)

__all__ = [
    "Activations",
    "BatchNormStatistics",
    "GradientFlow",
    "GradientReport",
    "GradientSignal",
    "UpdateRatio",
    "all_statistics",
    "check_layer",
    "check_loss",
    "check_model",
    "compare_gradients",
    "relative_error",
]
