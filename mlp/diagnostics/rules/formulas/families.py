"""Two families of formulas, each with its usual choices: rules with a velocity, and rules that divide by a root.

Every learning rule here is one set of choices, and most mistakes are one other choice. So the faults of a rule are
found by changing its choices, first one, then two.

    Velocity      v <- mu v + g,  w <- w - h v            (gradient descent, momentum, Nesterov)
    Adaptive      m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - h m' / (sqrt(v') + eps)
                                                          (AdaGrad, RMSProp, Adam)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.means import average, corrected, divisor, started
from mlp.diagnostics.rules.formulas.walks import Memory, Settings


@dataclass(frozen=True)
class Velocity:
    """Choices: how the velocity grows, what the step is made with, and where the learning rate is multiplied in."""

    velocity: str = "mu v + g"
    step: str = "v"
    inside: bool = False  # h g comes into the velocity
    outside: bool = True  # the step is multiplied by h
    start: str = "0"  # the velocity before the first step
    dampened: str = "all but the first"  # gradients that come in times 1 - dampening

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        g = h * g if self.inside else g
        mu, old = s["momentum"], m.get("v", started(self.start, g))
        new = g if "v" not in m and self.dampened != "all" else (1.0 - s.get("dampening", 0.0)) * g
        v = m["v"] = {
            "mu v + g": lambda: mu * old + new,
            "g - mu v": lambda: new - mu * old,
            "mu v + (1 - mu) g": lambda: mu * old + (1.0 - mu) * new,
            "(1 - mu) v + mu g": lambda: (1.0 - mu) * old + mu * new,
            "(1 - mu) v + g": lambda: (1.0 - mu) * old + new,
            "v + g": lambda: old + new,
            "v + mu g": lambda: old + mu * new,
            "mu (v + g)": lambda: mu * (old + new),
            "mu g": lambda: mu * new,
            "mu^2 v + g": lambda: mu * mu * old + new,
            "mu v - g": lambda: mu * old - new,
        }[self.velocity]()
        step = {
            "v": lambda: v,
            "old v": lambda: old,
            "g": lambda: g,
            "g + mu v": lambda: g + mu * v,
            "g - mu v": lambda: g - mu * v,
            "v + mu old v": lambda: v + mu * old,
            "g + v": lambda: g + v,
            "g + old v": lambda: g + old,
            "mu v": lambda: mu * v,
            "(1 + mu) v + mu old v": lambda: (1.0 + mu) * v + mu * old,
            "g + mu^2 v": lambda: g + mu * mu * v,
            "sign(g)": lambda: np.sign(g),
            "sign(v)": lambda: np.sign(v),
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
        }[self.step]()
        return w - (h if self.outside else 1.0) * step


@dataclass(frozen=True)
class Adaptive:
    """Choices: the two means, what they are of, the root, where eps stands, the bias corrections, the step."""

    mean: str = "mean"  # of the gradients
    mean_of: str = "g"
    square: str = "mean"  # of the squares
    of: str = "g^2"  # what is averaged
    olds: str = "own"  # which old value each mean is brought up to date from
    root: str = "root + eps"
    correct: tuple[str, str] = ("once", "once")
    old_square: bool = False  # the root is taken before the new square comes in
    step: str = "m"
    roles: str = "m / v"  # which of the two stands above, and which under the root
    start: str = "0"  # the mean of the squares before the first step
    start_mean: str = "0"  # and that of the gradients
    largest: str = ""  # AMSGrad: the largest "v" or "v'" so far takes the place of v'

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        one = self.mean == "none"
        b1, b2 = s["beta1"], s["decay"] if one else s["beta2"]
        before_mean, before = m.get("m", started(self.start_mean, g)), m.get("v", started(self.start, g * g))
        if self.olds == "exchanged":
            before_mean, before = before, before_mean
        elif self.olds == "both m":
            before = before_mean
        elif self.olds == "both v":
            before_mean = before
        new = {"g": g, "g^2": g * g}[self.mean_of]
        mean = g if one else average(self.mean, before_mean, new, b1)
        m["m"], m["v"] = mean, average(self.square, before, self.averaged(g, mean, b2, s["eps"]), b2)
        square = before if self.old_square else m["v"]
        if self.square == "root stored":
            m["v"] = np.sqrt(m["v"])
        mean = corrected(self.correct[0], mean, (b1, b2), t, m, "m")
        if self.largest == "v":
            square = m["largest"] = np.maximum(m.get("largest", 0.0), square)
        square = corrected(self.correct[1], square, (b2, b1), t, m, "v")
        if self.largest == "v'":
            square = m["largest"] = np.maximum(m.get("largest", 0.0), square)
        if self.roles == "v / m":
            mean, square = square, mean
        step = {
            "m": lambda: mean,
            "g": lambda: g,
            "sign": lambda: np.sign(mean),
            "b m + (1 - b) g": lambda: b1 * mean + (1.0 - b1) * g,
            "m + (1 - b) g": lambda: mean + (1.0 - b1) * g,
            "(1 - b) m + b g": lambda: (1.0 - b1) * mean + b1 * g,
            "b m' + (1 - b) g / (1 - b^t), m' by t + 1": lambda: (
                b1 * m["m"] / (1.0 - b1 ** (t + 1.0)) + (1.0 - b1) * g / (1.0 - b1**t)
            ),
            "b m' + (1 - b) g, m' by t + 1": lambda: b1 * m["m"] / (1.0 - b1 ** (t + 1.0)) + (1.0 - b1) * g,
            "b m + (1 - b) g / (1 - b^t)": lambda: b1 * mean + (1.0 - b1) * g / (1.0 - b1**t),
        }[self.step]()
        return w - h * step / divisor(self.root, square, s["eps"], b2, t)

    def averaged(self, g: Any, mean: Any, b: float, eps: float) -> Any:
        """Return what comes into the mean of the squares, whose beta is b."""
        of, inside, _ = self.of.partition(" + eps / (1 - b)")
        return (eps / (1.0 - b) if inside else 0.0) + {
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
            "|g| + eps": lambda: np.abs(g) + eps,
            "g": lambda: g,
            "m^2": lambda: mean * mean,
            "(g - m)^2": lambda: (g - mean) ** 2,
            "|g - m|": lambda: np.abs(g - mean),
            "g m": lambda: g * mean,
            "2 g": lambda: 2.0 * g,
            "the mean of g^2 over the array": lambda: np.mean(g * g) + 0.0 * g,
            "the sum of g^2 over the array": lambda: np.sum(g * g) + 0.0 * g,
        }[of]()


@dataclass(frozen=True)
class Delta:
    """Choices of Adadelta: what the second mean is of, the ratio with its roots, how the squares are remembered."""

    updates_of: str = "d^2"
    ratio: str = "sqrt(u + eps) / sqrt(v + eps)"
    square: str = "mean"
    updates: str = "mean"
    updates_first: bool = False  # u is brought up to date before the step

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b, eps = s["decay"], s["eps"]
        v = m["v"] = average(self.square, m.get("v", 0.0 * w), g * g, b)
        u = m.get("u", 0.0 * w)
        if self.updates_of == "g^2":
            u = average("mean", u, g * g, b)
        if self.updates_first:
            before = np.sqrt(u + eps) / np.sqrt(v + eps) * g
            u = average("mean", u, before * before, b)
        ratio = {
            "sqrt(u + eps) / sqrt(v + eps)": lambda: np.sqrt(u + eps) / np.sqrt(v + eps),
            "sqrt(v + eps) / sqrt(u + eps)": lambda: np.sqrt(v + eps) / np.sqrt(u + eps),
            "(u + eps) / (v + eps)": lambda: (u + eps) / (v + eps),
            "1 / sqrt(v + eps)": lambda: 1.0 / np.sqrt(v + eps),
            "sqrt(u + eps) / (v + eps)": lambda: np.sqrt(u + eps) / (v + eps),
            "(u + eps) / sqrt(v + eps)": lambda: (u + eps) / np.sqrt(v + eps),
            "sqrt(u) + eps / sqrt(v) + eps": lambda: (np.sqrt(u) + eps) / (np.sqrt(v) + eps),
            "sqrt(u + eps)": lambda: np.sqrt(u + eps),
            "sqrt(u / (v + eps))": lambda: np.sqrt(u / (v + eps)),
        }[self.ratio]()
        d = ratio * g
        if self.updates_of not in ("g^2", "nothing") and not self.updates_first:
            new = {"d^2": d * d, "|d|": np.abs(d), "d": d, "(h d)^2": (h * d) ** 2}[self.updates_of]
            u = average(self.updates, u, new, b)
        m["u"] = u
        return w - h * d


@dataclass(frozen=True)
class Signs:
    """Choices of Lion: the mix whose sign is the step, and how the mean is updated."""

    mix: str = "b1 m + (1 - b1) g"
    mean: str = "b2 m + (1 - b2) g"
    sign: bool = True
    late: bool = False  # the step is made after the mean is brought up to date

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b1, b2, old = s["beta1"], s["beta2"], m.get("m", 0.0 * w)
        m["m"] = {
            "b2 m + (1 - b2) g": lambda: b2 * old + (1.0 - b2) * g,
            "b1 m + (1 - b1) g": lambda: b1 * old + (1.0 - b1) * g,
            "(1 - b2) m + b2 g": lambda: (1.0 - b2) * old + b2 * g,
            "b2 m + g": lambda: b2 * old + g,
        }[self.mean]()
        old = m["m"] if self.late else old
        mix = {
            "b1 m + (1 - b1) g": lambda: b1 * old + (1.0 - b1) * g,
            "b2 m + (1 - b2) g": lambda: b2 * old + (1.0 - b2) * g,
            "(1 - b1) m + b1 g": lambda: (1.0 - b1) * old + b1 * g,
            "m": lambda: m["m"],
            "g": lambda: g,
        }[self.mix]()
        return w - h * (np.sign(mix) if self.sign else mix)
