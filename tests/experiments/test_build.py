"""What a run says about its images before it trains."""

import json

import numpy as np
import pytest

from mlp.data.image_set import ImageSet
from mlp.experiments import RunConfig, run
from mlp.experiments.build import load_images, make_batches, mention_images, with_usual_batch


def make_set(*labels, classes=("cat", "dog")):
    return ImageSet(np.zeros((len(labels), 2, 2, 3), np.uint8), np.array(labels), classes)


@pytest.mark.parametrize(
    ("dataset", "count", "told"), [("cifar100", 3, True), ("cifar100", 2, False), ("cifar10", 3, False)]
)
def test_means_over_batches_are_told_where_they_differ_from_means_over_images(dataset, count, told, capsys):
    parts = [make_set(0, 1), make_set(*[0, 1, 0][:count]), make_set(0, 1)]
    mention_images(RunConfig(dataset=dataset, batch_size=2), parts, steps=20)
    note = "means over batches; the last batch of 2 is shorter among the validation images"
    assert (note in capsys.readouterr().out) is told


@pytest.mark.parametrize(("dataset", "over"), [("cifar100", "batches"), ("cifar10", "images"), ("npz:a.npz", "images")])
def test_metrics_are_means_over_batches_where_the_reports_had_it_so(dataset, over):
    for batches in make_batches(RunConfig(dataset=dataset), *[make_set(0, 1)] * 3):
        assert batches.mean_over == over


def test_the_classes_of_own_images_are_counted(capsys):
    images = make_set(0, 0, 1), make_set(0), make_set(0, 1)
    mention_images(RunConfig(dataset="npz:own.npz"), images, steps=10)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "images per class (training+validation+test): cat 2+1+1, dog 1+0+1"
    assert second.startswith("note: 1 of 2 classes have no validation image, dog for example: --split stratified")


@pytest.mark.parametrize(
    ("settings", "notes"),
    [
        ({}, ["1 of 3 classes have no image at all, dog", "1 of 3 classes have no validation image, cow"]),
        ({"split": "stratified"}, ["is there a gap in the labels?", "a class needs two training images"]),
        ({"limit_valid": 1}, ["cow for example: with --limit-train or --limit-valid some classes may be left out"]),
    ],
)
def test_classes_without_images_are_told_apart_from_those_without_validation_images(settings, notes, capsys):
    images = [make_set(*labels, classes=("cat", "dog", "cow")) for labels in ((0, 0, 2), (0,), (0,))]
    mention_images(RunConfig(dataset="npz:own.npz", **settings), images, steps=10)
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(notes)
    for line, note in zip(lines, notes, strict=True):
        assert note in line


def test_of_many_classes_the_first_are_counted(capsys):
    images = [make_set(*range(25), classes=tuple(f"c{k}" for k in range(25)))] * 3
    mention_images(RunConfig(dataset="npz:own.npz"), images, steps=10)
    assert capsys.readouterr().out.endswith("c19 1+1+1, and 5 more classes\n")


@pytest.mark.parametrize(("steps", "text"), [(1, "only 1 step,"), (9, "only 9 steps,"), (10, "")])
def test_a_short_epoch_gets_a_note(steps, text, capsys):
    mention_images(RunConfig(), [make_set(0, 1)] * 3, steps)
    printed = capsys.readouterr().out
    assert text in printed
    assert bool(printed) == bool(text)


@pytest.mark.parametrize(("images", "size"), [(51, 5), (9, 4), (999, 99), (1000, 100), (1001, 100)])
def test_few_own_images_come_in_small_batches(images, size, capsys):
    config = RunConfig(dataset="folder:own")
    assert with_usual_batch(config, {}, images).batch_size == size
    assert bool(capsys.readouterr().out) == (images <= 1000)
    assert with_usual_batch(config, {"batch_size": 100}, images) == config
    assert with_usual_batch(RunConfig(), {}, images) == RunConfig()


def test_own_images_from_a_file(small, capsys):
    config = RunConfig(**small)
    images = load_images(config, None)
    mention_images(config, images, 23)
    line = capsys.readouterr().out.splitlines()[0].partition(": ")[2]
    counts = [int(number) for text in line.split(", ") for number in text.split()[-1].split("+")]
    assert sum(counts) == sum(map(len, images)) == 280


def test_a_short_epoch_of_batches_that_the_program_chose_is_no_news(capsys):
    mention_images(RunConfig(batch_size=4), [make_set(0, 1)] * 3, 9, usual_batch=True)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_sixty_pictures_of_three_colours_are_learned(tmp_path):
    """With the defaults, apart from the epochs: batches, split and schedule suit a small folder."""
    image_module, rng = pytest.importorskip("PIL.Image"), np.random.default_rng(1)
    for name, colour in {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 200)}.items():
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(colour + rng.normal(0, 35, (32, 32, 3)), 0, 255).astype(np.uint8)
            image_module.fromarray(pixels).save(tmp_path / "own" / name / f"{i}.png")
    run(tmp_path / "run", {"dataset": f"folder:{tmp_path / 'own'}", "epochs": 20}, page=False)
    assert json.loads((tmp_path / "run" / "test.json").read_text())["test_acc"] == 1.0
