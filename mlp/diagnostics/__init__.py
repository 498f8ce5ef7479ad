"""Looking into layers and networks: are the gradients right, and what flows through while they train?

A part is loaded when it is first used, because most commands need only one of them.
"""

from typing import TYPE_CHECKING

from mlp.diagnostics.landscape import Landscape, landscape
from mlp.on_demand import loaded_on_demand

if TYPE_CHECKING:  # what `__getattr__` finds, for editors and mypy
    from mlp.diagnostics.examination import Examination, examine
    from mlp.diagnostics.gradient_flow import GradientFlow
    from mlp.diagnostics.gradients import gallery
    from mlp.diagnostics.gradients.check import check_functions, check_layer, check_model
    from mlp.diagnostics.gradients.diagnoses import Diagnosis
    from mlp.diagnostics.gradients.finite_differences import compare_gradients, relative_error
    from mlp.diagnostics.gradients.losses.check import check_loss
    from mlp.diagnostics.gradients.report import GradientReport
    from mlp.diagnostics.learning_rate_range import RateSearch, find_learning_rate
    from mlp.diagnostics.rules.check import check_rule
    from mlp.diagnostics.shattering import gradient_correlation
    from mlp.diagnostics.smoothness import Smoothness
    from mlp.diagnostics.statistics import Activations, BatchNormStatistics, GradientSignal, UpdateRatio, all_statistics
    from mlp.diagnostics.variance_shift import VarianceShift, expected_variance_ratio, measure_variance_shift

HOMES = {  # module -> the names that are loaded from it when one is asked for
    "examination": ("Examination", "examine"),
    "gradient_flow": ("GradientFlow",),
    "gradients.check": ("check_functions", "check_layer", "check_model"),
    "gradients.diagnoses": ("Diagnosis",),
    "gradients.gallery": (),
    "gradients.finite_differences": ("compare_gradients", "relative_error"),
    "gradients.losses.check": ("check_loss",),
    "gradients.report": ("GradientReport",),
    "learning_rate_range": ("RateSearch", "find_learning_rate"),
    "rules.check": ("check_rule",),
    "shattering": ("gradient_correlation",),
    "smoothness": ("Smoothness",),
    "statistics": ("Activations", "BatchNormStatistics", "GradientSignal", "UpdateRatio", "all_statistics"),
    "variance_shift": ("VarianceShift", "expected_variance_ratio", "measure_variance_shift"),
}

__all__ = [
    "Activations",
    "BatchNormStatistics",
    "Diagnosis",
    "Examination",
    "GradientFlow",
    "GradientReport",
    "GradientSignal",
    "Landscape",
    "RateSearch",
    "Smoothness",
    "UpdateRatio",
    "VarianceShift",
    "all_statistics",
    "check_functions",
    "check_layer",
    "check_loss",
    "check_model",
    "check_rule",
    "compare_gradients",
    "examine",
    "expected_variance_ratio",
    "find_learning_rate",
    "gallery",
    "gradient_correlation",
    "landscape",
    "measure_variance_shift",
    "relative_error",
]


__getattr__ = loaded_on_demand(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
