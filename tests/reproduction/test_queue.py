"""Runs side by side: a stand-in for scripts/train.py tells what it was given. Real runs are in test_reproduce.py."""

import json
import os
import sys
import time

import pytest

from mlp.errors import ConfigurationError
from mlp.reproduction.plan import PlannedRun
from mlp.reproduction.queue import LOG, flags, run_all, share_cores

STAND_IN = """
import json, os, pathlib, sys, time
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index("--out") + 1])
seed = int(arguments[arguments.index("--seed") + 1])
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
facts = {"arguments": arguments, "cores": cores, "blas": os.environ["OPENBLAS_NUM_THREADS"], "start": time.time()}
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


def test_two_at_once_each_on_its_own_cores(tmp_path, command, monkeypatch):
    told = []
    outcomes = run_all(planned(1, 2, 5), tmp_path / "runs", command, jobs=2, data_dir="images", tell=told.append)
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


def test_a_failing_run_does_not_stop_the_others(tmp_path, command):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run_6").write_text("a file where a folder should be")
    outcomes = run_all(planned(6, 3, 4, 1), tmp_path / "runs", command, jobs=4, tell=lambda line: None)
    by_name = {o.run.name: o for o in outcomes}
    assert by_name["run_1"].status == "finished"
    assert {by_name[f"run_{seed}"].status for seed in (3, 4, 6)} == {"failed"}
    assert by_name["run_3"].message == "exit status 2: reproduce: it went wrong"
    assert by_name["run_4"].message.startswith("exit status 0")  # it ended without a result
    assert "run_6" in by_name["run_6"].message


def test_a_finished_run_that_is_damaged_has_failed(tmp_path, command):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "config.json").write_text(json.dumps({"settings": {"seed": 1, "epochs": 5}}))
    (tmp_path / "runs" / "a" / "test.json").write_text('{"test_loss": 1.0, "test_acc": 0.5}')
    assert run_all(planned(1), tmp_path / "runs", command)[0].status == "skipped"
    (tmp_path / "runs" / "a" / "metrics.csv").write_text("epoch\nx\n")
    (outcome,) = run_all(planned(1), tmp_path / "runs", command)
    assert outcome.status == "failed"
    assert "metrics.csv is damaged" in outcome.message
    assert outcome.message.endswith("delete the folder to run it again")


def test_an_interrupt_ends_all_processes(tmp_path, command):
    def interrupt(line):
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all(planned(1, 10, 11), tmp_path / "runs", command, jobs=3, tell=interrupt)
    assert time.monotonic() - begin < 30  # two of them would sleep for a minute
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


def test_where_the_system_cannot_pin(monkeypatch, tmp_path, command):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert share_cores(2) == [[0, 1], [2, 3]]
    (outcome,) = run_all(planned(1), tmp_path / "runs", command, jobs=2, tell=lambda line: None)
    assert outcome.status == "finished"
    assert facts(tmp_path, 1)["blas"] == "2"


def test_flags_of_settings():
    (run,) = planned(1, residual=True, augment=False, norm="batch", learning_rate=1e-05)
    assert flags(run) == [
        *("--seed", "1", "--epochs", "5", "--residual", "--no-augment"),
        *("--norm", "batch", "--learning-rate", "1e-05"),
    ]


def test_jobs_must_be_positive(tmp_path, command):
    with pytest.raises(ConfigurationError, match="--jobs must be at least 1, got 0"):
        run_all(planned(1), tmp_path, command, jobs=0)
