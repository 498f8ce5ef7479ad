"""Randomness as a pure function of (seed, stream, keys).

There is no random state to carry along or to save. Code that needs random numbers says what they are for, and the same
name always gives the same numbers, in any process, at any time, in any order:

    generator(seed, "shuffle", epoch).permutation(n)

So a resumed run, a prefetching thread and another engine draw the same numbers, and switching dropout on does not
change the order of the images. Draws always happen on the host, so a GPU gets the same numbers.

Streams:
    init       initial weights, keyed by the layer's path
    split      which images are for training and which for validation
    shuffle    the order of the training images, keyed by epoch
    augment    crops and flips, keyed by epoch, indexed by image
    dropout    masks, keyed by the layer's path and the step
    probe      points and directions that diagnostics look at
    synthetic  the images of the built-in data set
    sweep      settings that are drawn, keyed by the number of the draw and the setting's name
"""

import zlib

import numpy as np
from numpy.random import Generator

from mlp.checks import at_least
from mlp.errors import ConfigurationError

STREAMS = {"init": 0, "split": 1, "shuffle": 2, "augment": 3, "dropout": 4, "probe": 5, "synthetic": 6, "sweep": 7}


def generator(seed: int, stream: str, *keys: int | str) -> Generator:
    """Return the NumPy generator that belongs to (seed, stream, keys).

    Args:
        seed: a non-negative integer, the seed of the run.
        stream: one of `STREAMS`.
        keys: non-negative integers or strings (an epoch, a layer's path) within the stream.

    Raises:
        ConfigurationError: an unknown stream or a negative seed.
    """
    if stream not in STREAMS:
        raise ConfigurationError(f"unknown random stream {stream!r}: choose one of {', '.join(STREAMS)}")
    at_least("seed", seed, 0)
    numbers = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    # The number of keys is part of the key: SeedSequence takes (a, b) and (a, b, 0) for the same.
    return np.random.default_rng(np.random.SeedSequence([seed, STREAMS[stream], len(numbers), *numbers]))
