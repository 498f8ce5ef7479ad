"""Tables of the reports from made-up run folders whose numbers are known: values, spreads, verdicts, formats."""

import csv
import io
import json

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.reproduction.formats import FORMATS, format_table
from mlp.reproduction.index import RunIndex
from mlp.reproduction.reports import EXHIBITS, ROWS
from mlp.reproduction.reports.row import METRICS
from mlp.reproduction.scale import FULL, QUICK
from mlp.reproduction.tables import make_table


def table(tmp_path, name, **options):
    return make_table(name, RunIndex(tmp_path), **options)


def numbers(line):
    return {name: (n.value, n.spread) for name, n in line.ours.items() if name in METRICS}


def verdicts(made):
    return {line.result.row.id: str(line.verdict) for line in made.lines}


def test_the_last_epoch(tmp_path, write):
    write("s0-7", (9.0, 0.1, 9.0, 0.1), (0.98, 0.71, 1.5, 0.61), test=(1.6, 0.6))
    made = table(tmp_path, "s0-tab1")
    best = made.lines[6]
    assert numbers(best) == {
        "train_loss": (0.98, None),
        "train_acc": (0.71, None),
        "val_loss": (1.5, None),
        "val_acc": (0.61, None),
        "test_loss": (1.6, None),
        "test_acc": (0.6, None),
    }
    assert verdicts(made) == {**{f"s0-{i}": "not run" for i in range(1, 7)}, "s0-7": "inside"}
    cells = dict(zip(made.header(), made.cells()[6], strict=True))
    assert (cells["run"], cells["parameters"], cells["seeds"]) == ("VGG38 BN+RC, lr 1e-2", "338,500 (339K)", "0")
    assert (cells["epochs"], cells["train acc"], cells["val loss"]) == ("100 of 100", "71.00 %", "1.500")
    assert made.cells()[6][6::2] == ["0.970", "70.80 %", "1.480", "61.72 %"]  # each published number stands beside ours


def test_the_last_five_epochs_with_their_standard_deviation(tmp_path, write):
    last = [(1.6, 0.50 + 0.01 * i, 2.0, 0.45) for i in range(5)]
    write("s2-6", (9.0, 0.0, 9.0, 0.0), *last)
    line = table(tmp_path, "s2-6").lines[0]
    mean, spread = numbers(line)["train_acc"]
    assert mean == pytest.approx(0.52)
    assert spread == pytest.approx(0.01 * np.sqrt(2.0))  # of 0, 1, 2, 3, 4, divided by n
    assert numbers(line)["val_acc"] == (pytest.approx(0.45), pytest.approx(0.0))
    assert str(line.verdict) == "inside"  # 54.7 published: BN alone gets 4 points, whatever its epochs' spread


def test_mean_and_population_deviation_over_seeds_are_those_of_s1(tmp_path, write):
    """s1-18 from the published numbers of s1-14 ... s1-17: 0.651 +- 0.0048, 1.327 +- 0.0191, train 0.861 +- 0.0142."""
    for number in range(14, 18):
        row = ROWS[f"s1-{number}"]
        published = {name: n.value for name, n in row.runs[0].published.numbers().items()}
        epoch = tuple(published[name] for name in METRICS[:4])
        test = (published["test_loss"], published["test_acc"])
        write(row.id, epoch, seed=row.seeds[0], test=test)
    ours = numbers(table(tmp_path, "s1-18").lines[0])
    for name, number in ROWS["s1-18"].runs[0].published.numbers().items():
        assert ours[name] == (pytest.approx(number.value, abs=6e-4), pytest.approx(number.spread, abs=1e-4)), name
    assert set(verdicts(table(tmp_path, "s1-tab2")).values()) == {"inside"}
    assert [line.result.records[0].config.seed for line in table(tmp_path, "s1-tab2").lines] == [0, 256, 512, 1024]
    assert len(table(tmp_path, "s1-18", seeds=[0, 512]).lines[0].result.records) == 2


def test_run_time_of_batch_sizes(tmp_path, write):
    folder = write("s1-7", (1.5, 0.57, 1.9, 0.48))
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(
        text.replace("1,1.5,0.57,1.9,0.48,0.001,1.0", "1,1.5,0.57,1.9,0.48,0.001,3.0", 1)
    )
    made = table(tmp_path, "s1-7-tab")
    assert made.lines[0].ours["seconds"].value == pytest.approx(1.02)  # 99 epochs of a second and one of three
    assert dict(zip(made.header(), made.cells()[0], strict=True))["training seconds an epoch"] == "1.0"
    assert "seconds" not in made.lines[1].ours


def test_peak_memory_is_that_of_the_epoch_with_most(tmp_path, write):
    folder = write("s0-20", (1.5, 0.57, 1.9, 0.48))
    header, *lines = (folder / "metrics.csv").read_text().splitlines()
    rows = [f"{line},{peak}" for line, peak in zip(lines, ["nan", "512.3", *["400.0"] * len(lines)], strict=False)]
    (folder / "metrics.csv").write_text("\n".join([f"{header},peak_memory_mb", *rows]))
    made = table(tmp_path, "s0-20-tab")
    assert dict(zip(made.header(), made.cells()[0], strict=True))["peak memory, MB"] == "512.3"
    assert "peak_memory_mb" not in made.lines[1].ours


def test_verdicts_by_spread_by_two_points_and_by_four(tmp_path, write):
    write("s4-3", (1.0, 0.7779, 2.0, 0.5609))  # 77.2 +- 0.6, 56.1 +- 0.5
    write("s4-9", (1.0, 0.334, 2.0, 0.3421))  # 33.4 +- 1.2, 32.8 +- 1.4
    write("s4-6", (4.6, 0.0145, 4.6, 0.009))  # 1.0 +- 0, 1.1 +- 0.2: at least half a point
    write("s0-4", (1.33, 0.6152, 1.84, 0.5031))  # 61.52, 52.32 without a spread, RC: 2 points
    write("s0-3", (1.67, 0.5261, 1.94, 0.4331))  # 47.28, BN only: 4 points
    write("s0-6", (1.67, 0.5228, 1.94, 0.5075))  # 46.72, BN only: 4 points
    assert verdicts(table(tmp_path, "s4-tab1")) == {"s4-3": "inside: 1 of 5 seeds"}
    assert verdicts(table(tmp_path, "s4-tab3"))["s4-9"] == "outside: val acc +1.4 points, 1.4 allowed; 1 of 5 seeds"
    assert verdicts(table(tmp_path, "s4-tab2"))["s4-6"].startswith("inside")
    made = verdicts(table(tmp_path, "s0-tab1"))
    assert made["s0-4"] == "outside: val acc -2.0 points, 2.0 allowed"
    assert (made["s0-3"], made["s0-6"]) == ("inside", "outside: val acc +4.0 points, 4.0 allowed")


def test_one_of_several_missed_numbers_is_outside(tmp_path, write):
    write("s1-10", (0.4, 0.80, 1.7, 0.62))  # 86.2, 61.9
    assert verdicts(table(tmp_path, "s1-10"))["s1-10"] == "outside: train acc -6.2 points, 2.0 allowed"


def test_what_cannot_be_compared_says_why(tmp_path, write):
    write("s0-7", (0.98, 0.71, 1.5, 0.61), done=40)
    assert verdicts(table(tmp_path, "s0-7"))["s0-7"] == "not comparable: 40 of 100 epochs"
    write("s0-1", (1.7, 0.5, 1.9, 0.47), scale=QUICK)
    write("s0-4", (1.7, 0.5, 1.9, 0.47), scale=QUICK, dataset="synthetic", done=3)
    made = table(tmp_path, "s0-tab1", scale=QUICK)
    assert verdicts(made)["s0-1"] == "not comparable: quick scale"
    assert verdicts(made)["s0-4"] == "not comparable: quick scale, synthetic images, 3 of 8 epochs"
    assert verdicts(made)["s0-7"] == "not run"
    assert made.cells()[0][2] == "14,554 (60K)"  # 16 filters, 10 classes
    for form in ("markdown", "latex"):
        text = format_table(made, form)
        assert QUICK.label in text
        assert "not comparable with what was published" in text
        assert "Ours is on synthetic images" in text
        assert "ln 10 = 2.303" in text
    write("x-3", (1.7, 0.5, 1.9, 0.47))
    assert str(table(tmp_path, "x-3").lines[0].verdict) == "-"  # nothing published


def test_full_runs_are_shown_where_there_are_any_else_quick_ones(tmp_path, write):
    assert table(tmp_path, "s0-tab1").scale is FULL
    write("s0-1", (1.7, 0.5, 1.9, 0.47), scale=QUICK)
    assert table(tmp_path, "s0-tab1").scale is QUICK
    write("s0-2", (4.6, 0.01, 4.6, 0.01))
    made = table(tmp_path, "s0-tab1")
    assert made.scale is FULL
    assert verdicts(made)["s0-1"] == "not run"


def test_the_index_finds_runs_by_what_they_are_not_by_name(tmp_path, write):
    folder = write("s0-1", (1.7, 0.5, 1.9, 0.47))
    folder.rename(tmp_path / "kept")
    settings = json.loads((tmp_path / "kept" / "config.json").read_text())["settings"]
    settings.update(device="cuda:0", engine="textbook")
    (tmp_path / "kept" / "config.json").write_text(json.dumps({"settings": settings}))
    assert len(table(tmp_path, "s0-1").lines[0].result.records) == 1
    settings["weight_decay"] = 1e-4
    (tmp_path / "kept" / "config.json").write_text(json.dumps({"settings": settings}))
    assert verdicts(table(tmp_path, "s0-1"))["s0-1"] == "not run"


def test_published_test_numbers_wait_for_the_test_pass(tmp_path, write):
    folder = write("s3-6", (1.2, 0.63, 1.9, 0.505), test=(1.9, 0.515))
    made = table(tmp_path, "s3-6")
    assert "Test numbers of ours" in made.notes[1]
    assert verdicts(made)["s3-6"].startswith("inside")
    (folder / "test.json").unlink()  # killed before it
    assert verdicts(table(tmp_path, "s3-6"))["s3-6"] == "not comparable: no test pass yet"


def test_an_accuracy_that_is_no_number_is_outside(tmp_path, write):
    write("s0-7", (float("nan"), float("nan"), float("nan"), float("nan")))
    assert verdicts(table(tmp_path, "s0-7"))["s0-7"].startswith("outside: train acc +nan points, 2.0 allowed")


def test_a_seed_that_is_named_twice_counts_once(tmp_path, write):
    write("s0-7", (0.98, 0.71, 1.5, 0.61))
    line = table(tmp_path, "s0-7", seeds=[0, 0]).lines[0]
    assert numbers(line)["val_acc"] == (0.61, None)


def test_of_two_folders_with_the_same_settings_the_one_that_went_further_counts(tmp_path, write):
    folder = write("s0-7", (0.98, 0.71, 1.5, 0.61), done=40)
    for name, lines in (("a", 0), ("z", 3)):
        other = tmp_path / name
        other.mkdir()
        (other / "config.json").write_text((folder / "config.json").read_text())
        if lines:
            kept = (folder / "metrics.csv").read_text().splitlines(keepends=True)[: lines + 1]
            (other / "metrics.csv").write_text("".join(kept))
    assert table(tmp_path, "s0-7").lines[0].result.epochs == 40


def test_damaged_runs_are_named_and_do_not_stop_a_table(tmp_path, write):
    (write("s0-1", (1.7, 0.5, 1.9, 0.47)) / "config.json").write_text("{")
    (write("s0-2", (4.6, 0.01, 4.6, 0.01)) / "metrics.csv").write_text("epoch\nx\n")
    index = RunIndex(tmp_path)
    assert set(verdicts(make_table("s0-tab1", index)).values()) == {"not run"}
    assert len(index.damaged) == 2
    assert "config.json is damaged" in index.damaged[0]
    assert "metrics.csv is damaged" in index.damaged[1]


@pytest.mark.parametrize("name", [name for name, exhibit in EXHIBITS.items() if exhibit.is_table])
def test_every_table_in_every_format_before_anything_was_run(tmp_path, name):
    made = table(tmp_path, name)
    assert all(len(row) == len(made.header()) for row in made.cells())
    for form in FORMATS:
        text = format_table(made, form)
        assert name in text
        assert all(line.result.row.id in text for line in made.lines)


def test_markdown_latex_and_csv(tmp_path, write):
    write("s4-18", (0.9, 0.731, 1.4, 0.6), test=(1.5, 0.598))
    write("s4-18", (0.9, 0.741, 1.4, 0.604), test=(1.5, 0.602), seed=2045458)
    made = table(tmp_path, "s4-tab6")
    text = format_table(made, "markdown")
    assert text.startswith("**s4-tab6: The best settings on the test images (full scale)**\n\n| run | row |")
    assert "| 0, 2045458 | 100 of 100 | 73.60 ± 0.50 % | 73.10 ± 1.40 % | 60.20 ± 0.20 %" in text
    latex = format_table(made, "latex")
    assert r"73.60 $\pm$ 0.50 \% & 73.10 $\pm$ 1.40 \% &" in latex
    assert latex.count(r"\\") == 2
    columns = latex.split(r"\begin{tabular}{")[1].split("}")[0]
    assert len(columns) == len(made.header()) == latex.splitlines()[6].count("&") + 1
    records = list(csv.DictReader(io.StringIO(format_table(made, "csv"))))
    assert [record["metric"] for record in records] == ["train_acc", "val_acc", "test_acc"]
    assert float(records[0]["ours"]) == pytest.approx(0.736)
    assert float(records[2]["published_std"]) == 0.011
    assert {record["verdict"] for record in records} == {"inside"}
    with pytest.raises(ConfigurationError, match="--format must be one of markdown, latex, csv, got 'word'"):
        format_table(made, "word")


def test_latex_has_no_character_that_means_something(tmp_path):
    text = format_table(table(tmp_path, "s3-tab3"), "latex")
    assert "&" not in text.replace(" & ", "")
    assert r"\%" in text
    assert "%" not in text.replace(r"\%", "")
    assert "_" not in text.replace(r"\_", "")


def test_wrong_ids(tmp_path):
    with pytest.raises(ConfigurationError, match=r"s0-fig1 is a figure, not a table; .*: s0-1 s0-2 s0-8"):
        table(tmp_path, "s0-fig1")
    with pytest.raises(ConfigurationError, match=r"no table or row 's9-tab1'; tables: s0-tab1"):
        table(tmp_path, "s9-tab1")
    with pytest.raises(
        ConfigurationError, match="s0-23 has no table, because it has no runs: the report only discusses it"
    ):
        table(tmp_path, "s0-23")
