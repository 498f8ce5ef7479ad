"""The estimate before the first step: it is right, and it changes nothing."""

import copy

import numpy as np
import pytest

import mlp
from mlp.diagnostics import GradientFlow
from mlp.experiments import estimate
from mlp.experiments.estimate import estimate_cost, format_seconds
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
    cost = estimate_cost(trainer, *batches)
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
    estimate_cost(trainer, *batches)
    assert trainer.rule.flat.whole
    for name, value in trainer.rule.state_dict().items():
        np.testing.assert_array_equal(value, state[name])


def test_memory_is_counted(parts):
    model, batches = parts
    cost = estimate_cost(trainer_of(model), *batches)
    assert cost.weights == 4 * 4 * model.num_parameters  # weights, gradients, two moments, four bytes each
    assert cost.images == (600 + 40 + 40) * 8 * 8 * 3 + 3 * 10 * 8 * 8 * 3 * 4
    kept = 10 * 4 * 8 * 8 * (3 + 4 + 4)  # at least the inputs of the first convolution, x_hat, a mask
    assert kept < cost.activations < 40 * kept
    momentum = estimate_cost(trainer_of(model, mlp.learning_rules.Momentum), *batches)
    assert momentum.weights == 3 * 4 * model.num_parameters


def test_short_epochs_are_not_measured(parts):
    model, batches = parts
    short = mlp.data.Batches(batches[0].image_set, 100)
    assert estimate_cost(trainer_of(model), short, *batches[1:]).seconds is None


def test_models_that_cannot_be_copied_are_not_measured(parts):
    model, batches = parts
    model.source = (number for number in range(3))
    assert estimate_cost(trainer_of(model), *batches).seconds is None


def test_too_little_memory_is_a_warning_and_is_not_tried_out(parts, monkeypatch, capsys):
    model, batches = parts
    monkeypatch.setattr(estimate, "available_memory", lambda: 1000)
    monkeypatch.setattr(estimate, "measure_epoch", None)
    estimate_cost(trainer_of(model), *batches).report(3)
    text, error = capsys.readouterr()
    assert text.startswith("estimate: memory ")
    assert "1.0 kB are free: try a smaller --batch-size" in error
    assert error.startswith("warning: ")


def test_nothing_is_said_where_free_memory_is_not_known(parts, monkeypatch, capsys):
    monkeypatch.setattr(estimate, "available_memory", lambda: None)
    model, batches = parts
    estimate_cost(trainer_of(model), *batches).report(3)
    text, error = capsys.readouterr()
    assert " an epoch, " in text
    assert error == ""


def test_a_batch_is_no_larger_than_the_data(parts):
    model, (train, *others) = parts
    batches = [mlp.data.Batches(train.image_set, n) for n in (600, 10**6)]
    costs = [estimate_cost(trainer_of(model), large, *others) for large in batches]
    assert costs[0].activations == costs[1].activations


def test_seconds_for_people():
    assert [format_seconds(s) for s in (3.2, 119, 600, 9000)] == ["3 s", "119 s", "10 min", "2.5 h"]
