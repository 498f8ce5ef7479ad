"""A team of threads that do one job together, each on its share of the batch.

NumPy releases Python's lock while it computes, so threads of one process do run side by side, as long as each call
takes some microseconds. The calling thread is member 0 of the team: a team of one starts no threads at all.

    team = ThreadTeam(2)
    team.run(job)            # job(0) here, job(1) in the other thread; returns when both are done
    team.wait(t)             # called within a job by all members: nobody continues before all are there
    team.wait(t, function)   # and before the last to arrive has called function(t)

A waiting thread asks again and again (it spins), and lets others run in between: it notices the last arrival within a
microsecond, where a lock takes fifty. After a while it asks less often, and so leaves the core to others.

An error in one member ends the job for all: the others leave at their next `wait`, and `run` raises the
error with the traceback of the place where it happened.
"""

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable

from mlp.checks import at_least_one, wrong
from mlp.errors import DeviceError

SPINS = 2000  # how often a waiting thread asks before it begins to sleep in between
MOST_EACH = 64  # threads or processes for each core: more would only wait for each other
let_others_run = getattr(os, "sched_yield", None) or (lambda: time.sleep(0))


def usable_cores() -> int:
    """Return how many cores this process may use, as far as the system tells; otherwise the number of all cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def at_once(name: str, count: int, flag: str = "") -> int:
    """Return a number of threads or processes.

    Raises:
        ConfigurationError: it is less than 1, or more than `MOST_EACH` for each core.
    """
    most = MOST_EACH * usable_cores()
    if at_least_one(name, count, flag) > most:
        raise wrong(
            name, f"must be at most {most}, {MOST_EACH} for each core that this process may use, got {count}", flag
        )
    return int(count)


class JobStopped(Exception):  # noqa: N818  no error, a signal
    """Another member of the team failed; this one gives up. Never leaves `ThreadTeam.run`."""


class ThreadTeam:
    """`size` threads, counting the one that calls `run`. The others are daemons: they end with the process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._start()

    def _start(self) -> None:
        self.process = os.getpid()
        self.shared = _Shared(self.size)
        self._stop = weakref.finalize(self, _Shared.dismiss, self.shared)
        for t in range(1, self.size):
            try:
                threading.Thread(target=_member, args=(self.shared, t), daemon=True, name=f"mlp-engine-{t}").start()
            except RuntimeError:  # can't start new thread
                self.close()
                raise DeviceError(
                    f"the system cannot start {self.size} threads: use fewer (--threads 1), end other programs, or "
                    "raise the limit (ulimit -u)"
                ) from None

    def run(self, job: Callable[[int], None]) -> None:
        """Call job(t) for t = 0 .. size - 1, each in its thread; raise the first error of any of them."""
        if self.process != os.getpid() or self.shared.dismissed:
            self._start()  # threads do not survive a fork; those of a job that was interrupted may still be busy
        shared = self.shared
        shared.job, shared.error, shared.arrived = job, None, 0
        for lock in shared.go[1:]:
            lock.release()
        try:
            shared.attempt(job, 0)
            for lock in shared.done[1:]:
                lock.acquire()
        except BaseException:  # Ctrl-C while waiting for the others
            shared.error = shared.error or JobStopped()
            self.close()
            raise
        finally:
            shared.job = None  # it holds arrays
        if shared.error is not None:
            error, shared.error = shared.error, None
            raise error

    def wait(self, t: int, function: Callable[[int], None] | None = None) -> None:
        """Wait until all members have come here and the last one has called function(t). Member t calls this."""
        shared = self.shared
        with shared.lock:
            shared.arrived += 1
            last, mine = shared.arrived == self.size, shared.meetings
        if last:
            if function:
                function(t)
            shared.arrived = 0
            shared.meetings += 1
        spins = 0
        while shared.meetings == mine:
            self.check()
            spins += 1
            if spins < SPINS:
                let_others_run()
            else:
                time.sleep(5e-5)
        self.check()

    def check(self) -> None:
        """Leave the job if another member failed."""
        if self.shared.error is not None:
            raise JobStopped

    def close(self) -> None:
        """End the threads. A later `run` starts new ones."""
        self._stop()


class _Shared:
    """What the members share. It has no reference to the team, so that a forgotten team is collected."""

    def __init__(self, size: int) -> None:
        self.go = [threading.Lock() for _ in range(size)]  # locked: nothing to do
        self.done = [threading.Lock() for _ in range(size)]  # locked: not yet done
        for lock in self.go + self.done:
            lock.acquire()
        self.job: Callable[[int], None] | None = None
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.arrived = self.meetings = 0  # members that wait; how often all have met
        self.dismissed = False

    def attempt(self, job: Callable[[int], None], t: int) -> None:
        try:
            job(t)
        except JobStopped:
            pass
        except BaseException as error:
            if self.error is None:
                self.error = error

    def dismiss(self) -> None:
        self.dismissed = True
        for lock in self.go[1:]:
            with contextlib.suppress(RuntimeError):  # not locked: that thread is working and will see `dismissed`
                lock.release()


def _member(shared: _Shared, t: int) -> None:
    """The life of thread t."""
    while True:
        shared.go[t].acquire()
        if shared.dismissed:
            return
        assert shared.job is not None
        shared.attempt(shared.job, t)
        shared.done[t].release()
        if shared.dismissed:
            return
