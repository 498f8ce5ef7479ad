"""Figures show what is in the history, and leave no global state behind."""

import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlp import plotting
from mlp.errors import ConfigurationError, ShapeError
from mlp.files import write_figure
from mlp.models import vgg
from mlp.plotting.layers import axis_label
from mlp.plotting.panels import draw_mean_and_band, stack_rows
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


@pytest.mark.parametrize("epochs", [1, 3, 20, 100])
def test_epochs_are_whole_numbers_on_the_axis(epochs):
    for axes in plotting.curves(make_history(epochs)).axes:
        assert all(tick == round(tick) for tick in axes.get_xticks())


def test_curves_without_validation():
    history = make_history()
    for row in history.rows:
        row["val_loss"] = row["val_acc"] = float("nan")
    assert [len(axes.lines) for axes in plotting.curves(history).axes] == [1, 1]


def test_gradient_flow_has_a_line_an_epoch_and_our_names_of_layers():
    axes = plotting.gradient_flow(make_history().gradient_flow).axes[0]
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 3
    np.testing.assert_allclose(axes.lines[2].get_ydata(), [3e-12, 3e-6, 3e-2])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["input.conv_0", "stage_0.reduction.conv_0", "head.affine"]


def test_parts_of_a_model_are_named_above_its_layers():
    table = LayerTable([name for name, p in vgg(14).named_parameters() if p.data.ndim == 4])
    table.append({"mean_abs": np.ones(len(table.names))})
    for figure in plotting.gradient_flow(table), plotting.gradient_flow_map(table):
        (above,) = figure.axes[0].child_axes
        # the input is layer 0; each of the stages has 2 convolutions of its block and 2 of its reduction
        assert list(zip(above.get_xticks(), [label.get_text() for label in above.get_xticklabels()], strict=True)) == [
            (2.5, "stage 0"),
            (6.5, "stage 1"),
            (10.5, "stage 2"),
        ]
        assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_xdata()[0] % 1] == [0.5, 4.5, 8.5]


def test_layers_that_stand_in_a_row_have_no_parts():
    table = LayerTable([f"{i}.weight" for i in range(6)])
    table.append({"mean_abs": np.ones(6)})
    axes = plotting.gradient_flow(table).axes[0]
    assert not axes.child_axes
    assert len(axes.lines) == 1


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


def make_statistics():
    table = LayerTable(["0", "1", "2"])
    for e in range(2):
        table.append({"std": np.array([1.0, 0.1, 10.0]) * (e + 1), "dead": np.array([np.nan, 0.5, np.nan])})
    return table


def test_layer_statistics_have_lines_and_a_map_for_each_statistic():
    lines, dead_lines, image, dead_image = sort_panels(plotting.layer_statistics(make_statistics(), title="run"))
    np.testing.assert_allclose([line.get_ydata() for line in lines.lines], [[1.0, 0.1, 10.0], [2.0, 0.2, 20.0]])
    assert lines.get_yscale() == "log"
    assert image.images[0].get_array().shape == (2, 3)
    assert dead_lines.get_yscale() == "linear"
    assert dead_lines.get_ylabel() == "fraction of dead units"
    assert (dead_lines.get_ylim(), dead_image.images[0].get_clim()) == ((0.0, 0.525), (0.0, 0.5))
    assert dead_image.images[0].get_array().shape == (2, 1)  # layers that have no such number are left out
    assert [label.get_text() for label in dead_lines.get_xticklabels()] == ["1"]


def sort_panels(figure):
    panels = [axes for axes in figure.axes if axes.get_xlabel()]  # without colour bars
    return sorted(panels, key=lambda axes: (bool(axes.images), axes.get_subplotspec().rowspan.start))


def test_a_fraction_of_nothing_has_an_axis_from_0():
    table = LayerTable(["0", "1"], {"dead": [np.zeros(2)]})
    lines, image = sort_panels(plotting.layer_statistics(table))
    assert (lines.get_ylim(), image.images[0].get_clim()) == ((0.0, pytest.approx(0.105)), (0.0, 0.1))


def test_layer_statistics_can_be_chosen_and_may_be_missing(tmp_path):
    assert len(sort_panels(plotting.layer_statistics(make_statistics(), "dead"))) == 2
    table = LayerTable(["0"], {"l2": [np.array([np.nan])], "my_own": [np.array([3.0])], "mean": [np.array([np.inf])]})
    write_figure(tmp_path / "a.png", plotting.layer_statistics(table))
    labels = [axis_label(name) for name in ("my_own", "gamma_spread", "last_l2")]
    assert labels == ["my_own", "gamma, std over channels", "L2 norm of the gradient, last batch of the epoch"]


def test_story_shows_every_gradient_on_one_axis():
    vanishing, healthy = make_history(flow=np.array([1e-19, 1e-10, 1e-3])), make_history(flow=np.full(3, 1e-2))
    figure = plotting.story({"a": healthy, "b": vanishing}, chance=4.6)
    _, first, second = figure.axes
    assert first.get_ylim() == second.get_ylim()
    low, high = first.get_ylim()
    assert low < 1e-19 < 1e-2 < high
    assert first.get_yscale() == second.get_yscale() == "log"


def test_figures_do_not_touch_pyplot(tmp_path):
    write_figure(tmp_path / "c.png", plotting.curves(make_history()))
    assert (tmp_path / "c.png").stat().st_size > 1000
    pyplot = sys.modules.get("matplotlib.pyplot")  # another test may have loaded it
    assert pyplot is None or not pyplot.get_fignums()


def test_the_same_history_gives_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        write_figure(tmp_path / name, plotting.gradient_flow(make_history().gradient_flow))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_compared_curves_are_means_and_bands_on_shared_scales():
    runs = {"two seeds": [make_history(), make_history(epochs=2)], "one": [make_history(epochs=5)]}
    figure = plotting.compare_curves(runs)
    loss, valid_loss, accuracy, _ = figure.axes
    assert loss.get_ylim() == valid_loss.get_ylim() != accuracy.get_ylim()
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [4.6, 3.6, 2.6])
    assert [len(line.get_xdata()) for line in loss.lines] == [3, 5]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1, 1, 1]  # one band, for the two seeds


def test_the_band_is_one_standard_deviation_where_there_are_two():
    values = stack_rows([np.array([1.0, 2.0, 7.0]), np.array([3.0, np.nan])])
    axes = Figure().subplots()
    draw_mean_and_band(axes, np.arange(3), values, "C0", "label")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2.0, 2.0, 7.0])
    corners = axes.collections[0].get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(2 - np.sqrt(2))
    assert corners[corners[:, 0] == 2][:, 1] == pytest.approx(7.0)


def test_compared_gradient_flow_has_a_panel_a_run_on_one_scale(tmp_path):
    tables = [make_history(epochs=n).gradient_flow for n in (3, 2)]
    dead = make_history(flow=np.zeros(3)).gradient_flow
    runs = {"two seeds": tables, "one": tables[:1], "dead": [dead, dead], "b": tables, "c": tables}
    figure = plotting.compare_gradient_flow(runs)
    assert len(figure.axes) == 5
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert [len(axes.lines) for axes in figure.axes[:3]] == [2, 3, 3]
    assert figure.axes[0].get_title() == "two seeds, mean of 2"
    write_figure(tmp_path / "flow.png", figure)


def test_schedule_has_an_axis_of_epochs():
    axes = plotting.schedule(lambda step: 1.0 / (step + 1), 20, steps_per_epoch=5).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 1.0 / np.arange(1, 21))
    (top,) = axes.child_axes
    assert top.get_xlabel() == "epoch"
    assert not plotting.schedule(lambda step: 1.0, 20).axes[0].child_axes


def test_lines_are_what_was_given():
    curves = {"a": ([1, 2], [3, 4]), "_b": ([1, 10], [1, 1])}
    figure = plotting.lines(curves, "x", "y", "title", xscale="log", styles={"_b": "--"})
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(), axes.get_xscale()) == ("x", "y", "title", "log")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [3, 4])
    assert axes.lines[1].get_linestyle() == "--"
    assert legend_texts(figure) == ["a"]
    assert plotting.lines({"_": ([0], [0])}, axes=axes) is axes.figure
    assert len(axes.lines) == 3


def legend_texts(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_lines_differ_in_colour_dashes_and_marker():
    curves = {label: (range(9), range(9)) for label in "abcd"}
    first, second, third, fourth = plotting.lines(curves, styles={"c": "k:", "d": ".-"}).axes[0].lines
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()
    assert (third.get_color(), third.get_linestyle()) == ("k", ":")  # a format says all itself
    assert (fourth.get_marker(), fourth.get_linestyle()) == (".", "-")


def test_steps_and_epochs_are_whole_numbers():
    assert all(tick % 1 == 0 for tick in plotting.lines({"a": (range(20), range(20))}).axes[0].get_xticks())
    assert any(tick % 1 for tick in plotting.lines({"a": ([0.0, 0.5, 1.0], range(3))}).axes[0].get_xticks())


@pytest.mark.parametrize("label", ["training", "a long name of a run with many settings"])
def test_legends_cover_no_line(label):
    """They stand below the panels, and inside the figure."""
    history = make_history()
    runs = {f"{label} {i}": [history] for i in range(5)}
    for figure in (
        plotting.curves(history),
        plotting.compare_curves(runs),
        plotting.story(dict.fromkeys(list(runs)[:3], history), chance=4.6),
        plotting.lines({name: (range(3), range(3)) for name in runs}),
        plotting.sweep({name: {0.1: [0.5], 1.0: [0.4]} for name in runs}, "rate", "accuracy"),
    ):
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert all(box.y1 <= axes.get_window_extent().y0 for axes in figure.axes)
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        same = figure.axes[0].get_legend()
        assert [text.get_text() for text in same.get_texts()] == legend_texts(figure)
        np.testing.assert_allclose(same.get_window_extent().extents, box.extents, atol=5)
        assert not same.get_visible()


@pytest.mark.parametrize("name", ["_base", "_$x_$", "\u202ecod.exe", "-", ""])
def test_every_run_is_in_the_legend(name):
    runs = {name: [make_history()], "other": [make_history()]}
    for figure in plotting.compare_curves(runs), plotting.curve_panels(runs, ["train_loss"]):
        first, other = legend_texts(figure)
        assert first.strip().replace("\\$", "$") == name
        assert other == "other"
        assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [first, other]


def test_many_runs_leave_the_panels_their_size():
    runs = {f"a long name of a run with many settings {i}": [make_history()] for i in range(60)}
    figure = plotting.curve_panels(runs, ["train_loss"])
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().height > 2 * figure.dpi


def test_shades_of_epochs_are_explained():
    table = make_history().gradient_flow
    assert "pale: epoch 1, dark: epoch 3" in plotting.gradient_flow(table).axes[0].get_xlabel()
    assert "pale" not in plotting.gradient_flow(make_history(epochs=1).gradient_flow).axes[0].get_xlabel()
    assert "named" not in plotting.gradient_flow(table).axes[0].get_xlabel()
    assert "pale" in plotting.story({"a": make_history()}).axes[1].get_xlabel()


def test_labels_of_38_layers_do_not_overlap():
    table = LayerTable([name for name, p in vgg(38, norm="batch").named_parameters() if not name.endswith("bias")])
    table.append({"mean_abs": np.ones(len(table.names))})
    pair = plotting.compare_gradient_flow({"a": [table], "b": [table]})
    assert all(re.search(r"\(1 in [2-9] is named\)", axes.get_xlabel()) for axes in pair.axes)
    assert pair.axes[0].lines[0].get_color() != pair.axes[1].lines[0].get_color()
    for figure in plotting.gradient_flow(table), pair:
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        assert len(boxes) > 10
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_bars_have_their_numbers_beside_them():
    axes = plotting.bars({"first": 0.5, "second": 0.25}, form="{:.0%}").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.25]
    assert [text.get_text() for text in axes.texts] == ["50%", "25%"]
    assert axes.yaxis_inverted()  # the first on top


def test_histograms_share_bins_and_scales():
    values = np.array([0.0, 1.0, 1.0, 2.0])
    left, right = plotting.histograms({"one": values, "two": {"a": values, "b": values * 2}}, bins=4).axes
    assert left.get_xlim() == right.get_xlim()
    assert (len(left.patches), len(right.patches)) == (4, 8)
    np.testing.assert_allclose([bar.get_x() for bar in left.patches], [0, 1, 2, 3])
    assert left.get_legend() is None


def test_images_in_a_grid(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    figure = plotting.images(pictures, [f"title {i}" for i in range(5)], columns=3)
    assert [axes.get_title() for axes in figure.axes] == [f"title {i}" for i in range(5)]
    np.testing.assert_array_equal(figure.axes[4].images[0].get_array(), pictures[4])
    write_figure(tmp_path / "images.png", figure)


@pytest.mark.parametrize(("shared", "limits"), [(True, [4, 4]), (False, [1, 4])])
def test_maps_of_numbers_are_white_at_zero(shared, limits):
    maps = np.array([[[0.0, -1.0]], [[4.0, 0.0]]])
    figure = plotting.images(maps, shared=shared)
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(-limit, limit) for limit in limits]


def test_dollar_signs_in_names_are_no_formulas(tmp_path):
    history = make_history()
    write_figure(tmp_path / "a.png", plotting.compare_curves({"cost$\\foo$": [history]}))  # no error is raised
    write_figure(tmp_path / "b.png", plotting.compare_gradient_flow({"cost$\\foo$": [history.gradient_flow]}))


def test_one_wild_curve_leaves_the_axis_and_the_figure_says_so():
    wild = make_history()
    wild.rows[0]["val_loss"] = 2.6e5
    figure = plotting.compare_curves({"calm": [make_history()], "wild": [wild]})
    train, valid, accuracy, _ = figure.axes
    assert (train.get_yscale(), valid.get_ylim()) == ("linear", train.get_ylim())
    assert 4.6 < valid.get_ylim()[1] < 5.1
    assert [text.get_text() for text in valid.texts + train.texts] == ["wild: up to 2.6e+05, above the axis", ""]
    assert (accuracy.get_ylabel(), accuracy.lines[0].get_ydata()[-1]) == ("accuracy (%)", pytest.approx(20.0))


def test_a_loss_far_above_the_others_gets_a_logarithmic_axis():
    for losses, scale in (([4.6, 4.0, 3.9], "linear"), ([4.6, 3e13, 3.9], "log")):
        history = History()
        history.rows = [
            {"epoch": i + 1, "train_loss": y, "val_loss": y, "train_acc": 0.1} for i, y in enumerate(losses)
        ]
        figures = plotting.curves(history), plotting.compare_curves({"a": [history], "b": [history]})
        assert [figure.axes[0].get_yscale() for figure in figures] == [scale, scale]
        assert figures[1].axes[-1].get_yscale() == "linear"  # accuracies


@pytest.mark.parametrize("runs", [[make_history()], make_history(), {"BN": make_history()}, {"BN": ["runs/bn"]}])
def test_runs_that_are_no_lists_of_histories_are_refused(runs):
    with pytest.raises(ConfigurationError, match="runs are a dict with a list of histories for each label"):
        plotting.compare_curves(runs)


def test_curves_of_several_histories_are_refused():
    with pytest.raises(ConfigurationError, match="compare_curves draws several"):
        plotting.curves([make_history()])


def test_a_confusion_matrix_may_be_lists_and_has_a_row_and_a_column_for_each_class():
    figure = plotting.confusion_matrix([[3, 1], [0, 2]], ["cat", "dog"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"3", "1", "2"}
    with pytest.raises(ShapeError, match=r"of 2 classes has shape \(2, 2\), got counts of shape \(3, 3\)"):
        plotting.confusion_matrix(np.ones((3, 3), int), ["cat", "dog"])
