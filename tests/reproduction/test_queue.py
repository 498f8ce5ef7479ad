"""Runs side by side: a stand-in for scripts/train.py tells what it was given. Real runs are in test_reproduce.py."""

import json
import os
import signal
import sys
import time

import pytest

from mlp.errors import ConfigurationError
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.places import share_cores, share_machine
from mlp.reproduction.queue import run_all
from mlp.reproduction.work import LOG, exit_status_of, flags, read_planned, summarize

STAND_IN = """
import json, os, pathlib, sys, time
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index("--out") + 1])
seed = int(arguments[arguments.index("--seed") + 1])
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
facts = {"arguments": arguments, "cores": cores, "blas": os.environ["OPENBLAS_NUM_THREADS"], "start": time.time()}
facts["gpu"] = os.environ.get("CUDA_VISIBLE_DEVICES")
if seed == 7:
    tried = folder / "tried"
    tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
    if len(tried.read_text()) < 3:
        print("another run is writing there")
        sys.exit(73)
(folder / "started").touch()
if seed >= 10:
    time.sleep(60)
while "--data-dir" in arguments and seed in (1, 2) and not (folder.parent / f"run_{3 - seed}" / "started").exists():
    time.sleep(0.01)  # it comes to an end only if the other one runs at the same time
if seed == 3:
    print("step 1")
    print("reproduce: it went wrong", file=sys.stderr)
    sys.exit(2)
if seed == 4:
    sys.exit(0)
facts["end"] = time.time()
(folder / "facts.json").write_text(json.dumps(facts))
(folder / "test.json").write_text("{}")
"""


@pytest.fixture
def command(tmp_path):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    return [sys.executable, str(script)]


def planned(*seeds, **settings):
    return [PlannedRun(f"run_{seed}", {"seed": seed, "epochs": 5, **settings}, ["s0-1"]) for seed in seeds]


def facts(tmp_path, seed):
    return json.loads((tmp_path / "runs" / f"run_{seed}" / "facts.json").read_text())


@pytest.fixture
def do(tmp_path, command):
    """A function that runs some PlannedRuns in tmp_path/runs with the stand-in."""

    def do(runs, jobs=1, data_dir=None, tell=lambda line: None, devices=()):
        return run_all(runs, tmp_path / "runs", share_machine(jobs, devices), data_dir, command, tell)

    return do


def test_two_at_once_each_on_its_own_cores(tmp_path, command, do):
    told = []
    outcomes = do(planned(1, 2, 5), jobs=2, data_dir="images", tell=told.append)
    assert sorted((o.run.name, o.status) for o in outcomes) == [(f"run_{seed}", "finished") for seed in (1, 2, 5)]
    one, two, third = (facts(tmp_path, seed) for seed in (1, 2, 5))
    assert max(one["start"], two["start"]) < min(one["end"], two["end"])
    assert third["start"] > min(one["end"], two["end"])
    shares = share_cores(2)
    threads = str(len(shares[0]))
    assert one["blas"] == threads
    assert one["arguments"] == [
        *("--seed", "1", "--epochs", "5", "--out", str(tmp_path / "runs" / "run_1")),
        *("--resume", "--threads", threads, "--data-dir", "images"),
    ]
    if hasattr(os, "sched_getaffinity"):
        assert (one["cores"], two["cores"]) == (shares[0], shares[1])
    assert len(told) == 3
    assert told[-1].startswith("3/3 finished run_5 (")
    log = (tmp_path / "runs" / "run_1" / LOG).read_text()
    assert log.startswith(f"$ {command[0]} {command[1]} --seed 1 --epochs 5 --out ")
    assert read_planned(tmp_path / "runs") == {
        tmp_path / "runs" / f"run_{seed}": ["--seed", str(seed), "--epochs", "5"] for seed in (1, 2, 5)
    }


def test_a_failing_run_does_not_stop_the_others(tmp_path, do):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run_6").write_text("a file where a folder should be")
    outcomes = do(planned(6, 3, 4, 1), jobs=4)
    by_name = {o.run.name: o for o in outcomes}
    assert by_name["run_1"].status == "finished"
    assert {by_name[f"run_{seed}"].status for seed in (3, 4, 6)} == {"failed"}
    assert by_name["run_3"].message == "exit status 2: reproduce: it went wrong"
    assert by_name["run_4"].message.startswith("exit status 0")  # it ended without a result
    assert "run_6" in by_name["run_6"].message
    assert summarize(outcomes) == "1 finished, 0 were finished before, 3 failed"
    assert exit_status_of(outcomes) == 1


def test_a_finished_run_that_is_damaged_has_failed(tmp_path, do):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "config.json").write_text(json.dumps({"settings": {"seed": 1, "epochs": 5}}))
    (tmp_path / "runs" / "a" / "test.json").write_text('{"test_loss": 1.0, "test_acc": 0.5}')
    assert do(planned(1))[0].status == "skipped"
    (tmp_path / "runs" / "a" / "metrics.csv").write_text("epoch\nx\n")
    (outcome,) = do(planned(1))
    assert outcome.status == "failed"
    assert "metrics.csv is damaged" in outcome.message
    assert outcome.message.endswith("delete the folder to run it again")


def test_an_interrupt_ends_all_processes(tmp_path, do):
    def interrupt(line):
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        do(planned(1, 10, 11), jobs=3, tell=interrupt)
    assert time.monotonic() - begin < 50  # two of them would sleep for a minute
    assert not (tmp_path / "runs" / "run_10" / "facts.json").exists()


@pytest.mark.parametrize(
    ("cores", "jobs", "shares"),
    [
        ({0, 1}, 1, [[0, 1]]),
        ({0, 1}, 2, [[0], [1]]),
        ({0, 1}, 3, [[0], [1], [0]]),
        ({2, 3, 6, 7, 9}, 2, [[2, 3, 6], [7, 9]]),
        ({0, 1, 2, 3}, 3, [[0, 1], [2], [3]]),
    ],
)
def test_cores_are_shared_evenly(monkeypatch, cores, jobs, shares):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: cores, raising=False)
    assert share_cores(jobs) == shares


def test_where_the_system_cannot_pin(monkeypatch, tmp_path, do):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert share_cores(2) == [[0, 1], [2, 3]]
    (outcome,) = do(planned(1), jobs=2)
    assert outcome.status == "finished"
    assert facts(tmp_path, 1)["blas"] == "2"


def test_flags_of_settings():
    (run,) = planned(1, residual=True, augment=False, clip_norm=None, norm="batch", learning_rate=1e-05)
    assert flags(run.settings) == [
        *("--seed", "1", "--epochs", "5", "--residual", "--no-augment"),
        *("--norm", "batch", "--learning-rate", "1e-05"),
    ]


def test_jobs_and_devices_that_cannot_be():
    with pytest.raises(ConfigurationError, match="--jobs must be a whole number of at least 1, got 0"):
        share_machine(0)
    with pytest.raises(ConfigurationError, match="--devices is for GPUs"):
        share_machine(None, ["cpu"])


def test_each_gpu_has_one_run_at_a_time_or_several_that_share_it(do, tmp_path, monkeypatch):
    assert [place.gpu for place in share_machine(None, ["cuda:0", "cuda:1"])] == ["0", "1"]
    assert [place.gpu for place in share_machine(3, ["cuda:2"])] == ["2", "2", "2"]
    assert [place.gpu for place in share_machine(2)] == ["", ""]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    do(planned(1, 2), jobs=None, devices=["cuda:0", "cuda:1"])
    assert sorted(facts(tmp_path, seed)["gpu"] for seed in (1, 2)) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-a1b2")
    do(planned(5, 6), jobs=None, devices=["cuda:0", "cuda:1"])
    assert sorted(facts(tmp_path, seed)["gpu"] for seed in (5, 6)) == ["4", "GPU-a1b2"]


def test_a_folder_that_another_process_writes_to_is_waited_for(do, tmp_path, monkeypatch):
    monkeypatch.setattr("mlp.reproduction.queue.FIRST_WAIT", 0.2)
    told = []
    outcomes = do(planned(7, 1), tell=told.append)  # the stand-in of seed 7 finds its folder in use at first
    assert [outcome.status for outcome in outcomes] == ["finished", "finished"]
    assert told[0] == "waiting for run_7: another run is writing there"
    assert (tmp_path / "runs" / "run_7" / LOG).read_text().count("another run") == 2


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this system has no such signal")
def test_usr2_lets_epochs_end_and_starts_nothing_more(do, tmp_path):
    def signal_all(line):
        os.kill(os.getpid(), signal.SIGUSR2)

    outcomes = do(planned(1, 12, 13), jobs=2, tell=signal_all)
    by_name = {outcome.run.name: outcome for outcome in outcomes}
    assert {name: outcome.status for name, outcome in by_name.items()} == {
        "run_1": "finished",
        "run_12": "stopped",
        "run_13": "stopped",
    }
    assert exit_status_of(outcomes) == 75
    assert "2 stopped (repeat the command to continue)" in summarize(outcomes)
