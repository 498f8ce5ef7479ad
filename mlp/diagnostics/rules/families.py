"""Two families of formulas, each with its usual choices: rules with a velocity, and rules that divide by a root.

Every learning rule here is one set of choices, and most mistakes are one other choice. So the faults of a rule are
found by changing its choices, first one, then two.

    Velocity      v <- mu v + g,  w <- w - h v            (gradient descent, momentum, Nesterov)
    Adaptive      m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - h m' / (sqrt(v') + eps)
                                                          (AdaGrad, RMSProp, Adam)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas import Memory, Settings


@dataclass(frozen=True)
class Velocity:
    """Choices: how the velocity grows, what the step is made with, and where the learning rate is multiplied in."""

    velocity: str = "mu v + g"
    step: str = "v"
    inside: bool = False  # h g comes into the velocity
    outside: bool = True  # the step is multiplied by h

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        g = h * g if self.inside else g
        mu, old = s["momentum"], m.get("v", 0.0 * w)
        v = m["v"] = {
            "mu v + g": lambda: mu * old + g,
            "g - mu v": lambda: g - mu * old,
            "mu v + (1 - mu) g": lambda: mu * old + (1.0 - mu) * g,
            "(1 - mu) v + mu g": lambda: (1.0 - mu) * old + mu * g,
            "(1 - mu) v + g": lambda: (1.0 - mu) * old + g,
            "v + g": lambda: old + g,
            "v + mu g": lambda: old + mu * g,
            "mu (v + g)": lambda: mu * (old + g),
            "mu g": lambda: mu * g,
            "mu^2 v + g": lambda: mu * mu * old + g,
            "mu v - g": lambda: mu * old - g,
            "mu v + |g|": lambda: mu * old + np.abs(g),
            "mu v + g^2": lambda: mu * old + g * g,
            "mu^t v + g": lambda: mu**t * old + g,
            "mu v + g / t": lambda: mu * old + g / t,
            "mu v + mean of g": lambda: mu * old + np.mean(g),
            "mu w + g": lambda: mu * w + g,
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
            "v + mu v": lambda: v + mu * v,
            "mu g + v": lambda: mu * g + v,
            "(1 - mu) g + mu v": lambda: (1.0 - mu) * g + mu * v,
            "(1 + mu) v - mu old v": lambda: (1.0 + mu) * v - mu * old,
            "(1 + mu) v + mu old v": lambda: (1.0 + mu) * v + mu * old,
            "g + mu^2 v": lambda: g + mu * mu * v,
            "v + mu (v - old v)": lambda: v + mu * (v - old),
            "sign(g)": lambda: np.sign(g),
            "sign(v)": lambda: np.sign(v),
            "g / |g|": lambda: g / np.linalg.norm(g),
            "v / |v|": lambda: v / np.linalg.norm(v),
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
            "|v|": lambda: np.abs(v),
            "v^2": lambda: v * v,
            "g w": lambda: g * w,
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

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        one = self.mean == "none"
        b1, b2 = s["beta1"], s["decay"] if one else s["beta2"]
        before_mean, before = m.get("m", 0.0 * w), m.get("v", 0.0 * w)
        if self.olds == "exchanged":
            before_mean, before = before, before_mean
        elif self.olds == "both m":
            before = before_mean
        elif self.olds == "both v":
            before_mean = before
        new = {"g": g, "g^2": g * g, "|g|": np.abs(g), "h g": h * g, "sign(g)": np.sign(g)}[self.mean_of]
        mean = g if one else average(self.mean, before_mean, new, b1)
        m["m"], m["v"] = mean, average(self.square, before, self.averaged(g, mean, w, h, b2), b2)
        square = before if self.old_square else m["v"]
        if self.square == "root stored":
            m["v"] = np.sqrt(m["v"])
        mean = corrected(self.correct[0], mean, (b1, b2), t, m, "m")
        square = corrected(self.correct[1], square, (b2, b1), t, m, "v")
        if self.roles == "v / m":
            mean, square = square, mean
        step = {
            "m": lambda: mean,
            "g": lambda: g,
            "|m|": lambda: np.abs(mean),
            "sign": lambda: np.sign(mean),
            "m^2": lambda: mean * mean,
            "b m + (1 - b) g": lambda: b1 * mean + (1.0 - b1) * g,
            "b m + (1 - b) g / (1 - b^t)": lambda: b1 * mean + (1.0 - b1) * g / (1.0 - b1**t),
        }[self.step]()
        return w - h * step / divisor(self.root, square, s["eps"], b2, t)

    def averaged(self, g: Any, mean: Any, w: Any, h: float, b: float) -> Any:
        """Return what comes into the mean of the squares."""
        return {
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
            "g": lambda: g,
            "m^2": lambda: mean * mean,
            "(g - m)^2": lambda: (g - mean) ** 2,
            "g m": lambda: g * mean,
            "(h g)^2": lambda: (h * g) ** 2,
            "h g^2": lambda: h * g * g,
            "2 g": lambda: 2.0 * g,
            "w^2": lambda: w * w,
            "the mean of g^2 over the array": lambda: np.mean(g * g) + 0.0 * g,
            "the sum of g^2 over the array": lambda: np.sum(g * g) + 0.0 * g,
            "(1 - b) g, squared": lambda: (1.0 - b) * g * g,
        }[self.of]()


@dataclass(frozen=True)
class Delta:
    """Choices of Adadelta: what the second mean is of, the ratio with its roots, how the squares are remembered."""

    updates_of: str = "d^2"
    ratio: str = "sqrt(u + eps) / sqrt(v + eps)"
    square: str = "mean"

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b, eps = s["decay"], s["eps"]
        v = m["v"] = average(self.square, m.get("v", 0.0 * w), g * g, b)
        u = m.get("u", 0.0 * w)
        if self.updates_of == "g^2":
            u = average("mean", u, g * g, b)
        ratio = {
            "sqrt(u + eps) / sqrt(v + eps)": lambda: np.sqrt(u + eps) / np.sqrt(v + eps),
            "sqrt(v + eps) / sqrt(u + eps)": lambda: np.sqrt(v + eps) / np.sqrt(u + eps),
            "(u + eps) / (v + eps)": lambda: (u + eps) / (v + eps),
            "1 / sqrt(v + eps)": lambda: 1.0 / np.sqrt(v + eps),
            "sqrt(u + eps) / (v + eps)": lambda: np.sqrt(u + eps) / (v + eps),
        }[self.ratio]()
        d = ratio * g
        if self.updates_of != "g^2":
            new = {"d^2": d * d, "|d|": np.abs(d), "d": d, "(h d)^2": (h * d) ** 2}[self.updates_of]
            u = average("mean", u, new, b)
        m["u"] = u
        return w - h * d


def average(how: str, old: Any, new: Any, b: float) -> Any:
    """Return a running mean brought up to date, in the right way or a wrong one."""
    forms: dict[str, Callable[[], Any]] = {
        "mean": lambda: b * old + (1.0 - b) * new,
        "root stored": lambda: b * old + (1.0 - b) * new,
        "exchanged": lambda: (1.0 - b) * old + b * new,
        "b old + new": lambda: b * old + new,
        "old + (1 - b) new": lambda: old + (1.0 - b) * new,
        "b (old + new)": lambda: b * (old + new),
        "b old - (1 - b) new": lambda: b * old - (1.0 - b) * new,
        "(1 - b) new": lambda: (1.0 - b) * new,
        "half": lambda: 0.5 * (old + new),
        "largest": lambda: np.maximum(old, b * old + (1.0 - b) * new),
        "largest new": lambda: np.maximum(b * old, new),
        "none": lambda: new,
        "last": lambda: new,
        "sum": lambda: old + new,
    }
    return forms[how]()


def corrected(how: str, mean: Any, betas: tuple[float, float], t: float, m: Memory, name: str) -> Any:
    """Return a mean without its bias towards the zero it started from, in the right way or a wrong one.

    Args:
        betas: the mean's own one, and that of the other mean.
    """
    b, other = betas
    divisors: dict[str, Callable[[], Any]] = {
        "never": lambda: 1.0,
        "multiplied": lambda: 1.0 / (1.0 - b**t),
        "1 - b": lambda: 1.0 - b,
        "twice": lambda: (1.0 - b**t) ** 2,
        "b t": lambda: 1.0 - b * t,
        "t": lambda: t,
        "b^t": lambda: b**t,
        "1 + b^t": lambda: 1.0 + b**t,
        "other": lambda: 1.0 - other**t,
        "root": lambda: np.sqrt(1.0 - b**t),
    }
    mean = mean / (divisors[how]() if how in divisors else 1.0 - b**t)
    if how == "stored":
        m[name] = mean
    return mean


def divisor(how: str, square: Any, eps: float, b: float, t: float) -> Any:
    """Return what the step is divided by."""
    forms: dict[str, Callable[[], Any]] = {
        "root + eps": lambda: np.sqrt(square) + eps,
        "root - eps": lambda: np.sqrt(square) - eps,
        "sqrt(v + eps)": lambda: np.sqrt(square + eps),
        "sqrt(v + eps) + eps": lambda: np.sqrt(square + eps) + eps,
        "v + eps": lambda: square + eps,
        "v^2 + eps": lambda: square * square + eps,
        "|v| + eps": lambda: np.abs(square) + eps,
        "sqrt|v| + eps": lambda: np.sqrt(np.abs(square)) + eps,
        "fourth root": lambda: np.sqrt(np.sqrt(square)) + eps,
        "root": lambda: np.sqrt(square),
        "eps-hat": lambda: np.sqrt(square) + eps / np.sqrt(1.0 - b**t),  # the end of section 2 of the paper
        "1 / root": lambda: 1.0 / (np.sqrt(square) + eps),
        "root + eps^2": lambda: np.sqrt(square) + eps * eps,
        "root of (v + eps^2)": lambda: np.sqrt(square + eps * eps),
        "mean root": lambda: np.sqrt(np.mean(square)) + eps,
        "1": lambda: 1.0,
        "1 + root": lambda: 1.0 + np.sqrt(square) + eps,
    }
    return forms[how]()
