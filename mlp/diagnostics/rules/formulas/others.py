"""Learning rules that are known by their formula alone: RMSProp with more in it, RAdam, LARS, LAMB, Rprop."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.walks import Formula, Memory, Settings

GROW, SHRINK = 1.2, 0.5  # of Rprop's step sizes, where the rule has no settings of these names


@dataclass(frozen=True)
class RootMeanSquare:
    """v <- a v + (1 - a) g^2, b <- mu b + g / (sqrt(v - m^2) + eps), w <- w - h b; m is the mean of g, if centered."""

    centered: bool = False
    buffer: bool = False
    rate_inside: bool = False  # b <- mu b + h g / ...
    eps_inside: bool = False

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        a = s["decay"]
        v = m["v"] = a * m.get("v", 0.0) + (1.0 - a) * g * g
        if self.centered:
            m["m"] = a * m.get("m", 0.0) + (1.0 - a) * g
            v = v - m["m"] ** 2
        step = g / (np.sqrt(v + s["eps"]) if self.eps_inside else np.sqrt(v) + s["eps"])
        if not self.buffer:
            return w - h * step
        m["b"] = s["momentum"] * m.get("b", 0.0) + (h * step if self.rate_inside else step)
        return w - (1.0 if self.rate_inside else h) * m["b"]


@dataclass(frozen=True)
class RectifiedAdam:
    """As Adam, times the rectification r_t where the variance of the adaptive rate is known; without the root before.

    rho_t = rho - 2 t b2^t / (1 - b2^t),  rho = 2 / (1 - b2) - 1.
    """

    known_from: float = 4.0  # 5 in PyTorch
    eps_hat: bool = False  # eps is added before the correction

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        b1, b2, eps = s["beta1"], s["beta2"], s["eps"]
        m["m"] = b1 * m.get("m", 0.0) + (1.0 - b1) * g
        m["v"] = b2 * m.get("v", 0.0) + (1.0 - b2) * g * g
        mean, correction = m["m"] / (1.0 - b1**t), 1.0 - b2**t
        last = 2.0 / (1.0 - b2) - 1.0
        rho = last - 2.0 * t * b2**t / correction
        if rho <= self.known_from:
            return w - h * mean
        r = np.sqrt((rho - 4.0) * (rho - 2.0) * last / ((last - 4.0) * (last - 2.0) * rho))
        root = np.sqrt(m["v"] / correction) + (eps / np.sqrt(correction) if self.eps_hat else eps)
        return w - h * r * mean / root


@dataclass(frozen=True)
class LayerwiseMomentum:
    """LARS: v <- mu v + h c |w| / (|g| + d |w|) (g + d w), w <- w - v, with a weight decay d and a trust c."""

    norm_of_sum: bool = False  # |g + d w| stands below
    rate_inside: bool = True
    with_eps: bool = False

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        d, size = s["weight_decay"], np.linalg.norm(w)  # g has its decay already
        below = np.linalg.norm(g) if self.norm_of_sum else np.linalg.norm(g - d * w) + d * size
        below = below + s["eps"] if self.with_eps else below
        step = s["trust"] * size / below * g if size and below else g
        m["v"] = s["momentum"] * m.get("v", 0.0) + (h * step if self.rate_inside else step)
        return w - (1.0 if self.rate_inside else h) * m["v"]


def lamb(w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
    """r = m' / (sqrt(v') + eps) + d w, w <- w - h |w| / |r| r, with Adam's means m', v' and a weight decay d."""
    b1, b2 = s["beta1"], s["beta2"]
    m["m"] = b1 * m.get("m", 0.0) + (1.0 - b1) * g
    m["v"] = b2 * m.get("v", 0.0) + (1.0 - b2) * g * g
    r = m["m"] / (1.0 - b1**t) / (np.sqrt(m["v"] / (1.0 - b2**t)) + s["eps"]) + s["inner_decay"] * w
    size, length = np.linalg.norm(w), np.linalg.norm(r)
    return w - h * (size / length if size and length else 1.0) * r


@dataclass(frozen=True)
class SignSteps:
    """Rprop: each weight has a step of its own, h at first: times 1.2 where g keeps its sign, times 0.5 where not.

    After a change of sign the step is left out and g forgotten ("left out"), or made all the same ("made"), or the
    last step is taken back ("taken back").
    """

    after_change: str = "left out"

    def __call__(self, w: Any, g: Any, t: float, h: float, m: Memory, s: Settings) -> Any:
        before = m.get("g", 0.0 * g)
        same = before * g
        grow, shrink = s.get("grow", GROW), s.get("shrink", SHRINK)
        size = m["size"] = m.get("size", h + 0.0 * g) * np.where(same > 0.0, grow, np.where(same < 0.0, shrink, 1.0))
        back = m.get("step", 0.0 * g)
        if self.after_change != "made":
            g = np.where(same < 0.0, 0.0, g)
        m["g"], m["step"] = g, np.sign(g) * size
        return w - m["step"] + (np.where(same < 0.0, back, 0.0) if self.after_change == "taken back" else 0.0)


WITHOUT_CHOICES: dict[str, Formula] = {
    "rmsprop_centered": RootMeanSquare(centered=True),
    "rmsprop_momentum": RootMeanSquare(buffer=True),
    "radam": RectifiedAdam(),
    "lars": LayerwiseMomentum(),
    "lamb": lamb,
    "rprop": SignSteps(),
}
