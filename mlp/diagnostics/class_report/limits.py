"""The limits of a process that checks a file: memory, time, and the life of the process that started it.

The starting process ends it when its time is over. If that process was killed itself, nobody would: so it also ends
by itself, as soon as nobody holds the other end of its standard input, and a moment after its time at the latest.
"""

import math
import os
import signal
import sys
import threading

MEGABYTE = 2**20
LARGEST_FILE = 16 * MEGABYTE  # that it may write
LEAST_MEMORY = 1000  # megabytes: NumPy alone maps hundreds
LONGEST_TIME = 604_800.0  # seconds, a week
# Windows has no such limits, and macOS refuses that of memory.
HAS_LIMITS, HAS_MEMORY_LIMIT = os.name == "posix", os.name == "posix" and sys.platform != "darwin"


def most_memory() -> int:
    """Return the most megabytes that a process may be limited to here: more cannot be set."""
    if not HAS_MEMORY_LIMIT:
        return sys.maxsize // MEGABYTE
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    return (sys.maxsize if hard == resource.RLIM_INFINITY else hard) // MEGABYTE


def set_limits(seconds: float, megabytes: int) -> None:
    """Let larger allocations fail with a MemoryError, and end this process when its time is over, as far as possible.

    Raises:
        OSError, ValueError, OverflowError: a limit cannot be set.
    """
    if not HAS_LIMITS:
        return
    import resource

    signal.alarm(math.ceil(seconds) + 1)  # the system ends it, even if it never comes back from a function of C
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = LARGEST_FILE if hard == resource.RLIM_INFINITY else min(hard, LARGEST_FILE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if HAS_MEMORY_LIMIT:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE, megabytes * MEGABYTE))


def end_with_starter() -> None:
    """End this process and what it starts when the process at the other end of standard input is gone."""
    life = os.dup(0)
    to_nowhere(0)

    def wait() -> None:
        os.read(life, 1)  # nobody writes: it returns when the other end is closed
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)  # it has a group of its own
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def to_nowhere(*descriptors: int) -> None:
    """Let descriptors read nothing, and throw away what is written."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)
