"""A block of images goes through Winograd's algorithm: equations 2, 4 and 5 of `winograd.op`.

Forward uses the kernels, backward the turned ones. All three equations are matrix products on views of the same memory;
the shapes and strides of those views are worked out here, once and for all.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.memory import Storage
from mlp.engine.cpu.op import give
from mlp.engine.cpu.ops.convolution_base import SMALL_PRODUCT
from mlp.engine.cpu.ops.winograd.toom_cook import as_arrays, choose_tile
from mlp.engine.cpu.plan import Plan
from mlp.engine.cpu.program import Blocks
from mlp.typing import Array, Shape


class Correlation:
    """Equations 2, 4 and 5: from images (H, W, C) with a padding to images (OH, OW, F), for kernels r x r."""

    def __init__(self, input_shape: Shape, output_shape: Shape, padding: tuple[int, int], taps: int) -> None:
        self.input_shape, self.output_shape, self.padding, self.taps = input_shape, output_shape, padding, taps
        self.tile = choose_tile(output_shape[0], taps)  # output rows that are computed together
        self.points = self.tile + taps - 1
        self.tiles = -(-output_shape[0] // self.tile)
        self.pitch = input_shape[1] + padding[1]  # pixels from one row of V_k to the next
        above = padding[0]
        self.border = above, self.tile * self.tiles + taps - 1 - above - input_shape[0]  # rows of zeros that (2) reads
        self.bound = False

    def bind(self, plan: Plan, blocks: Blocks, source: Storage, target: Storage, *, writes: bool) -> None:
        """Prepare to work from one `Storage` to another, block by block; `writes`: else results are added."""
        self.writes = writes
        self.B, self.G, self.A = as_arrays(self.tile, self.taps, plan.dtype)  # B^T, G, A^T of the equations
        self.direct = writes and self.output_shape[0] % self.tile == 0
        self._make_views(plan, blocks, source, target)
        self.bound = True

    def _make_views(self, plan: Plan, blocks: Blocks, source: Storage, target: Storage) -> None:
        """Make self.views: (t, lo, hi) -> the arrays of a block."""
        (_, W, C), (_, OW, F) = self.input_shape, self.output_shape
        T, m, K, item = self.tiles, self.tile, self.points, plan.dtype.itemsize
        above = source.above - self.padding[0]  # rows of zeros that other readers asked for

        def rows_of(images: Array, width: int, count: int) -> Array:
            """View rows of `width` numbers as (n, T, count, width), tiles being m rows apart."""
            row = width * item
            return as_strided(images, (len(images), T, count, width), (images.strides[0], m * row, row, item))

        self.work: dict[tuple[int, int], dict[str, Array]] = {}  # (t, images) -> arrays between source and target
        source_rows = cache(lambda *place: rows_of(source.bordered_part(*place)[:, above:], W * C, K))
        target_rows = cache(lambda *place: rows_of(target.part(*place), OW * F, m))
        target_part = cache(target.part)
        self.views = {}
        for t, lo, hi in plan.threads_and_blocks(blocks):
            if (t, hi - lo) not in self.work:
                self.work[t, hi - lo] = self._work_views(plan, t, hi - lo)
            work = self.work[t, hi - lo]
            self.views[t, lo, hi] = CorrelationViews(
                **work,
                source_rows=source_rows(*source.place(t, lo, hi)),
                out_rows=target_rows(*target.place(t, lo, hi)) if self.direct else rows_of(work["out"], OW * F, m),
                target=target_part(*target.place(t, lo, hi)),
            )

    def _work_views(self, plan: Plan, t: int, n: int) -> dict[str, Array]:
        """Return the arrays of thread t between source and target, for n images."""
        (_, W, C), (_, OW, F) = self.input_shape, self.output_shape
        T, K, P, PW = self.tiles, self.points, self.pitch, self.padding[1]
        r, item = self.taps, plan.dtype.itemsize
        share = -(-n * T * P // r)  # outputs in each of the r products
        parts = -(-share * r * C * F // SMALL_PRODUCT)
        part = -(-share // parts)
        pixels = r * parts * part  # outputs, some of which mean nothing
        V = plan.memory.scratch(("V", n * T, P, PW), (K, pixels + r - 1 + PW, C))[t]
        M, out = plan.memory.temporary((K, pixels, F), (n, T * self.tile, OW, F))[t]

        def lines_of(points: Array, width: int, channels: int) -> Array:
            """View V or M (K, pixels, channels) as (n, T, K, width)."""
            line = P * channels * item
            return as_strided(points, (n, T, K, width), (T * line, line, points.strides[0], item))

        def outputs_of(points: Array, channels: int, numbers: int) -> Array:
            """View V or M as (K, r, parts, outputs, numbers): every r-th pixel, and `numbers` from there on."""
            pixel = channels * item
            strides = (points.strides[0], pixel, r * part * pixel, r * pixel, item)
            return as_strided(points, (K, r, parts, part, numbers), strides)

        return {
            "V": V,
            "V_lines": lines_of(V[:, PW:], W * C, C),
            "V_outputs": outputs_of(V, C, r * C),
            "M_outputs": outputs_of(M, F, F),
            "M_lines": lines_of(M, OW * F, F),
            "out": out,
        }

    def at_points(self, kernel: Array) -> Array:
        """Equation 3: (r, r, C, F) -> (K, 1, 1, r C, F)."""
        r, _, C, F = kernel.shape
        return (self.G @ kernel.reshape(r, -1)).reshape(self.points, 1, 1, r * C, F)

    def run(self, t: int, lo: int, hi: int, kernels: Array) -> Array:
        """Equations 2, 4 and 5, with the kernels (K, 1, 1, r C, F); return the images of the target."""
        views = self.views[t, lo, hi]
        np.matmul(self.B, views.source_rows, out=views.V_lines)  # (2)
        np.matmul(views.V_outputs, kernels, out=views.M_outputs)  # (4)
        np.matmul(self.A, views.M_lines, out=views.out_rows)  # (5)
        if not self.direct:
            give(views.target, views.out[:, : self.output_shape[0]], first=self.writes)
        return views.target


@dataclass(eq=False, slots=True)
class CorrelationViews:
    """The arrays of one block for equations 2, 4 and 5: the same memory in the shapes that each equation needs.

    K = m + r - 1 points, T tiles of m rows in an image.
    """

    V: np.ndarray  # (K, pixels, C)
    source_rows: np.ndarray  # (n, T, K, W C), rows of neighbouring tiles overlap
    V_lines: np.ndarray  # (n, T, K, W C)
    V_outputs: np.ndarray  # (K, r, parts, outputs, r C)
    M_outputs: np.ndarray  # (K, r, parts, outputs, F)
    M_lines: np.ndarray  # (n, T, K, OW F)
    out_rows: np.ndarray  # (n, T, m, OW F)
    out: np.ndarray  # (n, m T, OW, F), for results that cannot be written to the target directly
    target: np.ndarray  # (n, OH, OW, F)
