"""The time of one check, shared by all that look for what is wrong: a check takes seconds, whatever it meets."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

ONE_CHECK = 7.5  # of CPU for one check; what runs at its end may take a little longer
OF_WHAT_IS_LEFT = 0.6  # of the time that is left, which a single measurement may take
END: ContextVar[float | None] = ContextVar("END", default=None)


@contextmanager
def limited(seconds: float = ONE_CHECK) -> Iterator[None]:
    """Within this context there are so many seconds of CPU, and no more than in the one around it."""
    token = END.set(time.process_time() + min(seconds, seconds_left()))
    try:
        yield
    finally:
        END.reset(token)


def seconds_left() -> float:
    """Return how many seconds of CPU are left; infinity outside of a check."""
    end = END.get()
    return float("inf") if end is None else end - time.process_time()


def affordable(run: Callable[[], Any], times: int) -> bool:
    """Return whether there is the time to run something so many times; it runs once."""
    start = time.process_time()
    run()
    return times * (time.process_time() - start) < OF_WHAT_IS_LEFT * seconds_left()
