"""Other choices that a rule with a velocity can make, see `families.Velocity`, and what each of them means."""

from typing import Any

Choice = tuple[str, str, dict[str, Any]]  # name, sentence, choices

SIGNUM: tuple[Choice, ...] = (
    ("sign forgotten", "the step is made with the mean itself, and must be made with its sign", {"step": "v"}),
    (
        "sign of the gradient",
        "the step takes the sign of the gradient of this step alone, and must take that of the mean",
        {"step": "sign(g)"},
    ),
)
VELOCITY: tuple[Choice, ...] = (
    (
        "learning rate twice",
        "the learning rate is multiplied in twice: once into the velocity, v <- mu v + h g, and again in the "
        "step, w - h v",
        {"inside": True, "outside": True},
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
    (
        "sign of the old velocity",
        "the sign of the old velocity in the step is wrong: it is (1 + mu) v - mu v_old",
        {"step": "(1 + mu) v + mu old v"},
    ),
    ("no looking ahead", "these are the steps of plain momentum: the look ahead, g + mu v, is missing", {"step": "v"}),
    (
        "looks ahead",
        "it looks ahead, g + mu v, as Nesterov's rule does: plain momentum makes the step with v alone",
        {"step": "g + mu v"},
    ),
    ("sign of the look ahead", "mu v is subtracted where it must be added: g + mu v", {"step": "g - mu v"}),
    (
        "momentum twice",
        "the look ahead takes mu^2 v: g + mu v multiplies the velocity by the momentum once",
        {"step": "g + mu^2 v"},
    ),
    ("old velocity", "the look ahead is made with the old velocity and without mu: g + mu v", {"step": "g + old v"}),
    ("momentum twice", "the old velocity is multiplied by the momentum twice, mu^2 v", {"velocity": "mu^2 v + g"}),
    (
        "momentum on the gradient",
        "mu multiplies the new gradient, and not the old velocity: v <- mu v + g",
        {"velocity": "v + mu g"},
    ),
    (
        "look ahead with the old velocity",
        "v + mu v_old: the look ahead is g + mu v, with the new velocity v",
        {"step": "v + mu old v"},
    ),
    ("look ahead without mu", "g + v: the look ahead is g + mu v, the velocity times the momentum", {"step": "g + v"}),
    (
        "sign of the gradient only",
        "the step is made with the sign of the gradient: its size is lost",
        {"step": "sign(g)"},
    ),
    (
        "velocity starts at the gradient",
        "v is g before the first step, and must be 0: the first gradient counts twice",
        {"start": "new"},
    ),
    ("velocity starts at 1", "v is 1 before the first step, and must be 0: zeros, not ones", {"start": "1"}),
)
