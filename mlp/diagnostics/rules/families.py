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

from mlp.diagnostics.rules.formulas import Memory, Settings


@dataclass(frozen=True)
class Velocity:
    """Choices: how the velocity grows, and what the step is made with."""

    velocity: str = "mu v + g"
    step: str = "v"

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        mu, old = s["momentum"], m.get("v", 0.0 * w)
        v = m["v"] = {
            "mu v + g": lambda: mu * old + g,
            "g - mu v": lambda: g - mu * old,
            "mu v + (1 - mu) g": lambda: mu * old + (1.0 - mu) * g,
            "(1 - mu) v + mu g": lambda: (1.0 - mu) * old + mu * g,
            "(1 - mu) v + g": lambda: (1.0 - mu) * old + g,
            "v + g": lambda: old + g,
            "mu (v + g)": lambda: mu * (old + g),
            "mu g": lambda: mu * g,
            "mu v + h g": lambda: mu * old + h * g,
            "mu v - g": lambda: mu * old - g,
            "mu v + h g, times h": lambda: mu * old + h * g,
        }[self.velocity]()
        step = {
            "v": lambda: v,
            "old v": lambda: old,
            "g": lambda: g,
            "g + mu v": lambda: g + mu * v,
            "g - mu v": lambda: g - mu * v,
            "g + mu old v": lambda: g + mu * old,
            "v + mu old v": lambda: v + mu * old,
            "g + v": lambda: g + v,
            "mu v": lambda: mu * v,
            "v + mu v": lambda: v + mu * v,
            "(1 + mu) v - mu old v": lambda: (1.0 + mu) * v - mu * old,
            "mu^2 old v + g": lambda: mu * mu * old + g,
            "v + mu (v - old v)": lambda: v + mu * (v - old),
            "sign(g)": lambda: np.sign(g),
            "g / |g|": lambda: g / np.linalg.norm(g),
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
        }[self.step]()
        return w - (1.0 if self.velocity == "mu v + h g" and self.step != "g + mu v" else h) * step


@dataclass(frozen=True)
class Adaptive:
    """Choices: the two means, what is squared, the root, where eps stands, the bias corrections, the step."""

    mean: str = "mean"  # of the gradients
    square: str = "mean"  # of the squares
    of: str = "g^2"  # what is averaged
    root: str = "root + eps"
    correct: tuple[str, str] = ("once", "once")
    old_square: bool = False  # the root is taken before the new square comes in
    step: str = "m"

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        one = self.mean == "none"
        mean = g if one else average(self.mean, m.get("m", 0.0 * w), g, s["beta1"])
        b2 = s["decay"] if one else s["beta2"]
        value = {
            "g^2": lambda: g * g,
            "|g|": lambda: np.abs(g),
            "g": lambda: g,
            "m^2": lambda: mean * mean,
            "the mean of g^2 over the array": lambda: np.mean(g * g) + 0.0 * g,
            "the sum of g^2 over the array": lambda: np.sum(g * g) + 0.0 * g,
            "(1 - b) g, squared": lambda: (1.0 - b2) * g * g,
        }[self.of]()
        before = m.get("v", 0.0 * w)
        m["m"], m["v"] = mean, average(self.square, before, value, b2)
        square = before if self.old_square else m["v"]
        mean = corrected(self.correct[0], mean, s["beta1"], t, m, "m")
        square = corrected(self.correct[1], square, b2, t, m, "v")
        step = {"m": mean, "g": g, "|m|": np.abs(mean), "sign": np.sign(mean)}[self.step]
        return w - h * step / divisor(self.root, square, s["eps"], b2, t)


def average(how: str, old: Any, new: Any, b: float) -> Any:
    """Return a running mean brought up to date, in the right way or a wrong one."""
    if how == "mean":
        return b * old + (1.0 - b) * new
    if how == "exchanged":
        return (1.0 - b) * old + b * new
    if how == "b old + new":
        return b * old + new
    if how == "old + (1 - b) new":
        return old + (1.0 - b) * new
    if how == "largest":
        return np.maximum(old, b * old + (1.0 - b) * new)
    return new if how in ("none", "last") else old + new  # "sum"


def corrected(how: str, mean: Any, b: float, t: float, m: Memory, name: str) -> Any:
    """Return a mean without its bias towards the zero it started from, in the right way or a wrong one."""
    if how == "never":
        return mean
    if how == "multiplied":
        return mean * (1.0 - b**t)
    if how == "1 - b":
        return mean / (1.0 - b)
    if how == "twice":
        return mean / (1.0 - b**t) ** 2
    if how == "b t":
        return mean / (1.0 - b * t)
    if how == "root":
        return mean / np.sqrt(1.0 - b**t)
    if how == "stored":
        m[name] = mean = mean / (1.0 - b**t)
        return mean
    return mean / (1.0 - b**t)


def divisor(how: str, square: Any, eps: float, b: float, t: float) -> Any:
    """Return what the step is divided by."""
    if how == "sqrt(v + eps)":
        return np.sqrt(square + eps)
    if how == "v + eps":
        return square + eps
    if how == "root":
        return np.sqrt(square)
    if how == "eps-hat":  # eps before the correction, at the end of section 2 of the paper
        return np.sqrt(square) + eps / np.sqrt(1.0 - b**t)
    if how == "1 / root":
        return 1.0 / (np.sqrt(square) + eps)
    if how == "root + eps^2":
        return np.sqrt(square) + eps * eps
    if how == "root of (v + eps^2)":
        return np.sqrt(square + eps * eps)
    return np.sqrt(square) + eps
