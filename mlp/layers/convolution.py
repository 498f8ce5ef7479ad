"""Convolution as a matrix product (im2col).

    x  inputs   (N, H, W, C)         K  kernel   (KH, KW, C, F)     s  stride, p  padding
    y  outputs  (N, OH, OW, F)       b  bias     (F,)               OH = (H + 2p - KH) // s + 1, OW alike

Forward. Output pixel (i, j) is the sum over the KH x KW window that starts at (s i, s j) in x_pad, the images with a
border of p zeros:

    y[n,i,j,f] = b[f] + sum over u,v,c of  x_pad[n, s i + u, s j + v, c]  K[u,v,c,f]                       (1)

im2col copies every window into one row, so that (1) is a product of two matrices:

    cols = im2col(x_pad)           (N OH OW, KH KW C)
    y = cols @ K + b               with K as (KH KW C, F), y as (N OH OW, F)                                (2)

Backward. (2) is affine, so the gradients of kernel and bias are those of an affine layer:

    dL/dK = cols^T @ dL/dy                                                                                  (3)
    dL/db = sum over n,i,j of dL/dy                                                                         (4)

For the inputs, collect from (1) every output that saw pixel x_pad[a, b]: those with s i + u = a, s j + v = b. Write
dL/dy on a grid of stride 1, with s - 1 zeros between its pixels and KH - 1 (KW - 1) around them: call it z, so that
z[KH - 1 + s i] = dL/dy[i]. Where the last rows and columns of x_pad are in no window, z has as many more zeros at its
end: H + 2p + KH - 1 rows in all. The sum over (u, v) runs through z backwards; with u = KH - 1 - t it runs forwards:

    dL/dx_pad[n,a,b,c] = sum over t,r,f of  z[n, a + t, b + r, f]  K[KH-1-t, KW-1-r, c, f]                   (5)

which is (1) again, for the images z and the kernel turned by 180 degrees with C and F exchanged. So the input gradient
is a convolution too; nothing is scattered, and nothing but x is kept. Nobody needs the gradients of the padding, so the
first and last p rows and columns of z are left out, and (5) gives dL/dx. In matrices, with the turned kernel T as
(KH KW F, C) and x as (N H W, C):

    dL/dx = im2col(z) @ T          dL/dT = im2col(z)^T @ x                                                  (6)

The second has the sums of (3), in the order of T: both add up dL/dy times the x that it met, for each place in the
window. So the columns of z serve for both gradients.

Where the windows do not overlap (s >= KH, or there is only one), each pixel of x_pad stands in one window at most, and
its gradient is that of its column, put back to where im2col took it from. (5) would multiply mostly zeros there:

    dL/dcols = dL/dy @ K^T                                                                                  (7)

The columns are KH KW times as large as the images (118 MB for a batch of 100 in the first stage of VGG). So they are
built for a few padded images at a time, in the same memory. That saves time as well: a block that fits into the cache
is used from there.

Reference: Chellapilla et al., High performance convolutional neural networks for document processing, 2006.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module, sum_rows
from mlp.checks import as_pair, at_least_one, float_type
from mlp.errors import ShapeError
from mlp.initializers import pytorch_default
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.weights import draw_weight_and_bias, generator_of
from mlp.layers.parameter import Parameter
from mlp.typing import Array, DType, Initializer


def windows_of(images: Array, kernel_size: tuple[int, int], stride: tuple[int, int]) -> Array:
    """Return all windows of padded images as a view (N, OH, OW, KH, KW, C).

    In it, pixel (u, v) of window (i, j) is pixel (SH i + u, SW j + v) of the image.
    """
    (N, H, W, C), (KH, KW), (SH, SW) = images.shape, kernel_size, stride
    OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
    n, h, w, c = images.strides
    return get_array_module(images).lib.stride_tricks.as_strided(
        images, shape=(N, OH, OW, KH, KW, C), strides=(n, SH * h, SW * w, h, w, c)
    )


def im2col(images: Array, kernel_size: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> Array:
    """Copy every window of every image into a row: (N, H, W, C) -> (N OH OW, KH KW C).

    Args:
        images: already padded. kernel_size: (KH, KW). stride: distances between windows, (down, right).
    """
    windows = windows_of(images, kernel_size, stride)
    N, OH, OW, KH, KW, C = windows.shape
    return windows.reshape(N * OH * OW, KH * KW * C)  # the copy


def images_in_a_block(rows_per_image: int, N: int) -> int:
    """Return how many of N images have about 1024 rows of columns together."""
    return max(1, min(1024 // rows_per_image, N))


def blocks_of_columns(images: Array, inside: Array, windows: Array) -> Iterator[tuple[slice, Array]]:
    """Yield (block, columns) for n images at a time: which of the N, and rows as in `im2col`, (n OH OW, KH KW C).

    The next images and their columns are written over them: to get new memory takes longer than to copy.

    Args:
        images: not padded, (N, H, W, C).
        inside: view of n padded images that shows what is not padding, (n, H, W, C).
        windows: view of all windows of the n padded images, (n, OH, OW, KH, KW, C).
    """
    n, OH, OW, KH, KW, C = windows.shape
    memory = get_array_module(images).empty(windows.shape, images.dtype)
    for start in range(0, len(images), n):
        block = slice(start, start + n)
        count = len(images[block])
        inside[:count] = images[block]
        memory[:count] = windows[:count]
        yield block, memory[:count].reshape(count * OH * OW, KH * KW * C)


class Conv2d(Layer):
    """Two-dimensional convolution, (N, H, W, C) -> (N, OH, OW, F).

    Args:
        in_channels, out_channels: C and F.
        kernel_size, stride, padding: an int, or a pair (down, right).
        bias: whether to add b.
        initializer, rng, dtype: as for Affine.

    Raises:
        ConfigurationError: a number of channels, kernel size or stride below 1, a negative padding.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        *,
        bias: bool = True,
        initializer: Initializer = pytorch_default,
        rng: Generator | None = None,
        dtype: DType = np.float32,
    ) -> None:
        self.in_channels = at_least_one("in_channels", in_channels)
        self.out_channels = at_least_one("out_channels", out_channels)
        self.kernel_size = as_pair("kernel_size", kernel_size, 1)
        self.stride = as_pair("stride", stride, 1)
        self.padding = as_pair("padding", padding, 0)
        self.initializer = initializer
        dtype = float_type(dtype)
        self.weight = Parameter(np.empty((*self.kernel_size, in_channels, out_channels), dtype))
        self.bias = Parameter(np.empty(out_channels, dtype)) if bias else None
        self.reset_parameters(generator_of(rng))

    def reset_parameters(self, rng: Generator) -> None:
        window = self.kernel_size[0] * self.kernel_size[1]
        draw_weight_and_bias(self, window * self.in_channels, window * self.out_channels, rng)

    def output_size(self, H: int, W: int) -> Sequence[int]:
        """Return (OH, OW) for images of H x W pixels; an error if no window fits."""
        sizes = [
            (size + 2 * p - k) // s + 1
            for size, k, s, p in zip((H, W), self.kernel_size, self.stride, self.padding, strict=True)
        ]
        if min(sizes) < 1:
            raise ShapeError(
                f"{self.label()}: a kernel of {self.kernel_size} does not fit into images of {(H, W)} "
                f"with padding {self.padding}: use a smaller kernel_size, a larger padding, or larger images."
            )
        return sizes

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_inputs(x, ("N", "H", "W", self.in_channels))
        (N, H, W, _), F, xp = x.shape, self.out_channels, get_array_module(x)
        OH, OW = self.output_size(H, W)
        self.keep(x)
        kernel = self.weight.data.reshape(-1, F)  # (KH KW C, F)
        y = xp.empty((N, OH, OW, F), x.dtype)
        for block, cols in self.columns(x):  # (n OH OW, KH KW C)
            rows = y[block].reshape(-1, F)  # (n OH OW, F), a view of y
            xp.matmul(cols, kernel, out=rows)  # (2)
            if self.bias is not None:
                rows += self.bias.data
        return y

    def columns(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """Yield the columns of the padded inputs, a block of images at a time."""
        (N, H, W, C), (PH, PW) = x.shape, self.padding
        OH, OW = self.output_size(H, W)
        n = images_in_a_block(OH * OW, N)
        padded = get_array_module(x).zeros((n, H + 2 * PH, W + 2 * PW, C), x.dtype)
        inside = padded[:, PH : PH + H, PW : PW + W]
        return blocks_of_columns(x, inside, windows_of(padded, self.kernel_size, self.stride))

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        if self.bias is not None:
            self.bias.grad = sum_rows(grad_outputs.reshape(-1, self.out_channels))  # (F,)    (4)
        apart = self.windows_are_apart(grad_outputs.shape[1:3])
        return self.gradients_put_back(grad_outputs, x) if apart else self.gradients_by_convolution(grad_outputs, x)

    def windows_are_apart(self, output_size: Sequence[int]) -> bool:
        """Return whether each pixel is in one window at most."""
        sizes = zip(self.kernel_size, self.stride, output_size, strict=True)
        return all(k <= s or size == 1 for k, s, size in sizes)

    def gradients_by_convolution(self, grad_outputs: Array, x: Array) -> Array:
        """Return dL/dx, and set dL/dK, by (6)."""
        (N, OH, OW, F), (_, H, W, C), xp = grad_outputs.shape, x.shape, get_array_module(x)
        (KH, KW), (PH, PW), (SH, SW) = self.kernel_size, self.padding, self.stride
        z = xp.zeros((images_in_a_block(H * W, N), H + 2 * PH + KH - 1, W + 2 * PW + KW - 1, F), x.dtype)
        inside = z[:, KH - 1 : KH - 1 + SH * OH : SH, KW - 1 : KW - 1 + SW * OW : SW]
        z = z[:, PH : PH + H + KH - 1, PW : PW + W + KW - 1]  # nobody needs the gradients of padding
        turned = self.weight.data[::-1, ::-1].transpose(0, 1, 3, 2).reshape(-1, C)  # (KH KW F, C)
        grad_turned, grad_inputs = xp.zeros_like(turned), xp.empty(x.shape, x.dtype)
        for block, cols in blocks_of_columns(grad_outputs, inside, windows_of(z, (KH, KW), (1, 1))):  # (n H W, KH KW F)
            xp.matmul(cols, turned, out=grad_inputs[block].reshape(-1, C))  # (6)
            grad_turned += cols.T @ x[block].reshape(-1, C)  # (6)
        self.weight.grad = grad_turned.reshape(KH, KW, F, C)[::-1, ::-1].transpose(0, 1, 3, 2)  # (KH, KW, C, F)
        return grad_inputs

    def gradients_put_back(self, grad_outputs: Array, x: Array) -> Array:
        """Return dL/dx by (7), and set dL/dK by (3)."""
        (N, H, W, C), F, xp = x.shape, self.out_channels, get_array_module(x)
        (KH, KW), (PH, PW) = self.kernel_size, self.padding
        kernel = self.weight.data.reshape(-1, F)  # K as (KH KW C, F)
        grad_padded, grad_kernel = xp.zeros((N, H + 2 * PH, W + 2 * PW, C), x.dtype), xp.zeros_like(kernel)
        for block, cols in self.columns(x):  # (n OH OW, KH KW C)
            grad_rows = grad_outputs[block].reshape(-1, F)  # (n OH OW, F)
            grad_kernel += cols.T @ grad_rows  # (3)
            windows = windows_of(grad_padded[block], (KH, KW), self.stride)  # (n, OH, OW, KH, KW, C)
            windows[...] = (grad_rows @ kernel.T).reshape(windows.shape)  # (7)
        self.weight.grad = grad_kernel.reshape(KH, KW, C, F)
        return grad_padded[:, PH : PH + H, PW : PW + W]

    def multiply_adds(self, output_shape: Sequence[int]) -> int:
        OH, OW, _ = output_shape
        return OH * OW * self.weight.data.size

    def column_bytes(self, x: Array, batch_size: int) -> int:
        _, H, W, C = x.shape
        OH, OW = self.output_size(H, W)
        window = self.kernel_size[0] * self.kernel_size[1]
        matrices = [(OH * OW, window * C)]  # rows for each image, and columns, of the matrix in (2)
        if not self.windows_are_apart((OH, OW)):
            matrices.append((H * W, window * self.out_channels))  # and in (6)
        largest = max(images_in_a_block(rows, batch_size) * rows * columns for rows, columns in matrices)
        return largest * x.dtype.itemsize

    def __repr__(self) -> str:
        return (
            f"Conv2d({self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None})"
        )
