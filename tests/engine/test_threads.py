"""The team of threads: it does the job, passes on what goes wrong, and leaves nothing behind."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from mlp.engine import CpuEngine
from mlp.engine.cpu import threads
from mlp.engine.cpu.threads import ThreadTeam, usable_cores
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Layer, Sequential
from mlp.learning_rules import GradientDescent
from mlp.losses import SoftmaxCrossEntropy


def engine_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mlp-engine")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    end = time.monotonic() + 60
    while engine_threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert not engine_threads()


@pytest.fixture
def team():
    team = ThreadTeam(3)
    yield team
    team.close()


def test_everyone_does_its_share_and_waits(team):
    seen = []

    def job(t):
        for stage in range(50):
            seen.append((stage, t))
            team.wait(t)

    for _ in range(20):
        seen.clear()
        team.run(job)
        assert sorted(seen) == [(stage, t) for stage in range(50) for t in range(3)]
        assert [stage for stage, _ in seen] == sorted(stage for stage, _ in seen)


@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_an_error_surfaces_with_its_traceback_and_without_a_hang(team, culprit):
    def job(t):
        if t == culprit:
            fail_here()
        team.wait(t)  # the others must not wait forever

    def fail_here():
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose") as caught:
        team.run(job)
    assert "fail_here" in "".join(traceback.format_exception(caught.value))
    team.run(lambda t: team.wait(t))  # and the team is as good as before


def test_ctrl_c_surfaces_at_once(team):
    def job(t):
        if t == 0:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(60)
        team.wait(t)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        team.run(job)
    assert time.monotonic() - start < 50
    team.run(lambda t: team.wait(t))


def test_ctrl_c_while_the_others_still_work(team):
    go_on = threading.Event()

    def job(t):
        if t == 0:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        elif t == 1:
            go_on.wait(60)

    with pytest.raises(KeyboardInterrupt):
        team.run(job)
    done = []
    team.run(done.append)  # a new team: the old one's member 1 is still busy
    assert sorted(done) == [0, 1, 2]
    go_on.set()


def test_a_forgotten_team_ends_its_threads():
    team = ThreadTeam(2)
    team.run(lambda t: None)
    assert engine_threads()
    del team  # and the fixture looks whether they end


def test_works_after_close(team):
    team.close()
    seen = []
    team.run(seen.append)
    assert sorted(seen) == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_works_after_fork():
    """In a process of its own: forking one with threads is what a notebook's libraries do."""
    code = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from mlp.engine.cpu.threads import ThreadTeam\n"
        "team = ThreadTeam(3); team.run(lambda t: team.wait(t))\n"
        "child = os.fork()\n"
        "seen = []\n"
        "team.run(lambda t: (seen.append(t), team.wait(t)))\n"
        "assert sorted(seen) == [0, 1, 2]\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
        "else: os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_the_process_ends_with_threads_still_there():
    code = "from mlp.engine.cpu.threads import ThreadTeam\nteam = ThreadTeam(3)\nteam.run(lambda t: team.wait(t))\n"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_without_the_systems_thread_calls(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads, "let_others_run", lambda: time.sleep(0))
    assert usable_cores() == os.cpu_count()
    team = ThreadTeam(2)
    team.run(lambda t: team.wait(t))
    team.close()


def test_an_engine_needs_a_thread():
    with pytest.raises(ConfigurationError, match="threads must be a whole number of at least 1, got 0"):
        CpuEngine(0)
    CpuEngine(1).close()  # never bound


class Careless(Layer):
    """A student's layer that works at first."""

    broken = False

    def forward(self, x, training=False):
        if self.broken:
            raise ZeroDivisionError("a student's mistake")
        return x

    def backward(self, grad_outputs):
        return grad_outputs


def test_a_students_error_surfaces_and_the_engine_goes_on():
    layer = Careless()
    engine = CpuEngine(3)
    engine.bind(Sequential(Affine(4, 3), layer, Affine(3, 3)), SoftmaxCrossEntropy(), GradientDescent(0.1))
    x, targets = np.ones((4, 4), np.float32), np.array([0, 1, 2, 0])
    first = engine.train_step(x, targets)
    layer.broken = True
    with pytest.raises(ZeroDivisionError, match="a student's mistake"):
        engine.train_step(x, targets)
    layer.broken = False
    assert engine.train_step(x, targets) < first
    engine.close()
