"""What many runs will cost: each network is measured once, the rest is arithmetic."""

import pytest

from mlp.commands import reproduce, sweep
from mlp.experiments.config import RunConfig
from mlp.reproduction import costs
from mlp.reproduction.costs import StepCost, estimate_runs, estimate_text, how_to_make, makespan, measure_step
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.scale import QUICK


def test_a_run_is_its_steps_its_validation_and_its_test_pass():
    config = RunConfig(epochs=3, batch_size=100)
    assert StepCost(2.0, 0.5).of_run(config) == 3 * 475 * 2.0 + (3 * 25 + 100) * 0.5
    small = RunConfig(epochs=2, batch_size=20, limit_train=30, limit_valid=1)
    assert StepCost(1.0, 0.0).of_run(small) == 4.0


def test_images_are_those_of_the_data_set_and_of_its_classes():
    cost = StepCost(1.0, 0.01)
    scene = RunConfig(dataset="indian_pines", model="ssrn", split="per_class", augment=False, epochs=5, batch_size=16)
    assert cost.of_run(scene) == 5 * 129 + 0.01 * (5 * 65 + 449)
    assert cost.of_run(RunConfig(dataset="synthetic", epochs=1, batch_size=50)) == 95 + 0.01 * (5 + 20)
    quick = RunConfig(limit_classes=10, limit_train=1900, epochs=8, batch_size=20)
    assert cost.of_run(quick) == 8 * 95 + 0.01 * (8 * 13 + 50)


def test_an_estimate_of_rows_measures_nothing_around_their_networks(call, tmp_path):
    status, out, _ = call(reproduce, "run", "s1-23", "--scale", "quick", "--estimate", "--out", tmp_path / "runs")
    assert status == 0
    assert not (tmp_path / "runs").exists()


def test_each_network_is_measured_once_and_settings_that_decide_no_step_share_it(monkeypatch):
    measured = []
    monkeypatch.setattr(
        costs, "measure_step", lambda config, most_images: measured.append(config) or StepCost(1.0, 0.0)
    )
    settings = [{"seed": 0}, {"seed": 1}, {"learning_rate": 0.1, "epochs": 50}, {"norm": "batch"}]
    found = estimate_runs([PlannedRun(str(i), one) for i, one in enumerate(settings)])
    assert len(measured) == 2
    assert [seconds for _, seconds in found] == [47500, 47500, 23750, 47500]
    text = estimate_text(found, places=2, cores=5)
    assert "4 runs, 46 core-hours in all" in text
    assert "the longest: 0, 13.2 core-hours, an epoch 95 s" in text


def test_runs_in_places_the_longest_first():
    assert makespan([3, 1, 2, 2], 2) == 4
    assert makespan([5], 3) == 5
    assert makespan([], 3) == 0


def test_measured_steps_are_those_of_the_batch(call):
    cost = measure_step(RunConfig(filters=2, batch_size=10, dataset="synthetic"))
    assert cost.training > cost.evaluation > 0
    many = measure_step(RunConfig(filters=2, batch_size=20 * costs.MOST_IMAGES, dataset="synthetic"))
    assert many.training > 5 * cost.training
    with pytest.raises(Exception, match="--estimate knows the sizes of"):
        measure_step(RunConfig(dataset="npz:own.npz"))
    status, out, _ = call(sweep, "--filters", 2, "--seed", 0, 1, "--estimate", "--jobs", 2)
    assert status == 0
    assert "estimate: 2 runs, " in out


def test_what_needs_no_training_has_no_time():
    assert how_to_make("s1-23-fig1", QUICK, "runs").endswith("(nothing is trained for it)")
