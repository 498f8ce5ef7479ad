"""scripts/reproduce.py with small real runs: run, skip, resume, share, fail, be interrupted; list and table."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from train_command import arrays, rows

from mlp.commands import reproduce
from mlp.experiments import run
from mlp.reproduction.index import RunIndex
from mlp.reproduction.plan import plan_runs
from mlp.reproduction.queue import LOG
from mlp.reproduction.reports import select
from mlp.reproduction.scale import SCALES, Scale

TINY_SETTINGS = {"limit_classes": 5, "limit_train": 60, "limit_valid": 20, "epochs": 2, "filters": 2}
TINY = Scale("quick", "quick scale: tiny", TINY_SETTINGS, batch_part=5, one_seed=True)


@pytest.fixture
def tiny(monkeypatch):
    """The quick scale made even quicker."""
    monkeypatch.setitem(SCALES, "quick", TINY)


@pytest.fixture
def reproduced(tiny, tmp_path, call):
    """A function that calls reproduce.py run; there is no CIFAR-100, so it takes the synthetic images."""

    def reproduced(*words, out=tmp_path / "runs"):
        return call(reproduce, "run", *words, "--scale", "quick", "--data-dir", tmp_path, "--out", out)

    return reproduced


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_run_skip_and_table(reproduced, call, tmp_path):
    status, out, err = reproduced("s1-1", "s3-1", "s4-1", "--jobs", 2)
    assert status == 0, err
    assert "quick scale: tiny; synthetic images; 2 runs, 2 at once" in out
    assert "2 finished, 0 were finished before, 0 failed" in out
    folder = tmp_path / "runs" / "quick" / "vgg38_dataset-synthetic_seed-0"
    assert {path.parent.name for path in tmp_path.rglob("test.json")} == {
        "vgg08_dataset-synthetic_seed-0",
        "vgg38_dataset-synthetic_seed-0",
    }
    expected = "attempts.tsv checkpoint-best.npz checkpoint-latest.npz config.json curves.png gradient_flow.npz "
    expected += (
        "gradient_flow.png gradient_flow_linear.png gradient_flow_map.png log.txt metrics.csv report.html test.json"
    )
    assert sorted(path.name for path in folder.iterdir()) == expected.split()

    before = files(tmp_path / "runs")
    status, out, _ = reproduced("s2-2", "s1-1")
    assert status == 0
    assert "0 finished, 2 were finished before, 0 failed" in out
    assert files(tmp_path / "runs") == before

    status, out, _ = call(reproduce, "table", "s1-1", "--runs", tmp_path / "runs", "--scale", "quick")
    assert status == 0
    assert "(quick scale: tiny)" in out
    assert out.count("not comparable: quick scale, synthetic images") == 2
    csv = tmp_path / "table.csv"
    options = ("--runs", tmp_path / "runs", "--scale", "quick", "--format", "csv", "--out", csv)
    assert call(reproduce, "table", "s1-1", *options)[0] == 0
    assert csv.read_text().startswith("table,row,run,")


@pytest.mark.slow
def test_interrupted_runs_continue_and_end_as_if_nothing_had_been(reproduced, tmp_path):
    (planned,) = plan_runs(select(["s1-3"]), TINY, dataset="synthetic")
    whole, folder = tmp_path / "whole", tmp_path / "runs" / "quick" / planned.name
    run(whole, planned.settings, threads=1)
    run(folder, planned.settings, stop_after=1, threads=1)
    status, out, err = reproduced("s1-3", "--jobs", max(2, os.cpu_count() or 1))  # so that it gets one core
    assert status == 0, err
    assert "1 finished" in out
    assert "after epoch 1" in (folder / LOG).read_text()
    assert rows(folder) == rows(whole)
    assert arrays(folder / "checkpoint-latest.npz") == arrays(whole / "checkpoint-latest.npz")
    assert (folder / "test.json").read_text() == (whole / "test.json").read_text()


@pytest.mark.slow
def test_failed_runs_are_reported_at_the_end_and_the_others_done(reproduced, tmp_path):
    damaged = tmp_path / "runs" / "quick" / "vgg08_dataset-synthetic_norm-batch_seed-0"
    damaged.mkdir(parents=True)
    (damaged / "config.json").write_text("{")
    status, out, err = reproduced("s1-3", "s0-1")
    assert status == 1
    assert "1 finished, 0 were finished before, 1 failed" in out
    assert f"failed: {damaged}: exit status 2: mlp train: " in err
    assert "config.json is damaged" in err
    assert (damaged / "config.json").read_text() == "{"
    assert len(list((tmp_path / "runs").rglob("test.json"))) == 1


INTERRUPTED = """
import runpy, sys
from mlp.reproduction.scale import SCALES, Scale
settings = {"limit_classes": 5, "limit_train": 60, "limit_valid": 20, "epochs": 500, "filters": 2}
SCALES["quick"] = Scale("quick", "quick scale: long", settings)
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals and process groups")
@pytest.mark.parametrize(
    "signal_number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(getattr(signal, "SIGHUP", 1), marks=pytest.mark.slow),
    ],
    ids=["ctrl-c", "kill", "hangup"],
)
def test_an_interrupt_leaves_no_process_and_says_how_to_continue(tmp_path, signal_number):
    """The signal goes to reproduce.py alone, not to its children; their process group is empty when it has ended."""
    command = [
        sys.executable,
        "-c",
        INTERRUPTED,
        str(Path(__file__).parents[2] / "scripts" / "reproduce.py"),
        "run",
        "s1-3",
        "s0-1",
        "--scale",
        "quick",
        "--jobs",
        "2",
    ]
    command += ["--data-dir", str(tmp_path), "--out", str(tmp_path / "runs")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "runs").rglob("metrics.csv"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 128 + signal_number, err
    assert "repeat the command to continue" in err
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    index = RunIndex(tmp_path / "runs")
    assert index.damaged == []
    assert not list((tmp_path / "runs").rglob("test.json"))


def test_list(call):
    status, out, _ = call(reproduce, "list")
    assert status == 0
    assert "126 rows" in out
    assert len(out.splitlines()) < 140  # a line for each, and how many there are
    assert "learning_rate" not in out
    assert "learning_rate 0.01" in call(reproduce, "list", "--long")[1]
    assert "vgg38, norm batch, residual, learning_rate 0.01" in call(reproduce, "list", "s0-7")[1]
    status, out, _ = call(reproduce, "list", "s4", "--json")
    assert [row["id"] for row in json.loads(out)] == [f"s4-{i}" for i in range(1, 28)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "s0-99", "--scale", "quick"], "there is no row, table or figure 's0-99'"),
        (["run", "s0-1", "--scale", "small"], "--scale must be one of full, quick, got 'small'"),
        (["run", "s0-1", "--scale", "quick", "--jobs", "0"], "--jobs must be a whole number of at least 1, got 0"),
        (["run", "s0-1", "--scale", "quick", "--device", "gpu"], "unknown device 'gpu'"),
        (["run", "s0-1", "--scale", "quick", "--seeds", "-1"], "--seed must be at least 0"),
        (["run", "s0-1"], "CIFAR-100 was not found"),
        (["run", "s0-1"], "or take --scale quick, which can use made-up images."),
        (["table", "s0-fig1"], "s0-fig1 is a figure, not a table"),
        (["table", "s0-tab1", "--format", "word"], "--format must be one of markdown, latex, csv"),
    ],
)
def test_wrong_commands_are_one_clear_line_and_leave_nothing(call, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path))
    status, _, err = call(reproduce, *words)
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_table_without_runs_says_what_makes_them(call, tmp_path):
    runs = tmp_path / "runs"
    assert call(reproduce, "table", "s0-tab1", "--runs", runs)[::2] == (
        2,
        f"reproduce.py: --runs: there is no folder {runs}\n",
    )
    runs.mkdir()
    status, out, err = call(reproduce, "table", "s0-tab1", "--runs", runs)
    assert status == 0
    assert "not run" in out
    quick = f"made by: python scripts/reproduce.py run s0-tab1 --scale quick --out {runs} (about "
    assert quick in err
    assert re.search(r" --out \S+ \(about [\d.]+ (s|min|h) on (the \d+ cores|one core) of this machine\)\n", err)
    err = call(reproduce, "table", "s0-1", "--runs", runs, "--scale", "full")[2]
    assert re.search(r"--scale quick .*; or at full scale: .*run s0-1 --out \S+ \(about [\d.]+ (min|h) on ", err)


@pytest.mark.parametrize("command", [["table", "s0-1"], ["figure", "s0-fig1"], ["report"], ["findings"]])
def test_damaged_runs_are_named_whatever_becomes_of_the_command(call, write, tmp_path, command):
    (write("s0-1", (1.7, 0.5, 1.9, 0.47)) / "metrics.csv").write_text("epoch\nx\n")
    _, _, error = call(reproduce, *command, "--runs", tmp_path)
    assert "metrics.csv is damaged" in error
    assert "delete the folder to run it again" in error
    assert "no runs yet" not in error


def test_no_command_lists_the_commands(call):
    status, out, _ = call(reproduce)
    assert status == 2
    assert all(f"\n    {name}  " in out for name in ("list", "run", "table", "figure", "report"))


def test_rows_without_runs_say_what_they_are(reproduced, tmp_path):
    status, out, _ = reproduced("s0-14", "s0-23")
    assert status == 0
    assert "nothing to run for s0-14, it is tested: tests/reproduction/derived/test_s0_rows.py" in out
    assert "runs, " not in out  # nothing was looked for, CIFAR-100 neither
    assert not list(tmp_path.iterdir())
