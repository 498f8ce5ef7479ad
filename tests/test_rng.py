"""Randomness is a function of its key, and of nothing else."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.rng import STREAMS, generator


def draw(*key):
    return generator(*key).integers(0, 2**62, size=4).tolist()


def test_the_same_key_gives_the_same_numbers_whatever_was_drawn_between():
    first = draw(0, "shuffle", 3)
    draw(1, "init", "a")
    np.random.default_rng(0).random(10)
    assert draw(0, "shuffle", 3) == first


def test_every_part_of_the_key_matters():
    keys = [(0, stream) for stream in STREAMS]
    keys += [
        (1, "shuffle"),
        (0, "shuffle", 0),
        (0, "shuffle", 1),
        (0, "shuffle", 0, 1),
        (0, "init", "a"),
        (0, "init", "b"),
    ]
    draws = [tuple(draw(*key)) for key in keys]
    assert len(set(draws)) == len(keys)


def test_golden_numbers_stay_what_they_are():
    """A change here changes every run that anybody made."""
    assert generator(0, "shuffle", 0).permutation(10).tolist() == [8, 7, 2, 5, 1, 0, 9, 4, 3, 6]


def test_errors():
    with pytest.raises(ConfigurationError, match="unknown random stream 'shufle'"):
        generator(0, "shufle")
    with pytest.raises(ConfigurationError, match="seed"):
        generator(-1, "shuffle")
