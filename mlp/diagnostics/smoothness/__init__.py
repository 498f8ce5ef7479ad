"""How well a gradient predicts the loss and the gradient nearby, while a network trains.

    nearby            loss and gradient along the gradient, or along the step of the learning rule, at one point
    covariate_shift   how much the gradient of a layer changes because the layers below it were updated
    recorder          the hook that measures both, every so many steps of a run
    record            what it found: tables over the steps, in files of their own

Reference: Santurkar, Tsipras, Ilyas and Madry, How does batch normalization help optimization?, 2018.
"""

from mlp.diagnostics.smoothness.covariate_shift import CovariateShift, covariate_shift, shift_layers
from mlp.diagnostics.smoothness.nearby import GRADIENT_SIZES, UPDATE_SIZES, Nearby, look_nearby, smoothness
from mlp.diagnostics.smoothness.record import SmoothnessRecord
from mlp.diagnostics.smoothness.recorder import DIRECTIONS, Smoothness

__all__ = [
    "DIRECTIONS",
    "GRADIENT_SIZES",
    "UPDATE_SIZES",
    "CovariateShift",
    "Nearby",
    "Smoothness",
    "SmoothnessRecord",
    "covariate_shift",
    "look_nearby",
    "shift_layers",
    "smoothness",
]
