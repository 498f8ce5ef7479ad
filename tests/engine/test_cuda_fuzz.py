"""A minute of random shapes in the emulated kernels finds no mistake; mistakes made on purpose are found."""

import numpy as np
import pytest
from cuda_emulation import smallest_instances
from fuzz_kernels import draw, fuzz

from mlp.engine.cuda.source import joined_source


@pytest.mark.slow
def test_a_minute_of_random_shapes(emulated):
    number, found = fuzz(emulated, 60.0, seed=0)
    print(f"{number} cases")
    assert number > 10
    assert not found, found


@pytest.mark.slow
@pytest.mark.parametrize(
    "right, wrong",
    [
        ("n0 + image < N &&", ""),  # pixels of images that are not there are written
        ("i < rows * CP;", "i < rows * CP + 1;"),
        ("n < NT; n++) multiply_add", "n < NT - 1; n++) multiply_add"),
    ],
)
def test_the_fuzz_finds_a_mistake(compiled_for_cpu, right, wrong):
    text = smallest_instances(joined_source())
    assert right in text
    module = compiled_for_cpu(text.replace(right, wrong, 1), optimize=False)
    _, found = fuzz(module, 120.0, seed=0, channels=(8,), most=25)
    assert found


def test_the_same_seed_draws_the_same_cases():
    cases = [[draw(rng, i) for i in range(20)] for rng in map(np.random.default_rng, (5, 5, 6))]
    assert cases[0] == cases[1] != cases[2]
