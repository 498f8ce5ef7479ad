"""Whole runs through the command line: results, interruptions, and every error a user can make."""

import json
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from train_command import SMALL, arrays, assert_same_run, command, environment, rows, train

from mlp.commands import train as train_module
from mlp.experiments import run
from mlp.experiments.run_folder import RunFolder
from mlp.training.attempts import read_attempts


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three epochs that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    result = train(*SMALL, "--norm", "batch", "--epochs", 3, "--out", folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_a_run_leaves_everything_in_its_folder(whole):
    assert sorted(path.name for path in whole.iterdir()) == [
        "attempts.tsv",
        "checkpoint-best.npz",
        "checkpoint-latest.npz",
        "config.json",
        "curves.png",
        "gradient_flow.npz",
        "gradient_flow.png",
        "gradient_flow_linear.png",
        "gradient_flow_map.png",
        "metrics.csv",
        "report.html",
        "test.json",
    ]
    settings = json.loads((whole / "config.json").read_text())["settings"]
    assert (settings["model"], settings["norm"], settings["epochs"], settings["seed"]) == ("vgg08", "batch", 3, 0)
    metrics = rows(whole)
    assert [row["epoch"] for row in metrics] == ["1", "2", "3"]
    assert list(metrics[0]) == ["epoch", "train_loss", "train_acc", "val_loss", "val_acc", "learning_rate"]
    assert all(0 <= float(row["train_acc"]) <= 1 for row in metrics)
    header = (whole / "metrics.csv").read_text().splitlines()[0]
    assert header.endswith("learning_rate,seconds,peak_memory_mb")
    test = json.loads((whole / "test.json").read_text())
    best = max(metrics, key=lambda row: (float(row["val_acc"]), -float(row["val_loss"])))
    assert test["best_epoch"] == int(best["epoch"])
    with np.load(whole / "gradient_flow.npz") as flow:
        assert flow["mean_abs"].shape == (3, 15)
        assert (flow["mean_abs"] > 0).all()


@pytest.mark.slow
def test_killed_after_the_last_checkpoint_and_resumed_equals_never_killed(whole, tmp_path):
    """The checkpoint has all epochs, but the files that are written after it are those of the epoch before."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / "test.json").unlink()
    lines = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    (folder / "metrics.csv").write_text("".join(lines[:-1]))
    with np.load(whole / "gradient_flow.npz") as flow:
        np.savez(folder / "gradient_flow.npz", **{k: flow[k] if k == "names" else flow[k][:-1] for k in flow.files})
    assert train("--out", folder, "--resume").returncode == 0
    assert_same_run(folder, whole)


def test_killed_in_the_middle_of_epoch_2_and_resumed_equals_never_killed(whole, tmp_path, call):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        command(*SMALL, "--norm", "batch", "--epochs", 3, "--out", folder, draws=False),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in process.stdout:
        if line.startswith("epoch   1/3"):
            break
    while not (folder / "metrics.csv").exists():  # what follows the line: checkpoints, then the CSV
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    done = len(rows(folder))
    assert 1 <= done < 3
    status, output, error = call(train_module, "--out", folder, "--resume")
    assert status == 0, error
    assert f"after epoch {done}" in output
    assert_same_run(folder, whole, pictures=False)


@pytest.mark.slow
def test_stopped_in_stages_equals_never_stopped(whole, tmp_path):
    folder = tmp_path / "run"
    settings = [*SMALL, "--norm", "batch", "--epochs", 3, "--out", folder]
    first = train(*settings, "--stop-after", 2)
    assert first.returncode == 0, first.stderr
    assert not (folder / "test.json").exists()
    assert "stopped after epoch 2 of 3" in first.stdout
    assert train(*settings, "--resume").returncode == 0
    assert_same_run(folder, whole)
    again = train(*settings, "--resume")  # nothing is left to do
    assert again.returncode == 0, again.stderr
    assert_same_run(folder, whole)


@pytest.mark.slow
def test_statistics_can_be_switched_on_in_a_resume_and_change_no_other_number(whole, tmp_path):
    folder = tmp_path / "run"
    settings = [*SMALL, "--norm", "batch", "--epochs", 3, "--out", folder]
    assert train(*settings, "--stop-after", 1).returncode == 0
    result = train("--out", folder, "--resume", "--statistics")
    assert result.returncode == 0, result.stderr
    assert rows(folder) == rows(whole)
    with_statistics = arrays(folder / "checkpoint-latest.npz")
    assert {k: v for k, v in arrays(whole / "checkpoint-latest.npz").items() if with_statistics[k] != v} == {}
    for name in ("activations", "gradient_signal", "batch_norm", "update_ratio"):
        assert (folder / f"{name}.png").stat().st_size > 1000
        with np.load(folder / f"{name}.npz") as table:
            values = table[table.files[1]]
            assert values.shape == (3, len(table["names"]))
            assert np.isnan(values[0]).all()
            assert np.isfinite(values[1:]).all()


def test_a_folder_has_one_run_at_a_time(tmp_path, call):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    folder = tmp_path / "run"
    settings = [*SMALL, "--epochs", 50, "--out", folder]
    first = subprocess.Popen(command(*settings, draws=False), stdout=subprocess.DEVNULL, env=environment())
    while not (folder / "config.json").exists():
        assert first.poll() is None
        time.sleep(0.01)
    status, _, error = call(train_module, "--out", folder, "--resume")
    assert status == 73
    assert f"another run is writing to {folder}: wait" in error
    assert f"(process {first.pid} on " in error
    assert first.poll() is None
    first.kill()
    first.wait()
    status, _, error = call(train_module, *settings, "--resume", "--stop-after", 1)
    assert status == 0, error


def test_results_without_a_checkpoint_are_not_written_over(whole, tmp_path, call):
    """Kept results are not an interrupted run, with or without --resume."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("checkpoint*"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for more in ([], ["--resume"]):
        status, _, error = call(train_module, *SMALL, "--norm", "batch", "--epochs", 3, "--out", folder, *more)
        assert status == 2
        assert "has a test.json, but no checkpoint-latest.npz to continue from: choose another --out" in error
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this system has no such signal")
@pytest.mark.slow
def test_usr2_ends_the_run_after_the_epoch_and_a_resume_ends_as_if_nothing_had_been(whole, tmp_path, call):
    folder = tmp_path / "run"
    settings = [*SMALL, "--norm", "batch", "--epochs", 3, "--out", folder]
    process = subprocess.Popen(command(*settings, draws=False), stderr=subprocess.PIPE, text=True, env=environment())
    while not (folder / "attempts.tsv").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR2)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 75, error
    assert "of 3, as the signal USR2 asked: --resume continues it" in error
    done = len(rows(folder)) if (folder / "metrics.csv").exists() else 0
    assert done < 3
    status, _, error = call(train_module, *settings, "--resume")
    assert status == 0, error
    assert_same_run(folder, whole, pictures=False)
    events = [(e.event, e.status, e.epochs) for e in read_attempts(folder)]
    assert events == [("start", "", "0"), ("end", "75", str(done)), ("start", "", str(done)), ("end", "0", "3")]


def test_config_json_holds_nothing_about_the_machine_and_old_ones_that_do_still_load(whole, tmp_path):
    content = json.loads((whole / "config.json").read_text())
    assert list(content) == ["settings", "facts"]
    old = {**content, "versions": {"mlp": "0.1.0", "python": "3.11.2", "numpy": "2.0.0"}}
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert RunFolder(tmp_path).load() == RunFolder(whole).load()


def test_a_resume_says_which_bits_it_does_not_promise(small, tmp_path, capsys):
    settings = {**small, "epochs": 3}
    run(tmp_path, settings, stop_after=1, threads=1)
    text = (tmp_path / "attempts.tsv").read_text()
    run(tmp_path, settings, resume=True, stop_after=2, threads=1)
    assert "note:" not in capsys.readouterr().out
    (tmp_path / "attempts.tsv").write_text(text.replace("openblas", "otherblas"))
    run(tmp_path, settings, resume=True, threads=1)
    other = capsys.readouterr().out
    assert "note: blas otherblas" in other
    assert "not with the same bits" in other


def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        command(*SMALL, "--epochs", 50, "--out", tmp_path / "run", draws=False),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in process.stdout:
        if line.startswith("epoch   1/50"):
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 130
    assert f"--epochs 50 --out {tmp_path / 'run'} --resume" in error
    assert "Traceback" not in error


def snapshot(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "vgg09"], "got 9: try 8 or 14"),
        (["--model", "resnet"], "--model must be vgg08, vgg38, vgg<depth>, ssrn or FILE.py:function, got 'resnet'"),
        (["--norm", "bach"], "--norm must be one of none, batch, layer, instance, group, got 'bach'"),
        (["--learning-rule", "lion"], "--learning-rule must be one of gradient_descent, momentum, nesterov"),
        (["--learning-rate", "0"], "--learning-rate must be greater than 0, got 0"),
        (["--learning-rate", "-1"], "--learning-rate must be greater than 0"),
        (["--learning-rate", "nan"], "--learning-rate must be greater than 0"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--stop-after", "0"], "--stop-after must be a whole number of at least 1, got 0"),
        (["--limit-train", "0"], "--limit-train must be at least 1"),
        (["--dtype", "float16"], "--dtype must be one of float32, float64"),
        (["--dataset", "imagenet"], "--dataset must be one of"),
        (["--split", "other"], "--split must be one of"),
        (["--device", "gpu"], "unknown device 'gpu': write cpu, or cuda:N"),
        (["--device", "cuda:0"], "device 'cuda:0' cannot be used: "),
        (["--dataset", "cifar100", "--data-dir", "no/such/place"], "no/such/place"),
        (["--seed", "-1"], "--seed must be at least 0"),
    ],
)
def test_wrong_settings_are_one_clear_line_and_leave_nothing_behind(tmp_path, call, arguments, message):
    status, _, error = call(train_module, *SMALL, "--out", tmp_path / "run", *arguments)
    assert status == 2
    assert message in error
    assert error.count("\n") == 1
    assert snapshot(tmp_path / "run") is None


def test_another_configuration_in_the_folder_is_shown_as_a_difference(whole, call):
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    status, _, error = call(train_module, "--out", whole, "--resume", "--epochs", 5, "--seed", 1, "--norm", "batch")
    assert status == 2
    assert "epochs: 3 there, 5 here" in error
    assert "seed: 0 there, 1 here" in error
    assert "norm" not in error
    assert "epochs: 3 there, 5 here" in call(train_module, "--out", whole, "--epochs", 5)[2]
    status, _, error = call(train_module, "--out", whole)
    assert status == 2
    assert "holds a run already (vgg08 on synthetic, after epoch 3 of 3): add --resume" in error
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


@pytest.mark.parametrize("name", ["checkpoint-latest.npz", "config.json"])
def test_a_damaged_run_folder_is_an_error_that_names_the_file(whole, tmp_path, call, name):
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = (tmp_path / name).read_bytes()[:-40]
    (tmp_path / name).write_bytes(damaged)
    status, _, error = call(train_module, "--out", tmp_path, "--resume")
    assert status == 2
    assert f"{name} is damaged" in error
    assert error.count("\n") == 1
    assert (tmp_path / name).read_bytes() == damaged


@pytest.mark.slow
def test_a_loss_that_explodes_keeps_the_last_good_checkpoint(tmp_path):
    folder = tmp_path / "run"
    settings = [*SMALL, "--epochs", 3, "--learning-rule", "gradient_descent", "--learning-rate", "1e30"]
    result = train(*settings, "--out", folder)
    assert result.returncode == 2
    assert "the loss became" in result.stderr
    assert "epoch 1, step" in result.stderr
    assert "Conv2d" in result.stderr or "Affine" in result.stderr or "BatchNorm" in result.stderr
    assert not (folder / "checkpoint-latest.npz").exists()
    again = train(*SMALL, "--epochs", 1, "--out", folder)  # no epoch was finished, so there is nothing to continue
    assert again.returncode == 0, again.stderr
    assert "holds no finished epoch: starting from the beginning" in again.stdout
    assert json.loads((folder / "config.json").read_text())["settings"]["learning_rule"] == "adam"


def test_out_must_be_a_folder(tmp_path, call):
    (tmp_path / "file").write_text("keep me")
    assert call(train_module, *SMALL, "--out", tmp_path / "file")[0] == 2
    assert (tmp_path / "file").read_text() == "keep me"


def test_help_explains_every_flag(call):
    _, text, _ = call(train_module, "--help")
    for flag in ("--model", "--schedule-unit", "--limit-train", "--resume", "--stop-after", "--data-dir", "--out"):
        assert flag in text
