"""Initial weights: how wide the first draw is decides whether signals and gradients survive many layers.

An initializer is a function (shape, fan_in, fan_out, rng) -> float64 array. fan_in is the number of inputs that one
output sums over (D_in of an affine layer, KH KW C_in of a convolution). Layers convert the draw to their own dtype,
so the same seed gives the same weights in float32 and float64, up to rounding.
"""

import math


def pytorch_default(shape, fan_in, fan_out, rng):
    """Draw from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), what PyTorch does unless told otherwise, for weights and biases.

    PyTorch writes it as He's uniform initialization (He et al. 2015) with leaky slope a = sqrt(5):
    bound = sqrt(6 / ((1 + a^2) fan_in)) = 1/sqrt(fan_in). The variance of a weight is 1/(3 fan_in), six times less
    than the 2/fan_in that keeps the size of a signal through a ReLU layer: each layer shrinks signal and
    gradient to about 0.41 of their size, and 38 of them to about 1e-15. That is why a plain VGG38 does not train.
    """
    bound = 1.0 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, size=shape)
