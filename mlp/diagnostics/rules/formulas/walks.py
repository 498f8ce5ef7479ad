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

from mlp.diagnostics.rules.formulas.schedules import Schedule
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
        prepared: function g -> the gradient with which the step is made.
        penalty: function w -> what the decay adds to the gradient, or takes from the weights, times its rate.
        exchange: settings that take each other's values.
        gathering: what a step takes of accumulated gradients: their "mean" or "sum", the "last"; "kept" afterwards.
        slow: whether fast weights are "set back" to the slow ones, or "go on"; or shares are "exchanged"; or the slow
            ones are "never moved".
        schedule: of the learning rate, inside the rule.

    Settings around the formula: accumulation (steps for one update), slow_every and slow_share (slow weights, as in
    Lookahead), and those of `schedules`.
    """

    formula: Formula
    reset: bool = False
    clock: Callable[[float], float] = float
    rate: Callable[[float, float], float] = lambda h, t: h
    rate_of_first: bool = False
    uphill: bool = False
    coupled: float = 1.0
    decoupled: float = 1.0
    decay_without_rate: bool = False
    decay_exchanged: bool = False
    decay_after: bool = False
    prepared: Callable[[Any], Any] = lambda g: g
    penalty: Callable[[Any], Any] = lambda w: w
    exchange: tuple[str, str] | None = None
    gathering: str = "mean"
    slow: str = "set back"
    schedule: Schedule = Schedule()

    def weights(
        self,
        w: Any,
        gradients: Sequence[Any],
        rates: Sequence[float],
        s: Settings,
        seen: list[Memory] | None = None,
    ) -> list[Any]:
        """Return the weights after each step; NaN from where the formula breaks down. `seen` gets the memories."""
        if self.exchange:
            first, second = self.exchange
            s = {**s, first: s[second], second: s[first]}
        coupled, decoupled = s["weight_decay"] * self.coupled, s["decoupled_weight_decay"] * self.decoupled
        if self.decay_exchanged:
            coupled, decoupled = decoupled, coupled
        decay = coupled, decoupled
        memory: Memory = {}
        gathered: Any
        held, gathered, trail = w, 0.0, []
        for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
            memory = {} if self.reset else memory
            gathered = gathered + g
            if t % s.get("accumulation", 1.0) == 0.0:
                many = s.get("accumulation", 1.0)
                number = t / many
                g = g if "last" in self.gathering else gathered / (many if "mean" in self.gathering else 1.0)
                gathered = gathered if "kept" in self.gathering else 0.0
                h = self.rate(rates[0] if self.rate_of_first else rate, t)
                h *= self.schedule.share(number - 1.0, h, s)
                w = self.one_step(w, g, (number, h), memory, s, decay)
            if s.get("slow_every") and t % s["slow_every"] == 0.0:
                share = 1.0 - s["slow_share"] if self.slow == "exchanged" else s["slow_share"]
                moved = held + share * (w - held)
                w = w if self.slow == "go on" else moved
                held = held if self.slow == "never moved" else moved
            trail.append(w)
            if seen is not None:
                seen.append(dict(memory))
        return trail

    def one_step(
        self, w: Any, g: Any, time: tuple[float, float], memory: Memory, s: Settings, decay: tuple[float, float]
    ) -> Any:
        """Return the weights after one step.

        Args:
            time: number of the step and learning rate. decay: factors of the decay in the gradient and beside it.
        """
        (t, h), (coupled, decoupled) = time, decay
        with np.errstate(all="ignore"):
            g = self.prepared(g) + coupled * self.penalty(w)
            shrink = (1.0 if self.decay_without_rate else h) * decoupled
            w = w if self.decay_after else w - shrink * self.penalty(w)
            try:
                w = self.formula(w, -g if self.uphill else g, self.clock(t), h, memory, s)
            except ZeroDivisionError:
                w = np.nan * w
            return w - shrink * self.penalty(w) if self.decay_after else w


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
