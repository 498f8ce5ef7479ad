"""Figures of sweeps over a setting, and of paths in a valley."""

import numpy as np
import pytest

from mlp import plotting
from mlp.files import write_figure


def test_a_sweep_joins_means_and_shows_every_run(tmp_path):
    results = {"validation": {0.1: [0.5, 0.7], 0.01: [0.4]}, "training": {0.1: [0.9]}}
    figure = plotting.sweep(results, "learning rate", "accuracy", chance=0.1)
    axes = figure.axes[0]
    first, *dots = axes.lines
    np.testing.assert_allclose(first.get_xydata(), [[0.01, 0.4], [0.1, 0.6]])
    np.testing.assert_allclose(dots[1].get_xydata(), [[0.1, 0.5], [0.1, 0.7]])
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.1"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["validation", "training", "chance"]
    write_figure(tmp_path / "sweep.png", figure)


def test_equal_results_have_an_axis_from_0():
    axes = plotting.sweep({"run": {0.1: [1.5], 0.01: [1.5]}}, "rate", "accuracy (%)").axes[0]
    assert axes.get_ylim() == (0.0, pytest.approx(1.8))


def test_a_sweep_has_a_place_for_zero(tmp_path):
    figure = plotting.sweep({"run": {0.0: [0.5], 1e-4: [0.6], 1e-2: [0.4]}}, "decay", "accuracy", xscale="symlog")
    left, middle, right = figure.axes[0].transData.transform([(0, 0), (1e-4, 0), (1e-2, 0)])[:, 0]
    assert left < middle < right
    assert figure.axes[0].xaxis.get_transform().linthresh == 1e-4
    write_figure(tmp_path / "sweep.png", figure)


def test_a_valley_has_a_panel_for_each_path(tmp_path):
    paths = {label: np.array([[1.0, 2.0], [0.5, -1.0], [0.1, 0.0]]) * size for label, size in (("a", 1), ("b", 0.5))}
    figure = plotting.valley(lambda w1, w2: w1**2 + 9 * w2**2, paths, (-2, 2), (-3, 3), columns=3, title="two")
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    path, start = figure.axes[1].lines
    np.testing.assert_allclose(path.get_xydata(), paths["b"])
    np.testing.assert_allclose(start.get_xydata(), [[0.5, 1.0]])
    assert (figure.axes[0].get_xlim(), figure.axes[0].get_ylim()) == ((-2, 2), (-3, 3))
    assert figure.axes[0].get_aspect() == 1  # a circle is round
    write_figure(tmp_path / "valley.png", figure)


@pytest.mark.slow
def test_spare_panels_of_a_valley_are_gone():
    path = np.zeros((2, 2))
    figure = plotting.valley(lambda w1, w2: w1**2 + w2**2, dict.fromkeys("abcd", path), (-1, 1), (-1, 1), columns=3)
    assert len(figure.axes) == 4
