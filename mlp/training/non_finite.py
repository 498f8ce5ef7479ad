"""Which layer broke first, when the loss is infinite or NaN."""

from collections.abc import Iterable

import numpy as np

from mlp.backend import device_of, get_array_module, move
from mlp.layers import frozen_buffers, observed
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


def find_non_finite(model: Layer, batches: Iterable[tuple[Array, Array]], *, training: bool) -> str:
    """Run batches forward until a value is not finite, and say in one sentence where the first one appears.

    The weights are those before the step that failed. So the trouble began in the first layer, in forward order, that
    has a weight or an output that is not finite.

    Args:
        training: whether to use the formulas of training.
    """
    found: list[str] = []

    def see(layer: Layer, x: Array, y: Array) -> None:
        if found:
            return
        bad = [name for name, p in layer.own_parameters() if not is_finite(p.data)]
        if bad:
            found.append(f"the first layer with non-finite values is {layer.label()}, in its {bad[0]}.")
        elif not is_finite(y):
            size = "not finite either" if not is_finite(x) else f"at most {float(abs(x).max()):.3g} in size"
            found.append(f"the first layer with non-finite outputs is {layer.label()}; its inputs are {size}.")

    device = device_of(model.parameters()[0].data)
    with np.errstate(all="ignore"), frozen_buffers(model), observed(model, see):
        for inputs, targets in batches:
            model.forward(move(inputs, device), training=training)
            if found:
                return found[0]
            if targets.dtype.kind == "f" and not is_finite(targets):
                return "the targets are not finite."
    return "all layers are finite; the loss itself overflows."


def is_finite(array: Array) -> bool:
    """Return whether all values of an array are finite."""
    return bool(get_array_module(array).isfinite(array).all())
