"""The work of a check is counted: neither a slow machine nor a profiler changes what it finds."""

import pytest

from mlp.diagnostics.gradients import budget


def run():
    return [number**2 for number in range(20)]


def test_work_is_the_same_each_time_and_more_for_more_lines():
    once = budget.work_of(run)
    assert once == budget.work_of(run) > 0.0
    assert budget.work_of(lambda: [run(), run()]) > once


def test_what_is_left_is_what_was_not_spent(monkeypatch):
    monkeypatch.setattr(budget.time, "process_time", lambda: 0.0)
    with budget.limited(2.0):
        budget.spend(0.5)
        assert budget.seconds_left() == pytest.approx(1.5)
        with budget.limited(1.0):
            assert budget.seconds_left() == pytest.approx(1.0)
        assert budget.affordable(run, 1)
        assert not budget.affordable(run, 10**9)
    assert budget.seconds_left() == float("inf")


def test_time_ends_a_check_only_where_it_takes_far_too_long(monkeypatch):
    times = iter([0.0, 0.5 * budget.LAST, 2.0 * budget.LAST])
    monkeypatch.setattr(budget.time, "process_time", lambda: next(times))
    with budget.limited():
        assert budget.seconds_left() > 0.0
        assert budget.seconds_left() < 0.0
