"""Looking into layers and networks: are the gradients right?"""

from mlp.diagnostics.finite_differences import compare_gradients, relative_error
from mlp.diagnostics.gradient_check import check_layer, check_loss, check_model
from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.diagnostics.gradient_report import GradientReport

__all__ = [
    "GradientFlow",
    "GradientReport",
    "check_layer",
    "check_loss",
    "check_model",
    "compare_gradients",
    "relative_error",
]
