"""3 x 3 convolution of stride 1 with half the multiplications (Winograd), and without im2col.

One dimension first. Four neighbouring outputs of a filter with three taps, y_i = sum over u of g_u d_(i+u), take 12
multiplications. They are coefficients of a product of polynomials, and such a product is known from its values at 6
points: evaluate both factors there, multiply value by value (6 multiplications), interpolate back. With the points
0, 1, -1, 2, -2 and infinity all three steps are small fixed matrices, the F(4, 3) of Winograd:

    y = A^T [ (G g) * (B^T d) ]         d (6,) inputs, g (3,) taps, y (4,) outputs, * value by value             (1)

Here the one dimension is the height. A tile is four rows of the image (six rows of input), and what stands above as a
number is a row of pixels with all its channels; in the other direction and over the channels the convolution stays what
it was. For the point k = 0 .. 5 and filter tap v along the width,

    V_k = sum over i of B^T[k,i] (input row 4 j + i)              (tiles, W, C)                                    (2)
    U_k[v,c,f] = sum over u of G[k,u] K[u,v,c,f]                  (3 C, F)                                         (3)
    M_k[j,w] = sum over v,c of V_k[j, w + v, c] U_k[v,c]          (tiles, OW, F)                                   (4)
    y[4 j + i] = sum over k of A^T[i,k] M_k[j]                    (OH, OW, F)                                      (5)

All multiplications are in (4): 6 products with 3 C terms for four rows instead of 12.
(2) and (5) are matrix products as well, with rows of W C numbers: one call of `matmul` for a block of images.

(4) needs no im2col along the width. The rows of V_k lie one behind the other with a zero pixel between them, which
is the right border of one and the left border of the next:

    V_k    0 a a a a 0 b b b b 0 c c c c 0 ...      each letter a pixel, C numbers

The three pixels that an output needs are neighbours in memory: 3 C numbers from one address on, and for the next output
the same, one pixel further. Every third output gives 3 C numbers that do not overlap: an ordinary matrix whose rows
lie behind each other. So (4) is three products, for outputs 0, 3, 6, .. and 1, 4, 7, .. and 2, 5, 8, .., and nothing
is copied. Outputs that fall between two rows mean nothing and are not read.

Backward. (1) is linear in g and in d, so the gradients are the transposed steps in opposite order:

    N_k = A dL/dy       dL/dU_k[v] = V_k(shifted by v)^T N_k      dL/dK = G^T dL/dU                                (6)

and dL/dx is a convolution with the turned kernel, as in the textbook (equation 5 there): (2) to (5) again.

Here is the op; the matrices and the way of a block through (2), (4) and (5) are in `winograd_correlation`. The numbers
differ from the textbook's by rounding only; it is a few times larger than that of the direct sum.

Reference: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.op import lowers
from mlp.engine.cpu.ops.convolution import ConvolutionBase, ConvolutionOp, parts_of
from mlp.engine.cpu.ops.strided import PixelConvolutionOp
from mlp.engine.cpu.ops.winograd_correlation import KERNEL_TRANSFORM, OUTPUT_TRANSFORM, TILE, Correlation
from mlp.layers import Conv2d


@lowers(Conv2d)
def lower_convolution(layer, value, plan):
    plan.check(layer, value, ("N", "H", "W", layer.in_channels))
    OH, OW = layer.output_size(*value.shape[:2])
    op = ConvolutionOp
    if layer.kernel_size == (3, 3) and layer.stride == (1, 1) and max(layer.padding) <= 2 and OH >= 3:
        op = WinogradOp if layer.in_channels >= 8 else ConvolutionOp
    elif layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        op = PixelConvolutionOp
    return plan.add(op(layer, value, (OH, OW, layer.out_channels)))


class WinogradOp(ConvolutionBase):
    """A 3 x 3 convolution of stride 1 by equations 2 to 6."""

    name = "winograd"

    def __init__(self, layer, value, output_shape):
        super().__init__(layer, value, output_shape)
        PH, PW = layer.padding
        self.across = Correlation(value.shape, output_shape, (PH, PW))
        self.back = Correlation(output_shape, value.shape, (2 - PH, 2 - PW))

    def ask_borders(self):
        self.inputs[0].ask_border(*self.across.border)
        above, below = self.back.border
        rows_below = TILE * self.across.tiles - self.output.shape[0]  # N_k reads whole tiles of dL/dy
        self.output.ask_grad_border(above, max(below, rows_below))

    def bind(self, plan):
        x, y = self.inputs[0], self.output
        self.across.bind(plan, self.block, x.data, y.data, writes=True)
        self.to_points = np.array(KERNEL_TRANSFORM, plan.dtype)  # G
        if not plan.training:
            return
        C, F = x.shape[2], y.shape[2]
        self.grad_kernels = [np.zeros((6, 3, C, F), plan.dtype) for _ in range(plan.threads)]
        self.grad_biases = np.zeros((plan.threads, F), plan.dtype)
        self.grad_to_points = np.array(OUTPUT_TRANSFORM, plan.dtype).T.copy()  # A (6, 4)
        if x.needs_grad:
            self.back.bind(plan, self.block, y.grad, x.grad, self.writes[0])
        self.views = {block: self._views(plan, t, *block) for t, block in plan.all_blocks(self.block)}

    def prepare(self):
        kernel, self.bias = self.weights()  # (3, 3, C, F)
        self.kernels = self.at_points(kernel)
        if self.back.bound:
            self.turned = self.at_points(np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2)))

    def at_points(self, kernel):
        """Equation 3: (3, 3, C, F) -> (6, 3 C, F)."""
        _, _, C, F = kernel.shape
        return (self.to_points @ kernel.reshape(3, -1)).reshape(6, 3 * C, F)

    def forward(self, t, lo, hi):
        self.across.transform(lo, hi)
        self.across.multiply(lo, hi, self.kernels)
        self.add_bias(self.across.views[lo, hi].target)

    def backward(self, t, lo, hi):
        self.across.transform(lo, hi)
        rows, N_write, V_shifted, N, product, total = self.views[lo, hi]
        np.matmul(self.grad_to_points, rows, out=N_write)  # (6)
        np.matmul(V_shifted, N, out=product)  # (6, 3, parts, C, F)
        np.add.reduce(product, axis=2, out=total)
        self.grad_kernels[t] += total
        self.add_bias_gradient(t, self.output.grad.part(t, lo, hi))
        if self.inputs[0].needs_grad:
            self.back.transform(lo, hi)
            self.back.multiply(lo, hi, self.turned)

    def _views(self, plan, t, lo, hi):
        """Return the arrays of equation 6 for a block."""
        n, T, P, item = hi - lo, self.across.tiles, self.across.pitch, plan.dtype.itemsize
        (_, OW, F), C = self.output.shape, self.inputs[0].shape[2]
        row = OW * F
        parts = parts_of(n * T, n * T * P * C * F)
        length = n * T // parts * P  # of a part, in pixels
        V = self.across.views[lo, hi].V
        N = plan.memory.scratch(("N", P, OW), (6, n * T * P, F))[t]
        start = self.output.grad.bordered_part(t, lo, hi)[:, self.output.grad.above :]
        rows = as_strided(start, (n, T, TILE, row), (start.strides[0], TILE * row * item, row * item, item))
        N_write = as_strided(N, (n, T, 6, row), (T * P * F * item, P * F * item, N.strides[0], item))
        shifted = (V.strides[0], C * item, length * C * item, item, C * item)
        V_shifted = as_strided(V, (6, 3, parts, C, length), shifted)
        product, total = plan.memory.temporary((6, 3, parts, C, F), (6, 3, C, F))[t]
        return rows, N_write, V_shifted, N.reshape(6, 1, parts, length, F), product, total

    def kernel_gradient(self, total):
        kernel = self.to_points.T @ total.reshape(6, -1)
        return kernel.reshape(self.layer.weight.data.shape)  # (3, 3, C, F)
