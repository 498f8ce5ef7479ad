"""Does a dropout drop the share of the values that its setting says, and scale the others so that the mean stays?

The setting may be the probability that a value is dropped, or that it is kept: its name or the text of the class says
which. If neither does, nothing is reported about the share. The mean over training must be what evaluation gives; where
the mask is the same each time, as with a fixed seed, the share that is kept is told from a large batch. The mask of
training must not be left for evaluation.
"""

import copy
import inspect
import re
from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point, distance
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.styles.functions import FunctionPair, options_of
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

SETTINGS = (
    *("p", "rate", "drop", "prob", "probability", "ratio", "p_drop", "drop_p", "drop_prob", "drop_rate"),
    *("dropout", "dropout_prob", "dropout_rate", "dropout_ratio"),
)
RUNS = 20
SIGMAS = 5.0
FITS = 1e-6  # of the length of a gradient
MANY_RUNS = 200  # training forwards, for a mean
SLACK = 0.01  # of a mean
LARGE = 2000  # samples in the batch for the share of a fixed mask
NEAR = 0.04  # of a share that so many values show


def kept_and_dropped(probe: Probe) -> Iterator[Diagnosis]:
    """Yield the diagnosis of a dropout that keeps the share that it must drop."""
    layer, owner = probe.layer, probe.owner
    found = [(name, value) for name, value in vars(owner).items() if name in SETTINGS and isinstance(value, float)]
    if len(found) != 1 or not 0.0 < found[0][1] < 1.0 or not says_drop(type(owner), found[0][0]):
        return
    name, p = found[0]
    x = np.ones(probe.x.shape)
    shares = np.concatenate([(np.array(layer.forward(x, training=True)) != 0.0).ravel() for _ in range(RUNS)])
    kept, deviation = float(shares.mean()), float(np.sqrt(p * (1.0 - p) / shares.size))
    if abs(kept - p) < SIGMAS * deviation and abs(kept - (1.0 - p)) > 2.0 * SIGMAS * deviation:
        text = (
            f"{kept:.2f} of the values are kept where {name} = {p:g}: {name} is the probability with which a value is "
            f"dropped, so keep it with 1 - {name} (mask = random > {name}), and scale by 1 / (1 - {name})"
        )
        yield Diagnosis("keeps what it must drop", "outputs", "training", text)


def says_drop(cls: type, name: str) -> bool:
    """Return whether the name of the setting, or else the text of the class, says that it is what is dropped."""
    try:
        text = inspect.getsource(cls).lower()
    except (OSError, TypeError):
        text = ""
    text = re.sub(r"self\.keep\(|self\.kept", "", text)
    if re.search(r"keep|kept|retain|surviv|remain", text):
        return False
    if name != "p" and ("drop" in name or name == "rate"):
        return True
    words = re.sub(r"class \w+|inverted dropout", "", text)
    return bool(re.search(r"drop(ped|ping|s)?\b|silenc|zeroed|switched off|set to (0|zero)", words))


def mean_of_dropout(probe: Probe) -> Iterator[Diagnosis]:
    """Layers that multiply by 0 or c at random: the mean of these factors is 1 against evaluation."""
    x, layer = probe.x, probe.layer
    wanted = np.array(layer.forward(x.copy(), training=False))
    if not wanted.all():
        return
    factors = [np.array(layer.forward(x.copy(), training=True)) / wanted for _ in range(3)]
    if np.array_equal(factors[0], factors[1]) and np.array_equal(factors[1], factors[2]):
        return
    scale = scale_of(np.concatenate([factor.ravel() for factor in factors]))
    if scale is None:
        return
    means = [(np.array(layer.forward(x.copy(), training=True)) / wanted).mean() for _ in range(MANY_RUNS)]
    mean, deviation = float(np.mean(means)), float(np.std(means) / np.sqrt(MANY_RUNS))
    if abs(mean - 1.0) >= max((SIGMAS + 1.0) * deviation, SLACK):
        yield wrong_mean(mean, scale, wanted / x if wanted.shape == x.shape else np.ones(1))


def mean_of_fixed_mask(probe: Probe) -> Iterator[Diagnosis]:
    """The same for a layer called dropout whose mask is the same each time; its setting says what share is kept."""
    owner, layer = probe.owner, probe.layer
    held = options_of(owner)
    held |= {name: v for one in list(held.values()) if isinstance(one, dict) for name, v in one.items()}
    given = {v for v in held.values() if isinstance(v, float) and 0.0 < v < 1.0}
    title = owner.__name__ if isinstance(owner, FunctionPair) else type(owner).__name__
    if "drop" not in title.lower() or set(probe.arrays) != {"inputs"}:
        return
    x = np.ones((LARGE, *probe.x.shape[1:]))
    wanted = np.array(layer.forward(x.copy(), training=False))
    factors = [np.array(layer.forward(x.copy(), training=True)) / wanted for _ in range(2)]
    scale = scale_of(factors[0].ravel())
    if scale is None or np.ptp(wanted) or not np.array_equal(*factors):
        return
    share = float((factors[0] != 0.0).mean())
    near = {q for p in given for q in (p, 1.0 - p) if abs(q - share) < NEAR}
    if len(near) == 1 and abs(near.copy().pop() * scale - 1.0) > SLACK:
        yield wrong_mean(near.pop() * scale, scale, wanted)


def scale_of(factors: Array) -> float | None:
    """Return what is kept is multiplied by, where each factor is 0 or one other number; else None."""
    kept = factors[np.abs(factors) > 1e-12]
    if kept.size in (0, factors.size) or np.ptp(kept) > 1e-6 * np.abs(kept).max():
        return None
    return float(kept.mean())


def wrong_mean(mean: float, scale: float, of_evaluation: Array) -> Diagnosis:
    """Return the diagnosis of a dropout whose mean in training is not what evaluation gives.

    Args:
        mean, scale: of the factors in training, and of those that are not 0, against evaluation.
        of_evaluation: what evaluation multiplies x by.
    """
    share, q = float(of_evaluation.mean()), mean / scale
    in_training = scale * share
    if np.ptp(of_evaluation) < 1e-6 and abs(share - 1.0) > 1e-3 and abs(in_training - 1.0) > 1e-3:
        text = (
            f"it is scaled in two places: training multiplies what is kept by {in_training:.4g} already (inverted "
            f"dropout), so evaluation must hand x on as it is, and here it multiplies x by {share:.4g} once more"
        )
    elif abs(scale - 1.0) < 1e-6:
        text = (
            f"the mean over many training forwards is {mean:.2f} of the output in evaluation, and must be the same: "
            f"about {q:.2f} of the values are kept, and not scaled; scale them by 1/(1 - p) in training, where p is "
            "the dropout probability, or by 1 - p in evaluation"
        )
    else:
        text = (
            f"the mean over many training forwards is {mean:.2f} of the output in evaluation, and must be the same: "
            f"about {q:.2f} of the values are kept, and scaled by {scale:.4g}; divide them by the probability with "
            f"which a value is kept, that is by 1 - p if p is the probability to drop, and by p if p is that to keep: "
            f"here they must be scaled by {1.0 / q:.4g}"
        )
    return Diagnosis("dropout mean", "outputs", "training, evaluation", text)


def left_from_training(point: Point) -> Iterator[Diagnosis]:
    """Yield the array that only training sets and that backward still uses in evaluation, such as a mask.

    Args:
        point: in evaluation, where gradients are wrong: they are right without the array.
    """
    probe = copy.deepcopy(point.probe)
    held = vars(probe.owner)
    names = [name for name, value in held.items() if isinstance(value, np.ndarray)]
    try:
        before = dict(held)
        probe.layer.forward(probe.x.copy(), training=False)
        names = [name for name in names if held[name] is before[name]]
        probe.layer.forward(probe.x.copy(), training=True)
        names = [name for name in names if held[name] is not before[name]]
    except OWN_ERRORS:
        return
    for name in names:
        for value, said in ((None, "None"), (1.0, "1.0")):
            try:
                probe.layer.forward(probe.x.copy(), training=False)
                held[name] = value
                dx = probe.layer.backward(point.upstream.copy())
            except OWN_ERRORS:
                continue
            if np.shape(dx) == probe.x.shape and distance(dx, point.numeric["inputs"]) < FITS:
                text = (
                    f"`self.{name}` is still that of the last forward in training: forward does not set it in "
                    f"evaluation, and backward still uses it; set `self.{name} = {said}` in evaluation"
                )
                evidence = f"with `self.{name} = {said}`, the gradient of the inputs is right"
                yield Diagnosis("left from training", ", ".join(point.wrong), "evaluation", text, evidence)
                return
