"""The usual terms of gradients of losses, and the shortest sum of them that a gradient is."""

from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, distance
from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.points import LossPoint, softmax
from mlp.typing import Array

TERMS = 3  # of a formula, at most
ROUGH = 1e-7  # of the square of what is left: a sum of terms that is worth a closer look
Terms = dict[str, float]  # the coefficient of each term


def all_terms(point: LossPoint) -> dict[str, Array]:
    """Return all terms that a gradient at this point may consist of."""
    terms: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        if point.classes:
            terms |= class_terms(point) | margin_terms(point) | with_settings(point)
        if point.numbers:
            terms |= number_terms(point) | loss_terms(point)
    return {name: term for name, term in terms.items() if np.isfinite(term).all() and term.any()}


def class_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for classes, the usual ones first."""
    z, q = point.outputs, point.one_hot
    p = softmax(z, 1)
    return {
        "p": p,
        "onehot(t)": q,
        "1": np.ones_like(z),
        "softmax over the batch": softmax(z, 0),
        "z": z,
        "onehot(t) / p": q / p,
        "sigmoid(z)": sigmoid(z),
        "exp(z)": np.exp(z),
        "log p": np.log(p),
        "p^2": p * p,
    }


def margin_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of hinge losses: which classes come within the margin of the true one."""
    z, q = point.outputs, point.one_hot
    margins = z - (z * q).sum(axis=1, keepdims=True) + float(point.settings.get("margin", 1.0))
    others = (margins > 0.0) * (1.0 - q)
    beyond = np.maximum(margins, 0.0) * (1.0 - q)
    return {
        "violated": others,
        "onehot(t) count(violated)": q * others.sum(axis=1, keepdims=True),
        "margin": beyond,
        "onehot(t) sum(margin)": q * beyond.sum(axis=1, keepdims=True),
    }


def with_settings(point: LossPoint) -> dict[str, Array]:
    """Return terms with a setting in them: a temperature, weights of the classes."""
    terms, z, q = {}, point.outputs, point.one_hot
    p = softmax(z, 1)
    gamma = point.settings.get("gamma", 2.0)
    gamma = gamma if isinstance(gamma, float) else 2.0
    rest = 1.0 - (p * q).sum(axis=1, keepdims=True)
    terms["(1 - p_t)^gamma (p - onehot(t))"] = rest**gamma * (p - q)
    for name, value in point.settings.items():
        if isinstance(value, float) and value > 0.0 and value != 1.0:
            terms[f"softmax(z / {name})"] = softmax(z / value, 1)
            terms[f"softmax(z {name})"] = softmax(z * value, 1)
        elif isinstance(value, np.ndarray) and value.shape == z.shape[1:]:
            w = (q * value).sum(axis=1, keepdims=True)
            terms |= {f"{name}[t] p": w * p, f"{name}[t] onehot(t)": w * q, f"{name} p": value * p}
    return terms


def number_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for numbers, the usual ones first."""
    y, t = point.outputs, point.targets.astype(float)
    d, s = y - t, sigmoid(y)
    return {
        "(y - t)": d,
        "sign(y - t)": np.sign(d),
        "(y - t)^2": d * d,
        "|y - t|": np.abs(d),
        "(sigmoid(y) - t)": s - t,
        "(sigmoid(y) - t) sigmoid'(y)": (s - t) * s * (1.0 - s),
        "sigmoid(y)": s,
        "y": y,
        "t": t,
        "1": np.ones_like(y),
        "y t": y * t,
        "t / y": t / y,
        "(1 - t) / (1 - y)": (1.0 - t) / (1.0 - y),
        "(y - t) / (y (1 - y))": d / (y * (1.0 - y)),
        "sigmoid'(y)": s * (1.0 - s),
        "t sigmoid(y)": t * s,
    }


def loss_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of some less usual losses for numbers: Huber, log-cosh, Poisson, hinge, Kullback-Leibler."""
    y, t = point.outputs, point.targets.astype(float)
    d, terms = y - t, {}
    for name, value in {"1": 1.0, **point.settings}.items():
        if isinstance(value, float) and value > 0.0:
            inside = np.abs(d) <= value
            terms[f"clip(y - t, -{name}, {name})"] = np.clip(d, -value, value)
            terms[f"(y - t where |y - t| < {name})"] = d * inside
            terms[f"(sign(y - t) where |y - t| > {name})"] = np.sign(d) * ~inside
            terms[f"(1 where |y - t| > {name})"] = 1.0 * ~inside
            terms[f"(t where t y < {name})"] = t * (t * y < value)
            terms[f"(t ({name} - t y) where t y < {name})"] = t * np.maximum(value - t * y, 0.0)
    for name, value in point.settings.items():
        if isinstance(value, float) and "gamma" in name:
            s = sigmoid(y)
            terms["(1 - p_t)^gamma (sigmoid(y) - t)"] = (1.0 - np.where(t > 0.5, s, 1.0 - s)) ** value * (s - t)
    terms |= {
        "(1 where y > t)": 1.0 * (d > 0.0),
        "tanh(y - t)": np.tanh(d),
        "sinh(y - t)": np.sinh(d),
        "exp(y)": np.exp(y),
        "exp(y - t)": np.exp(d),
        "exp(-t y) t": t * np.exp(-t * y),
        "sigmoid(-t y) t": t * sigmoid(-t * y),
        "t / exp(y)": t * np.exp(-y),
        "(y - t) / t": d / t,
        "(y - t) / y": d / y,
        "sign(y)": np.sign(y),
    }
    return terms


def fitted(values: Array, terms: dict[str, Array]) -> Terms | None:
    """Return {term: coefficient} of the shortest sum of terms that equals the values, or None.

    All sums of equally many terms are solved at once from their scalar products; what looks exact is fitted again.
    """
    names, v = list(terms), values.ravel()
    if not names or not v.any():
        return None
    A = np.stack([term.ravel() for term in terms.values()], axis=1)
    A = A / np.sqrt((A * A).sum(axis=0))
    products, onto = A.T @ A, A.T @ v
    for count in range(1, min(TERMS, len(names)) + 1):
        chosen = np.array(list(combinations(range(len(names)), count)))
        G, b = products[chosen[:, :, None], chosen[:, None, :]], onto[chosen]
        regular = np.linalg.det(G) > 1e-9
        if not regular.any():
            continue
        chosen, G, b = chosen[regular], G[regular], b[regular]
        left = (v @ v) - (b * np.linalg.solve(G, b[:, :, None])[:, :, 0]).sum(axis=1)
        for row in chosen[left < ROUGH * (v @ v)]:
            found = exactly(v, {names[i]: terms[names[i]] for i in row})
            if found is not None:
                return found
    return None


def exactly(v: Array, terms: dict[str, Array]) -> Terms | None:
    """Return the coefficients of these terms if their sum is exact and needs them all, else None."""
    columns = np.stack([term.ravel() for term in terms.values()], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(columns, v, rcond=None)
    if rank < len(terms) or distance(columns @ solution, v) > MATCH:
        return None
    coefficients = dict(zip(terms, map(float, solution), strict=True))
    return coefficients if all(abs(value) > 1e-9 for value in coefficients.values()) else None


def with_sizes(formula: Terms, point: LossPoint) -> str:
    """Return a formula as text, over the sizes with which its numbers are simplest: "(p - onehot(t)) / N"."""
    N, K = len(point.outputs), point.outputs.shape[-1] if point.outputs.ndim > 1 else 1
    simple = {abs(number) for number in (1.0, 2.0, 0.5, 3.0, 4.0, 0.25)}
    simple |= {abs(value) for value in point.settings.values() if isinstance(value, float)}

    def odd(size: float) -> int:
        return sum(min(abs(abs(c * size) - one) for one in simple) > 1e-6 for c in formula.values())

    sizes = {" / N": float(N), "": 1.0, " / (N K)": float(N * K), " / K": float(K)}
    best = min(sizes, key=lambda text: odd(sizes[text]))
    text = written({name: c * sizes[best] for name, c in formula.items()})
    return f"({text}){best}" if best else text


def written(formula: Terms) -> str:
    """Return a formula as text: "p - onehot(t)"."""
    text = ""
    for name, value in formula.items():
        size = abs(value)
        factor = "" if abs(size - 1.0) < 1e-6 and name != "1" else f"{size:.4g}" + ("" if name == "1" else " ")
        sign = (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
        text += f"{sign}{factor}{'' if name == '1' else name}"
    return text
