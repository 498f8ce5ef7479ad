"""Wrong by one constant factor f: the most common fault, and its value names the cause.

    gradient = f right        f = <gradient, right> / <right, right>

The factor counts as found if nothing is left after it. 0.25 can be 1/N, 1/(KH KW) or a forgotten 4; so the layer is
measured again with a batch of N + 1: a factor that follows the batch size is about the mean over the batch, and what
remains is compared with the other numbers of the problem (pixels, window, the layer's own settings).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, Evidence, distance
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import in_some_places
from mlp.diagnostics.gradients.probes.sizes import in_sizes, sizes_of
from mlp.diagnostics.gradients.probes.twins import held_settings, other_settings
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array, Shape

SUM_BELONGS = "the sum over the batch belongs here, because the 1/N is in the gradient of the loss already"


def constant_factor(analytic: Array, numeric: Array) -> float | None:
    """Return f if analytic = f numeric, with f neither 0 nor 1; else None."""
    square = float((numeric * numeric).sum())
    if square == 0.0 or not np.isfinite(analytic).all():
        return None
    f = float((analytic * numeric).sum()) / square
    return None if f == 0.0 or distance(analytic, f * numeric) > MATCH or abs(f - 1.0) < MATCH else f


def wrong_factor(e: Evidence) -> Iterator[Diagnosis]:
    """Yield the diagnosis of a constant factor."""
    f = constant_factor(e.analytic, e.numeric)
    if f is None:
        return
    N, sizes = len(e.point.x), sizes_of(e.point.x.shape)
    power = 0 if abs(f) == 1.0 else batch_power(e, f)
    name, sentence = told_factor(f, N, power, told_apart(e, f / float(N) ** power), sizes)
    after = distance(e.analytic, f * e.numeric)
    evidence = f"error {e.error:.1e}, {after:.0e} once the factor {f:.5g} is taken out"
    if name != "factor":
        yield e.found(name, sentence, evidence)
    if e.numeric.size > 1:  # of one number everything is a multiple
        sign = "with the wrong sign, and " if f < 0 else ""
        every = [in_sizes(abs(f), {name: size}) for name, size in sizes.items()] + [in_sizes(abs(f), sizes)]
        for number in [*(told.removeprefix(" = ") for told in every if told), f"{abs(f):.5g}"]:
            yield e.found("factor", f"{sign}the gradient is {number} times what it should be", evidence)


def told_factor(
    f: float, N: int, power: int, values: Mapping[str, tuple[str, float]], sizes: Mapping[str, float]
) -> tuple[str, str]:
    """Return the name and the sentence for a factor f that follows N to the given power (1, 0 or -1)."""
    rest = f / float(N) ** power
    size = abs(rest)
    sign = "with the wrong sign, and " if rest < 0 else ""
    whole = abs(size - 1.0) < 1e-5
    if whole and power == 0:
        return "sign", "the gradient has the wrong sign: it matches when multiplied by -1"
    for word, (name, value) in values.items() if power == -1 else ():
        if name == "mean over the pixels" and abs(size - value) < 1e-5 * value:
            text = f"matches when multiplied by {N / size:.5g} = N {word.removeprefix('1 / ')}: a mean over n, h, w"
            return "mean over the batch", f"{sign}{text} instead of the sum; {SUM_BELONGS}"
    also = "" if whole else f" (what remains is a factor of {size:.5g})"
    if power == -1:
        text = f"matches when multiplied by {N} = N: the mean over the batch was taken (or taken twice); {SUM_BELONGS}"
        return "mean over the batch", sign + text + also
    if power == 1:
        return "division by N", f"{sign}matches when divided by {N} = N: the mean over the batch was forgotten{also}"
    for word, (name, value) in values.items():
        if abs(size - value) < 1e-5 * value:
            return name, sign + SENTENCES[name].format(size=f"{size:.5g}", inverse=f"{1.0 / size:.5g}", word=word)
    told = in_sizes(size, sizes)
    return "factor", (
        f"{sign}the gradient is {size:.5g}{told} times what it should "
        f"be{told and ' (divided once too often)' * (size < 1)}"
    )


SENTENCES = {
    "factor 2": "the gradient is {size} times what it should be: the derivative of x^2 is 2 x, that of x^2/2 is x",
    "dropout scale": "the gradient is {size} = {word} times what it should be: forward scales what dropout leaves by "
    "1/(1 - p), so its gradient is scaled, too, and once",
    "division by the pixels": "matches when divided by {size} = {word}: the division by the number of values in a mean "
    "was forgotten",
    "mean over the pixels": "matches when multiplied by {inverse}: it is {word} times what it should be, a mean over "
    "pixels (or windows) where the sum belongs",
}


def told_apart(e: Evidence, f: float) -> dict[str, tuple[str, float]]:
    """Return what settings and shapes suggest, without what is f by accident: 1/2 where p is 1/2."""
    known = settings(e.point.layer, e.point.x.shape, e.point.outputs.shape)
    alike = [word for word, (_, value) in known.items() if abs(abs(f) - value) < 1e-5 * value]
    for twin in other_settings(e.point.layer, e.point.x) if len(alike) > 1 else ():
        with suppress(*OWN_ERRORS):
            there, outputs = factor_of(e, twin, len(e.point.x))
            now = settings(twin, e.point.x.shape, outputs)
            left = [word for word in alike if there and abs(abs(there) - now[word][1]) < 1e-5 * abs(there)]
            alike = left or alike
    return {word: known[word] for word in alike}


def settings(layer: Layer, inputs: Shape, outputs: Shape) -> dict[str, tuple[str, float]]:
    """Return, by words, (name of the diagnosis, value) of the factors that the layer's settings and shapes suggest."""
    counts, known = {}, {"2": ("factor 2", 2.0), "1/2": ("factor 2", 0.5)}
    for name, value in held_settings(layer).items():
        side = name in ("k", "size", "window") or any(part in name for part in ("kernel", "pool"))
        if isinstance(value, int) and not isinstance(value, bool) and side and value > 1:
            counts[f"{name}^2"] = float(value**2)
        if (
            isinstance(value, float)
            and 0.0 < value < 1.0
            and any(part in name for part in ("drop", "prob", "rate", "keep"))
        ):
            known |= powers_of(name, value)
        elif isinstance(value, float) and name == "p" and 0.0 < value < 1.0:
            known |= powers_of("p", value)
    for label, shape in (("H W", inputs), ("OH OW", outputs)):
        if len(shape) == 4 and shape[1] * shape[2] > 1 and shape[1] * shape[2] not in counts.values():
            counts[label] = float(shape[1] * shape[2])
    many, few = math.prod(inputs), math.prod(outputs)
    if few and many % few == 0 and many > few:
        counts["inputs of an output"] = many / few
    for word, value in counts.items():
        known[word] = ("division by the pixels", value)
        known[f"1 / {word}"] = ("mean over the pixels", 1.0 / value)
    return known


def powers_of(name: str, p: float) -> dict[str, tuple[str, float]]:
    """Return the wrong factors that a dropout probability can lead to, by words."""
    values = {name: p, f"1 - {name}": 1.0 - p, f"1/(1 - {name})": 1.0 / (1.0 - p), f"1/{name}": 1.0 / p}
    values |= {f"(1 - {name})^2": (1.0 - p) ** 2, f"1/(1 - {name})^2": (1.0 - p) ** -2.0, f"{name}^2": p * p}
    return {word: ("dropout scale", value) for word, value in values.items()}


def batch_power(e: Evidence, f: float) -> int:
    """Return how f follows the batch size: 1 if it grows like N, -1 if it shrinks like 1/N, else 0."""
    N = len(e.point.x)
    try:
        other = factor_of(e, e.point.layer, N + 1)[0]
    except OWN_ERRORS:  # the layer takes this batch size alone
        other = None
    if other is None:
        sizes = (*e.point.x.shape[1:], 2.0, np.sqrt(e.point.x.shape[-1]))
        if any(abs(N - size) < 1e-9 for size in sizes):  # f = N could as well be something else
            return 0
        return 1 if abs(f - N) < 1e-5 * N else -1 if abs(f * N - 1.0) < 1e-5 else 0
    growth = other / f
    return next((power for power in (1, -1) if abs(growth - ((N + 1) / N) ** power) < 1e-4 / N), 0)


def factor_of(e: Evidence, layer: Layer, N: int) -> tuple[float | None, Shape]:
    """Return the factor that the same array of a layer has with N samples, and the shape of the outputs."""
    rng = generator(e.point.seed, "probe", "factor")
    probe = random_probe(layer, (N, *e.point.x.shape[1:]), rng, training=e.point.probe.training)
    if e.point.probe.rewinders:
        probe.hold_randomness()
    upstream = rng.standard_normal(probe.outputs().shape)
    analytic, numeric = in_some_places(probe, upstream, (e.array, probe.backward(upstream)[e.array]), rng)
    analytic[numeric == 0.0] = 0.0  # beside a kink nothing is measured
    return constant_factor(analytic, numeric), upstream.shape
