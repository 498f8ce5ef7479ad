"""The benchmark runs, compares, and says clearly what it cannot do. Times are not tested."""

import importlib.util
import json

import benchmark
import benchmark_turns
import pytest
from benchmark_worker import COMPETITORS, random_batch, settings, torch_step

from mlp.errors import MlpError

TINY = ["--nets", "vgg08_bn", "--batch-sizes", "2", "--rounds", "2", "--engine", "textbook", "--threads", "1"]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The processes that it starts find mlp, whether it is installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(benchmark_turns.WORKER.parents[1]))


@pytest.mark.slow
@pytest.mark.oracle
def test_beside_torch(tmp_path, capsys):
    pytest.importorskip("torch")
    flags = ["--competitors", "nchw,channels_last", "--json", str(tmp_path / "times.json")]
    assert benchmark.main([*TINY, *flags]) == 0
    (record,) = json.loads((tmp_path / "times.json").read_text())
    assert (record["net"], record["batch"], record["engine"], record["threads"]) == ("vgg08_bn", 2, "textbook", 1)
    for key in ("ours_s", "torch_nchw_s", "torch_channels_last_s", "ours_rss_mb", "torch_rss_mb"):
        assert record[key] > 0
    first, second = (a / b for a, b in zip(*list(record["rounds_s"].values())[:2], strict=True))
    assert record["ratio_nchw"] == pytest.approx((first + second) / 2)
    assert "| vgg08_bn | 2 |" in capsys.readouterr().out


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["nchw", "channels_last", "fused_adam", "bf16"])
def test_a_step_of_each_competitor(name):
    pytest.importorskip("torch")
    x, targets = random_batch(2)
    step, about = torch_step(x, targets, settings("vgg08_bn_f8"), 1, COMPETITORS[name], "step")
    losses = [step() for _ in range(6)]
    assert losses[-1] < losses[0]
    assert about["text"].startswith("PyTorch")


def test_filters():
    assert settings("vgg20_bn_f64") == {"depth": 20, "norm": "batch", "residual": False, "filters": 64}
    assert settings("vgg08_rc") == {"depth": 8, "norm": "none", "residual": True, "filters": 32}


@pytest.mark.slow
def test_scaling_over_threads(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "usable_cores", lambda: 2)
    monkeypatch.setattr(benchmark, "py_spy", lambda: None)
    path = tmp_path / "times.json"
    flags = ["--scaling", "--against", "none", "--json", str(path)]
    assert benchmark.main([*TINY, *flags, "--engine", "cpu"]) == 0
    (record,) = json.loads(path.read_text())
    assert [row["threads"] for row in record["scaling"]] == [1, 2]
    assert record["scaling"][0]["times_faster"] == 1.0
    assert record["scaling"][1]["lock_share"] is None
    assert "| vgg08_bn | 2 | 2 |" in capsys.readouterr().out


def test_alone(capsys):
    assert benchmark.main([*TINY, "--against", "none"]) == 0
    assert "torch" not in capsys.readouterr().out.lower()


@pytest.mark.slow
def test_an_epoch_beside_bare_steps(tmp_path, capsys):
    path = tmp_path / "times.json"
    assert benchmark.main([*TINY, "--measure", "epoch", "--rounds", "1", "--json", str(path)]) == 0
    (record,) = json.loads(path.read_text())
    assert 0 < record["ratio_epoch"] == record["ours_s"] / record["epoch_s"]


def test_evaluation_alone(capsys):
    assert benchmark.main([*TINY, "--against", "none", "--measure", "evaluation"]) == 0
    assert "| vgg08_bn | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nets", "resnet18"], "unknown net 'resnet18'"),
        (["--nets", "vgg10"], "depth must be 8, 14"),
        (["--nets", "vgg08_f0"], "unknown net 'vgg08_f0'"),
        (
            ["--competitors", "nchw,keras"],
            "--competitors must be one of nchw, channels_last, fused_adam",
        ),
        (["--scaling", "--measure", "epoch"], "--scaling times training steps"),
        (["--batch-sizes", "0"], "--batch-sizes must be whole numbers of at least 1"),
        (["--rounds", "-1"], "--rounds must be whole numbers"),
        (["--json", "/dev/null/all.json"], "/dev/null/all.json cannot be made, because /dev/null is a file"),
    ],
)
def test_wrong_flags(flags, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(["--against", "none", *flags])
    assert message in capsys.readouterr().err


def test_missing_torch(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(TINY)
    assert "PyTorch is not installed" in capsys.readouterr().err


def test_unknown_engine():
    with pytest.raises(MlpError, match="engine must be one of"):
        benchmark.main([*TINY, "--against", "none", "--engine", "steam"])


def test_a_process_that_fails(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(benchmark_turns, "WORKER", benchmark_turns.WORKER.with_name("no_such_worker.py"))
    with pytest.raises(MlpError, match="the process of ours ended"):
        benchmark.main([*TINY, "--against", "none"])
