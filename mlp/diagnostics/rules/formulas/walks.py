"""Whole walks with the formula of a learning rule, and the faults that any rule can have around its formula.

    w  weights      g  their gradient      t  number of the step, from 1      h  learning rate
    m  what the rule remembers of these weights: a dict, empty at first

Every formula takes these and the settings s, changes m, and returns the new w. Nothing here is shared with
`mlp.learning_rules`, which is what it checks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.typing import Array

Memory = dict[str, Any]
Settings = dict[str, float]
Formula = Callable[[Any, Any, float, float, Memory, Settings], Any]


@dataclass(frozen=True)
class Walk:
    """One way to walk: a formula and what is done around it; every field but the first can be a fault.

    Attributes:
        reset: whether the rule forgets everything before each step.
        clock: function t -> the t that the formula sees.
        rate: function (h, t) -> the learning rate that the formula sees.
        rate_of_first: whether the learning rate of the first step stays.
        coupled, decoupled: factors on the two kinds of weight decay.
        decay_after: whether the decoupled decay follows the step.
        penalty: function w -> what the coupled decay adds to the gradient, times its rate.
        exchange: settings that take each other's values.
    """

    formula: Formula
    reset: bool = False
    clock: Callable[[int], float] = float
    rate: Callable[[float, int], float] = lambda h, t: h
    rate_of_first: bool = False
    uphill: bool = False
    coupled: float = 1.0
    decoupled: float = 1.0
    decay_without_rate: bool = False
    decay_exchanged: bool = False
    decay_after: bool = False
    penalty: Callable[[Any], Any] = lambda w: w
    exchange: tuple[str, str] | None = None

    def weights(self, w: Any, gradients: Sequence[Any], rates: Sequence[float], s: Settings) -> list[Any]:
        """Return the weights after each step; NaN from where the formula breaks down."""
        if self.exchange:
            first, second = self.exchange
            s = {**s, first: s[second], second: s[first]}
        coupled, decoupled = s["weight_decay"] * self.coupled, s["decoupled_weight_decay"] * self.decoupled
        if self.decay_exchanged:
            coupled, decoupled = decoupled, coupled
        memory: Memory = {}
        trail = []
        for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
            memory = {} if self.reset else memory
            h = self.rate(rates[0] if self.rate_of_first else rate, t)
            with np.errstate(all="ignore"):
                g = g + coupled * self.penalty(w)
                shrink = (1.0 if self.decay_without_rate else h) * decoupled
                w = w if self.decay_after else w - shrink * w
                try:
                    w = self.formula(w, -g if self.uphill else g, self.clock(t), h, memory, s)
                except ZeroDivisionError:
                    w = np.nan * w
                w = w - shrink * w if self.decay_after else w
            trail.append(w)
        return trail


def all_weights(
    walk: Walk,
    start: Sequence[Array],
    gradients: Sequence[Sequence[Array]],
    rates: Sequence[float],
    settings: Sequence[Settings],
) -> Array:
    """Return all weights after each step, (steps, weights).

    Args:
        start: the parameters. gradients: of each step, a list for the parameters. settings: of each parameter.
    """
    trails = [walk.weights(w, [step[i] for step in gradients], rates, settings[i]) for i, w in enumerate(start)]
    return np.stack([np.concatenate([trail[t].ravel() for trail in trails]) for t in range(len(rates))])
