"""Which function of x does backward multiply grad_outputs with, and which one is right?

A layer that works on single numbers has one slope for each x. Backward's slopes and the right ones are collected over
several points, on each side of a kink apart, and compared with a small dictionary: c f, f being one of the functions
below. Where backward's slope is found, both formulas stand side by side.
"""

import math
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence
from mlp.diagnostics.gradients.diagnoses.patterns import OF_ABS, diagonal, part_of_x, values_at_more_points
from mlp.typing import Array

Function = Callable[[Array], Array]
CLOSE = 1e-6


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def normal_cdf(x: Array) -> Array:
    """Return the distribution function of the normal distribution."""
    return np.asarray([0.5 * (1.0 + math.erf(v / math.sqrt(2.0))) for v in x.ravel()]).reshape(x.shape)


def gelu_tanh(x: Array) -> Array:
    """Return the derivative of the tanh form of GELU."""
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
    t = np.tanh(inner)
    return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2.0 / math.pi) * (1 + 3 * 0.044715 * x * x))


def of_sigmoid(scale: float) -> Function:
    """Return the derivative of x sigmoid(scale x)."""
    return lambda x: sigmoid(scale * x) + scale * x * sigmoid(scale * x) * (1.0 - sigmoid(scale * x))


GELU: dict[str, Function] = {
    "the exact GELU, x Phi(x)": lambda x: normal_cdf(x) + x * np.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi),
    "the tanh form of GELU": gelu_tanh,
    "the approximation x sigmoid(1.702 x) of GELU": of_sigmoid(1.702),
    "x sigmoid(x) (Swish)": of_sigmoid(1.0),
}
OF_X: dict[str, Function] = {
    "1": np.ones_like,
    "x": lambda x: x,
    "exp(x)": np.exp,
    "sigmoid(x)": sigmoid,
    "sigmoid(x) (1 - sigmoid(x))": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "x sigmoid(x) (1 - sigmoid(x))": lambda x: x * sigmoid(x) * (1 - sigmoid(x)),
    "tanh(x)": np.tanh,
    "1 - tanh(x)^2": lambda x: 1 - np.tanh(x) ** 2,
    "x (1 - tanh(x)^2)": lambda x: x * (1 - np.tanh(x) ** 2),
    "x^2": lambda x: x * x,
    "|x|": np.abs,
    "sign(x)": np.sign,
    "sigmoid(x)^2": lambda x: sigmoid(x) ** 2,
    "1/(1 + exp(x))": lambda x: 1 / (1 + np.exp(x)),
    "log(1 + exp(x))": lambda x: np.logaddexp(0.0, x),
    "1/sqrt(1 + x^2)": lambda x: 1 / np.sqrt(1 + x * x),
    "x/(1 + x^2)": lambda x: x / (1 + x * x),
    "1/(1 + x^2)": lambda x: 1 / (1 + x * x),
    "1/(1 + |x|)": lambda x: 1 / (1 + np.abs(x)),
    "1/(1 + |x|)^2": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "exp(-x)": lambda x: np.exp(-x),
    "exp(-x^2)": lambda x: np.exp(-x * x),
    "x exp(-x^2)": lambda x: x * np.exp(-x * x),
    "sin(x)": np.sin,
    "cos(x)": np.cos,
    "Phi(x)": normal_cdf,
    "x phi(x)": lambda x: x * np.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi),
}
OF_Y: dict[str, Function] = {
    "y": lambda y: y,
    "1 - y": lambda y: 1 - y,
    "1 + y": lambda y: 1 + y,
    "y^2": lambda y: y * y,
    "1 - y^2": lambda y: 1 - y * y,
    "(1 - y)^2": lambda y: (1 - y) ** 2,
    "y (1 - y)": lambda y: y * (1 - y),
    "1/y": lambda y: 1 / y,
    "sigmoid(y)": sigmoid,
    "y (1 + y)": lambda y: y * (1 + y),
    "1 + y^2": lambda y: 1 + y * y,
}

INVERSES: dict[str, Function] = {
    "sigmoid": lambda s: np.log(s / (1 - s)),
    "tanh": np.arctanh,
    "exp": np.log,
}


def wrong_formula(e: Evidence) -> Iterator[Diagnosis]:
    """Yield backward's slope and the right one as formulas, where they are wrong."""
    if not e.elementwise_shapes or not e.point.complete or not diagonal(e):
        return
    if any(one.name == "kink" for one in part_of_x(e)):
        return
    x, y, given, right = values_at_more_points(e)
    wrong = np.abs(given - right) > 1e-6 * (np.abs(right) + 1.0)
    with np.errstate(all="ignore"):
        for where, side in sides(x, wrong):
            if not wrong[side].any() or side.sum() < 8:
                continue
            mine = named_slope(x[side], y[side], given[side], right[side])
            theirs = named_slope(x[side], y[side], right[side], None)
            if mine is None or (theirs is None and not wrong[side].all()):  # a part of this side is right
                continue
            name, text = mine
            tail = f", and the derivative of forward is {theirs[1]}" if theirs else ""
            if np.allclose(right, np.sign(x), atol=CLOSE):
                name, tail = "sign forgotten", f"{tail}: {OF_ABS}"
            first = f"{where}backward multiplies grad_outputs by {text}{tail}"
            if not where and ratio(given, y / x) is not None:
                name, first = (
                    "product rule",
                    f"{first}: of a product x s(x) one factor alone was differentiated (product rule)",
                )
            yield e.found("wrong branch" if where and name != "sign forgotten" else name, first)
            return


def sides(x: Array, wrong: Array) -> Iterator[tuple[str, Array]]:
    """Yield (words, mask) for everything, or for the side of zero that is wrong."""
    for text, mask in (("where x < 0 ", x < 0), ("where x > 0 ", x > 0)):
        if wrong[mask].any() and not wrong[~mask].any():
            yield text, mask
            return
    yield "", np.ones(x.shape, bool)
    yield "where x < 0 ", x < 0
    yield "where x > 0 ", x > 0


def named_slope(x: Array, y: Array, slope: Array, right: Array | None) -> tuple[str, str] | None:
    """Return (name of the diagnosis, formula) of a slope; None if it is not in the dictionary."""
    terms = {name: f(x) for name, f in OF_X.items()} | {name: f(y) for name, f in OF_Y.items()}
    known = {f"the derivative of {name}": f(x) for name, f in GELU.items()}
    for name, values in known.items():
        if close(values, slope):
            return "another form", name
    if np.ptp(slope) < CLOSE:
        return "wrong derivative", f"{float(slope.mean()):.5g}"
    of_right: dict[str, Array] = {}
    if right is not None:
        of_right = {"(dy/dx)^2": right * right, "dy/dx y": right * y, "dy/dx x": right * x, "1 / (dy/dx)": 1.0 / right}
        of_right |= {"y / x": y / x, "dy/dx - y / x": right - y / x, "dy/dx + y": right + y, "dy/dx + 1": right + 1.0}
    for name, values in (*terms.items(), *of_right.items()):
        factor = ratio(slope, values)
        if factor is not None:
            return "wrong derivative", f"{'' if abs(factor - 1) < CLOSE else f'{factor:.5g} '}{name}"
    return of_scaled(x, slope) or sum_of_two(terms, slope)


def of_scaled(x: Array, slope: Array) -> tuple[str, str] | None:
    """Return a slope as a function of c x: sigmoid(2 x)."""
    for name, inverse in INVERSES.items():
        scale = ratio(inverse(slope), x)
        if scale is not None:
            return "wrong derivative", f"{name}({scale:.5g} x)"
    return None


def sum_of_two(terms: dict[str, Array], slope: Array) -> tuple[str, str] | None:
    """Return a slope as a sum of two terms."""
    finite = {name: values for name, values in terms.items() if np.isfinite(values).all()}
    for one, other in combinations(finite, 2):
        A = np.stack([finite[one], finite[other]], axis=1)
        solution, _, rank, _ = np.linalg.lstsq(A, slope, rcond=None)
        if rank == 2 and close(A @ solution, slope) and np.abs(solution).min() > 1e-6:
            texts = [
                f"{'' if abs(abs(c) - 1) < CLOSE and name != '1' else f'{abs(c):.5g}'}"
                f"{'' if name == '1' else (' ' if abs(abs(c) - 1) >= CLOSE else '') + name}"
                for c, name in zip(solution, (one, other), strict=True)
            ]
            signs = ["-" if solution[0] < 0 else "", " - " if solution[1] < 0 else " + "]
            return "wrong derivative", f"{signs[0]}{texts[0]}{signs[1]}{texts[1]}"
    return None


def ratio(slope: Array, values: Array) -> float | None:
    """Return c if slope = c values, else None."""
    if not np.isfinite(values).all() or not values.any():
        return None
    c = float((slope * values).sum() / (values * values).sum())
    return c if abs(c) > 1e-9 and close(c * values, slope) else None


def close(a: Array, b: Array) -> bool:
    """Return whether two slopes agree."""
    return bool(np.isfinite(a).all() and np.abs(a - b).max() < CLOSE * (1.0 + np.abs(b).max()))
