"""Initial weights: their variance decides whether signals and gradients survive many layers.

An initializer is a function (shape, fan_in, fan_out, rng) -> float64 array. fan_in is the number of inputs that one
output sums over (D_in of an affine layer, KH KW C_in of a convolution), fan_out the number of outputs that one input
reaches. Layers convert the draw to their own dtype, so the same seed gives the same weights in float32 and float64, up
to rounding. `constant`, `uniform`, `normal`, `he_uniform` and `he_normal` take settings and return an initializer.

Which variance? One output is y = sum of fan_in products w x. With independent weights of mean 0 and variance V,

    Var(y) = fan_in V E[x^2]                 and after a leaky ReLU of slope a       E[lrelu(y)^2] = (1 + a^2)/2 Var(y)

so signals keep their size if V = 2 / ((1 + a^2) fan_in): He's initialization. With fan_out instead, gradients keep
their size on the way back. Glorot's compromise for layers without a ReLU is V = 2 / (fan_in + fan_out). A uniform draw
from (-b, b) has variance b^2 / 3.
"""

import math

import numpy as np
from numpy.random import Generator

from mlp.made import remembered
from mlp.typing import Array, Initializer, Shape


def pytorch_default(shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Array:
    """Draw from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), what PyTorch does unless told otherwise, for weights and biases.

    PyTorch writes it as He's uniform initialization (He et al. 2015) with leaky slope a = sqrt(5):
    bound = sqrt(6 / ((1 + a^2) fan_in)) = 1/sqrt(fan_in). The variance of a weight is 1/(3 fan_in), six times less
    than the 2/fan_in that keeps the size of a signal through a ReLU layer: each layer shrinks signal and
    gradient to about 0.41 of their size, and 38 of them to about 1e-15. That is why a plain VGG38 does not train.
    """
    bound = 1.0 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, size=shape)


def glorot_uniform(shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Array:
    """Draw from U(-b, b), b = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, size=shape)


def glorot_normal(shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Array:
    """Draw from a normal distribution with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 12)."""
    return rng.normal(0.0, math.sqrt(2.0 / (fan_in + fan_out)), size=shape)


def orthogonal(shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Array:
    """Draw a random orthogonal matrix, the weight as (rows, shape[-1]) (Saxe et al. 2014).

    Its columns, or its rows where these are fewer, have length 1 and are at right angles to each other. A square one
    changes no vector's length, and neither does a product of many. It is Q of the QR decomposition of a matrix of
    normally distributed numbers; the signs of R's diagonal make all orthogonal matrices equally likely.
    """
    columns = shape[-1]
    rows = math.prod(shape) // columns
    normal = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diag(r))
    return (q if rows >= columns else q.T).reshape(shape)


@remembered
def constant(value: float) -> Initializer:
    """Return the initializer that sets every weight to `value`. Channels that start equal stay equal in training."""
    return lambda shape, fan_in, fan_out, rng: np.full(shape, float(value))


@remembered
def uniform(low: float, high: float) -> Initializer:
    """Return the initializer that draws from U(low, high)."""
    return lambda shape, fan_in, fan_out, rng: rng.uniform(low, high, size=shape)


@remembered
def normal(mean: float = 0.0, std: float = 0.01) -> Initializer:
    """Return the initializer that draws from a normal distribution."""
    return lambda shape, fan_in, fan_out, rng: rng.normal(mean, std, size=shape)


@remembered
def he_uniform(negative_slope: float = 0.0) -> Initializer:
    """Return He's initializer for layers in front of a leaky ReLU of this slope, drawn from U(-b, b), b = sqrt(3 V).

    V = 2 / ((1 + a^2) fan_in), a being the slope (He et al. 2015, equation 15).
    """
    return lambda shape, fan_in, fan_out, rng: _he_bound(negative_slope, fan_in) * rng.uniform(-1.0, 1.0, size=shape)


@remembered
def he_normal(negative_slope: float = 0.0) -> Initializer:
    """Return He's initializer as `he_uniform`, drawn from a normal distribution with variance V = b^2 / 3."""
    return lambda shape, fan_in, fan_out, rng: rng.normal(
        0.0, _he_bound(negative_slope, fan_in) / math.sqrt(3.0), size=shape
    )


def _he_bound(slope: float, fan_in: int) -> float:
    return math.sqrt(6.0 / ((1.0 + slope**2) * fan_in))
