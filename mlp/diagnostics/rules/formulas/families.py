"""Families of formulas, each with its usual choices: rules with a velocity, and rules that divide by a root.

Every learning rule here is one set of choices, and so are some of the usual mistakes, see `choices`.

    Velocity      v <- mu v + g,  w <- w - h v            (gradient descent, momentum, Nesterov)
    Adaptive      m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - h m' / (sqrt(v') + eps)
                                                          (AdaGrad, RMSProp, Adam)
    Delta         v <- b v + (1 - b) g^2,  d = sqrt(u + eps) / sqrt(v + eps) g,  u <- b u + (1 - b) d^2,  w <- w - h d
    Signs         w <- w - h sign(b1 m + (1 - b1) g),  m <- b2 m + (1 - b2) g               (Lion)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.means import average, corrected, divisor
from mlp.diagnostics.rules.formulas.walks import Memory, Settings


@dataclass(frozen=True)
class Velocity:
    """Choices: how the velocity grows, what the step is made with, and where the learning rate is multiplied in."""

    velocity: str = "mu v + g"
    step: str = "v"
    inside: bool = False  # h g comes into the velocity, else the step is multiplied by h
    dampened: str = "all but the first"  # gradients that come in times 1 - dampening

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        g = h * g if self.inside else g
        mu, old = s["momentum"], m.get("v", 0.0 * g)
        new = g if "v" not in m and self.dampened != "all" else (1.0 - s.get("dampening", 0.0)) * g
        v = m["v"] = {
            "mu v + g": lambda: mu * old + new,
            "mu v + (1 - mu) g": lambda: mu * old + (1.0 - mu) * new,
            "(1 - mu) v + mu g": lambda: (1.0 - mu) * old + mu * new,
            "v + g": lambda: old + new,
        }[self.velocity]()
        step = {
            "v": lambda: v,
            "g": lambda: g,
            "g + mu v": lambda: g + mu * v,
            "sign(g)": lambda: np.sign(g),
            "sign(v)": lambda: np.sign(v),
        }[self.step]()
        return w - (1.0 if self.inside else h) * step


@dataclass(frozen=True)
class Adaptive:
    """Choices: the two means, what they are of, the root, where eps stands, the bias corrections, the step."""

    first_mean: bool = True  # of the gradients
    mean: str = "mean"
    square: str = "mean"  # of the squares
    of: str = "g^2"  # what is averaged
    root: str = "root + eps"
    correct: tuple[str, str] = ("once", "once")
    step: str = "m"
    roles: str = "m / v"  # which of the two stands above, and which under the root
    start: float = 0.0  # the mean of the squares before the first step
    largest: str = ""  # AMSGrad: the largest "v" or "v'" so far takes the place of v'
    stored: bool = False  # whether that largest one overwrites v

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b1, b2 = s["beta1"], s["beta2"] if self.first_mean else s["decay"]
        mean = average(self.mean, m.get("m", 0.0 * g), g, b1) if self.first_mean else g
        before = m.get("v", self.start + 0.0 * g)
        m["m"], m["v"] = mean, average(self.square, before, self.averaged(g, mean, b2, s["eps"]), b2)
        square = m["v"]
        mean = corrected(self.correct[0], mean, (b1, b2), t, m, "m")
        square = self.largest_of("v", square, m)
        square = corrected(self.correct[1], square, (b2, b1), t, m, "v")
        square = self.largest_of("v'", square, m)
        if self.roles == "v / m":
            mean, square = square, mean
        step = {
            "m": lambda: mean,
            "g": lambda: g,
            "b m + (1 - b) g / (1 - b^t)": lambda: b1 * mean + (1.0 - b1) * g / (1.0 - b1**t),
            "b m' + (1 - b) g / (1 - b^t), m' by t + 1": lambda: (
                b1 * m["m"] / (1.0 - b1 ** (t + 1.0)) + (1.0 - b1) * g / (1.0 - b1**t)
            ),
        }[self.step]()
        return w - h * step / divisor(self.root, square, s["eps"], b2, t)

    def largest_of(self, name: str, square: Any, m: Memory) -> Any:
        """Return the largest mean of the squares so far where a rule takes that of this name, else the mean itself."""
        if self.largest != name:
            return square
        square = m["largest"] = np.maximum(m.get("largest", 0.0), square)
        m["v"] = square if self.stored else m["v"]
        return square

    def averaged(self, g: Any, mean: Any, b: float, eps: float) -> Any:
        """Return what comes into the mean of the squares, whose beta is b."""
        return {
            "g^2": lambda: g * g,
            "g": lambda: g,
            "|g|": lambda: np.abs(g),
            "|g| + eps": lambda: np.abs(g) + eps,
            "g^2 + eps / (1 - b)": lambda: g * g + eps / (1.0 - b),
            "the mean of g^2 over the array": lambda: np.mean(g * g) + 0.0 * g,
            "the sum of g^2 over the array": lambda: np.sum(g * g) + 0.0 * g,
            "|g - m|": lambda: np.abs(g - mean),
            "(g - m)^2": lambda: (g - mean) ** 2,
            "(g - m)^2 + eps / (1 - b)": lambda: (g - mean) ** 2 + eps / (1.0 - b),
        }[self.of]()


@dataclass(frozen=True)
class Delta:
    """Adadelta, and the choices of its two means, and of what stands above in its ratio."""

    above: str = "sqrt(u + eps)"
    square: str = "mean"
    updates: str = "mean"

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b, eps, u = s["decay"], s["eps"], m.get("u", 0.0 * w)
        v = m["v"] = average(self.square, m.get("v", 0.0 * w), g * g, b)
        d = (np.sqrt(u + eps) if self.above == "sqrt(u + eps)" else u + eps) / np.sqrt(v + eps) * g
        m["u"] = average(self.updates, u, d * d, b)
        return w - h * d


@dataclass(frozen=True)
class Signs:
    """Choices of Lion: the beta with which its mean is brought up to date, and whether the step is a sign."""

    beta_of_mean: str = "beta2"
    sign: bool = True

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        old = m.get("m", 0.0 * w)
        m["m"] = average("mean", old, g, s[self.beta_of_mean])
        mix = average("mean", old, g, s["beta1"])
        return w - h * (np.sign(mix) if self.sign else mix)
