import time

import numpy as np
import pytest

from mlp.data import crop_and_flip, draw_augmentation, normalize


def crop_and_flip_slowly(images, offsets, flips, padding):
    """Pixel by pixel: what is outside the image is zero."""
    N, H, W, C = images.shape
    result = np.zeros_like(images)
    for n in range(N):
        for row in range(H):
            for column in range(W):
                source_row = row + offsets[n, 0] - padding
                source_column = (W - 1 - column if flips[n] else column) + offsets[n, 1] - padding
                if 0 <= source_row < H and 0 <= source_column < W:
                    result[n, row, column] = images[n, source_row, source_column]
    return result


@pytest.mark.parametrize(
    ("shape", "padding"), [((40, 8, 8, 3), 4), ((20, 5, 9, 1), 4), ((10, 6, 4, 2), 1), ((4, 5, 5, 3), 0)]
)
def test_agrees_with_a_slow_loop(shape, padding):
    images = np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)
    before = images.copy()
    offsets, flips = draw_augmentation(len(images), seed=1, epoch=2, padding=padding)
    result = crop_and_flip(images, offsets, flips, padding)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, crop_and_flip_slowly(images, offsets, flips, padding))
    np.testing.assert_array_equal(images, before)


def test_all_offsets_at_the_corners():
    images = np.random.default_rng(0).integers(1, 256, (8, 6, 6, 3), dtype=np.uint8)
    offsets = np.array([[0, 0], [0, 8], [8, 0], [8, 8]] * 2)
    flips = np.arange(8) >= 4
    np.testing.assert_array_equal(
        crop_and_flip(images, offsets, flips), crop_and_flip_slowly(images, offsets, flips, 4)
    )


def test_middle_offset_without_flip_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    same = crop_and_flip(images, np.full((3, 2), 4), np.zeros(3, bool))
    np.testing.assert_array_equal(same, images)
    assert not np.shares_memory(same, images)


def test_borders_are_black_before_normalization():
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    x = normalize(crop_and_flip(white, np.array([[0, 4]]), np.zeros(1, bool)))
    np.testing.assert_array_equal(x[0, 0, 0], normalize(np.zeros((1, 1, 1, 3), np.uint8))[0, 0, 0])
    np.testing.assert_array_equal(x[0, 4, 0], normalize(white)[0, 0, 0])


def test_draws_are_uniform_and_belong_to_seed_and_epoch():
    offsets, flips = draw_augmentation(20_000, seed=0, epoch=0)
    assert offsets.shape == (20_000, 2)
    assert flips.dtype == bool
    for axis in range(2):
        counts = np.bincount(offsets[:, axis], minlength=9)
        assert len(counts) == 9
        assert (abs(counts / 20_000 - 1 / 9) < 0.01).all()
    assert abs(flips.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 1])[0, 1]) < 0.03
    np.testing.assert_array_equal(offsets, draw_augmentation(20_000, seed=0, epoch=0)[0])
    for seed, epoch in ((0, 1), (1, 0)):
        assert (draw_augmentation(20_000, seed, epoch)[0] != offsets).any()


def test_a_batch_of_100_takes_less_than_3_ms():
    """Of this thread's own time, however busy the machine is."""
    images = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
    offsets, flips = draw_augmentation(100, 0, 0)
    seconds = []
    for _ in range(30):
        start = time.thread_time()
        normalize(crop_and_flip(images, offsets, flips))
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 3e-3
