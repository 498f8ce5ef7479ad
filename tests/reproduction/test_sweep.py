"""Sweeps: combinations, pairs and draws; folders; the table, and the sentence about the best of many."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlp.commands import sweep
from mlp.experiments.settings.naming import name_of
from mlp.reproduction import queue
from mlp.reproduction.index import RunIndex
from mlp.reproduction.sweep.grid import combine, draw_points, idle_lines, plan_sweep, read_values
from mlp.reproduction.sweep.results import luck
from mlp.training.attempts import read_attempts

CLUSTER_STAND_IN = str(Path(__file__).with_name("cluster") / "stand_in_train.py")

STAND_IN = """
import json, pathlib, random, sys
words = sys.argv[1:]
flags, i = {}, 0
while i < len(words):
    name, alone = words[i][2:].replace("-", "_"), i + 1 == len(words) or words[i + 1].startswith("--")
    flags[name] = True if alone else words[i + 1]
    i += 1 if alone else 2
folder = pathlib.Path(flags.pop("out"))
for name in ("resume", "threads", "data_dir"):
    flags.pop(name, None)
def value(text):
    for kind in (int, float):
        try:
            return text if text is True else kind(text)
        except ValueError:
            pass
    return text
settings = {k: value(v) for k, v in flags.items() if not k.startswith("no_") or k == "no_decay"}
settings |= {k[3:]: False for k in flags if k.startswith("no_") and k != "no_decay"}
with open(folder / "calls", "a") as calls:
    calls.write("x")
(folder / "config.json").write_text(json.dumps({"settings": settings}))
random.seed(settings.get("seed", 0))
accuracy = 0.4 + (0.2 if settings.get("norm") == "batch" else 0) + 0.01 * random.random()
rows = ["epoch,train_loss,train_acc,val_loss,val_acc,learning_rate,seconds"]
rows += [f"{e},2.0,0.5,2.1,{accuracy - 0.1 + 0.05 * e},0.001,1.0" for e in (1, 2)]
(folder / "metrics.csv").write_text("\\n".join(rows) + "\\n")
test = {"test_loss": 2.0, "test_acc": accuracy - 0.02, "best_epoch": 2, "images": 100}
(folder / "test.json").write_text(json.dumps(test))
"""


@pytest.fixture
def swept(tmp_path, call, monkeypatch):
    """A function that calls sweep.py with a stand-in for train.py whose accuracy knows norm and seed alone."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(queue, "train_command", lambda: [sys.executable, str(script)])
    return lambda *words: call(sweep, *words, "--epochs", 2, "--out", tmp_path / "sweep")


def folders(tmp_path):
    return sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/test.json"))


def test_all_combinations_then_nothing_then_only_what_is_new(swept, tmp_path):
    words = ["--norm", "none", "batch", "--residual", "yes", "no", "--seed", 0, 1]
    status, out, error = swept(*words, "--jobs", 2)
    assert status == 0, error
    assert "2 norms, 2 residuals, 2 seeds; 8 runs, 2 at once" in out
    assert folders(tmp_path) == sorted(
        f"norm-{norm}_{residual}_seed-{seed}"
        for norm in ("none", "batch")
        for residual in ("residual", "no_residual")
        for seed in (0, 1)
    )
    table = (tmp_path / "sweep" / "table.md").read_text()
    assert "norm-batch_residual (seeds 0, 1)" in table
    assert table.count("±") > 8
    assert "Best on validation: norm-batch_" in table
    assert "best of 4 on the images that chose it, and picking the best of many results overstates it" in table
    assert table in out
    assert (tmp_path / "sweep" / "curves.png").stat().st_size > 1000
    assert "0 finished, 8 were finished before" in swept(*words)[1]
    status, out, _ = swept("--norm", "none", "batch", "--residual", "--seed", 0, 1, 2)  # found under the old names
    assert "2 finished, 4 were finished before" in out
    assert "norm-none_seed-2" in folders(tmp_path)
    assert {path.read_text() for path in tmp_path.glob("sweep/*/calls")} == {"x"}


def test_a_numeric_setting_has_a_figure_of_its_own_and_pairs_stay_pairs(swept, tmp_path):
    words = ["--learning-rate", "1e-3", "1e-2", "--batch-size", 50, 500, "--zip", "--seed", 0, 1]
    status, out, error = swept(*words)
    assert status == 0, error
    pairs = [(50, 0.001), (500, 0.01)]
    assert folders(tmp_path) == sorted(
        f"batch_size-{size}_learning_rate-{rate}_seed-{seed}" for size, rate in pairs for seed in (0, 1)
    )
    assert (tmp_path / "sweep" / "learning_rate.png").exists()
    assert (tmp_path / "sweep" / "batch_size.png").exists()


def test_other_settings_that_do_not_vary_do_not_mix_with_those_that_are_there(swept, tmp_path):
    assert swept("--norm", "none", "batch")[0] == 0
    status, out, error = swept("--norm", "none", "batch", "--filters", 8)
    assert status == 0, error
    assert "2 finished, 0 were finished before" in out
    names = folders(tmp_path)
    assert names[0] == "norm-batch"
    assert names[1].startswith("norm-batch_")
    assert len(names) == 4
    assert "2 were finished before" in swept("--norm", "none", "batch", "--filters", 8)[1]
    assert RunIndex(tmp_path).damaged == []


def test_draws_are_a_function_of_their_seed_and_their_number():
    values = {"learning_rate": [1e-5, 1e-1], "dropout": [0.0, 0.5], "batch_size": [10, 1000], "norm": ["none", "batch"]}
    draws = draw_points({**values, "seed": [3, 4]}, 200)
    assert draws[:40] == draw_points({**values, "seed": [3, 4]}, 20)
    assert [one["seed"] for one in draws[:4]] == [3, 4, 3, 4]
    assert {**draws[0], "seed": 4} == draws[1]
    assert draw_points(values, 3, seed=1) != draw_points(values, 3)
    rates = np.log10([one["learning_rate"] for one in draws[::2]])
    assert rates.min() >= -5
    assert rates.max() <= -1
    assert np.histogram(rates, bins=4, range=(-5, -1))[0].min() > 30  # each power of ten as often: 50 of 200
    assert np.histogram([one["dropout"] for one in draws[::2]], bins=4, range=(0, 0.5))[0].min() > 30
    assert {type(one["batch_size"]) for one in draws} == {int}
    assert np.mean([one["batch_size"] < 100 for one in draws[::2]]) == pytest.approx(0.5, abs=0.12)
    assert {one["norm"] for one in draws} == {"none", "batch"}
    assert all(float(f"{one['learning_rate']:.4g}") == one["learning_rate"] for one in draws)


def test_values_on_the_command_line():
    assert read_values("residual", []) == [True]
    assert read_values("residual", ["yes", "no", "on"]) == [True, False]
    assert read_values("clip_norm", ["none", "1"]) == [None, 1.0]
    assert read_values("norm", ["none"]) == ["none"]
    assert read_values("seed", ["1", "1", "2"]) == [1, 2]
    assert combine({}) == [{}]
    assert combine({"norm": ["none", "batch"], "filters": [8]}, zipped=True) == [
        *({"norm": "none", "filters": 8}, {"norm": "batch", "filters": 8})
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--learning-rate", "fast"], "--learning-rate takes numbers, got 'fast'"),
        (["--seed", "0.5"], "--seed takes whole numbers, got '0.5'"),
        (["--residual", "maybe"], "--residual takes yes and no, got 'maybe'"),
        (["--norm", "none", "batch", "--filters", 1, 2, 3, "--zip"], "--norm has 2, --filters has 3"),
        (["--sample", 3], "--sample draws from settings with two values or more"),
        (["--sample", 3, "--zip", "--dropout", 0, 0.5], "--zip pairs values up, --sample draws from them"),
        (["--sample", 0, "--dropout", 0, 0.5], "--sample must be a whole number of at least 1, got 0"),
        (["--sample", 2, "--weight-decay", 0, 0.1], "lower end must be above 0, got 0"),
        (["--norm", "bach", "badge"], "--norm must be one of"),
        (["--norm", "none", "bacth"], "--norm must be one of"),
        (["--learning-rate", "1e-3", "nan"], "--learning-rate must be greater than 0, got nan"),
        (["--learning-rate", "1e-3", "inf", "--sample", 2], "--learning-rate must be greater than 0, got inf"),
        (["--dropout", "0", "inf", "--sample", 2], "--dropout must be at least 0, got inf"),
        (["--weight-decay", "0.1", "1" + "0" * 400], "--weight-decay must be at least 0, got inf"),
        (
            ["--early-stop", 1, "9" * 23, "--sample", 2],
            "--early-stop must be less than 2^63, got a number",
        ),
        (["--dataset", "synthetic", "synthetik"], "--dataset must be one of"),
        (["--model", "vgg08", "vgg09"], "depth must be 8, 14, 20"),
        (["--no-decay", "bias", "("], "--no-decay must be a regular expression"),
        (["--time", "1:00", "--memory", "2G"], "--time, --memory belong to --cluster slurm"),
        (["--gpus", 0], "--gpus belongs to --cluster slurm"),
        (["--cores", 1, "--estimate"], "--cores belongs to --cluster slurm"),
        (["--sbatch=-x", "--estimate", "--dry-run"], "--sbatch, --dry-run belong to --cluster slurm"),
        (["--jobs", 0], "--jobs must be a whole number of at least 1, got 0"),
        (["--devices", "gpu"], "unknown device 'gpu'"),
    ],
)
def test_wrong_commands_are_one_clear_line_and_leave_nothing(swept, tmp_path, words, message):
    status, _, error = swept(*words)
    assert status == 2
    assert message in error
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_takes_the_words_that_train_takes():
    words = sweep.make_sweep_parser().parse_args(["--lr", "1e-2", "1e-3", "--bs", "50", "--optimizer", "SGD", "adam"])
    assert (words.learning_rate, words.batch_size) == (["1e-2", "1e-3"], ["50"])
    assert words.learning_rule == ["gradient_descent", "adam"]


def test_combinations_that_are_no_run_are_left_out_aloud():
    values = {"residual": [True, False], "reduction_shortcut": ["none", "avgpool"]}
    runs, left_out = plan_sweep(combine(values), values)
    assert [run.name for run in runs] == [
        "reduction_shortcut-none_residual",
        "reduction_shortcut-avgpool_residual",
        "reduction_shortcut-none_no_residual",
    ]
    assert left_out[0].startswith("left out: reduction_shortcut-avgpool_no_residual: ")


def test_names_are_fit_for_file_systems_and_differ_where_settings_do():
    assert name_of({"norm": "batch", "residual": True, "seed": 0}) == "norm-batch_residual_seed-0"
    assert name_of({}) == "run"
    a, b = (name_of({"no_decay": text}) for text in ("(a|b)$", "(a-b)$"))
    assert a != b
    assert a.startswith("no_decay--a-b_")
    assert len(name_of({"model": "x" * 400})) <= 150
    assert "/" not in name_of({"dataset": "npz:/data/../x.npz"})


def test_how_far_the_luckiest_of_equals_would_lead():
    rng = np.random.default_rng(0)
    scores = 0.5 + 0.01 * rng.standard_normal((2000, 12, 3))
    lead = np.mean([s.mean(axis=1).max() - 0.5 for s in scores])
    said = np.mean([float(luck(s.tolist()).split("about ")[1].split()[0]) for s in scores[:200]])
    assert said == pytest.approx(100 * lead, rel=0.05)
    assert "Several seeds (--seed 0 1 2) would show" in luck([[0.5], [0.6]])


@pytest.mark.slow
def test_a_sweep_of_real_runs(call, small, own_images, tmp_path):
    words = [f"--{name.replace('_', '-')} {value}".split() for name, value in small.items()]
    status, out, error = call(
        sweep, *sum(words, []), "--norm", "none", "batch", "--out", tmp_path / "sweep", "--epochs", 1, "--jobs", 2
    )
    assert status == 0, error
    assert "2 finished" in out
    config = json.loads((tmp_path / "sweep" / "norm-batch" / "config.json").read_text())
    assert config["settings"]["dataset"] == f"npz:{own_images}"
    assert "Several seeds (--seed 0 1 2) would show by how much" in out


DRIVER = """
import sys
from mlp.commands import sweep
from mlp.reproduction import queue
stand_in = sys.argv.pop(1)
if stand_in:
    queue.train_command = lambda: [sys.executable, "-I", "-S", stand_in]
queue.FIRST_WAIT = 0.2
sys.exit(sweep.main())
"""


def drive(out, milliseconds, *, stand_in=CLUSTER_STAND_IN, **options):
    """Start a sweep of 24 runs as a process of its own."""
    words = ["--seed", *range(12), "--epochs", 2, 3, "--limit-train", milliseconds, "--jobs", 3, "--out", out]
    return subprocess.Popen([sys.executable, "-c", DRIVER, stand_in, *map(str, words)], **options)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals and locks of files")
def test_a_sweep_with_killed_runs_and_a_killed_parent_ends_with_the_same_table(tmp_path):
    """The parent's death stands for a reboot, and for more: its processes live on, and hold their folders."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert drive(tmp_path / "whole", 100, **quiet).wait(120) == 0
    broken, killed = tmp_path / "broken", set()
    parent = drive(broken, 100, **quiet)
    deadline = time.monotonic() + 120
    while len(killed) < 2 or len(list(broken.glob("*/test.json"))) < 8:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        for path in broken.glob("*/attempts.tsv") if len(killed) < 2 else ():
            events = read_attempts(path.parent)
            if events and events[-1].event == "start" and path not in killed:
                os.kill(int(events[-1].process), signal.SIGKILL)
                killed.add(path)
                break
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    again = drive(broken, 100, stdout=subprocess.PIPE, text=True)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0, out
    assert (broken / "table.md").read_text() == (tmp_path / "whole" / "table.md").read_text()
    assert len(list(broken.glob("*/test.json"))) == 24
    assert "finished before" in out


def test_a_sweep_knows_what_follows_from_its_data(own_images):
    own = {"dataset": f"npz:{own_images}"}
    (run,), _ = plan_sweep([own], {})
    assert run.settings == {**own, "split": "stratified", "batch_size": 22}  # of 228 images, ten steps
    (run,), _ = plan_sweep([{**own, "batch_size": 100}], {})
    assert run.settings == {**own, "split": "stratified", "batch_size": 100}
    (run,), _ = plan_sweep([{"dataset": "indian_pines", "model": "ssrn"}], {})
    assert run.settings["split"] == "per_class"
    (run,), _ = plan_sweep([{"norm": "batch"}], {})
    assert run.settings == {"norm": "batch"}


def test_settings_that_change_nothing_are_told_once():
    values = {"model": ["vgg08"], "norm": ["none", "batch"], "residual": [True, False]}
    planned, _ = plan_sweep(combine(values), values)
    (line,) = idle_lines(planned)
    assert line.startswith("note: in 2 of 4 runs, --residual changes nothing in VGG08")
    deeper = {**values, "model": ["vgg14"]}
    assert idle_lines(plan_sweep(combine(deeper), deeper)[0]) == []
