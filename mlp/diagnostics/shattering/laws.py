"""What theory says of the correlation of gradients, for wide networks whose weights have variance 2/N (He).

Balduzzi et al. assume that each unit is active for half of the inputs, and for two inputs at once a quarter of the
time. Then, after L layers,

    feedforward                          (1/2)^L
    residual,  x + W relu(x)             (3/4)^L
    residual with batch norm, x + beta W relu(BN(x))       about 1/(beta sqrt(L))

The assumption holds with batch norm before each ReLU, or with masks drawn at random. It fails in a plain ReLU network:
there the activations of two inputs become more alike from layer to layer, so units are active for both of them more
often. For two inputs whose cosine is c, with (u, v) normal with correlation c, and slope a of the leaky ReLU f:

    t = arccos c          both = (pi - t) / (2 pi)                 the chance that u and v are both positive
    J = (sin t + (pi - t) c) / (2 pi)          K = (sin t - t c) / (2 pi)

    kappa0(c) = E[f'(u) f'(v)] / E[f'^2] = (both (1 + a^2) + (1 - 2 both) a) / ((1 + a^2)/2)                 (1)
    kappa1(c) = E[f(u) f(v)] / E[f^2]    = ((1 + a^2) J - 2 a K) / ((1 + a^2)/2)                             (2)

One layer multiplies the correlation of two gradients by kappa0, and kappa1 is the cosine of its two outputs. So

    c_0 = c,  c_(l+1) = kappa1(c_l)          correlation after L layers = kappa0(c_0) kappa0(c_1) ... kappa0(c_(L-1))

In the residual net with batch norm each block adds beta^2 (1 - 1/pi) to the variance over inputs: the mean of
relu, 1/sqrt(2 pi), is the same for all inputs and does not count. With q = 1 - 1/pi,

    correlation = product over l = 1 .. L of (1 + b_l/2) / (1 + b_l),      b_l = beta^2 / (1 + q beta^2 (l - 1))   (3)
"""

import numpy as np

from mlp.typing import Array

SPREAD = 1.0 - 1.0 / np.pi  # q: the part of E[relu(u)^2] that is variance


def kappa0(c: Array | float, slope: float = 0.0) -> Array:
    """Return (1): the correlation of f'(u) and f'(v), for u and v with correlation c."""
    t = np.arccos(np.clip(c, -1.0, 1.0))
    both = (np.pi - t) / (2 * np.pi)
    return (both * (1 + slope**2) + (1 - 2 * both) * slope) / ((1 + slope**2) / 2)


def kappa1(c: Array | float, slope: float = 0.0) -> Array:
    """Return (2): the cosine of f(u) and f(v), for u and v with correlation c."""
    c = np.clip(c, -1.0, 1.0)
    t = np.arccos(c)
    j, k = (np.sin(t) + (np.pi - t) * c) / (2 * np.pi), (np.sin(t) - t * c) / (2 * np.pi)
    return ((1 + slope**2) * j - 2 * slope * k) / ((1 + slope**2) / 2)


def rectifier_law(c: Array | float, layers: int, slope: float = 0.0) -> Array:
    """Return the correlation after 1 .. `layers` layers of a leaky ReLU network, (layers, *shape of c).

    Args:
        c: cosine of the two inputs.
    """
    cosine, correlation, found = np.asarray(c, np.float64), np.ones(np.shape(c)), []
    for _ in range(layers):
        correlation = correlation * kappa0(cosine, slope)
        cosine = kappa1(cosine, slope)
        found.append(correlation)
    return np.array(found)


def feedforward_law(layers: int) -> Array:
    """Return (1/2)^L for L = 1 .. `layers`, (layers,)."""
    return 0.5 ** np.arange(1, layers + 1)


def residual_law(layers: int) -> Array:
    """Return (3/4)^L for L = 1 .. `layers`, (layers,)."""
    return 0.75 ** np.arange(1, layers + 1)


def residual_norm_law(layers: int, beta: float = 1.0, spread: float = SPREAD) -> Array:
    """Return (3) for L = 1 .. `layers`, (layers,). With spread 1 it is about 1/sqrt(1 + beta^2 L), the theorem."""
    blocks = np.arange(layers)  # l - 1
    b = beta**2 / (1 + spread * beta**2 * blocks)
    return np.cumprod((1 + b / 2) / (1 + b))
