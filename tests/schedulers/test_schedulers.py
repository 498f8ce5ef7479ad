"""Schedules: first, last and turning values, and the two ways of counting."""

import math

import pytest

from mlp.errors import ConfigurationError
from mlp.schedulers import constant, cosine, epochs_in, exponential, join, per_epoch, step, warm_restarts, warm_up


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


def test_step_and_exponential():
    assert [step(1.0, 0.5, steps=3)(t) for t in range(7)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    assert exponential(2.0, 0.5)(3) == 0.25
    assert exponential(1e-3, 0.96)(100) == pytest.approx(1e-3 * 0.96**100, rel=1e-12)


def test_warm_restarts_start_again_at_the_first_rate():
    even = warm_restarts(1.0, 0.0, steps=4)
    assert [even(t) for t in (0, 4, 8)] == [1.0, 1.0, 1.0]
    assert even(2) == pytest.approx(0.5)
    assert even(7) == even(3) < 0.2
    longer = warm_restarts(1.0, 0.1, steps=2, multiply=3)  # cycles of 2, 6, 18 steps
    assert [longer(t) for t in (0, 2, 8, 26)] == [1.0, 1.0, 1.0, 1.0]
    assert longer(5) == pytest.approx(0.55)
    assert min(longer(t) for t in range(60)) > 0.1


def test_warm_up_rises_in_a_line_and_join_continues():
    rise = warm_up(1.0, steps=4, start=0.2)
    assert [round(rise(t), 12) for t in (0, 1, 2, 4, 100)] == [0.2, 0.4, 0.6, 1.0, 1.0]
    both = join(rise, cosine(1.0, 0.0, steps=10), constant(0.5), at=[4, 14])
    assert [both(t) for t in (3, 4, 13, 14)] == [rise(3), 1.0, cosine(1.0, 0.0, steps=10)(9), 0.5]


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(0),
        lambda: cosine(-1, 0, 10),
        lambda: cosine(1e-3, -1, 10),
        lambda: cosine(1e-3, 0, 0),
        lambda: epochs_in(0),
        lambda: step(1.0, 0.1, steps=0),
        lambda: exponential(1.0, 0.0),
        lambda: warm_restarts(1.0, 0.0, steps=2, multiply=0),
        lambda: warm_up(1.0, steps=2, start=2.0),
        lambda: join(constant(1.0), constant(2.0), at=[]),
        lambda: join(constant(1.0), constant(2.0), constant(3.0), at=[5, 5]),
        lambda: per_epoch(constant(1), 2.5),
    ],
)
def test_impossible_settings_are_errors(make):
    with pytest.raises(ConfigurationError):
        make()
