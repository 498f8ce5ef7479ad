"""The faults that learning rules are known for: each is a formula, too, and leads to weights of its own.

The functions take and return what those of `formulas` do. `ONE_RULE` has the faults of single rules, by the name
of the right formula; `ANY_RULE` those that any rule can have.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from mlp.diagnostics.rules.formulas import Memory, Settings, Walk, corrected, moments


@dataclass(frozen=True)
class Fault:
    """A wrong walk with its name and what is wrong."""

    name: str
    sentence: str
    changes: dict[str, Any] = field(default_factory=dict)

    def of(self, walk: Walk) -> Walk:
        """Return the wrong walk."""
        return replace(walk, **self.changes)


def rate_in_velocity(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    """v <- mu v + h g, w <- w - v: as right as the other form; they differ where the learning rate changes."""
    m["v"] = s["momentum"] * m.get("v", 0.0) + h * g
    return w - m["v"]


def velocity_subtracted(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    m["v"] = g - s["momentum"] * m.get("v", 0.0)
    return w - h * m["v"]


def velocity_averaged(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    m["v"] = s["momentum"] * m.get("v", 0.0) + (1.0 - s["momentum"]) * g
    return w - h * m["v"]


def velocity_after_step(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    step = m.get("v", 0.0)
    m["v"] = s["momentum"] * step + g
    return w - h * step


def mean_uncorrected(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    mean, square = moments(g, m, s)
    return w - h * mean / (math.sqrt(corrected(square, s["beta2"], t)) + s["eps"])


def square_uncorrected(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    mean, square = moments(g, m, s)
    return w - h * corrected(mean, s["beta1"], t) / (math.sqrt(square) + s["eps"])


def adam_without_root(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    mean, square = moments(g, m, s)
    return w - h * corrected(mean, s["beta1"], t) / (corrected(square, s["beta2"], t) + s["eps"])


def adam_eps_in_root(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    mean, square = moments(g, m, s)
    return w - h * corrected(mean, s["beta1"], t) / math.sqrt(corrected(square, s["beta2"], t) + s["eps"])


def adam_sums(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    m["m"] = s["beta1"] * m.get("m", 0.0) + g
    m["v"] = s["beta2"] * m.get("v", 0.0) + g * g
    mean, square = corrected(m["m"], s["beta1"], t), corrected(m["v"], s["beta2"], t)
    return w - h * mean / (math.sqrt(square) + s["eps"])


def rmsprop_without_root(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    m["v"] = s["decay"] * m.get("v", 0.0) + (1.0 - s["decay"]) * g * g
    return w - h * g / (m["v"] + s["eps"])


def rmsprop_eps_in_root(w: float, g: float, t: float, h: float, m: Memory, s: Settings) -> float:
    m["v"] = s["decay"] * m.get("v", 0.0) + (1.0 - s["decay"]) * g * g
    return w - h * g / math.sqrt(m["v"] + s["eps"])


ANY_RULE = (
    Fault("sign", "it climbs: the step is added where it must be subtracted", {"uphill": True}),
    Fault(
        "state reset",
        "matches when all that it remembers is reset before every step: keep it between steps",
        {"reset": True},
    ),
    Fault("learning rate twice", "the learning rate is multiplied in twice", {"rate": lambda h: h * h}),
    Fault("learning rate ignored", "the learning rate is not multiplied in", {"rate": lambda h: 1.0}),
    Fault(
        "schedule ignored",
        "it keeps the learning rate of the first step: read self.learning_rate in each update, a schedule sets it",
        {"rate_of_first": True},
    ),
    Fault("weight decay forgotten", "the weights do not decay", {"coupled": 0.0, "decoupled": 0.0}),
    Fault("sign of the decay", "the weights grow where they must decay", {"coupled": -1.0, "decoupled": -1.0}),
    Fault("decay twice", "the weights decay twice", {"coupled": 2.0, "decoupled": 2.0}),
    Fault(
        "decay without rate",
        "the decoupled decay is not multiplied by the learning rate: w <- w - h d w",
        {"decay_without_rate": True},
    ),
    Fault(
        "coupled and decoupled exchanged",
        "the decay goes through the rule where it must go around it, or the reverse: coupled is g + d w, decoupled is "
        "w - h d w",
        {"decay_exchanged": True},
    ),
)
ONE_RULE = {
    "momentum": (
        Fault(
            "sign of the velocity", "the old velocity is subtracted: v <- mu v + g", {"formula": velocity_subtracted}
        ),
        Fault(
            "velocity averaged",
            "v <- mu v + (1 - mu) g: its steps are 1/(1 - mu) times too small",
            {"formula": velocity_averaged},
        ),
        Fault(
            "old velocity", "the step is made with the velocity of the step before", {"formula": velocity_after_step}
        ),
    ),
    "rmsprop": (
        Fault("root forgotten", "it divides by v, not by its root", {"formula": rmsprop_without_root}),
        Fault("eps in the root", "eps stands under the root, and belongs outside", {"formula": rmsprop_eps_in_root}),
    ),
    "adam": (
        Fault(
            "bias correction missing",
            "matches without the division of both means by 1 - b^t",
            {"clock": lambda t: math.inf},
        ),
        Fault(
            "bias correction missing",
            "matches without the division of the first mean by 1 - b1^t",
            {"formula": mean_uncorrected},
        ),
        Fault(
            "bias correction missing",
            "matches without the division of the second mean by 1 - b2^t",
            {"formula": square_uncorrected},
        ),
        Fault("step count stuck", "t stays at 1: count the updates", {"clock": lambda t: 1.0}),
        Fault("step count off by one", "t is one too large: it is 1 in the first update", {"clock": lambda t: t + 1.0}),
        Fault("step count off by one", "t is 0 in the first update, and must be 1", {"clock": lambda t: t - 1.0}),
        Fault("root forgotten", "it divides by v', not by its root", {"formula": adam_without_root}),
        Fault("eps in the root", "eps stands under the root, and belongs outside", {"formula": adam_eps_in_root}),
        Fault("betas exchanged", "beta1 and beta2 are exchanged", {"exchange": ("beta1", "beta2")}),
        Fault("1 - b forgotten", "the means are sums: new values come in times 1 - b", {"formula": adam_sums}),
    ),
}
ONE_RULE["nesterov"] = ONE_RULE["momentum"]
