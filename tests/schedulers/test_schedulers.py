"""Schedules: first, last and turning values, and the two ways of counting."""

import math

import pytest

from mlp.errors import ConfigurationError
from mlp.schedulers import constant, cosine, epochs_in, per_epoch


def test_constant():
    assert [constant(0.1)(step) for step in (0, 7, 10**6)] == [0.1] * 3


def test_cosine_goes_from_the_first_to_the_last_value_and_back():
    schedule = cosine(1e-3, 2e-5, steps=100)
    assert schedule(0) == 1e-3
    assert schedule(50) == pytest.approx((1e-3 + 2e-5) / 2, rel=1e-12)
    assert schedule(100) == pytest.approx(2e-5, rel=1e-12)
    assert schedule(200) == pytest.approx(1e-3, rel=1e-12)
    assert schedule(30) == pytest.approx(2e-5 + (1e-3 - 2e-5) * (1 + math.cos(math.pi * 0.3)) / 2, rel=1e-12)


def test_schedule_e_is_constant_inside_an_epoch():
    """The reports' facts: epoch 0 is at the first rate, epoch 99 at 2.02e-5."""
    schedule = per_epoch(cosine(1e-3, 2e-5, steps=100), steps_per_epoch=475)
    assert schedule(0) == schedule(474) == 1e-3
    assert schedule(475) < 1e-3
    assert schedule(99 * 475) == pytest.approx(2.02e-5, rel=1e-2)


def test_schedule_i_ends_at_its_lowest_value():
    """Stepped once an iteration with T = 100: the last iteration of epoch 99 is at 2e-5."""
    schedule = cosine(1e-3, 2e-5, steps=100)
    assert schedule(475 * 100) == pytest.approx(2e-5, rel=1e-6)


def test_a_first_rate_below_the_minimum_rises():
    schedule = cosine(1e-5, 2e-5, steps=10)
    assert schedule(0) < schedule(5) < schedule(10)


def test_epochs_convert_to_steps():
    epochs = epochs_in(475)
    assert epochs(100) == 47500
    assert cosine(1e-3, 0.0, steps=epochs(2))(950) == pytest.approx(0.0, abs=1e-18)


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(0),
        lambda: cosine(-1, 0, 10),
        lambda: cosine(1e-3, -1, 10),
        lambda: cosine(1e-3, 0, 0),
        lambda: epochs_in(0),
        lambda: per_epoch(constant(1), 2.5),
    ],
)
def test_impossible_settings_are_errors(make):
    with pytest.raises(ConfigurationError):
        make()
