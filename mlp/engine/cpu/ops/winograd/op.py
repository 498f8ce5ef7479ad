"""3 x 3 and 5 x 5 convolution of stride 1 with about half the multiplications (Winograd), and without im2col.

First in one dimension. Eight neighbouring outputs of a filter with three taps, y_i = sum over u of g_u d_(i+u), take 24
multiplications. So does the product of two polynomials with eight and three coefficients. But that product has only 10
coefficients, so its values at 10 points say all: evaluate both factors there, multiply value by value (10
multiplications), interpolate back. With g as one factor the product is a linear map of the other, and the filter is the
transposed map: the same steps in the opposite order. Each is a product with a small fixed matrix, Winograd's F(m, 3)
with m = 8 and K = m + 2 points; `toom_cook` derives them:

    y = A^T [ (G g) * (B^T d) ]         d (K,) inputs, g (3,) taps, y (m,) outputs, * value by value               (1)

Here the one dimension is the height. A tile is m rows of outputs (m + 2 rows of input), and each number above becomes a
row of pixels with all its channels; along the width and over the channels the convolution is the ordinary one. For the
point k = 0 .. K - 1 and the filter tap v along the width,

    V_k = sum over i of B^T[k,i] (input row m j + i)              (tiles, W, C)                                    (2)
    U_k[v,c,f] = sum over u of G[k,u] W[u,v,c,f]                  (3 C, F)                                         (3)
    M_k[j,w] = sum over v,c of V_k[j, w + v, c] U_k[v,c]          (tiles, OW, F)                                   (4)
    y[m j + i] = sum over k of A^T[i,k] M_k[j]                    (OH, OW, F)                                      (5)

Nearly all multiplications are in (4): 10 products with 3 C terms for eight rows, instead of 24. If eight does not
divide the height, tiles of six rows (8 points) or four (6 points) may need fewer products: the tile with the fewest is
taken. Of the 3 C F multiplications of each output, 0.42 are left for 32, 16 or 8 rows, 0.50 for 4, 0.59 for 9 and 0.67
for 3. (2) and (5) are matrix products as well, with rows of W C numbers: one call of `matmul` for a block of images.

(4) needs no im2col along the width. The rows of V_k follow each other with one pixel of zeros between them, which is
the right border of one row and the left border of the next:

    V_k    0 a a a a 0 b b b b 0 c c c c 0 ...      each letter a pixel, C numbers

The three pixels that an output needs are neighbours in memory: 3 C numbers in a row, and for the next output 3 C
numbers one pixel further on. Those of outputs 0, 3, 6, .. do not overlap: they are an ordinary matrix, one row after
the other. So (4) is three products, for outputs 0, 3, 6, .. and 1, 4, 7, .. and 2, 5, 8, .., and nothing is copied.
Outputs that fall between two rows mean nothing and are not read.

5 x 5 kernels work in the same way, with 5 in place of 3 and 5 products in (4): F(6, 5) takes 10 multiplications for 6
rows instead of 30, F(4, 5) takes 8 for 4 rows instead of 20.

Backward. (1) is linear in g and in d, so the gradients are the transposed steps in the opposite order:

    N_k = A dL/dy       dL/dU_k[v] = V_k(shifted by v)^T N_k      dL/dW = G^T dL/dU                                (6)

and dL/dx is a convolution with the turned kernel, as in the textbook (equation 5 there): (2) to (5) again.

This file has the op; `correlation` takes a block through (2), (4) and (5). The results differ from the textbook's only
by rounding, see `toom_cook`: for m = 8 by 2e-6 of the outputs' standard deviation in float32 (the direct sum has 1e-7),
and by 6e-15 in float64.

Reference: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.ops.convolution_base import ConvolutionBase, parts_of
from mlp.engine.cpu.ops.winograd.correlation import Correlation
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.typing import Array, Shape


class WinogradOp(ConvolutionBase):
    """A convolution r x r of stride 1, r = 3 or 5, by equations 2 to 6."""

    name = "winograd"

    def __init__(self, layer: Any, value: Value, output_shape: Shape) -> None:
        super().__init__(layer, value, output_shape)
        (r, _), (PH, PW) = layer.kernel_size, layer.padding
        self.across = Correlation(value.shape, output_shape, (PH, PW), r)
        self.back = Correlation(output_shape, value.shape, (r - 1 - PH, r - 1 - PW), r)

    def ask_borders(self) -> None:
        self.inputs[0].ask_border(*self.across.border)
        above, below = self.back.border
        rows_below = self.across.tile * self.across.tiles - self.output.shape[0]  # (6) reads whole tiles of dL/dy
        self.output.ask_grad_border(above, max(below, rows_below))

    def bind(self, plan: Plan) -> None:
        x, y = self.inputs[0], self.output
        self.across.bind(plan, self.blocks, x.data, y.data, writes=True)
        if not plan.training:
            return
        self.bind_gradients(plan, self.across.taps)
        self.grad_to_points = self.across.A.T.copy()  # A (K, m)
        self.grad_from_points = self.across.G.T.copy()  # G^T (r, K)
        if x.needs_grad:
            self.back.bind(plan, self.blocks, y.grad, x.grad, writes=self.writes[0])
        self._make_views(plan)

    def prepare(self) -> None:
        kernel, self.bias = self.weights()  # (r, r, C, F)
        self.kernels = self.across.at_points(kernel)
        if self.back.bound:
            self.turned = self.back.at_points(np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2)))

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.across.run(t, lo, hi, self.kernels)
        if self.bias is not None:
            y += self.bias

    def backward(self, t: int, lo: int, hi: int) -> None:
        views = self.across.views[t, lo, hi]
        np.matmul(self.across.B, views.source_rows, out=views.V_lines)  # (2)
        grad_outputs, rows, N_write, V_shifted, N, product, total = self.views[t, lo, hi]
        np.matmul(self.grad_to_points, rows, out=N_write)  # (6)
        np.matmul(V_shifted, N, out=product)  # (K, r, parts, C, F)
        if product.shape[2] > 1:  # else both are the same memory
            np.add.reduce(product, axis=2, out=total.reshape(len(total), -1, *product.shape[-2:]))
        grad_weight = self.grad_weight.take()  # (r, r C F)
        np.matmul(self.grad_from_points, total, out=grad_weight)
        self.add_gradients(lo, grad_weight, grad_outputs)
        if self.inputs[0].needs_grad:
            self.back.run(t, lo, hi, self.turned)

    def _make_views(self, plan: Plan) -> None:
        """Make self.views: (t, lo, hi) -> the arrays of equation 6 for a block."""
        (_, OW, F), grad, item = self.output.shape, self.output.grad, plan.dtype.itemsize
        T, m, row = self.across.tiles, self.across.tile, OW * F

        @cache
        def rows(*place: Any) -> Array:
            start = grad.bordered_part(*place)[:, grad.above :]
            return as_strided(start, (len(start), T, m, row), (start.strides[0], m * row * item, row * item, item))

        part = cache(grad.part)
        work = cache(lambda t, n: self._work_views(plan, t, n, self.across.work[t, n]["V"]))
        self.views = {}
        for t, lo, hi in plan.threads_and_blocks(self.blocks):
            place = grad.place(t, lo, hi)
            self.views[t, lo, hi] = part(*place), rows(*place), *work(t, hi - lo)

    def _work_views(self, plan: Plan, t: int, n: int, V: Any) -> Any:
        """Return the arrays of thread t for equation 6, for n images."""
        T, K, P, item = self.across.tiles, self.across.points, self.across.pitch, plan.dtype.itemsize
        (_, OW, F), C = self.output.shape, self.inputs[0].shape[2]
        parts = parts_of(n * T, n * T * P * C * F)
        length = n * T // parts * P  # of a part, in pixels
        N = plan.memory.scratch(("N", P, OW), (K, n * T * P, F))[t]
        N_write = as_strided(N, (n, T, K, OW * F), (T * P * F * item, P * F * item, N.strides[0], item))
        shifted = (V.strides[0], C * item, length * C * item, item, C * item)
        r = self.across.taps
        V_shifted = as_strided(V, (K, r, parts, C, length), shifted)
        product, total = plan.memory.temporary((K, r, parts, C, F), (K, r * C * F))[t]
        total = product.reshape(total.shape) if parts == 1 else total
        return N_write, V_shifted, N.reshape(K, 1, parts, length, F), product, total
