"""Watching the lines of code that run."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def traced(watch: Callable[[FrameType, str, Any], Any]) -> Iterator[None]:
    """Within this context `watch` is the trace function of Python; at its end that of before, a debugger's, is back."""
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)
