"""Learning rules without temporary arrays: the formulas of `mlp.learning_rules`, a piece of the weights at a time.

All weights lie in one flat array. Each thread takes a part of it and works through that in pieces that stay in its
cache. Rules are registered by exact type, like layers: any other rule, a student's for example, runs its own `update`.

A fused rule is a function (rule, w, g, moments, a, b) that changes w and the moments in place, given the gradient g
(clipped, and with coupled weight decay in it), and two scratch arrays a and b. All are slices of equal length; a may be
the same array as g.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.engine.cpu.threads import ThreadTeam
from mlp.learning_rules import AdaGrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array

PIECE = 16384  # weights

Fused = Callable[[Any, Array, Array, dict[str, Array], Array, Array], None]

RULES: dict[type[LearningRule], Fused] = {}  # exact type of a rule -> function


def fuses(rule_type: type[LearningRule]) -> Callable[[Fused], Fused]:
    """Register the decorated function for exactly this type of rule."""

    def register(function: Fused) -> Fused:
        RULES[rule_type] = function
        return function

    return register


@fuses(GradientDescent)
def gradient_descent(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    np.multiply(g, rule.learning_rate, out=a)
    np.subtract(w, a, out=w)


@fuses(Momentum)
def momentum(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    v = moments["velocity"]
    np.multiply(v, rule.momentum, out=v)
    np.add(v, g, out=v)
    np.multiply(v, rule.learning_rate, out=a)
    np.subtract(w, a, out=w)


@fuses(Nesterov)
def nesterov(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    v = moments["velocity"]
    np.multiply(v, rule.momentum, out=v)
    np.add(v, g, out=v)
    np.multiply(v, rule.momentum, out=b)
    np.add(b, g, out=b)
    np.multiply(b, rule.learning_rate, out=b)
    np.subtract(w, b, out=w)


@fuses(AdaGrad)
def adagrad(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    s = moments["square_sum"]
    np.multiply(g, g, out=b)
    np.add(s, b, out=s)
    divide_by_root(rule, w, g, s, a, b)


@fuses(RMSProp)
def rmsprop(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    v = moments["square"]
    np.multiply(g, g, out=b)
    np.multiply(b, 1.0 - rule.decay, out=b)
    np.multiply(v, rule.decay, out=v)
    np.add(v, b, out=v)
    divide_by_root(rule, w, g, v, a, b)


def divide_by_root(rule: Any, w: Array, g: Array, squares: Array, a: Array, b: Array) -> None:
    """w <- w - h g / (sqrt(squares) + eps)."""
    np.sqrt(squares, out=b)
    np.add(b, rule.eps, out=b)
    np.multiply(g, rule.learning_rate, out=a)
    np.divide(a, b, out=a)
    np.subtract(w, a, out=w)


@fuses(AdamW)
@fuses(Adam)
def adam(rule: Any, w: Array, g: Array, moments: dict[str, Array], a: Array, b: Array) -> None:
    m, v = moments["mean"], moments["square"]
    correction1, correction2 = 1.0 - rule.beta1**rule.steps, 1.0 - rule.beta2**rule.steps
    np.multiply(g, 1.0 - rule.beta1, out=b)
    np.multiply(m, rule.beta1, out=m)
    np.add(m, b, out=m)
    np.multiply(g, g, out=b)
    np.multiply(b, 1.0 - rule.beta2, out=b)
    np.multiply(v, rule.beta2, out=v)
    np.add(v, b, out=v)
    np.sqrt(v, out=b)
    np.divide(b, math.sqrt(correction2), out=b)  # sqrt(v')
    np.add(b, rule.eps, out=b)
    np.multiply(m, rule.learning_rate / correction1, out=a)
    np.divide(a, b, out=a)
    np.subtract(w, a, out=w)


class FusedUpdate:
    """Runs a rule's update with the threads of a team."""

    def __init__(self, rule: LearningRule, team: ThreadTeam) -> None:
        self.rule, self.team = rule, team
        self.function = RULES.get(type(rule))
        self.scratch = [np.empty((2, PIECE), rule.flat.data.dtype) for _ in range(team.size)]

    def __call__(self) -> None:
        """Change the weights once."""
        if self.function is None:
            self.rule.update()
        else:
            self.rule.steps += 1
            self.clipped = self.rule.clip(self.rule.flat.grad)  # the same array if nothing is clipped
            self.team.run(self._job)

    def _job(self, t: int) -> None:
        with np.errstate(all="ignore"):  # each thread has its own; a diverging network shows in the loss
            self._share(t)

    def _share(self, t: int) -> None:
        rule, size = self.rule, self.rule.flat.data.size
        end = size * (t + 1) // self.team.size
        for start in range(size * t // self.team.size, end, PIECE):
            piece = slice(start, min(start + PIECE, end))
            w, g = rule.flat.data[piece], self.clipped[piece]
            a, b = self.scratch[t][:, : len(w)]
            decays = rule.decays if isinstance(rule.decays, float) else rule.decays[piece]
            if rule.weight_decay:
                np.multiply(w, rule.weight_decay * decays, out=a)
                g = np.add(g, a, out=a)
            if rule.decoupled_weight_decay:
                np.multiply(w, rule.learning_rate * rule.decoupled_weight_decay * decays, out=b)
                np.subtract(w, b, out=w)
            assert self.function is not None
            self.function(rule, w, g, {name: moment[piece] for name, moment in rule.moments.items()}, a, b)
