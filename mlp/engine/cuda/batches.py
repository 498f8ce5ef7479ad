"""Batches made on the GPU: the data set stays there as bytes, and a kernel crops, flips and normalizes.

CIFAR's 50,000 training images are 154 MB. The host only draws the order of the images, their crops and their flips, for
a whole epoch at once: the same draws as for `mlp.data.Batches`, so the batches are the same to the last bit.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.data.augmentation import PADDING, draw_augmentation
from mlp.data.batches import Batches
from mlp.data.normalization import scale_and_shift
from mlp.engine.cuda.gpu import Gpu
from mlp.typing import Array


class DeviceBatches:
    """The batches of a `Batches`, as arrays on the device.

    Args:
        batches: a `mlp.data.Batches` of float32. gpu: a `Gpu`.
    """

    def __init__(self, batches: Batches, gpu: Gpu) -> None:
        self.batches, self.gpu = batches, gpu
        self.stream = gpu.new_stream()  # a thread may make batches while another records a step on the engine's stream
        image_set = batches.image_set
        C = image_set.images.shape[-1]
        constants = np.stack(scale_and_shift(batches.normalization, C)).astype(np.float32)  # (2, C)
        arrays = image_set.images, image_set.labels.astype(np.int32), constants
        self.images, self.labels, self.constants = self._upload(*arrays)

    @property
    def num_images(self) -> int:
        """The number of images in an epoch."""
        return self.batches.num_images

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int) -> Iterator[Any]:
        """Yield (x, targets) for each batch of an epoch: x (n, H, W, C) float32, targets (n,) int32."""
        source, N = self.batches, self.num_images
        (order,) = self._upload(source.order(epoch).astype(np.int32))
        drawn: Sequence[Array | None] = (None, None)
        if source.augment:
            drawn = self._upload(*(array.astype(np.uint8) for array in draw_augmentation(N, source.seed, epoch)))
        for start in range(0, N, source.batch_size):
            yield self._batch(order, drawn, start, min(source.batch_size, N - start))

    def _upload(self, *arrays: Array) -> list[Array]:
        """Return arrays of the host on the device."""
        with self.gpu.allocating(self.stream):  # the memory first, see there
            copies = [self.gpu.empty(array.shape, array.dtype) for array in arrays]
        with self.gpu.working(self.stream):
            for copy, array in zip(copies, arrays, strict=True):
                self.gpu.copy(copy, array)
        return copies

    def _batch(self, order: Array, drawn: Any, start: int, n: int) -> tuple[Array, Array]:
        shape = (n, *self.images.shape[1:])
        with self.gpu.allocating(self.stream):
            x, targets = self.gpu.empty(shape), self.gpu.empty((n,), np.int32)
        with self.gpu.working(self.stream):
            args = (self.images, self.labels, order, *drawn, self.constants, x, targets, start, *shape, PADDING)
            self.gpu.elementwise("make_batch", x.size, args)()
        return x, targets
