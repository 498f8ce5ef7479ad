"""The terms that gradients of losses are made of, and which sum of them equals a given gradient."""

from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, distance
from mlp.diagnostics.gradients.losses.point import LossPoint, softmax
from mlp.typing import Array

TERMS = 3  # of a formula, at most


def class_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for classes, the usual ones first."""
    z, t, q = point.outputs, point.targets, point.one_hot
    K, p = z.shape[1], softmax(z, 1)
    s = 1.0 / (1.0 + np.exp(-z))
    return {
        "p": p,
        "onehot(t)": q,
        "1": np.ones_like(z),
        "onehot(t - 1)": np.eye(K)[(t - 1) % K],
        "onehot(t + 1)": np.eye(K)[(t + 1) % K],
        "softmax over the batch": softmax(z, 0),
        "z": z,
        "onehot(t) / p": q / p,
        "sigmoid(z)": s,
        "log p": np.log(p),
        "p onehot(t)": p * q,
        "p^2": p * p,
        "(p - onehot(t)) p (1 - p)": (p - q) * p * (1.0 - p),
        "z onehot(t)": z * q,
    }


def number_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for numbers, the usual ones first."""
    y, t = point.outputs, point.targets.astype(float)
    d, s = y - t, 1.0 / (1.0 + np.exp(-y))
    return {
        "(y - t)": d,
        "sign(y - t)": np.sign(d),
        "(y - t)^2": d * d,
        "|y - t|": np.abs(d),
        "(sigmoid(y) - t)": s - t,
        "(sigmoid(y) - t) sigmoid'(y)": (s - t) * s * (1.0 - s),
        "sigmoid(y)": s,
        "(y - t)^3": d**3,
        "y": y,
        "t": t,
        "1": np.ones_like(y),
        "y t": y * t,
        "t / y": t / y,
        "(1 - t) / (1 - y)": (1.0 - t) / (1.0 - y),
        "sigmoid'(y)": s * (1.0 - s),
        "t / sigmoid(y)": t / s,
        "(1 - t) / (1 - sigmoid(y))": (1.0 - t) / (1.0 - s),
    }


def fitted(values: Array, terms: dict[str, Array]) -> dict[str, float] | None:
    """Return {term: coefficient} of the shortest sum of terms that equals the values, or None."""
    names = list(terms)
    for count in range(1, TERMS + 1):
        for chosen in combinations(names, count):
            columns = np.stack([terms[name].ravel() for name in chosen], axis=1)
            if not np.isfinite(columns).all():
                continue
            solution, _, rank, _ = np.linalg.lstsq(columns, values.ravel(), rcond=None)
            if rank == count and distance(columns @ solution, values.ravel()) < MATCH:
                coefficients = dict(zip(chosen, map(float, solution), strict=True))
                if all(abs(value) > 1e-9 for value in coefficients.values()):
                    return coefficients
    return None


def written(formula: dict[str, float]) -> str:
    """Return a formula as text: "p - onehot(t)"."""
    text = ""
    for name, value in formula.items():
        size = abs(value)
        factor = "" if abs(size - 1.0) < 1e-6 and name != "1" else f"{size:.4g}" + ("" if name == "1" else " ")
        sign = (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
        text += f"{sign}{factor}{'' if name == '1' else name}"
    return text
