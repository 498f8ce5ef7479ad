"""How alike the gradients of two images are, at every unit of a network from the image to the head.

For each image n the gradient of one number is taken, a random mix v of the logits:

    g_n = d(v . logits_n) / d(activation of image n)          v ~ N(0, 1), drawn once

and then the mean of cos(g_n, g_m) over all pairs of images, with g flattened over H, W and C. Near 1 the network reacts
to all images in the same way. Near 0 the gradients of two images have nothing in common, and a step that helps one of
them is noise for the other: the gradient is shattered. This is not the gradient of the loss, because softmax gradients
of images of different classes differ at the head already.

Batch norm uses the statistics of these images as constants (see `adopted_statistics`). In training mode the gradient of
one image would depend on the others.

The cosine does not say how large a gradient is, so the mean of |g_n| stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlp.backend import device_of, move, to_numpy
from mlp.diagnostics.untouched import adopted_statistics
from mlp.errors import ConfigurationError
from mlp.layers import Sequential
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import join
from mlp.rng import generator
from mlp.typing import Array


@dataclass(frozen=True)
class Profile:
    """What was found at each unit, from the image to what the head reads.

    Attributes:
        names: "image", then units: "input", "stage_0.block_0", ...
        cosine, spread: mean and standard deviation over pairs of images. size: mean |g_n|. All (units,).
        images: how many there were.
    """

    names: list[str]
    cosine: Array
    spread: Array
    size: Array
    images: int

    @property
    def floor(self) -> float:
        """Cosines below this cannot be told from 0: about the error of a mean over so many pairs of random vectors."""
        return 1e-3 * 63.0 / max(self.images - 1, 1)

    def arrays(self) -> dict[str, Array]:
        """Return names, cosine, spread and size as arrays, to be saved."""
        return {name: np.array(getattr(self, name)) for name in ("names", "cosine", "spread", "size")}


def gradient_correlation(model: Layer, x: Array, seed: int = 0) -> Profile:
    """Return the Profile of a model for images x (n, H, W, C); the model is left as it was.

    Args:
        seed: of v.

    Raises:
        ConfigurationError: fewer than two images.
    """
    if len(x) < 2:
        raise ConfigurationError(f"the correlation of gradients needs two images or more, got {len(x)}")
    model.set_paths()
    x = move(x, device_of(model.parameters()[0].data))
    units = units_of(model)
    with adopted_statistics(model, x), np.errstate(all="ignore"):
        h = x
        for _, unit in units:
            h = unit.forward(h, training=False)
        v = generator(seed, "probe", "gradient_correlation").standard_normal(h.shape[-1])
        gradient = move(np.broadcast_to(v, h.shape).astype(h.dtype), device_of(h))
        found = []
        for name, unit in reversed(units):
            gradient = unit.backward(gradient)
            flat = to_numpy(gradient).reshape(len(x), -1).astype(np.float64)
            found.append((name, *mean_cosine(flat), float(np.linalg.norm(flat, axis=1).mean())))
    _, cosines, spreads, sizes = zip(*reversed(found), strict=True)
    names = ["image", *(name for name, _ in units[:-1])]  # dL/dx of a unit is dL/dy of the unit below
    return Profile(names, np.array(cosines), np.array(spreads), np.array(sizes), len(x))


def units_of(model: Layer) -> list[tuple[str, Layer]]:
    """Return the units of a network in forward order: the parts of a Sequential, some of them split again.

    Of `vgg`: input, stage_0.block_0, ..., stage_2.reduction, head.
    """
    wrapped = dict(model.children()).get("")  # a wrapper, such as one that holds companions
    if not isinstance(model, Sequential):
        return [(type(model).__name__, model)] if wrapped is None else units_of(wrapped)
    units: list[tuple[str, Layer]] = []
    for name, part in model.children():
        parts = part.children() if isinstance(part, Sequential) else []
        if parts and all(inner.children() for _, inner in parts):
            units += [(join(name, inner_name), inner) for inner_name, inner in units_of(part)]
        else:
            units.append((name, part))
    return units


def mean_cosine(vectors: Array | Sequence[Array]) -> tuple[float, float]:
    """Return mean and standard deviation of the cosine over all pairs of vectors (n, D); NaN if a vector is zero."""
    vectors = np.asarray(vectors, np.float64)
    with np.errstate(invalid="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # (n, D)
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]  # (n (n - 1) / 2,)
    return float(cosines.mean()), float(cosines.std())
