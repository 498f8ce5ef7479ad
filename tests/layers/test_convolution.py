"""Convolution: values and gradients against seven nested loops, shapes, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import Conv2d, Sequential, im2col


def conv_loops(x, kernel, bias, stride, padding, g=None):
    """Formula (1) of the module, term by term: y, or for dL/dy = g the gradients of x, kernel and bias."""
    (N, H, W, C), (KH, KW, _, F) = x.shape, kernel.shape
    (SH, SW), (PH, PW) = stride, padding
    OH, OW = (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1
    y = np.zeros((N, OH, OW, F))
    grad_x, grad_kernel = np.zeros(x.shape), np.zeros(kernel.shape)
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        y[n, i, j, f] = bias[f]
        for u, v, c in np.ndindex(KH, KW, C):
            row, column = SH * i + u - PH, SW * j + v - PW
            if not (0 <= row < H and 0 <= column < W):  # a zero of the padding
                continue
            y[n, i, j, f] += x[n, row, column, c] * kernel[u, v, c, f]
            if g is not None:
                grad_x[n, row, column, c] += g[n, i, j, f] * kernel[u, v, c, f]
                grad_kernel[u, v, c, f] += g[n, i, j, f] * x[n, row, column, c]
    return y if g is None else (grad_x, grad_kernel, g.sum(axis=(0, 1, 2)))


GEOMETRIES = [  # kernel, stride, padding, (H, W)
    ((3, 3), (1, 1), (1, 1), (5, 4)),
    ((1, 1), (1, 1), (0, 0), (3, 2)),
    ((1, 1), (2, 2), (0, 0), (5, 4)),
    ((2, 3), (1, 1), (0, 0), (4, 5)),
    ((3, 3), (2, 2), (1, 1), (6, 5)),
    ((2, 2), (3, 3), (0, 0), (7, 8)),  # stride > kernel; the last column is seen by no window
    ((3, 2), (1, 2), (2, 1), (3, 4)),
    ((3, 3), (1, 1), (3, 3), (2, 2)),  # a padding wider than the image
    ((4, 5), (1, 1), (0, 0), (4, 5)),  # one window
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel_size", "stride", "padding", "size"), GEOMETRIES)
def test_values_and_gradients(kernel_size, stride, padding, size, bias):
    rng = np.random.default_rng(0)
    layer = Conv2d(2, 3, kernel_size, stride=stride, padding=padding, bias=bias, rng=rng, dtype=np.float64)
    x = rng.standard_normal((2, *size, 2))
    kernel, b = layer.weight.data, layer.bias.data if bias else np.zeros(3)
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y, conv_loops(x, kernel, b, stride, padding), rtol=1e-12, atol=1e-13)
    assert layer.output_size(*size) == list(y.shape[1:3])

    g = rng.standard_normal(y.shape)
    grad_x, grad_kernel, grad_bias = conv_loops(x, kernel, b, stride, padding, g)
    np.testing.assert_allclose(layer.backward(g), grad_x, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.weight.grad, grad_kernel, rtol=1e-12, atol=1e-13)
    if bias:
        np.testing.assert_allclose(layer.bias.grad, grad_bias, rtol=1e-12, atol=1e-13)


def test_blocks_of_images_do_not_change_the_result():
    """70 images of 8 x 8 pixels are 4480 rows of columns: two blocks, the second one short."""
    rng = np.random.default_rng(0)
    layer = Conv2d(1, 2, 3, padding=1, rng=rng, dtype=np.float64)
    x, g = rng.standard_normal((70, 8, 8, 1)), rng.standard_normal((70, 8, 8, 2))
    y, grad_x = layer.forward(x), layer.backward(g)
    grad_kernel, grad_bias = layer.weight.grad.copy(), layer.bias.grad.copy()
    sums = [np.zeros_like(grad_kernel), np.zeros_like(grad_bias)]
    for n in range(70):
        np.testing.assert_allclose(layer.forward(x[n : n + 1])[0], y[n], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(layer.backward(g[n : n + 1])[0], grad_x[n], rtol=1e-12, atol=1e-13)
        sums[0] += layer.weight.grad
        sums[1] += layer.bias.grad
    np.testing.assert_allclose(grad_kernel, sums[0], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(grad_bias, sums[1], rtol=1e-11, atol=1e-12)


def test_im2col_puts_each_window_into_a_row():
    images = np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    cols = im2col(images, (2, 3), (1, 1))
    assert cols.shape == (2 * 2 * 2, 2 * 3 * 2)
    np.testing.assert_array_equal(cols[0], images[0, 0:2, 0:3].ravel())
    np.testing.assert_array_equal(cols[3], images[0, 1:3, 1:4].ravel())
    np.testing.assert_array_equal(cols[6], images[1, 1:3, 0:3].ravel())
    strided = im2col(images[:, ::-1], (1, 1), (2, 3))  # a view with a negative stride
    np.testing.assert_array_equal(strided[1], images[0, 2, 3])
    np.testing.assert_array_equal(strided[2], images[0, 0, 0])


def test_parameters():
    layer = Conv2d(2, 3, (4, 5))
    assert {name: p.data.shape for name, p in layer.named_parameters()} == {"weight": (4, 5, 2, 3), "bias": (3,)}
    assert Conv2d(32, 32, 3, bias=False).num_parameters == 9216
    assert layer.multiply_adds((6, 7, 3)) == 6 * 7 * 4 * 5 * 2 * 3


def test_the_wrong_channel_count_names_the_layer():
    model = Sequential({"stage_0": Sequential({"conv_0": Conv2d(32, 4, 3)})})
    with pytest.raises(ShapeError) as failure:
        model.forward(np.zeros((10, 8, 8, 16), np.float32))
    assert str(failure.value) == (
        "Conv2d 'stage_0.conv_0': expected (N, H, W, 32), got (10, 8, 8, 16): 16 channels where 32 were declared."
    )


def test_wrong_axes_and_images_smaller_than_the_kernel():
    with pytest.raises(ShapeError, match="2 axes where 4 were expected"):
        Conv2d(3, 4, 3).forward(np.zeros((2, 3), np.float32))
    with pytest.raises(ShapeError, match=r"kernel of \(3, 3\) does not fit into images of \(2, 8\) .* smaller kernel"):
        Conv2d(3, 4, 3).forward(np.zeros((1, 2, 8, 3), np.float32))


@pytest.mark.parametrize(
    "keywords", [{"kernel_size": 0}, {"kernel_size": 3, "stride": 0}, {"kernel_size": 3, "padding": -1}]
)
def test_impossible_settings(keywords):
    with pytest.raises(ConfigurationError, match=f"{list(keywords)[-1]} must be an int"):
        Conv2d(3, 4, **keywords)


def test_a_kernel_size_of_three_numbers():
    with pytest.raises(ConfigurationError, match=r"got \(3, 3, 3\)"):
        Conv2d(3, 4, (3, 3, 3))


def test_sizes_may_be_numbers_of_numpy_and_are_checked():
    assert Conv2d(np.int64(3), np.int64(8), np.int64(3)).kernel_size == (3, 3)
    for channels in ((0, 8), (3, -1), (3, 2.5)):
        with pytest.raises(ConfigurationError, match="must be a whole number of at least 1"):
            Conv2d(*channels, 3)


def test_images_of_bytes_are_not_answered_with_weights_of_bytes():
    with pytest.raises(ShapeError, match=r"call x.astype\(np.float32\) on the inputs\.$"):
        Conv2d(3, 8, 3).forward(np.zeros((1, 4, 4, 3), np.uint8))


def test_blocks_of_columns_are_those_of_im2col_in_the_same_memory():
    images = np.random.default_rng(0).random((70, 8, 8, 2))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    layer = Conv2d(2, 3, 3, padding=1)
    found = [(block, columns.copy()) for block, columns in layer.columns(images)]
    assert len(found) > 2
    assert [n for block, _ in found for n in range(70)[block]] == list(range(70))
    np.testing.assert_array_equal(np.concatenate([columns for _, columns in found]), im2col(padded, (3, 3)))
    first, second = [columns for _, columns in layer.columns(images)][:2]
    assert np.may_share_memory(first, second)
