"""Internal covariate shift: how much the gradient of a layer changes because the layers below it were updated.

Batch normalization was invented to reduce it; definition 2.1 of Santurkar et al. makes it a number. A step takes the
weights from W_1 .. W_k to W'_1 .. W'_k. For layer i

    G  = gradient of layer i's weight at (W_1,  ..., W_(i-1),  W_i, ..., W_k)          before the step
    G' = gradient of layer i's weight at (W'_1, ..., W'_(i-1), W_i, ..., W_k)          layers below i updated, no other

and the shift is |G - G'|, or the cosine of G and G': layer i took the step G although G' would have been right. A layer
is a convolution or an affine layer with its bias and the norm after it. Below the first layer there is none, so its
shift is 0, and its cosine 1.

If gradients vanish, the shift is small as well, so look at the cosine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlp.backend import to_numpy
from mlp.diagnostics.smoothness.nearby import cosine_of, move_to
from mlp.engine import Engine
from mlp.layers.parameter import FlatParameters
from mlp.typing import Array


@dataclass(frozen=True)
class CovariateShift:
    """What was found, for each chosen layer.

    Attributes:
        names: of the weights. norms: |G|. shifts: |G - G'|. cosines: of G and G'. All (layers,).
    """

    names: list[str]
    norms: Array
    shifts: Array
    cosines: Array


def shift_layers(flat: FlatParameters, most: int) -> list[int]:
    """Return the indices of the weights that begin a layer, in forward order: `most` at most, evenly spread."""
    weights = [i for i, parameter in enumerate(flat.parameters) if parameter.data.ndim > 1]
    if len(weights) <= most:
        return weights
    return [weights[round(k)] for k in np.linspace(0, len(weights) - 1, most)]


def covariate_shift(
    engine: Engine,
    flat: FlatParameters,
    batch: tuple[Array, Array],
    gradient: Array,
    after: Array,
    layers: Sequence[int],
) -> CovariateShift:
    """Return the CovariateShift of one step.

    Args:
        engine: bound to the model. batch: that of the step. gradient: before the step, (P,).
        flat: the parameters, with the weights before the step; this function moves them.
        after: all weights after the step, (P,). layers: from `shift_layers`; each costs a backward pass.
    """
    before = to_numpy(flat.data).astype(np.float64)
    names, norms, shifts, cosines = [], [], [], []
    for i in layers:
        start, size = int(flat.offsets[i]), flat.parameters[i].data.size
        move_to(flat, np.concatenate([after[:start], before[start:]]))
        loss = engine.gradients(*batch)
        old = gradient[start : start + size]  # G
        new = to_numpy(flat.grad)[start : start + size].astype(np.float64)  # G'
        if not np.isfinite(loss):
            new = np.full_like(new, np.nan)
        names.append(flat.parameters[i].name)
        norms.append(float(np.linalg.norm(old)))
        shifts.append(float(np.linalg.norm(old - new)))
        cosines.append(cosine_of(old, new))
    return CovariateShift(names, np.array(norms), np.array(shifts), np.array(cosines))
