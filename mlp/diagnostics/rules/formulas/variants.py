"""Forms of a rule that differ from the formula here and are right all the same; each passes with a remark."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.by_name import FAMILIES, changed, settings_of_means
from mlp.diagnostics.rules.formulas.families import Adaptive, Velocity
from mlp.diagnostics.rules.formulas.others import LayerwiseMomentum, RectifiedAdam, RootMeanSquare, SignSteps
from mlp.diagnostics.rules.formulas.schedules import legal_schedules
from mlp.diagnostics.rules.formulas.walks import Settings, Walk
from mlp.typing import Array

Form = tuple[str, Walk, dict[str, float]]  # remark, walk, settings that it has written into it
INSIDE = "the learning rate is part of the velocity (v <- mu v + h g), as in some books: a change of it acts slowly."
SIDES = ("outside", "inside")
LITERALS = {
    "momentum": (0.9, 0.5, 0.95, 0.99),
    "decay": (0.9, 0.95, 0.99, 0.999),
    "beta1": (0.9,),
    "beta2": (0.999, 0.99),
}


def legal_forms(formula: str) -> Iterator[Form]:
    """Yield the other forms of a formula."""
    if formula == "momentum":
        yield INSIDE, Walk(Velocity(inside=True)), {}
    if formula == "nesterov":
        yield INSIDE, Walk(Velocity(step="g + mu v", inside=True)), {}
    if formula in ("momentum", "nesterov"):
        text = "the first gradient comes into the velocity times 1 - dampening, too."
        yield text, form_of(formula, dampened="all"), {}
        yield text, form_of(formula, dampened="all", inside=True), {}
    if formula in ("adagrad", "rmsprop"):
        text = "eps stands under the root, sqrt(v + eps), as in Keras and some books."
        yield text, form_of(formula, root="sqrt(v + eps)"), {}
    if formula == "adagrad":
        yield "the sum of squares starts at 0.1, as in Keras.", form_of(formula, start=0.1), {}
        text = "the sum of squares starts at 0.1, and eps stands under the root, as in Keras."
        yield text, form_of(formula, start=0.1, root="sqrt(v + eps)"), {}
    if formula == "adamax":
        text = "eps is added to |g|, inside the maximum, as in PyTorch."
        yield text, form_of(formula, of="|g| + eps", root="v"), {}
        yield "there is no eps in it, as in the paper.", form_of(formula, root="v"), {}
    if formula == "nadam":
        text = "m in the look ahead is corrected with t + 1, as in Dozat's paper."
        yield text, form_of(formula, step="b m' + (1 - b) g / (1 - b^t), m' by t + 1"), {}
    if formula == "amsgrad":
        yield "the maximum is that of v before its correction, as in PyTorch.", Walk(Adaptive(largest="v")), {}
        plain = Adaptive(largest="v", correct=("never", "never"))
        yield "there is no bias correction, as in the paper.", Walk(plain), {}
    if formula == "signum":
        yield "the velocity is a mean, whose sign is the same.", form_of(formula, velocity="mu v + (1 - mu) g"), {}
    if formula == "yogi":
        yield "there is no bias correction, as in some libraries.", form_of(formula, correct=("never", "never")), {}
    if formula in FAMILIES:
        yield "accumulated gradients are added up, not averaged.", Walk(FAMILIES[formula], gathering="sum"), {}
        yield "the weights decay after the step, not before it.", Walk(FAMILIES[formula], decay_after=True), {}
    if formula in ("adam", "nadam", "amsgrad", "adabelief", "yogi"):
        text = (
            "eps is added before the bias correction (eps-hat, at the end of section 2 of Adam's paper), as in many "
            "libraries."
        )
        yield text, form_of(formula, root="eps-hat"), {}
    if formula == "adabelief":
        inside = form_of(formula, of="(g - m)^2 + eps / (1 - b)")
        yield "eps is also added inside the mean, as in the paper.", inside, {}
    yield from of_others(formula)


def centralized(formula: str) -> Iterator[Form]:
    """Yield the forms of a rule that first takes their mean from the gradients of the weights of each output."""
    for outputs in (-1, 0):
        text = "the mean of each output's gradients is taken away first (gradient centralization, Yong et al., 2020)."
        for _, walk, numbers in (("", Walk(FAMILIES[formula]), {}), *legal_forms(formula)):
            yield text, replace(walk, prepared=partial(without_mean, outputs=outputs)), numbers


def without_mean(g: Array, outputs: int) -> Array:
    """Return the gradient of a matrix or kernel without its mean over all axes but that of the outputs."""
    others = tuple(axis for axis in range(g.ndim) if axis != outputs % g.ndim)
    return g - g.mean(axis=others, keepdims=True) if others else g


def with_schedules(formula: str, s: Settings) -> Iterator[Form]:
    """Yield the forms of a rule with the forms of the schedule that is inside it."""
    for remark, schedule in legal_schedules(s):
        for _, walk, numbers in (("", Walk(FAMILIES[formula]), {}), *legal_forms(formula)):
            yield remark, replace(walk, schedule=schedule), numbers


def of_others(formula: str) -> Iterator[Form]:
    """Yield the other forms of rules that are known by their formula alone."""
    both = (False, True)
    if formula in ("rmsprop_centered", "rmsprop_momentum"):
        centered = formula.endswith("centered")
        for choices in product((True,) if not centered else both, both, both):
            where = "under the root" if choices[2] else "outside the root"
            text = f"eps stands {where}, and the learning rate {SIDES[choices[1]]} the velocity."
            yield text, Walk(RootMeanSquare(centered, *choices)), {}
    if formula == "radam":
        for known_from, eps_hat in product((4.0, 5.0), both):
            text = f"it is rectified where rho is larger than {known_from:g}, as in the paper (4) or PyTorch (5)."
            yield text, Walk(RectifiedAdam(known_from, eps_hat)), {}
    if formula == "lars":
        for choices in product(both, both, both):
            text = f"the learning rate stands {SIDES[choices[1]]} the velocity, as in one of the usual forms of LARS."
            yield text, Walk(LayerwiseMomentum(*choices)), {}
    if formula == "rprop":
        for what in ("made", "taken back"):
            yield f"after a change of sign the step is {what}, as in one of the usual forms.", Walk(SignSteps(what)), {}


def form_of(formula: str, **choices: Any) -> Walk:
    """Return a formula with other choices."""
    return Walk(changed(FAMILIES[formula], choices))


def literals_of(formula: str) -> Iterator[dict[str, float]]:
    """Yield the usual numbers for the settings of a formula."""
    names = settings_of_means(formula)
    for values in product(*(LITERALS[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def literal_settings(
    formula: str, moved: Array, gradients: Sequence[Sequence[Array]], own: Settings, *, with_rate: bool
) -> Iterator[Form]:
    """Yield the formula with usual numbers for settings that the rule may have written into it, also the learning rate
    of a function."""
    family = FAMILIES[formula]
    walks = [Walk(family), *(walk for _, walk, _ in legal_forms(formula))]
    g = np.concatenate([array.ravel() for array in gradients[0]])
    rate = abs(float((moved[0] * g).sum()) / float((g * g).sum()))
    for chosen in literals_of(formula):
        text = ", ".join(f"{name} = {value:g}" for name, value in chosen.items())
        for walk in walks:
            if any(own[name] != value for name, value in chosen.items()):
                yield f"{text} stands in it as a number.", walk, chosen
            if not with_rate:
                continue
            if isinstance(family, Adaptive):
                first = np.abs(moved[0]).mean()
                rate = first * (np.sqrt(1.0 - chosen["decay"]) if "decay" in chosen else 1.0)
            if isinstance(family, Velocity) and family.step == "g + mu v":
                mu = chosen["momentum"]
                yield written_in(rate / (1.0 + mu), text), walk, {**chosen, "learning_rate": rate / (1.0 + mu)}
            else:
                yield written_in(rate, text), walk, {**chosen, "learning_rate": rate}


def written_in(rate: float, text: str) -> str:
    """Return the remark about a learning rate that stands in a rule as a number."""
    return (
        f"the learning rate {rate:.4g} stands in it as a number, and no schedule can change it{text and '; ' + text}."
    )
