"""Figures: histories and tables in, Matplotlib `Figure` objects out.

Nothing here touches pyplot, whose figures are global: one run's lines would end up in another run's picture. A
figure shows itself in a notebook, and `figure.savefig(path)` writes it. Functions with an `axes` argument draw there.
"""

from mlp.plotting.comparison import compare_curves, compare_gradient_flow
from mlp.plotting.history import curves, story
from mlp.plotting.layers import gradient_flow, gradient_flow_map, layer_statistics
from mlp.plotting.pictures import predictions
from mlp.plotting.schedules import schedule

FORMATS = (".png", ".pdf", ".svg")  # that figures can be written in

__all__ = [
    "FORMATS",
    "compare_curves",
    "compare_gradient_flow",
    "curves",
    "gradient_flow",
    "gradient_flow_map",
    "layer_statistics",
    "predictions",
    "schedule",
    "story",
]
