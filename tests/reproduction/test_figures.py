"""The reports' figures: each can be drawn, says what it shows, and names what is missing."""

import json
import shutil

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from reproduction.made_up_runs import make_up_runs, write_run

from mlp.commands import reproduce
from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.experiments.record import read_run
from mlp.plotting.style import MARKERS, VERMILLION, line_style
from mlp.reproduction import costs
from mlp.reproduction.figures import FIGURES, draw, save
from mlp.reproduction.index import RunIndex
from mlp.reproduction.reports import ROWS, rows_of, runs_of, select
from mlp.reproduction.scale import FULL, QUICK


@pytest.fixture(scope="module")
def quick_root(tmp_path_factory):
    """All runs of all reports at the quick scale."""
    root = tmp_path_factory.mktemp("quick")
    make_up_runs(root, ROWS.values(), QUICK)
    return root


@pytest.fixture(scope="module")
def quick(quick_root):
    return RunIndex(quick_root)


@pytest.fixture
def make_index(tmp_path):
    """A function that makes up runs of some rows or figures and returns their RunIndex."""

    def make(*names, **options):
        make_up_runs(tmp_path / "runs", select(names), **options)
        return RunIndex(tmp_path / "runs")

    return make


def panels(drawing):
    return [axes for axes in drawing.figure.axes if axes.lines]


def curves(axes):
    """The lines of a panel that are runs, by label."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith(("_", "chance"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_panel_or_a_line_for_each_run(name, quick):
    drawing = draw(name, quick)
    exhibit, runs = FIGURES[name], runs_of(rows_of(name))
    assert drawing.left_out == []
    title = drawing.figure.get_suptitle()
    assert title.startswith(f"{name}: {exhibit.title}")
    assert QUICK.label in title
    labels = [run.label for _, run in runs]
    assert len(set(labels)) == len(labels)
    if exhibit.kind == "gradient_flow":
        assert [axes.get_title().partition(" (epochs")[0] for axes in panels(drawing)] == labels
        assert {axes.get_yscale() for axes in panels(drawing)} == {"log" if exhibit.log else "linear"}
    elif exhibit.kind == "curves" and len(runs) == 1:
        assert all(list(curves(axes)) == ["training", "validation"] for axes in panels(drawing))
        assert f"({labels[0]})" in title
    elif exhibit.kind == "curves":
        assert all(list(curves(axes)) == labels for axes in panels(drawing))
        assert len(panels(drawing)) == len(exhibit.metrics)
    for axes in panels(drawing):
        assert axes.get_ylabel() or (exhibit.kind == "gradient_flow" and exhibit.log)
        looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in curves(axes).values()]
        assert len(set(looks)) == len(looks)


def test_curves_are_the_columns_of_metrics_csv(make_index):
    index = make_index("s0-fig1")
    train_loss, val_loss, train_acc, val_acc = panels(draw("s0-fig1", index))
    for _, run in runs_of(rows_of("s0-fig1")):
        history = index.record({**run.settings, "seed": 0}).history
        for axes, metric in ((train_loss, "train_loss"), (val_loss, "val_loss")):
            np.testing.assert_array_equal(curves(axes)[run.label].get_ydata(), history.column(metric))
        for axes, metric in ((train_acc, "train_acc"), (val_acc, "val_acc")):
            np.testing.assert_allclose(curves(axes)[run.label].get_ydata(), 100 * history.column(metric))
        np.testing.assert_array_equal(curves(val_acc)[run.label].get_xdata(), np.arange(1, 101))
    assert train_loss.get_ylim() == val_loss.get_ylim() != train_acc.get_ylim() == val_acc.get_ylim()
    assert [axes.get_ylabel() for axes in (train_loss, val_acc)] == ["cross-entropy loss (nats)", "accuracy (%)"]
    chance = [line.get_ydata()[0] for axes in (val_loss, val_acc) for line in axes.lines if line not in curves(axes)]
    assert np.log(100) in chance
    assert 1.0 in chance


def test_gradient_flow_is_that_of_the_last_batches_with_the_reports_labels(make_index):
    index = make_index("s2-fig1ab")
    deep, shallow = panels(draw("s2-fig1ab", index))
    settings = {"model": "vgg38", "seed": 0}
    flow = index.record(settings).history.gradient_flow["last_mean_abs"]
    np.testing.assert_allclose([line.get_ydata() for line in deep.lines[:100]], flow)
    np.testing.assert_allclose(deep.lines[-1].get_ydata(), flow[-1])
    assert deep.get_ylim() == shallow.get_ylim()
    labels = [label.get_text() for label in shallow.get_xticklabels()]
    assert len(labels) == 9
    assert (labels[0], labels[-1]) == ("input_conv_conv_0", "logit_linear_layer")
    assert len(deep.get_xticklabels()) == 20  # every second of 39: all would be too small to read


def test_the_worst_learning_rate_is_red(quick, quick_root):
    validation = panels(draw("s2-fig3ab", quick))[1]
    last = {label: line.get_ydata()[-1] for label, line in curves(validation).items()}
    red = [label for label, line in curves(validation).items() if to_hex(line.get_color()).upper() == VERMILLION]
    assert red == [min(last, key=last.get)]


def test_seeds_lie_beside_their_mean_and_the_published_one(make_index):
    index = make_index("s1-18")
    loss, accuracy = panels(draw("s1-fig10", index))
    seeds = {line.get_label(): line.get_ydata()[0] for line in accuracy.lines if "seed" in line.get_label()}
    assert list(seeds) == ["seed 0", "seed 256", "seed 512", "seed 1024"]
    bars = {bar.get_label(): bar for bar in accuracy.containers}
    assert set(bars) == {"mean and standard deviation", "published"}
    last = [index.record({**ROWS["s1-18"].runs[0].settings, "seed": s}).test["test_acc"] for s in (0, 256, 512, 1024)]
    test_mean = accuracy.containers[-2]  # training has ours and published, validation ours, test both
    assert test_mean.lines[0].get_ydata()[0] == pytest.approx(100 * np.mean(last))
    assert accuracy.containers[-1].lines[0].get_ydata()[0] == pytest.approx(65.1)
    assert [label.get_text() for label in loss.get_xticklabels()] == ["training", "validation", "test"]


def test_published_means_are_not_beside_numbers_that_cannot_be_compared(quick):
    for axes in panels(draw("s1-fig10", quick)):
        assert not axes.containers  # one seed has no mean either


def test_missing_runs_are_left_out_and_named(make_index, tmp_path):
    index = make_index("s2-4", "s2-9")
    drawing = draw("s2-fig3ab", index)
    assert list(curves(panels(drawing)[0])) == ["lr 0.0001", "lr 0.05"]
    assert len(drawing.left_out) == 4
    command = f"python scripts/reproduce.py run s2-5 --out {index.root}"
    expected = f"lr 0.0005 (s2-5, full scale): no run yet; {command}"
    assert drawing.left_out[0] == expected


def test_runs_that_are_not_finished_are_drawn_as_far_as_they_go(make_index):
    index = make_index("s0-7", epochs=3)
    drawing = draw("s0-fig4", index)
    assert "VGG38 BN+RC, lr 1e-2, epoch 3 of 100" in drawing.figure.get_suptitle()
    assert [len(line.get_ydata()) for line in curves(panels(drawing)[0]).values()] == [3, 3]
    assert drawing.left_out == [
        "VGG38 BN+RC, lr 1e-2 (s0-11, full scale): 3 of 100 epochs; repeating its command continues it"
    ]
    assert "epochs 1 to 3" in panels(draw("s0-fig5", index))[0].get_title()


def test_missing_seeds_are_named(make_index):
    index = make_index("s4-3", seeds=(0, 11132))
    drawing = draw("s4-fig7", index)
    assert "residual VGG38, 2 of 5 seeds" not in curves(panels(drawing)[0])  # the figure is of seed 0 alone
    drawing = draw("s4-fig7", index, seeds=(0, 1, 11132))
    assert list(curves(panels(drawing)[0])) == ["residual VGG38, 2 of 3 seeds"]
    assert any("no run with seed 1 yet" in line for line in drawing.left_out)
    assert panels(drawing)[0].collections  # the band of two seeds


@pytest.mark.parametrize("name", FIGURES)
def test_without_any_run_the_message_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "how_long", lambda planned: "about an hour")
    command = f"scripts/reproduce.py run {name} "
    quick = f"{name} has nothing to show: .* made by: python {command}--scale quick --out .* .about an hour.$"
    with pytest.raises(CheckpointError, match=quick):
        draw(name, RunIndex(tmp_path))
    with pytest.raises(CheckpointError, match=f"{quick[:-1]}; or at full scale: python {command}--out"):
        draw(name, RunIndex(tmp_path), FULL)


def test_gradients_of_runs_that_differ_in_more_than_the_rate_have_no_table(make_index):
    index = make_index("s0-19")
    configs = sorted(index.root.rglob("config.json"))
    first = json.loads(configs[0].read_text())
    first["settings"]["device"] = "cuda:0"
    configs[0].write_text(json.dumps(first))
    assert draw("s0-19-fig", RunIndex(index.root)).numbers  # where it ran does not matter
    first["settings"] |= {"device": "cpu", "dataset": "synthetic"}
    configs[0].write_text(json.dumps(first))
    drawing = draw("s0-19-fig", RunIndex(index.root))
    assert drawing.numbers == []
    assert any("differ in dataset" in line for line in drawing.left_out)


def test_a_run_without_gradient_flow_is_named(make_index):
    index = make_index("s2-fig1ab")
    next(index.root.rglob("vgg08*/gradient_flow.npz")).unlink()
    drawing = draw("s2-fig1ab", index)
    assert len(panels(drawing)) == 1
    assert drawing.left_out == ["VGG08: no gradient_flow.npz"]


def test_gradient_flows_that_are_missing(make_index):
    index = make_index("s0-2")
    for file in index.root.rglob("gradient_flow.npz"):
        file.unlink()
    with pytest.raises(CheckpointError, match="none of its full-scale runs has a gradient_flow.npz"):
        draw("s0-fig3", index)


def test_names_that_are_no_figure():
    with pytest.raises(ConfigurationError, match="s0-tab1 is a table, not a figure: .* table s0-tab1 prints it"):
        draw("s0-tab1", None)
    with pytest.raises(ConfigurationError, match="there is no figure 's4-fig9': there are s4-fig1, .*, s4-fig7"):
        draw("s4-fig9", None)
    with pytest.raises(ConfigurationError, match="there is no figure 'nonsense': there are s0-fig1"):
        draw("nonsense", None)


def test_the_scales_do_not_mix(tmp_path, quick_root):
    shutil.copytree(quick_root / "quick", tmp_path / "quick")
    row = ROWS["s0-1"]
    make_up_runs(tmp_path, [row], FULL)
    index = RunIndex(tmp_path)
    drawing = draw("s0-fig1", index)  # the full scale has a run, so it is drawn alone
    assert list(curves(panels(drawing)[0])) == ["VGG08"]
    assert "quick" not in drawing.figure.get_suptitle()
    assert len(curves(panels(draw("s0-fig1", index, QUICK))[0])) == 2
    assert (drawing.file_name, draw("s0-fig1", index, QUICK).file_name) == ("s0-fig1", "s0-fig1-quick")


def test_images_that_are_not_the_reports_are_named(tmp_path):
    make_up_runs(tmp_path, [ROWS["s0-7"]], QUICK, dataset="synthetic")
    assert "synthetic images instead of CIFAR-100" in draw("s0-fig4", RunIndex(tmp_path)).figure.get_suptitle()


def test_learning_rates_have_a_table_of_gradients(quick):
    header, *rows = draw("s0-19-fig", quick).numbers
    assert header[0] == "learning rate"
    assert [row[0] for row in rows] == ["0.0001", "0.0005", "0.001", "0.005", "exponent"]
    assert draw("s0-fig3", quick).numbers == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s1-fig1", "s2-fig1ab", "s1-fig10", "s0-18-fig"])
def test_files_are_written_and_legends_stand_below_the_panels(name, quick, tmp_path):
    drawing, paths = save(name, tmp_path, quick)
    assert [path.name for path in paths] == [f"{name}-quick.png", f"{name}-quick.pdf"]
    assert [path.read_bytes()[:4] for path in paths] == [b"\x89PNG", b"%PDF"]
    renderer = FigureCanvasAgg(drawing.figure).get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in drawing.figure.axes]
    for legend in drawing.figure.legends:
        assert legend.get_window_extent(renderer).y1 <= min(box.y0 for box in boxes) + 1
    width, height = drawing.figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width + 1 and box.y1 <= height + 1 for box in boxes)


def test_lines_differ_in_colour_and_in_grey():
    styles = [line_style(i, 100) for i in range(len(MARKERS))]
    assert len({(str(s["linestyle"]), s["marker"]) for s in styles}) == len(styles)  # without colour
    assert len({(s["color"], s["marker"]) for s in styles}) == len(styles)


def test_the_command_writes_and_says_what_is_missing(make_index, tmp_path, call):
    index = make_index("s0-1")
    status, text, error = call(reproduce, "figure", "s0-fig1", "--runs", index.root, "--out", tmp_path / "out")
    assert status == 0
    assert text.split() == [str(tmp_path / "out" / f"s0-fig1{suffix}") for suffix in (".png", ".pdf")]
    command = f"python scripts/reproduce.py run s0-2 --out {index.root}"
    assert error == f"not complete: VGG38 (s0-2, full scale): no run yet; {command}\n"
    status, text, error = call(reproduce, "figure", "s4-fig7", "--runs", index.root)
    assert (status, text) == (2, "")
    assert error.startswith("reproduce.py: s4-fig7 has nothing to show")


def test_made_up_runs_are_read_as_runs(tmp_path):
    config = RunConfig(epochs=4, filters=4)
    write_run(tmp_path, config)
    record = read_run(tmp_path)
    assert record.config == config
    assert len(record.history.gradient_flow) == len(record.history.rows) == 4
