"""Names that people gave, in figures and tables: shown as they are, obeyed by nothing."""

import numpy as np
import pytest

from mlp.files import write_figure
from mlp.pages.markdown import aligned, markdown
from mlp.pages.rendering import environment
from mlp.plotting import compare_curves, curves, gradient_flow, gradient_flow_map
from mlp.plotting.style import plain
from mlp.progress import loss_text
from mlp.training import History, LayerTable

NAMES = ["$x_$", "_base", "猫", "a\udcff", "50 % & #1", "a$b", "$$", r"\$x_\$", "{", "^_", "two\nlines"]


@pytest.fixture
def history():
    history = History()
    history.rows = [
        {"epoch": e, "train_loss": 1.0, "train_acc": 0.5, "val_loss": 1.0, "val_acc": 0.5, "learning_rate": 0.1}
        for e in (1, 2)
    ]
    return history


@pytest.mark.sampled
@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_drawn(history, tmp_path, name):
    table = LayerTable([name, "b"])
    for _ in range(2):
        table.append({"mean_abs": np.ones(2), "last_mean_abs": np.ones(2)})
    figures = [curves(history, title=name), compare_curves({name: [history], "other": [history]})]
    figures += [gradient_flow(table, title=name), gradient_flow_map(table, title=name)]
    for i, figure in enumerate(figures):
        write_figure(tmp_path / f"{i}.png", figure)


def test_the_numbers_of_the_axes_stay_formulas(history, tmp_path):
    table = LayerTable(["a", "b"])
    table.append({"mean_abs": np.array([1e-9, 1.0]), "last_mean_abs": np.ones(2)})
    figure = gradient_flow(table, title="t")
    write_figure(tmp_path / "a.png", figure)
    texts = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert any("$" in text and r"\$" not in text for text in texts)


def test_plain_twice_is_plain_once():
    for name in NAMES:
        assert plain(plain(name)) == plain(name)


@pytest.mark.parametrize("name", ["a|b", "<script>", "[x](y)", "`code`", "*a*", "_a_", "a\nb", "&lt;", "\\|"])
def test_a_name_is_one_cell_of_a_markdown_table(name):
    row = markdown(["run", "n"], [[name, "1"]]).splitlines()
    assert len(row) == 3
    cell = row[2].removeprefix("| ").removesuffix(" | 1 |")
    for character in "|`[*":
        assert cell.count(character) == cell.count(f"\\{character}")
    assert "<" not in cell
    assert markdown(["run", "n"], [["vgg08_norm-batch", "1"]]).splitlines()[2] == "| vgg08_norm-batch | 1 |"


CONTROLLING = ["\x1b[2J", "\u202egnp.exe", "a\nepoch 100/100", "\x9b31m", "a\tb"]


@pytest.mark.parametrize("name", CONTROLLING)
def test_a_name_commands_no_terminal_and_no_browser(name):
    for text in aligned([["class", "n"], [name, "1"]], "<>"), markdown(["run", "n"], [[name, "1"]]):
        assert text.replace("\n", "").isprintable()
        assert len(text.splitlines()) in (2, 3)
    page = environment().from_string("{{ name }}").render(name=name)
    assert page.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize(("loss", "text"), [(4.60517, "4.605"), (6.8e19, "6.8e+19"), (float("nan"), "nan")])
def test_losses_out_of_bounds_are_short(loss, text):
    assert loss_text(loss) == text
