"""The networks of the theory, small enough to be written out: L layers of N units, weights of variance 2/N.

    relu             h <- f(W h), f a leaky ReLU (slope 1: a linear network)
    norm_relu        h <- relu(BN(W h))
    masks            h <- m * (W h)                 m drawn at random, 0 or 1, for each image and unit
    residual_masks   h <- h + W (m * h)
    residual_norm    h <- h + W relu(BN(h))

They are not trained, so forward and backward fit into a few lines each. Every layer multiplies by W and by factors s:

    feedforward  h <- s * (W h)          dL/dh = W^T (s * dL/dh)
    residual     h <- h + W (s * h)      dL/dh = dL/dh + s * (W^T dL/dh)

where s is the mask, or the slope of the activation. BN normalizes with mean and standard deviation of the images, which
count as constants: the gradient of an image depends on that image alone (as in
`mlp.diagnostics.shattering.correlation`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from mlp.checks import choose
from mlp.diagnostics.shattering.correlation import mean_cosine
from mlp.rng import generator
from mlp.typing import Array

DENSE_NETS = ("relu", "norm_relu", "masks", "residual_masks", "residual_norm")
NORM_EPS = 1e-5  # as in batch norm


def layer_factors(kind: str, weights: Sequence[Array], x: Array, rng: Generator, slope: float = 0.0) -> list[Array]:
    """Run a network forward; return the factors s of each layer, (images, N) each.

    Args:
        kind: one of DENSE_NETS. weights: L arrays (N, N), a column for each unit. x: inputs (images, N).
        rng: draws the masks. slope: of kind "relu".
    """
    choose("kind", kind, DENSE_NETS)
    residual, h, factors = kind.startswith("residual"), x, []
    for weight in weights:
        inner = h if residual else h @ weight  # (images, N): what the activation sees
        scale: Array | float = 1.0
        if kind.endswith("masks"):
            factor = rng.integers(0, 2, size=inner.shape).astype(inner.dtype)
        else:
            if "norm" in kind:
                scale = 1.0 / np.sqrt(inner.var(axis=0) + NORM_EPS)  # (N,)
                inner = (inner - inner.mean(axis=0)) * scale
            factor = np.where(inner > 0, 1.0, slope if kind == "relu" else 0.0).astype(inner.dtype)
        out = factor * inner
        h = h + out @ weight if residual else out
        factors.append(factor * scale)
    return factors


def input_gradients(kind: str, weights: Sequence[Array], factors: Sequence[Array], v: Array) -> Array:
    """Return the gradients of v . h_L with respect to each input, (images, N).

    Args:
        factors: those of `layer_factors`, for as many layers as there are weights. v: (N,).
    """
    gradient = np.broadcast_to(v, factors[0].shape)
    for weight, factor in zip(reversed(weights), reversed(factors), strict=True):
        through = factor * (gradient @ weight.T) if kind.startswith("residual") else (factor * gradient) @ weight.T
        gradient = gradient + through if kind.startswith("residual") else through
    return gradient


def dense_correlations(
    kind: str, layers: Sequence[int], *, width: int = 512, images: int = 64, nets: int = 40, slope: float = 0.0
) -> tuple[Array, Array]:
    """Return (mean, standard error) over networks of the mean cosine of two input gradients, (len(layers),) each.

    Args:
        layers: the depths L. width: N. images: normal inputs, nearly orthogonal. nets: drawn independently.
    """
    found = np.empty((nets, len(layers)))
    for k in range(nets):
        rng = generator(0, "probe", "dense_nets", kind, k)
        x, v = rng.standard_normal((images, width)), rng.standard_normal(width)
        weights = [rng.standard_normal((width, width)) * np.sqrt(2.0 / width) for _ in range(max(layers))]
        factors = layer_factors(kind, weights, x, rng, slope)
        for i, depth in enumerate(layers):
            found[k, i] = mean_cosine(input_gradients(kind, weights[:depth], factors[:depth], v))[0]
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(nets)


def great_circle(layers: int, points: int = 37, *, width: int = 512, nets: int = 20) -> tuple[Array, Array]:
    """Return (angles, correlations): how alike the gradients are at x(0) and at x(t) = cos t u + sin t v.

    u and v are orthogonal and of equal length, so x(t) runs along a great circle; angles go from 0 to pi, (points,).
    The networks are of kind "relu"; the correlation is the mean of their cosines.
    """
    angles, found = np.linspace(0.0, np.pi, points), np.zeros(points)
    for k in range(nets):
        rng = generator(0, "probe", "great_circle", k)
        plane = np.linalg.qr(rng.standard_normal((width, 2)))[0].T * np.sqrt(width)  # u and v, (2, N)
        x = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane  # (points, N)
        weights = [rng.standard_normal((width, width)) * np.sqrt(2.0 / width) for _ in range(layers)]
        factors = layer_factors("relu", weights, x, rng)
        gradients = input_gradients("relu", weights, factors, rng.standard_normal(width))
        lengths = np.linalg.norm(gradients, axis=1)
        found += gradients @ gradients[0] / (lengths * lengths[0])
    return angles, found / nets
