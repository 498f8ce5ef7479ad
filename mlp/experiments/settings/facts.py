"""The facts about data and model that config.json holds beside the settings."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.experiments.own_model import digest_of_file
from mlp.layers.machinery.base import Layer
from mlp.models.deep_supervision import without_companions

CHUNK = 1024  # images that are in memory together
LARGEST_IMAGE = 1 << 26  # numbers, H x W x C: 8,192 x 8,192 in shades of grey


@dataclass(frozen=True)
class Facts:
    """What follows from the settings and the data, stored so that the data are not needed to know it.

    All may be None: older versions stored fewer facts.

    Attributes:
        parameters: the number of weights, without those of companions. image_shape: [H, W, C].
        class_names: a list of K names. num_images: [for training, for validation].
        model_file: SHA-256 of the file of your own model. data: SHA-256 of the images and labels.
        first_weights: SHA-256 of the weights of another run that this one began with (--init-from).
    """

    parameters: int | None = None
    image_shape: list[int] | None = None
    class_names: list[str] | None = None
    num_images: list[int] | None = None
    model_file: str | None = None
    data: str | None = None
    first_weights: str | None = None

    def __post_init__(self) -> None:
        shape = [1, 1, 1] if self.image_shape is None else self.image_shape
        names = [""] if self.class_names is None else self.class_names
        images = [1, 1] if self.num_images is None else self.num_images
        digests = ["" if text is None else text for text in (self.model_file, self.data, self.first_weights)]
        lists = all(isinstance(value, list) for value in (shape, names, images)) and (len(shape), len(images)) == (3, 2)
        sizes = [1 if self.parameters is None else self.parameters, *shape, *images] if lists else []
        whole = lists and names and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes)
        if not (whole and all(isinstance(text, str) for text in (*names, *digests))):
            raise ConfigurationError(
                "its facts are not numbers of parameters and images, an image shape and class names"
            )
        if math.prod(shape) > LARGEST_IMAGE:
            raise ConfigurationError(f"an image of {' x '.join(map(str, shape))} is larger than any that is read")

    def with_settings(self, config: RunConfig) -> dict[str, Any]:
        """Return what a checkpoint keeps: the settings, and these facts under "facts"."""
        return {**config.as_dict(), "facts": dataclasses.asdict(self)}

    @staticmethod
    def of(config: RunConfig, model: Layer, images: Sequence[ImageSet], first_weights: str | None = None) -> "Facts":
        """Return the facts of a run with these images, (train, valid, test)."""
        train, valid = images[:2]
        parameters, shape = without_companions(model).num_parameters, list(train.images.shape[1:])
        names, numbers = list(train.class_names), [len(train), len(valid)]
        digest = digest_of_file(config.model) if config.own_model else None
        return Facts(parameters, shape, names, numbers, digest, digest_of_images(images), first_weights)


def digest_of_images(images: Sequence[ImageSet]) -> str:
    """Return the SHA-256 of the images and labels of some sets."""
    code = hashlib.sha256()
    for image_set in images:
        code.update(f"{image_set.images.dtype} {image_set.images.shape}".encode())
        for first in range(0, len(image_set), CHUNK):  # the patches of a scene are made when they are asked for
            code.update(np.ascontiguousarray(image_set.images[first : first + CHUNK]).data)
        code.update(np.ascontiguousarray(image_set.labels).data)
    return code.hexdigest()
