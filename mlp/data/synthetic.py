"""Made-up images that can be learned: for tests, demonstrations and machines without CIFAR-100.

They have CIFAR-100's structure. Each group of five classes has a pair of colours of its own, and 3 or 5 waves, in
turn; within a group, the classes differ in the pattern that the two colours make:

    rows, columns, diagonals (rising or falling), checks, rings

The patterns are waves of random position, strength and brightness under noise. So a pixel by itself tells the group but
hardly the class: all classes of a group have the same mean image, and only filters that look at several pixels
separate them. Every class contains its own mirror images, because training flips left and right.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from mlp.checks import at_least
from mlp.data.image_set import ImageSet
from mlp.rng import generator
from mlp.typing import Array

GROUP_SIZE = 5
NOISE = 24.0  # standard deviation, of 255

# Each pattern is a wave in -1 .. 1 over phases y and x (radians, zero at a random point of the image).
# `side` is +1 or -1, drawn for each image.
PATTERNS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "rows": lambda y, x, side: np.cos(y),
    "columns": lambda y, x, side: np.cos(x),
    "diagonals": lambda y, x, side: np.cos((y + side * x) * math.sqrt(0.5)),
    "checks": lambda y, x, side: np.cos(y) * np.cos(x),
    "rings": lambda y, x, side: np.cos(np.sqrt(y * y + x * x)),
}


def synthetic(
    num_train: int = 5000, num_test: int = 1000, image_size: int = 32, num_classes: int = 100, seed: int = 0
) -> tuple[ImageSet, ImageSet]:
    """Make images of `num_classes` classes in groups of five, the same number (or one more) of each class.

    Args:
        num_train, num_test: numbers of images.
        image_size: H = W, in pixels, at least 8.
        seed: of the images; another seed gives other colours too.

    Returns:
        (train, test), two `ImageSet`s.

    Raises:
        ConfigurationError: a number out of its range.
    """
    smallest = {"num_train": 1, "num_test": 1, "image_size": 8, "num_classes": 1}
    given = {"num_train": num_train, "num_test": num_test, "image_size": image_size, "num_classes": num_classes}
    for name, value in given.items():
        at_least(name, value, smallest[name])
    num_groups = -(-num_classes // GROUP_SIZE)  # rounded up
    colours = group_colours(num_groups, generator(seed, "synthetic", "colours"))  # (groups, 2, 3)

    def image_set(name: str, n: int) -> ImageSet:
        rng = generator(seed, "synthetic", name)
        labels = rng.permutation(np.arange(n) % num_classes)
        coarse_labels = labels // GROUP_SIZE
        images = draw_images(labels, colours[coarse_labels], image_size, rng)
        return ImageSet(images, labels, class_names, coarse_labels, coarse_names)

    patterns = list(PATTERNS)
    coarse_names = tuple(f"group_{group:02}" for group in range(num_groups))
    class_names = tuple(
        f"{coarse_names[label // GROUP_SIZE]}_{patterns[label % GROUP_SIZE]}" for label in range(num_classes)
    )
    return image_set("train", num_train), image_set("test", num_test)


def group_colours(num_groups: int, rng: Generator) -> Array:
    """Return a pair of colours for each group, (groups, 2, 3) in 0 .. 255: hues spread evenly, in random order."""
    hue = 2.0 * math.pi * rng.permutation(num_groups) / num_groups  # (groups,)
    hues = np.stack([hue, hue + rng.uniform(1.5, 4.5, num_groups)], axis=1)  # (groups, 2)
    channels = 2.0 * math.pi * np.arange(3) / 3.0  # red, green and blue, a third of a turn apart
    return 127.5 + 70.0 * np.cos(hues[:, :, None] - channels)  # (groups, 2, 3)


def draw_images(labels: Array, colours: Array, image_size: int, rng: Generator) -> Array:
    """Return images (N, H, W, 3) uint8 of the classes `labels` (N,), in the pairs of `colours` (N, 2, 3)."""
    N, H, W = len(labels), image_size, image_size
    float32 = np.float32
    # Waves: three or five in each image, and a centre anywhere in it.
    waves = np.where(labels // GROUP_SIZE % 2, 5.0, 3.0)[:, None]  # (N, 1)
    ticks = np.arange(image_size) / image_size  # (H,)
    phases = 2.0 * math.pi * waves * (ticks - rng.random((2, N, 1)))  # (2, N, H)
    y, x = phases[0].astype(float32)[:, :, None], phases[1].astype(float32)[:, None, :]  # (N, H, 1), (N, 1, W)
    side = rng.choice(np.array([-1.0, 1.0], float32), (N, 1, 1))
    wave = np.empty((N, H, W), float32)
    for number, pattern in enumerate(PATTERNS.values()):
        chosen = labels % GROUP_SIZE == number
        wave[chosen] = pattern(y[chosen], x[chosen], side[chosen])

    # Between the two colours of the group: strength and brightness vary from image to image.
    strength = rng.uniform(0.5, 1.0, (N, 1)) * rng.choice([-1.0, 1.0], (N, 1))
    brightness = rng.uniform(-20.0, 20.0, (N, 1))
    middle = (colours.mean(axis=1) + brightness).astype(float32)[:, None, None]  # (N, 1, 1, 3)
    half = (0.5 * strength * (colours[:, 1] - colours[:, 0])).astype(float32)[:, None, None]  # (N, 1, 1, 3)
    pixels = rng.standard_normal((N, H, W, 3), dtype=float32)
    pixels *= NOISE
    pixels += middle
    pixels += wave[..., None] * half
    return np.clip(pixels, 0.0, 255.0, out=pixels).astype(np.uint8)
