"""Convolutions of the CUDA engine: which instance of the kernels runs on which tiles of the images."""

import math
from typing import Any

from mlp.engine.cuda.gpu import Gpu, Step
from mlp.engine.cuda.ops import MOST_NUMBERS, LaunchedOp, column_sums
from mlp.engine.graph import Value
from mlp.typing import Array

GRADIENT_PIXELS = 128  # of a tile in weight_gradient_*
CHUNKS = ((32, 32), (16, 16), (8, 32), (8, 8))  # (CK, NB) of the kernels' instances, the fastest first


def channel_chunks(C: int, F: int) -> tuple[int, int]:
    """Return (CK, NB): how many input and output channels a block takes at a time."""
    return next((ck, nb) for ck, nb in CHUNKS if C % ck == 0 and F % nb == 0)


def rounded_up(n: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below n."""
    return -(-n // step) * step


class ConvolutionOp(LaunchedOp):
    """A 3 x 3 convolution with stride 1 and padding 1.

    The number of input channels is a multiple of 8; channels of zeros are added to the network's inputs to make it one.
    """

    def __init__(self, layer: Any, value: Value) -> None:
        H, W, self.C = value.shape
        self.F = layer.out_channels
        super().__init__([value], (H, W, self.F), has_parameters=True)
        self.layer, self.CP = layer, rounded_up(self.C, 8)
        self.chunks = channel_chunks(self.CP, self.F)
        self.back_chunks = channel_chunks(self.F, self.CP)
        self.arranged: list[Array] = []  # the weights, laid out for forward and for backward; set by the plan

    @staticmethod
    def knows(layer: Any, value: Value, plan: Any) -> bool:
        """Whether there is a kernel for this layer and images of this shape."""
        (H, W, C), F = value.shape, layer.out_channels
        if (layer.kernel_size, layer.stride, layer.padding) != ((3, 3), (1, 1), (1, 1)) or F % 8:
            return False
        if W > GRADIENT_PIXELS or (C % 8 and value is not plan.source):
            return False
        CP = rounded_up(C, 8)
        most = max(convolution_shared(plan.gpu, plan.images, H, W, *pair) for pair in ((CP, F), (F, CP)))
        few = plan.images * H * W * max(CP, F) < MOST_NUMBERS
        return few and max(most, weight_gradient_shared(H, W, CP, F)) <= plan.gpu.shared_limit

    def prepare(self, plan: Any) -> None:
        if self.CP != self.C:
            H, W, _ = self.inputs[0].shape
            self.padded = plan.gpu.empty((plan.images, H, W, self.CP))

    def forward(self, plan: Any) -> list[Step]:
        x, steps = self.inputs[0].data, []
        if self.CP != self.C:
            args = (x, self.padded, self.padded.size // self.CP, self.C, self.CP)
            steps, x = [plan.gpu.elementwise("pad_channels", self.padded.size, args)], self.padded
        y, bias = self.output.data, self.layer.bias.data if self.layer.bias is not None else None
        if self.wants_statistics:
            tiles = convolution_tiles(plan.gpu, *x.shape[:3])[-1]
            self.partials = plan.gpu.empty((tiles, 3, self.F))
        return [*steps, convolve(plan.gpu, self.chunks, x, self.arranged[0], y, bias=bias, statistics=self.partials)]

    def backward(self, plan: Any) -> list[Step]:
        (value,), grad = self.inputs, self.output.grad
        steps = self._weight_gradient(plan, value.data if self.CP == self.C else self.padded, grad)
        if self.layer.bias is not None:
            steps += column_sums(plan, grad, None, None, None, 1.0, grad_beta=self.layer.bias.grad)
        if value.needs_grad:
            target, add = plan.claim(value)
            addend = target if add else None
            steps.append(convolve(plan.gpu, self.back_chunks, grad, self.arranged[1], target, addend=addend))
        return steps

    def _weight_gradient(self, plan: Any, x: Array, grad: Array) -> list[Step]:
        gpu, (N, H, W, C), F, (CK, NB) = plan.gpu, x.shape, self.F, self.chunks
        rows, images = tiling(GRADIENT_PIXELS, H, W)
        tiles, parts = -(-N // images) * -(-H // rows), (C // CK) * (F // NB)
        blocks = min(tiles, max(1, 2 * gpu.multiprocessors // parts))
        partials, weight = plan.pool.take((blocks, 9, C, F)), self.layer.weight.grad
        plan.pool.give(partials)  # free for whatever comes after these two launches
        shares = (x, grad, partials, N, H, W, C, F, rows, images)
        total = (partials, plan.state, weight, blocks, self.C, C, F)
        name, shared = f"weight_gradient_{CK}_{NB}_{gpu.precision}", weight_gradient_shared(H, W, C, F)
        return [
            gpu.launch(name, (blocks, parts), 288, shares, shared),
            gpu.launch("sum_weight_gradient", (-(-weight.size // 32),), 1024, total, 4096),
        ]


def convolve(
    gpu: Gpu,
    chunks: tuple[int, int],
    x: Array,
    weights: Array,
    y: Array,
    *,
    bias: Array | None = None,
    addend: Array | None = None,
    statistics: Array | None = None,
) -> Step:
    """Return the launch of a convolution x -> y, with the arguments of the kernel `convolve`."""
    (N, H, W, C), F, (CK, NB) = x.shape, y.shape[-1], chunks
    pixels, rows, images, tiles = convolution_tiles(gpu, N, H, W)
    args = (x, weights, bias, addend, y, statistics, N, H, W, C, F, rows, images)
    name, threads = f"convolve_{CK}_{NB}_{pixels}_{gpu.precision}", 256 if pixels == 256 else 128
    return gpu.launch(name, (tiles, F // NB), threads, args, convolution_shared(gpu, N, H, W, C, F))


def convolution_tiles(gpu: Gpu, N: int, H: int, W: int) -> tuple[int, int, int, int]:
    """Return (pixels of a tile, its rows, its images, number of tiles): large tiles if they keep the GPU busy."""
    for pixels in (256, 64):
        rows, images = tiling(pixels, H, W)
        tiles = -(-N // images) * -(-H // rows) if rows else 0
        if W > 64 or tiles >= 2 * gpu.multiprocessors:  # rows longer than 64 pixels only fit in large tiles
            break
    return pixels, rows, images, tiles


def weight_gradient_shared(H: int, W: int, C: int, F: int) -> int:
    """Return the bytes of shared memory that a block of a weight gradient needs."""
    CK, NB = channel_chunks(C, F)
    rows, images = tiling(GRADIENT_PIXELS, H, W)
    tile = images * (rows + 2) * (W + 2) * pitch(CK) + GRADIENT_PIXELS * (pitch(NB) + 1)
    return 4 * tile


def convolution_shared(gpu: Gpu, N: int, H: int, W: int, C: int, F: int) -> int:
    """Return the bytes of shared memory that a block of a convolution C -> F needs."""
    CK, NB = channel_chunks(C, F)
    pixels, rows, images, _ = convolution_tiles(gpu, N, H, W)
    return 4 * max(images * (rows + 2) * (W + 2) * pitch(CK) + 9 * CK * NB, 2 * 8 * NB)


def pitch(channels: int) -> int:
    """Return how many numbers a pixel of `channels` takes in shared memory, see kernels/tiles.cuh."""
    return channels if channels % 16 == 8 else channels + 8


def tiling(pixels: int, H: int, W: int) -> tuple[int, int]:
    """Return (rows, images) of a tile of at most `pixels` pixels: rows of one image, or several whole images.

    (0, 0) if not even one row fits.
    """
    if pixels < W:
        return 0, 0
    if pixels >= H * W:
        return H, pixels // (H * W)
    strips = math.ceil(H / (pixels // W))
    return math.ceil(H / strips), 1
