"""Convolutions are as exact as float32, although tensor cores cut off digits when they add.

This is emulated, with both models of how a tensor core adds (see sum_on_tensor_core) and in grids as on an H200. Sums
are as long as those of VGG38's largest convolution at batch 100: three tiles of 128 pixels for each block.
"""

import numpy as np
import pytest
from cuda_emulation import H200, PoisonedNumpy, smallest_instances

from mlp.engine.cuda.convolution import GRADIENT_PIXELS, convolve, tiling, weight_gradient_shared
from mlp.engine.cuda.gpu import Gpu
from mlp.engine.cuda.source import joined_source

ADDERS = ("exact", "aligned")
CLAIM = 2e-7  # of the size of a weight gradient, for what the tensor cores add; a rounding of float32 is 0.6e-7


def images(N, C, seed, mean):
    """Numbers as a convolution sees them: activations have a mean, gradients have none."""
    return (np.random.default_rng(seed).standard_normal((N, 32, 32, C)) + mean).astype(np.float32)


def weight_gradient_error(module, adder, N, C, F, blocks, precision="float32"):
    """Return how far off the gradient of the weights (3, 3, C, F) is, relative to its size.

    Two numbers: of the blocks' parts added in float64, and of the gradient as it is, added in float32.
    """
    gpu = Gpu("cuda:0", precision, PoisonedNumpy(), module)
    x, grad = images(N, C, 0, 0.3), images(N, F, 1, 0.0)
    rows, together = tiling(GRADIENT_PIXELS, 32, 32)
    partials, weight = gpu.empty((blocks, 9, C, F)), gpu.empty((3, 3, C, F))
    args = (x, grad, partials, N, 32, 32, C, F, rows, together)
    module.set_adder(adder)
    try:
        name, shared = f"weight_gradient_{C}_{F}_{precision}", weight_gradient_shared(32, 32, C, F)
        gpu.launch(name, (blocks, 1), 288, args, shared)()
    finally:
        module.set_adder("exact")
    state = np.ones(1, np.float32)
    args = (partials, state, weight, blocks, C, C, F)
    gpu.launch("sum_weight_gradient", (-(-weight.size // 32),), 1024, args, 4096)()
    expected = np.einsum("nhwcuv,nhwf->uvcf", windows(x), grad.astype(np.float64), optimize=True)
    return relative(partials.sum(0, dtype=np.float64).reshape(expected.shape), expected), relative(weight, expected)


def windows(x):
    """Return the 3 x 3 windows around all pixels in float64, (N, H, W, C, 3, 3), with zeros around the images."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.slow
@pytest.mark.parametrize("adder", ADDERS)
@pytest.mark.parametrize("C, N, blocks", [(8, 100, 2 * H200), (32, 9, 24)], ids=str)
def test_weight_gradients_are_as_exact_as_float32(emulated, adder, C, N, blocks):
    parts, whole = weight_gradient_error(emulated, adder, N, C, C, blocks)
    print(f"weight gradient, {C} channels, {adder}: parts {parts:.1e}, whole {whole:.1e}")
    assert parts < CLAIM and whole < 1.5 * CLAIM


@pytest.mark.slow
@pytest.mark.parametrize("adder", ADDERS)
def test_without_short_runs_they_are_not(compiled_for_cpu, adder):
    """One accumulator from the first to the last pixel of a block loses digits: the test above can fail."""
    text = smallest_instances(joined_source())
    for original, one_run in (("SPLIT ? run[n] : sums[m][n]", "sums[m][n]"), ("+= run[n][i];", "+= 0.f;")):
        assert text.count(original) == 1
        text = text.replace(original, one_run)
    module = compiled_for_cpu(text, optimize=False)
    parts, whole = weight_gradient_error(module, adder, 24, 8, 8, 64)
    print(f"weight gradient in one run, {adder}: parts {parts:.1e}, whole {whole:.1e}")
    assert parts > 2 * CLAIM


@pytest.mark.slow
@pytest.mark.parametrize("adder", ADDERS)
def test_convolutions_are_as_exact_as_float32(emulated, adder):
    gpu = Gpu("cuda:0", "float32", PoisonedNumpy(), emulated)
    x, y = images(2, 32, 0, 0.3), gpu.empty((2, 32, 32, 32))
    weights = np.random.default_rng(1).standard_normal((3, 3, 32, 32)).astype(np.float32)
    flat, arranged = weights.ravel(), gpu.empty((weights.size,))
    table = np.array([[0, 32, 32, 32, 32, 32, 32, 32, 0, -1]], np.int32)
    gpu.launch("arrange_weights", (4, 1, 2), 256, (flat, table, arranged, 0))()
    emulated.set_adder(adder)
    try:
        convolve(gpu, (32, 32), x, arranged, y)()
    finally:
        emulated.set_adder("exact")
    error = relative(y, np.einsum("nhwcuv,uvcf->nhwf", windows(x), weights.astype(np.float64), optimize=True))
    print(f"convolution, {adder}: {error:.1e}")
    assert error < 2 * CLAIM
