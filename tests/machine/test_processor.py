"""How much memory is free, and how much the process has held."""

import math
import subprocess
import sys

import numpy as np
import pytest
from stand_in import StandIn

from mlp.machine import processor as machine
from mlp.machine.processor import available_memory, peak_memory_mb


@pytest.fixture
def no_system_files(monkeypatch):
    def missing(*arguments, **keywords):
        raise OSError

    monkeypatch.setattr("builtins.open", missing)
    monkeypatch.setattr("pathlib.Path.read_text", missing)


def test_the_limit_of_a_container_counts(monkeypatch):
    files = {"/sys/fs/cgroup/memory.max": "5000\n", "/sys/fs/cgroup/memory.current": "2000\n"}
    monkeypatch.setattr("pathlib.Path.read_text", lambda path, encoding: files[str(path)])
    assert available_memory() == 3000
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert available_memory() != 3000


def test_free_memory_is_known_on_linux():
    assert available_memory() is None or 10**6 < available_memory() < 10**15


def test_free_memory_where_the_system_does_not_tell(no_system_files, monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert available_memory() is None


def test_the_peak_is_that_of_the_process_and_stays():
    here = np.ones(50_000_000)  # 400 MB, which must not count for a process started from here
    code = """
import numpy as np
from mlp.machine.processor import peak_memory_mb
print(peak_memory_mb())
array = np.ones(20_000_000)
print(peak_memory_mb())
del array
print(peak_memory_mb())
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, with_array, after = map(float, process.stdout.split())
    assert 5 < before < here.nbytes / 1e6
    assert with_array - before == pytest.approx(160, rel=0.1)
    assert after == pytest.approx(with_array, rel=0.02)


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("freebsd14", 1024)])
def test_the_peak_without_proc(no_system_files, monkeypatch, platform, unit):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sys, "platform", platform)
    assert peak_memory_mb() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def test_the_peak_where_the_system_does_not_tell(no_system_files, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(peak_memory_mb())


def test_the_peak_of_a_gpu_is_what_the_library_holds_of_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", StandIn())
    assert peak_memory_mb("cuda:0") == 12.0
    monkeypatch.setattr(machine, "read_kilobytes", lambda path, name: 7_000_000)
    assert peak_memory_mb("cpu") == 7.0
