"""Figures: histories and tables in, Matplotlib `Figure` objects out.

Nothing here uses pyplot, whose figures are global: the lines of one run could end up in the picture of another. A
notebook shows the figure that a function returns, and `figure.savefig(path)` writes it. Functions with an argument
`axes` draw there. Matplotlib is loaded when the first of these functions is named.
"""

from typing import TYPE_CHECKING

from mlp.on_demand import loaded_on_demand

if TYPE_CHECKING:  # what `__getattr__` finds, for editors and mypy
    from matplotlib.figure import Figure

    from mlp.plotting.basics import bars, histograms, lines
    from mlp.plotting.comparison import compare_curves, compare_gradient_flow
    from mlp.plotting.history import curves, story
    from mlp.plotting.landscape import contour_panels, loss_lines, surface_panels
    from mlp.plotting.layers import gradient_flow, gradient_flow_map, layer_statistics
    from mlp.plotting.live import LiveCurves
    from mlp.plotting.panels import curve_panels, flow_panels, seed_panels
    from mlp.plotting.pictures import confusion_matrix, images, predictions
    from mlp.plotting.scene import scene_maps
    from mlp.plotting.schedules import rate_search, schedule
    from mlp.plotting.smoothness import correlation_profiles, laws_and_measurements, shift_panels, smoothness_panels
    from mlp.plotting.sweeps import sweep
    from mlp.plotting.valleys import valley

HOMES = {  # module -> the names that are loaded from it when one is asked for
    "basics": ("Figure", "bars", "histograms", "lines"),
    "comparison": ("compare_curves", "compare_gradient_flow"),
    "history": ("curves", "story"),
    "landscape": ("contour_panels", "loss_lines", "surface_panels"),
    "layers": ("gradient_flow", "gradient_flow_map", "layer_statistics"),
    "live": ("LiveCurves",),
    "panels": ("curve_panels", "flow_panels", "seed_panels"),
    "pictures": ("confusion_matrix", "images", "predictions"),
    "scene": ("scene_maps",),
    "schedules": ("rate_search", "schedule"),
    "smoothness": ("correlation_profiles", "laws_and_measurements", "shift_panels", "smoothness_panels"),
    "sweeps": ("sweep",),
    "valleys": ("valley",),
}

FORMATS = (".png", ".pdf", ".svg")  # of files with figures

__all__ = [
    "FORMATS",
    "Figure",
    "LiveCurves",
    "bars",
    "compare_curves",
    "compare_gradient_flow",
    "confusion_matrix",
    "contour_panels",
    "correlation_profiles",
    "curve_panels",
    "curves",
    "flow_panels",
    "gradient_flow",
    "gradient_flow_map",
    "histograms",
    "images",
    "laws_and_measurements",
    "layer_statistics",
    "lines",
    "loss_lines",
    "predictions",
    "rate_search",
    "scene_maps",
    "schedule",
    "seed_panels",
    "shift_panels",
    "smoothness_panels",
    "story",
    "surface_panels",
    "sweep",
    "valley",
]


__getattr__ = loaded_on_demand(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
