"""Figures of landscapes, smoothness and correlations: levels, labels, and what does not fit on them."""

import numpy as np
import pytest

from mlp.files import write_figure
from mlp.plotting import contour_panels, loss_lines, shift_panels, surface_panels
from mlp.plotting.landscape import LEVELS, level_numbers, panel_summary

X = np.linspace(-1, 1, 5)
BOWL = (X, X, 1.0 + X[:, None] ** 2 + X**2)
WALL = (X, X, 1.0 + 3000.0 * (X[:, None] ** 2 + X**2))
PLATEAU = (X, X, np.full((5, 5), 4.605))


def test_panels_share_levels_and_say_what_they_leave_blank():
    figure = contour_panels({"bowl": BOWL, "wall": WALL, "plateau": PLATEAU}, "three")
    *panels, bar = figure.axes
    assert [axes.get_title().partition("\n")[0] for axes in panels] == ["bowl", "wall", "plateau"]
    assert panels[1].get_title().endswith("centre 1, largest 6001")
    assert "white above 10.1" in bar.get_ylabel()
    assert [bar.get_yticklabels()[i].get_text() for i in (0, -1)] == ["0.6", "9.6"]
    texts = [text.get_text() for text in panels[2].texts]
    assert any("no contour: all losses lie" in text for text in texts)


def test_levels_that_no_loss_reaches_are_left_out_and_labels_stand_inside():
    *_, high = np.meshgrid(X, X)
    panel, bar = contour_panels({"high": (X, X, 6.3 + 1.6 * high)}).axes
    labels = [label.get_text() for label in bar.get_yticklabels()]
    assert (labels[0], labels[-1], bar.get_ylabel()) == ("4.6", "8.1", "cross-entropy loss (nats)")
    assert panel.texts and all(np.abs(text.get_position()).max() < 0.9 for text in panel.texts)


def test_figures_can_be_written(tmp_path):
    for i, figure in enumerate((contour_panels({"$bowl": BOWL}), surface_panels({"wall": WALL}))):
        write_figure(tmp_path / f"{i}.png", figure)
        assert (tmp_path / f"{i}.png").stat().st_size > 5000


def test_level_numbers_count_levels_on_a_logarithmic_scale():
    np.testing.assert_allclose(level_numbers(LEVELS), np.arange(len(LEVELS)), atol=1e-12)
    between = level_numbers(np.array([np.sqrt(LEVELS[3] * LEVELS[4])]))
    np.testing.assert_allclose(between, 3.5)
    assert level_numbers(np.array([3000.0]))[0] > len(LEVELS)
    assert level_numbers(np.array([0.01]))[0] < 0


def test_a_loss_that_is_not_finite_is_above_all_levels():
    x, y, loss = BOWL
    loss = loss.copy()
    loss[0, 0] = np.inf
    figure = contour_panels({"exploded": (x, y, loss)}, paths={"exploded": np.array([[-1.0, 0.0], [0.0, 0.0]])})
    assert "largest not finite" in figure.axes[0].get_title()
    assert "smallest 1.5" in panel_summary((x + 0.3, y, BOWL[2] + 0.5))


def test_surfaces_are_cut_and_say_so():
    figure = surface_panels({"bowl": BOWL, "wall": WALL})
    assert "cut at 10.1" not in figure.axes[0].get_title()
    assert "cut at 10.1" in figure.axes[1].get_title()


@pytest.mark.parametrize(("loss", "scale"), [(BOWL[2][2], "linear"), (WALL[2][2], "log")])
def test_lines_over_two_decades_are_logarithmic(loss, scale):
    figure = loss_lines({"line": (X, loss, 1 / loss)}, marks={0.0: "here"})
    left, right = figure.axes
    assert left.get_yscale() == scale
    assert right.get_ylabel().startswith("accuracy")


def test_layers_are_named_where_all_runs_have_the_same():
    names = ["input.conv_0.weight", "head.affine.weight"]
    values = np.array([[1.0, 0.9], [1.0, 0.8]])
    run = (names, values, 1 - values)
    (above,) = shift_panels({"a": run, "b": run}).axes[0].child_axes
    assert [label.get_text() for label in above.get_xticklabels()] == ["input.conv_0", "head.affine"]
    assert not shift_panels({"a": run, "b": (["0.weight", "1.weight"], *run[1:])}).axes[0].child_axes
