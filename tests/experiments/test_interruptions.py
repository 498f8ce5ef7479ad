"""Runs that are killed at any moment, also while they write, or that meet a full disk, lose nothing but the epoch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from train_command import arrays, assert_same_run, rows

from mlp.experiments import run

HERE = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_killed_at_20_random_moments_with_dropout_and_warm_restarts(tmp_path):
    command = [sys.executable, str(HERE / "interruptions.py"), str(tmp_path), "20", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for number in range(int(result.stdout)):
        assert_same_run(tmp_path / str(number), tmp_path / "whole")


FULL_DISK = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv[:2] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes")
@pytest.mark.parametrize("largest_file", [100, 20_000])
@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint(small, tmp_path, largest_file):
    """Files may not grow beyond a limit: the write fails in its middle, as on a full disk."""
    script = str(HERE.parents[1] / "scripts" / "train.py")
    run(tmp_path / "whole", small)
    run(tmp_path / "run", small, stop_after=1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    python = [sys.executable, "-B"]  # it must not leave half-written .pyc files in the tree
    command = [*python, "-c", FULL_DISK, str(largest_file), script, "--out", str(tmp_path / "run"), "--resume"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert after["checkpoint-latest.npz"] == before["checkpoint-latest.npz"]
    assert not [name for name in after if name.endswith(".part")]
    run(tmp_path / "run", {}, resume=True)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    assert arrays(tmp_path / "run" / "checkpoint-latest.npz") == arrays(tmp_path / "whole" / "checkpoint-latest.npz")


OTHER_SYSTEMS = """
import os, sys
for name in ("sched_getaffinity", "sched_setaffinity", "sched_yield", "fork", "register_at_fork"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules["resource"] = sys.modules["fcntl"] = sys.modules["pwd"] = None
from mlp.experiments import run
run(sys.argv[1], {"dataset": sys.argv[2], "filters": 2, "limit_train": 100, "limit_valid": 10, "epochs": 1})
"""


@pytest.mark.slow
def test_nothing_needs_a_call_that_only_linux_has(small, tmp_path):
    """A whole run with the Linux-only functions hidden, as on Windows and macOS."""
    command = [sys.executable, "-c", OTHER_SYSTEMS, str(tmp_path / "run"), small["dataset"]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "test.json").exists()
