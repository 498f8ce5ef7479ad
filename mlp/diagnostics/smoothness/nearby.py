"""Loss and gradient at points near the weights w, on one batch. With g = grad L(w) and step sizes s in S:

    loss       l(s) = L(w - s g)
    gradient   c(s) = |grad L(w - s g) - g|            how much the gradient has changed
    beta       b = max over S of c(s) / (s |g|)        effective beta-smoothness: the change per distance

Norms are over all parameters of the network, those of companions left out. All points use the same batch and the same
dropout masks, in training mode. Along the step u of a learning rule the points are w + m u, and the distance is m |u|.

None of these numbers says anything alone. A dead network, whose gradient is 1e-16, has a loss that does not move and a
gradient that does not change: perfect scores. So |g|, |w| and the cosine between g and the new gradient stand beside
them. And b depends on |w|: if scaling all weights changes nothing, as with batch norm, then with weights three times as
large g is a third, and b a ninth.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

from mlp.backend import device_of, move, to_numpy
from mlp.diagnostics.untouched import untouched
from mlp.engine import Engine, make_engine
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import FlatParameters
from mlp.learning_rules import GradientDescent
from mlp.losses import Loss
from mlp.typing import Array

GRADIENT_SIZES = np.linspace(0.05, 0.4, 8)  # s: half to four times 0.1, the learning rate of the paper
UPDATE_SIZES = np.linspace(0.5, 4.0, 8)  # m: half to four times the rule's own step


@dataclass(frozen=True)
class Nearby:
    """What was found at the points near w.

    Attributes:
        distances: of the points from w, (len(S),). loss: at w. grad_norm, weight_norm: |g|, |w|.
        losses, changes, cosines: l(s), c(s), and the cosine of the new gradient with g, (len(S),) each.
    """

    distances: Array
    loss: float
    grad_norm: float
    weight_norm: float
    losses: Array
    changes: Array
    cosines: Array

    @property
    def beta(self) -> float:
        """Effective beta-smoothness b."""
        with np.errstate(all="ignore"):
            return float(np.max(self.changes / self.distances))

    def row(self) -> dict[str, float]:
        """Return the numbers for a line of smoothness.csv, by the names in `mlp.diagnostics.smoothness.record`."""
        return {
            "loss": self.loss,
            "loss_min": float(self.losses.min()),
            "loss_max": float(self.losses.max()),
            "grad_norm": self.grad_norm,
            "change_min": float(self.changes.min()),
            "change_max": float(self.changes.max()),
            "beta": self.beta,
            "cosine_min": float(self.cosines.min()),
            "weight_norm": self.weight_norm,
        }


def look_nearby(
    engine: Engine,
    flat: FlatParameters,
    batch: tuple[Array, Array],
    loss: float,
    gradient: Array,
    *,
    steps: Array,
    sizes: Array,
) -> Nearby:
    """Return what is found at w + size * steps for each size.

    Args:
        engine: bound to the model. flat: its parameters, at w; this function leaves them at the last point.
        loss, gradient: at w, a number and (P,) in float64.
        steps: the direction, (P,) in float64: minus the gradient, or the step of a rule. sizes: S.
    """
    start, own = to_numpy(flat.data).astype(np.float64), network_part(flat)  # (P,) both
    length = float(np.linalg.norm(gradient[own]))
    losses, changes, cosines = [], [], []
    for size in sizes:
        move_to(flat, start + size * steps)
        losses.append(engine.gradients(*batch))
        new = to_numpy(flat.grad).astype(np.float64)
        if not np.isfinite(losses[-1]):
            new = np.full_like(new, np.nan)  # the engine has left the gradient of another point in flat.grad
        changes.append(float(np.linalg.norm((new - gradient)[own])))
        cosines.append(cosine_of(new[own], gradient[own]))
    return Nearby(
        np.asarray(sizes) * float(np.linalg.norm(steps[own])),
        loss,
        length,
        float(np.linalg.norm(start[own])),
        np.array(losses),
        np.array(changes),
        np.array(cosines),
    )


def network_part(flat: FlatParameters) -> Array:
    """Return which weights are the network's own, bools (P,): all but those of companions, which only help to train."""
    own = [not parameter.name.startswith("companions.") for parameter in flat.parameters]
    return np.repeat(own, [parameter.data.size for parameter in flat.parameters])


def cosine_of(first: Array, second: Array) -> float:
    """Return the cosine of the angle between two vectors; NaN if one of them is 0."""
    norms = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(first @ second) / norms if norms else float("nan")


def move_to(flat: FlatParameters, weights: Array) -> None:
    """Copy weights (P,), a NumPy array in any precision, into the parameters on their device."""
    flat.data[...] = move(weights.astype(flat.data.dtype), device_of(flat.data))


def smoothness(
    model: Layer,
    loss: Loss,
    x: Array,
    targets: Array,
    sizes: Array = GRADIENT_SIZES,
    *,
    engine: str = "auto",
    threads: int | None = None,
) -> Nearby:
    """Return what is found along the gradient of a model, which is left as it was.

    Args:
        x, targets: one batch. sizes: S. engine, threads: what computes, see `mlp.engine`.
    """
    machine = make_engine(engine, threads, device_of(model.parameters()[0].data))
    rule = GradientDescent()
    machine.bind(model, copy(loss), rule)
    try:
        with untouched(model), np.errstate(all="ignore"):
            here = machine.gradients(x, targets)
            gradient = to_numpy(rule.flat.grad).astype(np.float64)
            return look_nearby(machine, rule.flat, (x, targets), here, gradient, steps=-gradient, sizes=sizes)
    finally:
        machine.close()
