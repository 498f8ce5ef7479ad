"""Figures show what is in the history, and leave no global state behind."""

import matplotlib
import numpy as np
import pytest

from mlp import plotting
from mlp.files import write_figure
from mlp.training import History, LayerTable

NAMES = ["input.conv_0.weight", "stage_0.reduction.conv_0.weight", "head.affine.weight"]


def make_history(epochs=3, flow=None):
    history = History()
    for e in range(epochs):
        row = {"epoch": e + 1, "train_loss": 4.6 - e, "train_acc": 0.1 * e, "val_loss": 4.5 - e, "val_acc": 0.05 * e}
        history.rows.append(row)
    table = history.tables["gradient_flow"] = LayerTable(NAMES)
    for e in range(epochs):
        values = np.array([1e-12, 1e-6, 1e-2]) * (e + 1) if flow is None else flow
        table.append({"mean_abs": values, "last_mean_abs": values * 2})
    return history


def test_curves_show_training_and_validation():
    figure = plotting.curves(make_history(), title="VGG08")
    loss, accuracy = figure.axes
    np.testing.assert_allclose([line.get_ydata() for line in loss.lines], [[4.6, 3.6, 2.6], [4.5, 3.5, 2.5]])
    assert len(accuracy.lines) == 2


def test_curves_without_validation():
    history = make_history()
    for row in history.rows:
        row["val_loss"] = row["val_acc"] = float("nan")
    assert [len(axes.lines) for axes in plotting.curves(history).axes] == [1, 1]


def test_gradient_flow_has_a_line_an_epoch_and_the_reports_labels():
    axes = plotting.gradient_flow(make_history().gradient_flow).axes[0]
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 3
    np.testing.assert_allclose(axes.lines[2].get_ydata(), [3e-12, 3e-6, 3e-2])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["input_conv_conv_0", "reduction_block_0_conv_0", "logit_linear_layer"]


def test_the_linear_form_of_the_reports():
    table = make_history().gradient_flow
    axes = plotting.gradient_flow(table, scale="linear", statistic="last_mean_abs").axes[0]
    assert axes.get_yscale() == "linear"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2e-12, 2e-6, 2e-2])
    assert "last batch" in axes.get_ylabel()


def test_the_map_has_depth_across_and_epochs_down():
    image = plotting.gradient_flow_map(make_history().gradient_flow).axes[0].images[0]
    assert image.get_array().shape == (3, 3)
    assert image.get_extent() == [-0.5, 2.5, 3.5, 0.5]


@pytest.mark.parametrize("flow", [np.zeros(3), np.full(3, np.nan), np.array([0.0, 0.0, 1e-3])])
def test_gradients_that_are_zero_or_missing_can_be_drawn(tmp_path, flow):
    table = make_history(flow=flow).gradient_flow
    write_figure(tmp_path / "flow.png", plotting.gradient_flow(table))
    write_figure(tmp_path / "map.png", plotting.gradient_flow_map(table))


def test_story_has_one_panel_more_than_runs():
    figure = plotting.story({"a": make_history(), "b": make_history(epochs=1)}, chance=4.6)
    assert len(figure.axes) == 3
    assert figure.axes[1].get_ylim() == figure.axes[2].get_ylim()


def test_figures_do_not_touch_pyplot(tmp_path):
    write_figure(tmp_path / "c.png", plotting.curves(make_history()))
    assert (tmp_path / "c.png").stat().st_size > 1000
    assert "matplotlib.pyplot" not in matplotlib.sys.modules or not matplotlib.pyplot.get_fignums()


def test_the_same_history_gives_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        write_figure(tmp_path / name, plotting.gradient_flow(make_history().gradient_flow))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
