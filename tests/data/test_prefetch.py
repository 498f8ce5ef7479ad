"""Prefetching changes who computes a batch, and nothing else."""

import threading
import time

import pytest

from mlp.data.prefetch import prefetch


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_thread_ends():
    assert list(prefetch(range(100))) == list(range(100))
    assert list(prefetch([])) == []
    assert not threads()


def test_no_more_than_the_given_number_is_computed_ahead():
    made = []

    def items():
        for i in range(50):
            made.append(i)
            yield i

    stream = prefetch(items(), ahead=2)
    assert next(stream) == 0
    time.sleep(0.3)
    assert len(made) <= 4  # one handed out, two in the queue, one waiting for room
    stream.close()
    assert not threads()


def test_an_error_surfaces_where_its_item_would_have_come():
    def items():
        yield 1
        raise ValueError("image 2 is broken")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="image 2 is broken"):
        next(stream)
    assert not threads()


def test_leaving_early_ends_the_thread():
    for item in prefetch(range(1000)):
        if item == 3:
            break
    deadline = time.monotonic() + 60
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()
