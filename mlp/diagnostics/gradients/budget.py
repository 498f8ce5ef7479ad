"""The work of one check, shared by all that look for what is wrong: a check takes seconds, whatever it meets.

Work is counted, and not measured: each change that is tried counts, and each line of code that runs with it. So the
same check finds the same on every machine, under load, and under a profiler; on a slow one it takes longer. Seconds
are those that the work takes on a usual machine.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from mlp.diagnostics.gradients.probes.tracing import traced

ONE_CHECK = 6.0  # of work for one check; what runs at its end may take a little longer
OF_WHAT_IS_LEFT = 0.6  # of the work that is left, which a single measurement may take
A_TREE = 1e-4  # seconds of work to change a tree
A_FUNCTION = 3e-4  # to make a function of it
A_LINE = 6e-7  # to run a line
LAST = 60.0  # of CPU for a check on the slowest machine
END: ContextVar[tuple[float, float] | None] = ContextVar("END", default=None)  # of the work, and of the time
DONE = [0.0]  # seconds of work so far


@contextmanager
def limited(seconds: float = ONE_CHECK) -> Iterator[None]:
    """Within this context there are so many seconds of work, and no more than in the one around it."""
    around = END.get()
    last = time.process_time() + LAST if around is None else around[1]
    token = END.set((now() + min(seconds, seconds_left()), last))
    try:
        yield
    finally:
        END.reset(token)


def now() -> float:
    """Return how many seconds of work were done so far."""
    return DONE[0]


def spend(seconds: float) -> None:
    """Count some work."""
    DONE[0] += seconds


def seconds_left() -> float:
    """Return how many seconds of work are left; infinity outside of a check."""
    end = END.get()
    if end is None:
        return float("inf")
    return -1.0 if time.process_time() > end[1] else end[0] - now()


def work_of(run: Callable[[], Any]) -> float:
    """Run something once, and return how many seconds of work it is: its lines count, also those of NumPy."""
    lines = 0

    def inside(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return inside

    with traced(inside):
        run()
    return lines * A_LINE


def affordable(run: Callable[[], Any], times: int) -> bool:
    """Return whether there is the work left to run something so many times, which counts then; it runs once."""
    whole = times * work_of(run)
    if whole > OF_WHAT_IS_LEFT * seconds_left():
        return False
    spend(whole)
    return True
