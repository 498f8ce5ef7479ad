"""Curves in a notebook: one picture that is renewed."""

import pytest

import mlp
from mlp.plotting import live


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, figure):
        self.shown[-1].append(figure)


def test_one_picture_is_renewed_after_each_epoch(monkeypatch):
    shown = []

    def display(figure, display_id):
        shown.append([figure])
        return Handle(shown)

    monkeypatch.setattr(live, "notebook_display", lambda: display)
    train, _ = mlp.data.synthetic(40, 20, image_size=8, num_classes=5)
    model = mlp.layers.Sequential(mlp.layers.Flatten(), mlp.layers.Affine(8 * 8 * 3, 5))
    loss, rule = mlp.losses.SoftmaxCrossEntropy(), mlp.learning_rules.Adam()
    trainer = mlp.training.Trainer(model, loss, rule, hooks=[mlp.plotting.LiveCurves("curves")])
    trainer.fit(mlp.data.Batches(train, 20), epochs=3)
    trainer.fit(mlp.data.Batches(train, 20), epochs=4)
    assert [len(figures) for figures in shown] == [3, 1]  # a picture for each call of fit


def test_outside_a_notebook_nothing_is_shown():
    assert live.notebook_display() is None


def test_a_notebook_gets_a_picture_not_a_text():
    """Nobody has loaded pyplot, or written %matplotlib inline."""
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    picture = formatter.format(mlp.plotting.lines({"loss": ([1, 2], [3, 4])}))[0]["image/png"]
    assert picture.startswith(b"\x89PNG")
