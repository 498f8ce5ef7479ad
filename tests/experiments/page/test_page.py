"""The page of a run: its content for runs in progress, finished runs and kept results, and what it must not contain."""

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlp.commands import report as command
from mlp.commands import train
from mlp.experiments import run
from mlp.experiments.build import load_images, make_model
from mlp.experiments.config import RunConfig
from mlp.experiments.page.content import TABLES, RunReport
from mlp.experiments.page.hardest import HardImage, hardest_images, hardest_of, no_better_than_guessing
from mlp.experiments.page.write import RunPage, report_run, write_page
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.training.checkpoint import read_checkpoint
from mlp.training.history import History

EVIL = "</script><script>alert('&')</script>"
KEPT = Path(__file__).parents[3] / "docs" / "results"


def history_of(epochs, names, tables=("gradient_flow",)):
    """A history with falling losses and random numbers of layers."""
    rng, history = np.random.default_rng(0), History()
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "train_loss": 4.0 / epoch, "train_acc": 0.5, "val_loss": 4.1 / epoch, "val_acc": 0.4}
        history.rows.append({**row, "learning_rate": 1e-3 / epoch, "seconds": 2.0})
        for table in tables:
            columns = [key for _, key, _ in TABLES[table][2]]
            history.add_row(table, names, {key: np.exp(rng.normal(-9, 3, len(names))) for key in columns})
    return history


def page_of(tmp_path, **parts):
    report = {"folder": RunFolder(tmp_path), "config": RunConfig(), "facts": Facts(), "history": history_of(3, ["w"])}
    return write_page(RunReport(**{**report, **parts})).read_text()


def data_of(page):
    """What the script of a page reads."""
    return json.loads(re.search(r'id="charts">(.*?)</script>', page, re.S)[1])


def test_a_finished_run_has_everything_on_its_page(small, tmp_path, monkeypatch):
    # In two epochs it learns too little to have hard images.
    monkeypatch.setattr("mlp.experiments.page.hardest.no_better_than_guessing", lambda *numbers: False)
    folder = tmp_path / "run"
    run(folder, {**small, "norm": "batch"}, statistics=True)
    page = (folder / "report.html").read_text()
    assert "Finished. On the test images: loss" in page
    for title in ("Curves", "Gradient flow", "Outputs of each layer", "Batch norm", "Hardest images", "Settings"):
        assert f">{title}</h2>" in page
    assert f"mlp train --resume --epochs 4 --stretch-schedule --out {folder}" in page
    assert f"mlp evaluate {folder}" in page
    assert page.count("data:image/png;base64,") == 12
    assert "taken for" in page
    assert [len(chart["epochs"]) for chart in data_of(page)] == [2] * 5
    assert "http://" not in page and "https://" not in page


@pytest.mark.parametrize(
    ("settings", "stretches"),
    [
        ({}, True),  # cosine
        ({"schedule": "step"}, True),
        ({"schedule": "constant", "companions": "blocks"}, True),
        ({"schedule": "cosine", "schedule_length": 1}, False),
        ({"schedule": "constant"}, False),
    ],
)
def test_the_command_for_more_epochs_is_one_that_works(small, tmp_path, call, settings, stretches):
    folder = tmp_path / "run"
    run(folder, {**small, "epochs": 1, **settings})
    command = re.search(r"mlp train (--resume --epochs 2 .*?)<", (folder / "report.html").read_text())[1]
    assert ("--stretch-schedule" in command) == stretches
    status, _, error = call(train, *shlex.split(command))
    assert status == 0, error
    assert RunFolder(folder).rows_written == 2


def test_a_run_in_progress_says_so(small, tmp_path):
    folder = tmp_path / "run"
    run(folder, small, stop_after=1)
    page = (folder / "report.html").read_text()
    assert "After epoch 1 of 2." in page
    assert "Hardest images" not in page
    assert f"mlp train --resume --out {folder}" in page


def test_the_page_can_be_left_out_and_changes_no_number(small, tmp_path):
    run(tmp_path / "with", small), run(tmp_path / "without", small, page=False)
    assert not (tmp_path / "without" / "report.html").exists()
    one, other = (read_checkpoint(tmp_path / name / "checkpoint-latest.npz") for name in ("with", "without"))
    for name, array in one.items():
        if name.startswith(("model/", "rule/")):
            np.testing.assert_array_equal(array, other[name])
    assert (tmp_path / "with" / "test.json").read_text() == (tmp_path / "without" / "test.json").read_text()


def test_pages_take_a_small_part_of_the_time(tmp_path, monkeypatch):
    clock, written = [100.0], []
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    page = RunPage(RunFolder(tmp_path), RunConfig(), Facts(), None)

    def write(path, action):
        written.append(clock[0])
        clock[0] += 0.1  # what a page takes

    monkeypatch.setattr(page, "write", write)
    trainer = SimpleNamespace(history=history_of(1, ["w"]), epoch=0, epochs=30, stopping=False)
    for _ in range(20):
        clock[0] += 1.0  # an epoch
        trainer.epoch += 1
        page.after_epoch(trainer, {})
    assert len(written) == 4  # at once, then every five seconds and more
    assert written[0] == 101.0
    page.after_training(trainer)  # the newest epoch is shown already
    assert len(written) == 4


@pytest.mark.parametrize(("last", "stopping"), [(30, False), (12, True)])
def test_after_the_last_epoch_the_page_is_written_once_with_the_test(tmp_path, monkeypatch, last, stopping):
    page, written = RunPage(RunFolder(tmp_path), RunConfig(), Facts(), None), []
    monkeypatch.setattr(page, "write", lambda path, action: written.append(path))
    trainer = SimpleNamespace(history=history_of(last, ["w"]), epoch=last, epochs=30, stopping=stopping, engine=None)
    if not stopping:  # what stops the run comes after the page
        page.after_epoch(trainer, {})
    page.after_training(trainer)
    assert written == []
    page.after_test(trainer, {})
    assert len(written) == 1
    page.shown, trainer.epoch, trainer.stopping = last - 1, 13, False  # an error, with an epoch not shown yet
    page.after_training(trainer)
    assert len(written) == 2


def test_kept_results_without_weights(tmp_path, call):
    for name in ("config.json", "metrics.csv", "gradient_flow.npz", "test.json"):
        (tmp_path / name).write_bytes((KEPT / "vgg08_bn" / name).read_bytes())
    status, printed, _ = call(command, tmp_path)
    assert status == 0
    assert printed.startswith(f"written: {tmp_path / 'report.html'} (without the hardest images: there is no ")
    page = (tmp_path / "report.html").read_text()
    assert "Finished. On the test images: loss 1.702, accuracy 54.44%, with the weights of epoch 94." in page
    assert "mlp train --resume" not in page and "mlp evaluate" not in page
    (chart,) = data_of(page)
    assert chart["epochs"] == list(range(1, 101))
    table = np.load(tmp_path / "gradient_flow.npz")
    shown = 10 ** (np.array(chart["statistics"][0]["rows"]) / 100)
    np.testing.assert_allclose(shown, table["mean_abs"], rtol=0.012)


def test_a_page_written_later_is_that_of_the_run(small, tmp_path):
    folder = tmp_path / "run"
    run(folder, small, statistics=True)
    before = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    path, reason = report_run(folder)
    assert reason == ""
    assert path.read_text() == before


def test_nothing_that_is_named_by_people_is_markup(tmp_path):
    image = HardImage(0, np.zeros((2, 2, 3), np.uint8), EVIL, EVIL, 0.1, 0.9)
    folder = tmp_path / "a <b> & 'c' \"d\""
    folder.mkdir()
    (folder / "checkpoint-latest.npz").touch()
    page = page_of(
        folder,
        folder=RunFolder(folder),
        config=RunConfig(dataset=f"folder:/{EVIL}"),
        facts=Facts(class_names=[EVIL], image_shape=[2, 2, 3]),
        history=history_of(2, [EVIL]),
        hardest=[image],
    )
    assert "alert('&')" not in page
    assert len(re.findall("<script", page)) == 2
    assert data_of(page)[0]["names"] == [EVIL]
    assert "<b>" not in page.replace("<b>&lt;/script", "")


def test_it_stays_small(tmp_path):
    """VGG38 over 100 epochs with all statistics: about as many layers and weight tensors as it has."""
    names = [f"stage_{i // 50}.block_{i // 10}.conv_{i}.weight" for i in range(150)]
    page = page_of(tmp_path, history=history_of(100, names, tuple(set(TABLES) - {"companions"})))
    assert len(page) < 1_000_000
    long = page_of(tmp_path, history=history_of(700, names[:76]))
    assert len(long) < 500_000
    assert len(data_of(long)[0]["epochs"]) == 100
    assert data_of(long)[0]["epochs"][::99] == [1, 700]


def test_a_run_without_an_epoch_and_with_numbers_that_are_none(tmp_path):
    assert "After epoch 0 of 100." in page_of(tmp_path, history=History())
    history = history_of(2, ["a", "b"])
    history.tables["gradient_flow"].values["mean_abs"][1][:] = [0.0, np.nan]
    history.rows[1]["val_loss"] = history.rows[1]["val_acc"] = float("nan")
    rows = data_of(page_of(tmp_path, history=history))[0]["statistics"][0]["rows"]
    assert rows[1] == [None, None]


@pytest.mark.parametrize(
    ("right", "count", "classes", "same"),
    [(24, 2000, 100, True), (30, 2000, 100, False), (5, 6, 2, True), (12, 12, 3, False)],
)
def test_what_guessing_would_get_right(right, count, classes, same):
    assert no_better_than_guessing(right, count, classes) == same


def test_a_model_that_guesses_has_no_hardest_images(tmp_path, small):
    images = load_images(RunConfig(**small), None)[2]
    config = RunConfig(**{**small, "learning_rate": 1e-9})
    model = make_model(config, images.num_classes, images.images.shape[1:])
    assert hardest_images(config, model, images) == ([], len(images))
    page = page_of(tmp_path, of_images=40)
    assert "no more of 40 test images right than guessing would" in page and "<img" not in page


def test_the_hardest_images_are_those_with_the_least_probability():
    logits = np.array([[2.0, 0.0], [0.0, 5.0], [1.0, 0.0]])
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    found = hardest_of(logits, np.array([0, 0, 1]), images, ("cat", "dog"))
    assert [one.number for one in found] == [1, 2, 0]
    assert (found[0].truth, found[0].guess) == ("cat", "dog")
    assert found[0].probability == pytest.approx(1 / (1 + np.exp(5)))
    assert found[0].pixels.item() == 1
