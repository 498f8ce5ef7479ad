"""Learning rules on one array of weights, written plainly, and whole walks with them.

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


def gradient_descent(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """w <- w - h g."""
    return w - h * g


def momentum(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """v <- mu v + g, w <- w - h v."""
    m["v"] = s["momentum"] * m.get("v", 0.0) + g
    return w - h * m["v"]


def nesterov(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """v <- mu v + g, w <- w - h (g + mu v)."""
    m["v"] = s["momentum"] * m.get("v", 0.0) + g
    return w - h * (g + s["momentum"] * m["v"])


def adagrad(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """s <- s + g^2, w <- w - h g / (sqrt(s) + eps)."""
    m["v"] = m.get("v", 0.0) + g * g
    return w - h * g / (np.sqrt(m["v"]) + s["eps"])


def rmsprop(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """v <- a v + (1 - a) g^2, w <- w - h g / (sqrt(v) + eps)."""
    m["v"] = s["decay"] * m.get("v", 0.0) + (1.0 - s["decay"]) * g * g
    return w - h * g / (np.sqrt(m["v"]) + s["eps"])


def adam(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - h m' / (sqrt(v') + eps)."""
    mean, square = moments(g, m, s)
    return w - h * unbiased(mean, s["beta1"], t) / (np.sqrt(unbiased(square, s["beta2"], t)) + s["eps"])


def nadam(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """As Adam, with b1 m' + (1 - b1) g / (1 - b1^t) in place of m'."""
    mean, square = moments(g, m, s)
    ahead = s["beta1"] * unbiased(mean, s["beta1"], t) + (1.0 - s["beta1"]) * unbiased(g, s["beta1"], t)
    return w - h * ahead / (np.sqrt(unbiased(square, s["beta2"], t)) + s["eps"])


def adadelta(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """v <- a v + (1 - a) g^2, d = g sqrt(u + eps) / sqrt(v + eps), u <- a u + (1 - a) d^2, w <- w - h d."""
    a, eps = s["decay"], s["eps"]
    m["v"] = a * m.get("v", 0.0) + (1.0 - a) * g * g
    d = g * np.sqrt(m.get("u", 0.0) + eps) / np.sqrt(m["v"] + eps)
    m["u"] = a * m.get("u", 0.0) + (1.0 - a) * d * d
    return w - h * d


def adamax(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """m <- b1 m + (1 - b1) g, u <- max(b2 u, |g|), w <- w - h m' / (u + eps)."""
    m["m"] = s["beta1"] * m.get("m", 0.0) + (1.0 - s["beta1"]) * g
    m["u"] = np.maximum(s["beta2"] * m.get("u", 0.0), np.abs(g))
    return w - h * unbiased(m["m"], s["beta1"], t) / (m["u"] + s["eps"])


def amsgrad(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """As Adam, with the largest v' so far in place of v'."""
    mean, square = moments(g, m, s)
    m["largest"] = np.maximum(m.get("largest", 0.0), unbiased(square, s["beta2"], t))
    return w - h * unbiased(mean, s["beta1"], t) / (np.sqrt(m["largest"]) + s["eps"])


def lion(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """c = b1 m + (1 - b1) g, w <- w - h sign(c), m <- b2 m + (1 - b2) g."""
    old = m.get("m", 0.0)
    m["m"] = s["beta2"] * old + (1.0 - s["beta2"]) * g
    return w - h * np.sign(s["beta1"] * old + (1.0 - s["beta1"]) * g)


FORMULAS: dict[str, Formula] = {
    "gradient_descent": gradient_descent,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "nadam": nadam,
    "adadelta": adadelta,
    "adamax": adamax,
    "amsgrad": amsgrad,
    "lion": lion,
}


def moments(g: Any, m: Memory, s: Settings) -> tuple[Any, Any]:
    """Return Adam's two means, brought up to date."""
    m["m"] = s["beta1"] * m.get("m", 0.0) + (1.0 - s["beta1"]) * g
    m["v"] = s["beta2"] * m.get("v", 0.0) + (1.0 - s["beta2"]) * g * g
    return m["m"], m["v"]


def unbiased(mean: Any, b: float, t: float) -> Any:
    """Return a running mean without its bias towards the zero it started from."""
    return mean / (1.0 - b**t)


# --- a whole walk, and faults that any rule can have ----------------------------------------------------------------


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
