"""scripts/equivalence.py: the interval, the verdict, and two sides that really see the same batches."""

import equivalence
import numpy as np
import pytest


def run(final_loss, final_accuracy, epochs=2, steps=60):
    losses = np.linspace(4.0, final_loss, epochs * steps)
    losses[-steps:] = final_loss
    return {"losses": losses, "tests": np.array([[4.0, 0.1]] * (epochs - 1) + [[final_loss, final_accuracy]])}


def pairs_with(differences):
    """Pairs of runs whose training losses differ by these numbers."""
    return {s: {"mlp": run(1.0 + d, 0.5), "torch": run(1.0, 0.5)} for s, d in enumerate(differences)}


def test_the_interval_is_students():
    pytest.importorskip("scipy")
    mean, low, high = equivalence.interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert mean == 3.0
    assert high - mean == pytest.approx(2.776445105 * np.sqrt(2.5) / np.sqrt(5))  # t(0.975, 4) from a table
    assert mean - low == pytest.approx(high - mean)
    assert equivalence.interval(np.array([1.0]))[1:] == (-np.inf, np.inf)


def test_the_verdict_follows_the_interval():
    pytest.importorskip("scipy")
    assert "Verdict over 3 seeds: equivalent." in equivalence.report(pairs_with([0.001, -0.001, 0.0]))
    assert "not shown to be equivalent" in equivalence.report(pairs_with([0.05, 0.051, 0.049]))  # a real difference
    assert "not shown to be equivalent" in equivalence.report(pairs_with([0.05, -0.05, 0.0]))  # too few seeds to tell


def test_seeds_that_one_side_has_run_are_left_out(tmp_path):
    for name in ("seed10_mlp", "seed10_torch", "seed2_mlp", "seed2_torch", "seed3_mlp"):
        np.savez(tmp_path / f"{name}.npz", **run(1.0, 0.5))
    assert list(equivalence.read_runs(tmp_path)) == [2, 10]
    assert len(equivalence.draw(equivalence.read_runs(tmp_path), "two seeds").axes) == 2


@pytest.mark.oracle
@pytest.mark.slow
def test_both_sides_take_the_same_steps(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("scipy")
    settings = {
        "model": "vgg08",
        "norm": "batch",
        "filters": 4,
        "dataset": "synthetic",
        "limit_train": 400,
        "epochs": 2,
    }
    monkeypatch.setitem(equivalence.PROTOCOLS, "tiny", settings)
    monkeypatch.setattr("sys.argv", ["equivalence.py", "tiny", "--seeds", "0", "1", "--out", str(tmp_path)])
    assert equivalence.main() == 0
    for sides in equivalence.read_runs(tmp_path / "tiny").values():
        np.testing.assert_allclose(sides["mlp"]["losses"], sides["torch"]["losses"], rtol=1e-3)
    assert (tmp_path / "tiny" / "equivalence.png").exists()
    assert "95 % interval" in capsys.readouterr().out
