"""The way of a block of images through Winograd's algorithm: equations 2, 4 and 5 of `winograd`.

Forward goes it with the kernels, backward with the turned ones. All three steps are matrix products on views of one
memory; here the shapes and strides of those views are worked out, once for all steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.ops.convolution import SMALL_PRODUCT
from mlp.engine.cpu.ops.toom_cook import TAPS, as_arrays, choose_tile


class Correlation:
    """Equations 2, 4 and 5 from images (H, W, C) with a padding to images (OH, OW, F)."""

    def __init__(self, input_shape, output_shape, padding):
        self.input_shape, self.output_shape, self.padding = input_shape, output_shape, padding
        self.tile = choose_tile(output_shape[0])  # output rows that are computed together
        self.points = self.tile + TAPS - 1
        self.tiles = -(-output_shape[0] // self.tile)
        self.pitch = input_shape[1] + padding[1]  # pixels from one row of V_k to the next
        above = padding[0]
        self.border = above, self.tile * self.tiles + 2 - above - input_shape[0]  # rows of zeros that (2) reads
        self.bound = False

    def bind(self, plan, images, source, target, writes):
        """Work from one `Storage` to another, writing it or adding to it, in blocks of so many images."""
        self.writes = writes
        self.B, self.G, self.A = as_arrays(self.tile, plan.dtype)
        self.direct = writes and self.output_shape[0] % self.tile == 0
        above = source.above - self.padding[0]  # rows of zeros that are not for us
        self.views = {
            (lo, hi): self._views(plan, t, source.bordered_part(t, lo, hi)[:, above:], target.part(t, lo, hi))
            for t, (lo, hi) in plan.all_blocks(images)
        }
        self.bound = True

    def _views(self, plan, t, source, target):
        """Return the arrays that a block goes through."""
        (_, W, C), (_, OW, F) = self.input_shape, self.output_shape
        n, T, P, PW = len(source), self.tiles, self.pitch, self.padding[1]
        m, K = self.tile, self.points
        item, scratch = plan.dtype.itemsize, plan.memory.scratch
        thirds = -(-n * T * P // 3)  # outputs in each of the three products
        parts = -(-thirds * 3 * C * F // SMALL_PRODUCT)
        part = -(-thirds // parts)
        pixels = 3 * parts * part  # outputs, some of which mean nothing
        V = scratch(("V", n * T, P, PW), (K, pixels + 2 + PW, C))[t]
        M, out = plan.memory.temporary((K, pixels, F), (n, T * m, OW, F))[t]
        out = target if self.direct else out

        def rows_of(images, width, step, count):
            """View rows of `width` numbers as (n, T, count, width), tiles being `step` rows apart."""
            row = width * item
            return as_strided(images, (n, T, count, width), (images.strides[0], step * row, row, item))

        def lines_of(points, width, channels):
            """View V or M (K, pixels, channels) as (n, T, K, width)."""
            line = P * channels * item
            return as_strided(points, (n, T, K, width), (T * line, line, points.strides[0], item))

        def outputs_of(points, channels, numbers):
            """View V or M as (K, 3, parts, outputs, numbers): every third pixel, and `numbers` from there on."""
            pixel = channels * item
            strides = (points.strides[0], pixel, 3 * part * pixel, 3 * pixel, item)
            return as_strided(points, (K, 3, parts, part, numbers), strides)

        return BlockViews(
            V=V,
            source_rows=rows_of(source, W * C, m, K),
            V_lines=lines_of(V[:, PW:], W * C, C),
            V_outputs=outputs_of(V, C, 3 * C),
            M_outputs=outputs_of(M, F, F),
            M_lines=lines_of(M, OW * F, F),
            out_rows=rows_of(out, OW * F, m, m),
            out=out,
            target=target,
        )

    def at_points(self, kernel):
        """Equation 3: (3, 3, C, F) -> (K, 3 C, F)."""
        _, _, C, F = kernel.shape
        return (self.G @ kernel.reshape(3, -1)).reshape(self.points, 3 * C, F)

    def transform(self, lo, hi):
        """Equation 2."""
        views = self.views[lo, hi]
        np.matmul(self.B, views.source_rows, out=views.V_lines)

    def multiply(self, lo, hi, kernels):
        """Equations 4 and 5, with the kernels (K, 3 C, F)."""
        views = self.views[lo, hi]
        np.matmul(views.V_outputs, kernels[:, None, None], out=views.M_outputs)
        np.matmul(self.A, views.M_lines, out=views.out_rows)
        if self.direct:
            return
        out = views.out[:, : self.output_shape[0]]
        if self.writes:
            np.copyto(views.target, out)
        else:
            np.add(views.target, out, out=views.target)


@dataclass(eq=False)
class BlockViews:
    """One block's way through equations 2, 4 and 5: the same memory seen in the shapes that each step wants.

    K = m + 2 points, T tiles of m rows in an image.
    """

    V: np.ndarray  # (K, pixels, C)
    source_rows: np.ndarray  # (n, T, K, W C), rows of neighbouring tiles overlap
    V_lines: np.ndarray  # (n, T, K, W C)
    V_outputs: np.ndarray  # (K, 3, parts, outputs, 3 C)
    M_outputs: np.ndarray  # (K, 3, parts, outputs, F)
    M_lines: np.ndarray  # (n, T, K, OW F)
    out_rows: np.ndarray  # (n, T, m, OW F)
    out: np.ndarray  # (n, m T, OW, F), the target itself where it can be
    target: np.ndarray  # (n, OH, OW, F)
