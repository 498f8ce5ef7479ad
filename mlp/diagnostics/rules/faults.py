"""The faults that learning rules are known for: each is a formula, too, and leads to weights of its own.

`ANY_RULE` are faults of what is done around a formula. Those of a formula itself are other choices in its family, see
`families`: `faults_of` yields each single choice.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.by_name import FAMILIES, changed
from mlp.diagnostics.rules.formulas.choices import (
    ADABELIEF,
    ADAGRAD,
    ADAM,
    ADAMAX,
    ADAPTIVE,
    AMSGRAD,
    DELTA,
    LION,
    SIGNUM,
    VELOCITY,
    Choice,
)
from mlp.diagnostics.rules.formulas.families import Adaptive, Delta, Signs, Velocity
from mlp.diagnostics.rules.formulas.walks import Formula, Settings, Walk


@dataclass(frozen=True)
class Fault:
    """A wrong walk with its name and what is wrong; also what is wrong where the decay should be decoupled."""

    name: str
    sentence: str
    changes: dict[str, Any] = field(default_factory=dict)
    decoupled: str = ""

    def said(self, s: Settings) -> str:
        """Return what is wrong with a rule of some settings."""
        return self.decoupled if self.decoupled and s["decoupled_weight_decay"] else self.sentence

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
    Fault("learning rate twice", "the learning rate is multiplied in twice", {"rate": lambda h, t: h * h}),
    Fault("learning rate ignored", "the learning rate is not multiplied in", {"rate": lambda h, t: 1.0}),
    Fault(
        "root of the learning rate",
        "the root of the learning rate, sqrt(h), is multiplied in: it is h itself",
        {"rate": lambda h, t: math.sqrt(h)},
    ),
    Fault(
        "divided by the learning rate",
        "the step is divided by the learning rate, where it must be multiplied by it",
        {"rate": lambda h, t: 1.0 / h},
    ),
    Fault(
        "learning rate times the step count",
        "the learning rate is multiplied by the number t of the step: steps grow and grow",
        {"rate": lambda h, t: h * t},
    ),
    Fault(
        "learning rate divided by the step count",
        "the learning rate is divided by the number t of the step: a schedule sets the rate, not the rule",
        {"rate": lambda h, t: h / t},
    ),
    Fault(
        "learning rate divided by the root of the step count",
        "the learning rate is divided by sqrt(t): a schedule sets the rate, not the rule",
        {"rate": lambda h, t: h / math.sqrt(t)},
    ),
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
        "L1 penalty",
        "the decay is that of an L1 penalty, the sign of w; L2 weight decay adds d w",
        {"penalty": np.sign},
    ),
    Fault(
        "penalty itself",
        "w^2, the penalty itself, is added to the gradient; its derivative is d w",
        {"penalty": np.square},
    ),
    Fault(
        "size of the weights",
        "|w| is added to the gradient, and must be w itself: it lost the sign",
        {"penalty": np.abs},
    ),
    Fault(
        "decay without the weights",
        "the rate d of the decay itself is added to the gradient, and must be multiplied by the weights: d w",
        {"penalty": np.ones_like},
        "the rate d of the decay itself is subtracted, and must be multiplied by the weights: w <- w - h d w",
    ),
    Fault(
        "half the decay",
        "the weights decay half as much: the derivative of d/2 w^2 is d w",
        {"coupled": 0.5, "decoupled": 0.5},
    ),
    Fault(
        "coupled and decoupled exchanged",
        "the weights decay apart from the rule, w - h d w, and the decay belongs to the gradient: g + d w",
        {"decay_exchanged": True},
        "the decay is added to the gradient and goes through the means, as an L2 penalty; it must be decoupled: the "
        "gradient stays without it, and the weights shrink by themselves, w <- w - h d w",
    ),
    Fault(
        "decay without rate",
        "the decay is not multiplied by the learning rate: the penalty belongs to the gradient, g + d w",
        {"decay_without_rate": True, "decay_exchanged": True},
    ),
)

OF_GATHERED = tuple(
    Fault(name, text, {"gathering": gathering})
    for name, text, gathering in (
        (
            "gradients not set to zero",
            "the accumulated gradients are not set to zero after a step, so the next step takes them once more",
            "mean, kept",
        ),
        (
            "gradients not set to zero",
            "the accumulated gradients are not set to zero after a step, so the next step takes them once more",
            "sum, kept",
        ),
        (
            "only the last gradient",
            "a step takes only the last of the gradients: they must be added up until then",
            "last",
        ),
    )
)
OF_SLOW = (
    Fault(
        "fast weights not set back",
        "the slow weights are brought up to date and not used: the fast ones must start from them again, w <- slow",
        {"slow": "go on"},
    ),
    Fault(
        "shares of the slow weights exchanged",
        "alpha and 1 - alpha are exchanged: slow <- slow + alpha (w - slow)",
        {"slow": "exchanged"},
    ),
    Fault(
        "slow weights never moved",
        "the slow weights stay as they were at the start, and the fast ones are pulled back to them: keep the new slow "
        "weights, slow <- slow + alpha (w - slow), then w <- slow",
        {"slow": "never moved"},
    ),
)

AROUND = ANY_RULE[:10]  # those that have nothing to do with the decay of the weights

COUNTING = ("adam", "nadam", "adamax", "amsgrad", "adabelief", "radam", "lamb", "yogi")
ADAM_CLOCKS = (
    Fault(
        "step count stuck",
        "t stays at 1, so the means are divided by 1 - b, not by 1 - b^t: count the updates, and use the power t",
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


def choices_of(formula: str, family: Formula) -> tuple[Choice, ...]:
    """Return the choices that a formula does not make; none for one that has no choices."""
    choices: tuple[Choice, ...] = ()
    if isinstance(family, Velocity):
        choices = (SIGNUM if formula == "signum" else ()) + VELOCITY
    elif isinstance(family, Delta):
        choices = DELTA
    elif isinstance(family, Signs):
        choices = LION
    elif isinstance(family, Adaptive):
        of_squares = {"adagrad": ADAGRAD, "adamax": ADAMAX}.get(formula, ADAPTIVE)
        choices = of_squares + (ADAM if formula in COUNTING else ())
        choices = {"adabelief": ADABELIEF, "amsgrad": AMSGRAD}.get(formula, ()) + choices
    return tuple(one for one in choices if changed(family, one[2]) != family)


def faults_of(formula: str, family: Formula | None = None) -> Iterator[Fault]:
    """Yield the single faults of a formula, in its own form or in another one of its family."""
    family = FAMILIES[formula] if family is None else family
    for name, text, change in choices_of(formula, family):
        yield Fault(name, text, {"formula": changed(family, change)})
    yield from ADAM_CLOCKS if formula in COUNTING else ()
    yield from ANY_RULE
