"""Shattered gradients: how alike the gradients of two images are, and what depth does to that.

    correlation   the cosine of the gradients of two images, at every unit of a network
    laws          what theory says of wide networks at their initial weights
    dense_nets    the networks of the theory, to measure the laws on

Reference: Balduzzi, Frean, Leary, Lewis, Ma and McWilliams, The shattered gradients problem, 2017.
"""

from mlp.diagnostics.shattering.correlation import Profile, gradient_correlation, mean_cosine
from mlp.diagnostics.shattering.dense_nets import (
    DENSE_NETS,
    dense_correlations,
    great_circle,
    input_gradients,
    layer_factors,
)
from mlp.diagnostics.shattering.laws import (
    feedforward_law,
    kappa0,
    kappa1,
    rectifier_law,
    residual_law,
    residual_norm_law,
)

__all__ = [
    "DENSE_NETS",
    "Profile",
    "dense_correlations",
    "feedforward_law",
    "gradient_correlation",
    "great_circle",
    "input_gradients",
    "kappa0",
    "kappa1",
    "layer_factors",
    "mean_cosine",
    "rectifier_law",
    "residual_law",
    "residual_norm_law",
]
