"""The estimate before the first step: it is right, and it changes nothing."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlp
from mlp.diagnostics import GradientFlow
from mlp.experiments import estimate
from mlp.experiments.estimate import Cost, estimate_cost, format_seconds
from mlp.layers import Dropout, Sequential


@pytest.fixture
def parts():
    train, valid, test = (
        mlp.data.synthetic(num_train=600, num_test=40, image_size=8, num_classes=5)[i] for i in (0, 1, 1)
    )
    batches = [mlp.data.Batches(s, 10, augment=s is train, shuffle=s is train) for s in (train, valid, test)]
    model = Sequential(mlp.models.vgg(depth=8, num_classes=5, filters=4), Dropout(0.2)).initialize(0)
    return model, batches


def trainer_of(model, rule=mlp.learning_rules.Adam):
    return mlp.training.Trainer(model, mlp.losses.SoftmaxCrossEntropy(), rule(), hooks=[GradientFlow()])


def test_the_measurement_changes_no_number_of_the_run(parts):
    model, batches = parts
    twin = copy.deepcopy(model).set_paths()
    trainer, untouched = trainer_of(model), trainer_of(twin)
    before = model.state_dict()
    cost = estimate_cost(trainer, *batches[:2])
    assert 0 < cost.seconds < 60
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert trainer.rule.flat is None
    assert trainer.rule.steps == 0
    trainer.fit(batches[0], epochs=1)
    untouched.fit(batches[0], epochs=1)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name])
    np.testing.assert_array_equal(
        trainer.history.gradient_flow["mean_abs"], untouched.history.gradient_flow["mean_abs"]
    )


def test_a_measurement_before_a_resume_keeps_the_moments(parts):
    model, batches = parts
    trainer = trainer_of(model)
    trainer.fit(batches[0], epochs=1)
    state = trainer.rule.state_dict()
    estimate_cost(trainer, *batches[:2])
    assert trainer.rule.flat.whole
    for name, value in trainer.rule.state_dict().items():
        np.testing.assert_array_equal(value, state[name])


def test_memory_is_counted(parts):
    model, batches = parts
    cost = estimate_cost(trainer_of(model), *batches[:2])
    numbers = 4 * model.num_parameters  # bytes of four
    assert cost.weights == (4 + 3) * numbers  # weights, gradients, two moments; a copy, without gradients
    assert cost.batches == 4 * 10 * 8 * 8 * 3 * 4
    kept = 10 * 4 * 8 * 8 * (3 + 4 + 4)  # at least the inputs of the first convolution, x_hat, a mask
    assert kept < cost.activations < 100 * kept
    assert cost.held > 30e6  # Python and NumPy
    assert cost.total >= cost.held + cost.more
    momentum = estimate_cost(trainer_of(model, mlp.learning_rules.Momentum), *batches[:2])
    assert momentum.weights == (3 + 2) * numbers


RUN = """
import sys
from mlp.experiments import estimate
from mlp.experiments.run import run
from mlp.machine.processor import peak_memory_mb

told = []
report = estimate.Cost.report
estimate.Cost.report = lambda cost, epochs: told.append(cost.total / 1e6) or report(cost, epochs)
model, engine, batch_size = sys.argv[1:]
settings = {"dataset": "synthetic", "limit_train": 2 * int(batch_size), "limit_valid": 20, "epochs": 1}
run("out", {**settings, "model": model, "engine": engine, "batch_size": int(batch_size)})
print("MB:", told[0], peak_memory_mb())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process held at most")
@pytest.mark.parametrize(
    ("model", "engine", "batch_size"),
    [("vgg08", "cpu", 20), ("vgg08", "cpu", 400), ("vgg38", "cpu", 50), ("vgg08", "textbook", 100)],
)
def test_what_is_said_is_what_the_process_takes(model, engine, batch_size, tmp_path):
    command = [sys.executable, "-c", RUN, model, engine, str(batch_size)]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    said, taken = map(float, output.splitlines()[-1].split()[1:])
    assert said == pytest.approx(taken, rel=0.2)


def test_short_epochs_are_not_measured(parts):
    model, batches = parts
    short = mlp.data.Batches(batches[0].image_set, 100)
    assert estimate_cost(trainer_of(model), short, batches[1]).seconds is None


def test_models_that_cannot_be_copied_are_not_measured(parts):
    model, batches = parts
    model.source = (number for number in range(3))
    assert estimate_cost(trainer_of(model), *batches[:2]).seconds is None


def test_too_little_memory_is_a_warning_and_is_not_tried_out(parts, monkeypatch, capsys):
    model, batches = parts
    monkeypatch.setattr(estimate, "available_memory", lambda: 1000)
    monkeypatch.setattr(estimate, "measure_epoch", None)
    estimate_cost(trainer_of(model), *batches[:2]).report(3)
    text, error = capsys.readouterr()
    assert text.startswith("estimate: memory ")
    assert "1.0 kB are free: try a smaller --batch-size" in error
    assert error.startswith("warning: ")


def test_nothing_is_said_where_free_memory_is_not_known(parts, monkeypatch, capsys):
    monkeypatch.setattr(estimate, "available_memory", lambda: None)
    model, batches = parts
    estimate_cost(trainer_of(model), *batches[:2]).report(3)
    text, error = capsys.readouterr()
    assert " an epoch, " in text
    assert error == ""


@pytest.mark.parametrize(("held", "peak"), [(150_000_000, 1), (150_000_000, 900_000_000), (None, 0)])
def test_the_parts_of_the_memory_add_up(held, peak, capsys):
    cost = Cost(held, 40_000_000, 3_000_000, 2_000_000, 50_000_000, None, peak)
    cost.report(1)
    text = capsys.readouterr().out
    assert text.startswith("estimate: memory ")
    total, terms = text.partition(";")[0].split(" MB = ")
    terms = [float(term.split()[-1]) for term in terms.split(" + ")]
    assert float(total.split()[-1]) == pytest.approx(sum(terms)) and len(terms) == (3 if held is None else 5)
    assert ("; reading the data took 900.0 MB" in text) == (peak > 1)
    assert cost.total == max(round(1e6 * sum(terms)), peak)


def test_a_batch_is_no_larger_than_the_data(parts):
    model, (train, *others) = parts
    batches = [mlp.data.Batches(train.image_set, n) for n in (600, 10**6)]
    costs = [estimate_cost(trainer_of(model), large, others[0]) for large in batches]
    assert costs[0].activations == costs[1].activations


def test_seconds_for_people():
    assert [format_seconds(s) for s in (3.2, 119, 600, 9000)] == ["3 s", "119 s", "10 min", "2.5 h"]
