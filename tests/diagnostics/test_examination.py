"""The planted mistakes are told apart by their statistics, and sound networks give no alarm."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mlp.data import Batches
from mlp.diagnostics import examine, symptoms
from mlp.diagnostics.examination import Chapters, twin
from mlp.diagnostics.pathologies import CLASSES, HEALTHY, PATHOLOGIES, healthy_norm, images, relabel
from mlp.diagnostics.symptoms.labels import some_images
from mlp.errors import DataError
from mlp.layers import Affine, Flatten, Sequential
from mlp.learning_rules import Adam, GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Trainer

# Steps of a test: some troubles are there before the first one, and a sound network needs time until its loss falls.
STEPS = dict.fromkeys(PATHOLOGIES, 60) | dict.fromkeys(HEALTHY, 120)
STEPS |= {name: 12 for name in PATHOLOGIES if name.split()[0] in ("vanishing", "exploding", "running", "batch")}


def examine_case(case, steps):
    return examine(case.trainer(engine="textbook"), case.train_batches, case.valid_batches, steps)


def names(examination):
    return [finding.name for finding in examination.findings]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("name", PATHOLOGIES)
def test_each_pathology_is_named_first(name, seed):
    found = names(examine_case(PATHOLOGIES[name](seed), STEPS[name]))
    # A batch norm that does not normalize lets gradients vanish: the cause comes first, its consequence second.
    consequences = ["vanishing gradients"] if name == "running statistics in training" else []
    assert found == [name, *consequences]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", HEALTHY)
def test_sound_networks_get_no_alarm(name, seed):
    examination = examine_case(HEALTHY[name](seed), STEPS[name])
    assert examination.healthy, str(examination)
    assert str(examination).startswith("healthy: the loss went from ")


def test_the_evidence_holds_the_numbers_that_were_measured():
    examination = examine_case(PATHOLOGIES["vanishing gradients"](0), steps=6)
    signal = examination.observations.start["gradient_signal"]["l2"][0]
    (finding,) = examination.findings
    assert f"{signal[0]:.1e} at the first" in finding.evidence
    assert f"{signal[-1]:.1e} at the last" in finding.evidence
    assert str(examination) == f"{finding.name}\n    seen   {finding.evidence}\n    to do  {finding.remedy}"


def test_all_troubles_have_a_remedy():
    assert set(PATHOLOGIES) == set(symptoms.REMEDIES) - {"no learning"}


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_model_and_rule_stay_as_they_were(engine):
    case = healthy_norm(0)
    trainer = case.trainer(engine=engine)
    before = {name: array.tobytes() for name, array in case.model.state_dict().items()}
    examination = examine(trainer, case.train_batches, case.valid_batches, steps=6)
    assert {name: array.tobytes() for name, array in case.model.state_dict().items()} == before
    assert (trainer.step, trainer.batch, case.rule.flat, case.rule.steps) == (0, None, None, 0)
    history = trainer.fit(case.train_batches, epochs=1)
    assert len(examination.observations.losses) == 6
    first_losses = sum(examination.observations.losses) / 6
    assert history.rows[0]["train_loss"] < first_losses  # the same steps, and some more


def test_a_rule_in_use_is_left_alone():
    case = healthy_norm(0)
    case.rule.initialize(case.model.parameters())
    flat = case.rule.flat
    examine_case(case, steps=6)
    assert case.rule.flat is flat
    assert flat.whole
    assert all(p.flat is flat for p in case.model.parameters())


def test_a_rule_with_a_part_of_the_parameters_keeps_to_it_in_a_twin():
    trainer = healthy_norm(0).trainer(engine="textbook")
    head = trainer.model.parameters()[-2:]
    trainer.rule.initialize(head)
    copied = twin(trainer, [])
    assert all(a is b for a, b in zip(copied.rule.flat.parameters, copied.model.parameters()[-2:], strict=True))
    assert trainer.rule.flat is head[0].flat


def test_a_loss_that_overflows_is_the_learning_rates_fault():
    case = healthy_norm(0)
    linear = Sequential(Flatten(), Affine(16 * 16 * 3, CLASSES)).initialize(0)
    case = replace(case, model=linear, rule=GradientDescent(1e38))
    (finding,) = examine_case(case, steps=6).findings
    assert finding.name == "learning rate too large"
    assert "infinity" in finding.evidence


def test_a_network_that_overflows_at_once_explodes():
    case = healthy_norm(0)
    for layer in case.model.layers["head"].layers.values():
        for parameter in layer.parameters():
            parameter.data[...] = 3e38
    (finding,) = examine_case(case, steps=6).findings
    assert finding.name == "exploding gradients"
    assert "Affine 'head.affine'" in finding.evidence


def test_inputs_that_are_no_numbers_are_refused():
    class Broken(Chapters):
        def epoch(self, epoch):
            for x, targets in super().epoch(epoch):
                yield x * np.float32("nan"), targets

    case = healthy_norm(0)
    with pytest.raises(DataError, match="infinite or NaN"):
        examine(case.trainer(), Broken(case.train_batches, 2))


def test_too_small_a_learning_rate_is_no_learning():
    case = replace(healthy_norm(0), rule=Adam(1e-9))
    (finding,) = examine_case(case, steps=30).findings
    assert finding.name == "no learning"
    assert f"log {CLASSES} = {math.log(CLASSES):.3f}" in finding.evidence


def test_without_validation_batches():
    case = PATHOLOGIES["labels without relation to the images"](0)
    assert names(examine(case.trainer(), case.train_batches, steps=30)) == ["labels without relation to the images"]
    case = PATHOLOGIES["batch statistics in evaluation"](0)
    assert names(examine(case.trainer(), case.train_batches, steps=30)) == ["batch statistics in evaluation"]


def test_labels_that_count_down_by_one():
    case, (train, valid) = healthy_norm(0), images(0)
    lower = Batches(relabel(train, (train.labels - 1) % CLASSES), 30, shuffle=True)
    (finding,) = examine(case.trainer(), lower, Batches(valid, 30), steps=60).findings
    assert finding.name == "labels off by one"
    assert "the label before theirs" in finding.evidence


def test_the_ratio_of_variances_against_numpy():
    train, _ = images(0)
    relation = symptoms.class_relation(Batches(train, 30))
    x, labels = some_images(Batches(train, 30))
    means = np.array([x[labels == k].mean(axis=0) for k in range(CLASSES)])
    between = (((means - x.mean(axis=0)) ** 2).sum(axis=1) * np.bincount(labels)).sum() / (CLASSES - 1)
    within = ((x - means[labels]) ** 2).sum() / (len(x) - CLASSES)
    assert relation.ratio == pytest.approx(between / within)
    assert relation.beyond_chance
    assert relation.of_draws.mean() == pytest.approx(1.0, abs=0.1)


def test_chapters_hold_the_same_batches_in_the_same_order():
    train, _ = images(0)
    batches = Batches(train.take(np.arange(70)), 30, shuffle=True)  # 3 batches an epoch, the last one short
    chapters = Chapters(batches, length=2)
    expected = [y for e in range(3) for _, y in batches.epoch(e)]
    given = [y for e in range(4) for _, y in chapters.epoch(e)]
    for a, b in zip(given, expected, strict=False):
        np.testing.assert_array_equal(a, b)
    assert (len(given), len(chapters)) == (8, 2)


def test_every_case_trains_as_it_is():
    for make in (*PATHOLOGIES.values(), *HEALTHY.values()):
        case = make(1)
        trainer = Trainer(case.model, SoftmaxCrossEntropy(), case.rule)
        trainer.fit(Chapters(case.train_batches, 1), epochs=1)
        assert len(case.valid_batches) == 7
