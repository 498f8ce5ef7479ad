"""The faults that learning rules are known for: each is a formula, too, and leads to weights of its own.

`ANY_RULE` are faults of what is done around a formula. Those of a formula itself are other choices in its family, see
`families`: `faults_of` yields each single choice, then pairs of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from mlp.diagnostics.rules.families import Adaptive, Velocity
from mlp.diagnostics.rules.formulas import Walk


@dataclass(frozen=True)
class Fault:
    """A wrong walk with its name and what is wrong."""

    name: str
    sentence: str
    changes: dict[str, Any] = field(default_factory=dict)

    def of(self, walk: Walk) -> Walk:
        """Return the wrong walk."""
        return replace(walk, **self.changes)


ANY_RULE = (
    Fault("sign", "it climbs: the step is added where it must be subtracted", {"uphill": True}),
    Fault(
        "state reset",
        "matches when all that it remembers is reset to zero before every step (or computed and not used): it must be "
        "carried over from step to step",
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

FAMILIES: dict[str, Velocity | Adaptive] = {
    "gradient_descent": Velocity(step="g"),
    "momentum": Velocity(),
    "nesterov": Velocity(step="g + mu v"),
    "adagrad": Adaptive(mean="none", square="sum", correct=("never", "never"), step="g"),
    "rmsprop": Adaptive(mean="none", correct=("never", "never"), step="g"),
    "adam": Adaptive(),
}

# (name, sentence, choices) for each family: what another choice means
Choice = tuple[str, str, dict[str, Any]]
VELOCITY: tuple[Choice, ...] = (
    (
        "learning rate twice",
        "the learning rate is multiplied in twice: once into the velocity, v <- mu v + h g, and again in the "
        "step, w - h v",
        {"velocity": "mu v + h g, times h"},
    ),
    ("sign of the velocity", "the old velocity is subtracted: v <- mu v + g", {"velocity": "g - mu v"}),
    (
        "sign of the velocity",
        "the gradient is subtracted from the velocity, which is then subtracted again",
        {"velocity": "mu v - g"},
    ),
    (
        "velocity averaged",
        "v <- mu v + (1 - mu) g, an average: its steps are 1/(1 - mu) times too small",
        {"velocity": "mu v + (1 - mu) g"},
    ),
    ("momentum exchanged", "mu and 1 - mu are exchanged: v <- (1 - mu) v + mu g", {"velocity": "(1 - mu) v + mu g"}),
    (
        "momentum exchanged",
        "the old velocity is multiplied by 1 - mu, not by the momentum mu",
        {"velocity": "(1 - mu) v + g"},
    ),
    (
        "momentum forgotten",
        "the old velocity is not multiplied by the momentum mu: v <- v + g only grows",
        {"velocity": "v + g"},
    ),
    (
        "momentum on the gradient",
        "the new gradient is multiplied by the momentum, too: v <- mu (v + g)",
        {"velocity": "mu (v + g)"},
    ),
    ("velocity not carried over", "v <- mu g: the old velocity is forgotten in every step", {"velocity": "mu g"}),
    (
        "old velocity",
        "the step is made with the velocity of the step before: bring v up to date first",
        {"step": "old v"},
    ),
    ("momentum twice", "the velocity is multiplied by the momentum once more in the step", {"step": "mu v"}),
    ("no looking ahead", "these are the steps of plain momentum: the look ahead, g + mu v, is missing", {"step": "v"}),
    (
        "looks ahead",
        "it looks ahead, g + mu v, as Nesterov's rule does: plain momentum makes the step with v alone",
        {"step": "g + mu v"},
    ),
    ("sign of the look ahead", "mu v is subtracted where it must be added: g + mu v", {"step": "g - mu v"}),
    (
        "old velocity",
        "it looks ahead with the velocity of the step before: g + mu v needs the new v",
        {"step": "g + mu old v"},
    ),
    (
        "look ahead with the old velocity",
        "v + mu v_old: the look ahead is g + mu v, with the new velocity v",
        {"step": "v + mu old v"},
    ),
    ("look ahead without mu", "g + v: the look ahead is g + mu v, the velocity times the momentum", {"step": "g + v"}),
    ("look ahead of the velocity", "v + mu v: the look ahead is g + mu v, with the gradient", {"step": "v + mu v"}),
    (
        "look ahead with signs exchanged",
        "(1 + mu) v - mu v_old has v and v_old exchanged in scale: g + mu v",
        {"step": "(1 + mu) v - mu old v"},
    ),
    (
        "sign of the gradient only",
        "the step is made with the sign of the gradient: its size is lost",
        {"step": "sign(g)"},
    ),
    ("normalized gradient", "the gradient is divided by its length: all steps are equally long", {"step": "g / |g|"}),
    ("gradient squared", "the gradient is squared", {"step": "g^2"}),
    ("gradient without sign", "the gradient lost its sign: |g|", {"step": "|g|"}),
)
BEFORE = "the running mean is used before the gradient of this step comes in (the old one): bring it up to date first"
ADAPTIVE: tuple[Choice, ...] = (
    ("root forgotten", "it divides by v, not by its root: the square root (sqrt) is missing", {"root": "v + eps"}),
    ("eps in the root", "eps stands under the root, and belongs outside", {"root": "sqrt(v + eps)"}),
    ("divided by the inverse", "it multiplies by the root where it must divide by it", {"root": "1 / root"}),
    ("eps squared", "eps is squared", {"root": "root + eps^2"}),
    ("eps squared", "eps is squared, under the root", {"root": "root of (v + eps^2)"}),
    ("not squared", "the running mean is of |g|, and must be of the squares g^2: the square is missing", {"of": "|g|"}),
    ("not squared", "the running mean is of g, and must be of the squares g^2: the square is missing", {"of": "g"}),
    ("square of the mean", "it averages m^2, the square of the first mean m, where g^2 belongs", {"of": "m^2"}),
    (
        "one number for all",
        "all weights of an array share one mean of g^2: each weight has its own, element by element",
        {"of": "the mean of g^2 over the array"},
    ),
    (
        "one number for all",
        "all weights of an array share one sum of g^2: each weight has its own, element by element",
        {"of": "the sum of g^2 over the array"},
    ),
    ("old square", BEFORE, {"old_square": True}),
    (
        "squares not averaged",
        "the squares are only added up, as AdaGrad does, and never decay (grow without end): v <- b v + (1 - b) g^2",
        {"square": "sum"},
    ),
    ("squares averaged", "the squares decay, as in RMSProp; AdaGrad only adds them up", {"square": "mean"}),
    (
        "1 - b forgotten",
        "the squares come in without 1 - b: v <- b v + (1 - b) g^2 is a mean, this is a sum",
        {"square": "b old + new"},
    ),
    (
        "decay forgotten",
        "the old squares are not multiplied by b: v <- b v + (1 - b) g^2",
        {"square": "old + (1 - b) new"},
    ),
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the squares", {"square": "exchanged"}),
    (
        "squares not carried over",
        "only the last square counts: the running mean is not carried over from step to step",
        {"square": "last"},
    ),
    ("largest square", "it keeps the largest mean of the squares, as AMSGrad does", {"square": "largest"}),
    ("sign of the gradient only", "only the sign of the step is used", {"step": "sign"}),
    ("gradient without sign", "the step lost its sign", {"step": "|m|"}),
)
ADAM: tuple[Choice, ...] = (
    (
        "bias correction missing",
        "matches without the division of both means by 1 - b^t: the bias correction is missing",
        {"correct": ("never", "never")},
    ),
    (
        "bias correction missing",
        "matches without the bias correction of the first mean: the division by 1 - b1^t",
        {"correct": ("never", "once")},
    ),
    (
        "bias correction missing",
        "matches without the bias correction of the second mean: the division by 1 - b2^t",
        {"correct": ("once", "never")},
    ),
    (
        "corrected values stored",
        "the corrected means are stored back into m and v, so they are corrected again in every step: keep m_hat "
        "and v_hat apart",
        {"correct": ("stored", "stored")},
    ),
    (
        "corrected values stored",
        "the corrected first mean is stored back into m, and corrected again in every step: keep m_hat apart",
        {"correct": ("stored", "once")},
    ),
    (
        "corrected values stored",
        "the corrected second mean is stored back into v, and corrected again in every step: keep v_hat apart",
        {"correct": ("once", "stored")},
    ),
    (
        "bias correction without t",
        "the first mean is divided by 1 - b1, not by 1 - b1^t",
        {"correct": ("1 - b", "once")},
    ),
    (
        "bias correction without t",
        "the second mean is divided by 1 - b2, not by 1 - b2^t",
        {"correct": ("once", "1 - b")},
    ),
    ("bias correction without a power", "1 - b t stands where the power 1 - b^t belongs", {"correct": ("b t", "b t")}),
    (
        "bias correction multiplied",
        "the means are multiplied by 1 - b^t: the bias correction divides by it",
        {"correct": ("multiplied", "multiplied")},
    ),
    (
        "bias correction multiplied",
        "the first mean is multiplied by 1 - b1^t: the bias correction divides",
        {"correct": ("multiplied", "once")},
    ),
    (
        "bias correction multiplied",
        "the second mean is multiplied by 1 - b2^t: the bias correction divides",
        {"correct": ("once", "multiplied")},
    ),
    ("bias correction twice", "both means are corrected twice", {"correct": ("twice", "twice")}),
    ("bias correction twice", "the first mean is corrected twice", {"correct": ("twice", "once")}),
    ("bias correction twice", "the second mean is corrected twice", {"correct": ("once", "twice")}),
    (
        "root of the correction",
        "the first mean is divided by the root of 1 - b1^t: no root belongs there",
        {"correct": ("root", "once")},
    ),
    ("root of the correction", "the root is taken of 1 - b2^t once more", {"correct": ("once", "root")}),
    ("gradient in place of the mean", "the step is made with g, not with the mean m of the gradients", {"step": "g"}),
    (
        "1 - b forgotten",
        "the means are sums: new values come in times 1 - b",
        {"mean": "b old + new", "square": "b old + new"},
    ),
    ("1 - b forgotten", "the first mean is a sum: the gradient comes in times 1 - b1", {"mean": "b old + new"}),
    ("decay forgotten", "the old m is not multiplied by b1", {"mean": "old + (1 - b) new"}),
    ("decay exchanged", "b1 and 1 - b1 are exchanged in the mean of the gradients", {"mean": "exchanged"}),
    ("decay exchanged", "b and 1 - b are exchanged in both means", {"mean": "exchanged", "square": "exchanged"}),
    ("mean not carried over", "m is not carried over from step to step", {"mean": "last"}),
    ("gradients added up", "m is the sum of all gradients, and must be their running mean", {"mean": "sum"}),
)
ADAM_CLOCKS = (
    Fault(
        "step count stuck",
        "t stays at 1, so the means are divided by 1 - b, not by 1 - b^t: count the updates",
        {"clock": lambda t: 1.0},
    ),
    Fault(
        "step count off by one",
        "the step count t is one too large: it is 1 in the first update",
        {"clock": lambda t: t + 1.0},
    ),
    Fault(
        "step count off by one",
        "the step count t is 0 in the first update, and must be 1: count before it is used",
        {"clock": lambda t: t - 1.0},
    ),
    Fault(
        "step count off by one",
        "the step count t is 0 in the first update (and counts as 1 there), then one too small",
        {"clock": lambda t: max(t - 1.0, 1.0)},
    ),
    Fault(
        "bias correction missing",
        "matches without the division of both means by 1 - b^t",
        {"clock": lambda t: math.inf},
    ),
    Fault(
        "step count twice",
        "the step count t grows by two in each step: is it counted for each parameter?",
        {"clock": lambda t: 2.0 * t},
    ),
    Fault(
        "step count twice",
        "the step count t grows by two in each step: is it counted for each parameter?",
        {"clock": lambda t: 2.0 * t - 1.0},
    ),
    Fault("betas exchanged", "beta1 and beta2 are exchanged", {"exchange": ("beta1", "beta2")}),
)


def choices_of(formula: str) -> tuple[Choice, ...]:
    """Return the other choices that a formula's family has."""
    family = FAMILIES[formula]
    choices = VELOCITY if isinstance(family, Velocity) else ADAPTIVE + (ADAM if formula == "adam" else ())
    return tuple(one for one in choices if replace(family, **one[2]) != family)


def faults_of(formula: str, *, pairs: bool = False) -> Iterator[Fault]:
    """Yield the faults of a formula: single ones, or pairs of choices."""
    family = FAMILIES[formula]
    choices = choices_of(formula)
    if not pairs:
        yield from (Fault(name, text, {"formula": replace(family, **change)}) for name, text, change in choices)
        yield from ADAM_CLOCKS if formula == "adam" else ()
        yield from ANY_RULE
        return
    for (name, text, change), (other, also, second) in combinations(choices, 2):
        if not change.keys() & second.keys():
            both = {"formula": replace(family, **change, **second)}
            yield Fault(f"{name}, {other}", f"two mistakes: {text}; and {also}", both)
    for name, text, change in choices:
        for fault in (*(ADAM_CLOCKS if formula == "adam" else ()), *ANY_RULE[:5]):
            both = {"formula": replace(family, **change), **fault.changes}
            yield Fault(f"{name}, {fault.name}", f"two mistakes: {text}; and {fault.sentence}", both)
