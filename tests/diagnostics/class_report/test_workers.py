"""Processes that check files end at once with the one that started them, and by themselves when their time is over."""

import os
import signal
import sys
import threading
import time

import pytest

from mlp.diagnostics.class_report import workers
from mlp.diagnostics.class_report.submissions import Task, run_all
from mlp.diagnostics.class_report.worker import READY

SLEEPS = f"import time; print({READY!r}, flush=True); time.sleep(600)"
LIMITS = "from mlp.diagnostics.class_report import limits; "
BUSY = "print(flush=True); sum(range(10 ** 15))"  # never lets another thread of Python work

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


start = workers.start


def python(code):
    """Start a process as class reports do."""
    return start([sys.executable, "-c", code], ".")


@posix
def test_ctrl_c_ends_all_processes_at_once_and_starts_no_more(tmp_path, monkeypatch):
    started, told = [], []
    monkeypatch.setattr(workers, "start", lambda command, folder: started.append(python(SLEEPS)) or started[-1])
    paths = [tmp_path / f"{number}.py" for number in range(5)]
    for path in paths:
        path.touch()

    def interrupt():
        while len(started) < 2 and time.monotonic() - begin < 50:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does: it also ends a wait of the main thread

    begin = time.monotonic()
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_all(paths, Task("Dense", seconds=300.0), 2, told.append)
    assert time.monotonic() - begin < 50
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert told == []


@posix
def test_a_process_ends_with_the_one_that_started_it():
    child = "import subprocess, time; subprocess.Popen(['sleep', '60']); print(flush=True); time.sleep(60)"
    with python(f"{LIMITS} limits.end_with_starter(); {child}") as process:
        process.stdout.readline()
        process.stdin.close()  # as the system does when a process ends, however it ends
        begin = time.monotonic()
        assert process.stdout.read() == ""  # the end comes when its child has ended, too
        assert time.monotonic() - begin < 50
    assert process.returncode == -signal.SIGKILL


@posix
def test_a_process_ends_itself_after_its_time():
    with python(f"{LIMITS} limits.set_limits(0.1, 4000); {BUSY}") as process:
        process.stdout.readline()
        assert process.wait(60) == -signal.SIGALRM
