"""Runs beside each other."""

import dataclasses
import shutil

import numpy as np
import pytest

from mlp.commands import compare, report, train
from mlp.errors import CheckpointError, DamagedError
from mlp.experiments.comparison import HEADER, comparison_table, group_runs, spread
from mlp.experiments.config import RunConfig
from mlp.experiments.record import RunRecord, read_run, read_table
from mlp.experiments.settings.differences import comparison_warning, differences_table
from mlp.experiments.settings.facts import Facts
from mlp.training.history import History


@pytest.fixture(scope="module")
def runs(make_run, finished):
    """A finished run, one of another length that is not finished, and two that differ in the seed."""
    unfinished = make_run("unfinished", norm="batch", epochs=4, stop_after=1, model="vgg14")
    return [finished, unfinished, *(make_run(f"plain-seed{seed}", seed=seed) for seed in (0, 1))]


def cells(table):
    """{run: {column: cell}} of all tables; of a column that several have, the cell of the first."""
    found, header = {}, []
    for line in table.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[0] == "run":
            header = row
        elif line[:1] == "|" and row[0] != "---":
            found[row[0]] = dict(zip(header, row, strict=True)) | found.get(row[0], {})
    return found


def test_runs_that_differ_only_in_the_seed_are_one_group(runs):
    groups = group_runs([read_run(path) for path in runs])
    assert [(label, len(group)) for label, group in groups.items()] == [
        ("finished", 1),
        ("unfinished", 1),
        ("plain (seeds 0, 1)", 2),
    ]


def test_runs_of_equal_seeds_are_no_group(runs):
    records = [read_run(path) for path in runs[2:]]
    repeated = [records[0], dataclasses.replace(records[0], name="again"), records[1]]
    assert list(group_runs(repeated[:2])) == ["plain-seed0", "again"]
    assert list(group_runs(repeated)) == ["plain (seeds 0, 1)", "again"]


def test_runs_with_other_files_under_the_same_names_are_no_group():
    old, new = {"model_file": "1", "data": "1"}, {"model_file": "2", "data": "1"}
    given = [(0, old), (1, new), (2, old), (3, {}), (4, new | {"data": "2"})]  # an older version knew no files
    records = [record(f"s{seed}", facts, model="net.py:f", seed=seed) for seed, facts in given]
    groups = group_runs(records)
    assert list(groups) == ["s (seeds 0, 2, 3)", "s1", "s4"]
    assert "different code in net.py:f" in comparison_table(groups)
    assert "different code" not in comparison_table(group_runs([records[0], *records[2:4]]))


def test_the_table(runs):
    records = [read_run(path) for path in runs]
    table = cells(comparison_table(group_runs(records)))
    last = records[0].history.rows[-1]
    assert table["finished"]["train loss"] == f"{last['train_loss']:.3f}"
    assert table["finished"]["val acc"] == f"{100 * last['val_acc']:.2f}%"
    assert table["finished"]["best val acc"] == f"{100 * records[0].history.column('val_acc').max():.2f}%"
    assert table["finished"]["test acc"] == f"{100 * records[0].test['test_acc']:.2f}%"
    assert table["finished"]["epochs"] == "2"
    assert table["finished"]["parameters"] == f"{records[0].parameters:,}"
    assert (table["unfinished"]["epochs"], table["unfinished"]["test acc"]) == ("1 of 4", "-")
    losses = [record.history.rows[-1]["val_loss"] for record in records[2:]]
    mean, std = np.mean(losses), abs(losses[0] - losses[1]) / np.sqrt(2)
    assert table["plain (seeds 0, 1)"]["val loss"] == f"{mean:.3f} ± {std:.3f}"
    assert table["plain-seed1"]["val loss"] == f"{losses[1]:.3f}"


def test_cells():
    assert [spread([], "x"), spread([np.nan], "x"), spread([0.5], "x")] == ["-", "-", "0.500"]
    assert spread([0.30, 0.32, np.nan], "val_acc") == "31.00 ± 1.41%"


def test_compare_writes_table_and_figures(runs, tmp_path, call):
    out = tmp_path / "comparison"
    status, text, error = call(compare, *runs, runs[0], "--out", out)  # one of them twice
    assert (status, error) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "compare.md",
        "compare_curves.png",
        "compare_gradient_flow.png",
    ]
    assert (out / "compare.md").read_text() in text
    assert text.count("| finished |") == 3  # in the groups, in the runs one by one, and among the settings
    assert all(path.stat().st_size > 500 for path in out.iterdir())


def test_kept_results_and_runs_before_their_first_epoch(runs, tmp_path, call, sketches):
    kept = tmp_path / "finished"
    shutil.copytree(runs[0], kept, ignore=shutil.ignore_patterns("checkpoint*", "*.png"))
    started = tmp_path / "started"
    started.mkdir()
    shutil.copy(runs[1] / "config.json", started)
    status, text, error = call(compare, kept, started, "--out", tmp_path / "out")
    assert (status, error) == (0, "")
    table = cells(text)
    assert table["started"]["epochs"] == "0 of 4"
    assert {table["started"][name] for name in HEADER[3:]} == {"-"}
    assert table["finished"]["test acc"] != "-"
    status, text, _ = call(compare, started, "--out", tmp_path / "nothing")
    assert status == 0
    assert [path.name for path in (tmp_path / "nothing").iterdir()] == ["compare.md"]


def test_folders_of_the_same_name(runs, tmp_path):
    shutil.copytree(runs[1], tmp_path / "finished")
    groups = group_runs([read_run(runs[0]), read_run(tmp_path / "finished")])
    assert list(groups) == ["finished", "finished (2)"]


def test_parameters_of_runs_whose_config_does_not_say(tmp_path):
    (tmp_path / "config.json").write_text('{"settings": {"model": "vgg38", "norm": "batch", "residual": true}}')
    assert read_run(tmp_path).parameters == 338_500
    (tmp_path / "config.json").write_text('{"settings": {"model": "gone.py:net"}}')
    assert read_run(tmp_path).parameters is None
    (tmp_path / "config.json").write_text('{"settings": {"dataset": "npz:gone.npz"}}')
    assert read_run(tmp_path).parameters is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"settings": {"model": 5}}'),
        ("config.json", b'{"settings": {}, "facts": {"colour": 1}}'),
        ("config.json", b"[1]"),
        ("config.json", b'{"settings": {}, "facts": {"parameters": "many"}}'),
        ("config.json", b'{"settings": {}, "facts": {"image_shape": 5}}'),
        ("config.json", b'{"settings": {}, "facts": {"image_shape": [8, 8]}}'),
        ("config.json", b'{"settings": {}, "facts": {"class_names": [1, 2]}}'),
        ("config.json", b'{"settings": {}, "facts": {"num_images": [10]}}'),
        ("config.json", b'{"settings": {}, "facts": {"num_images": 10}}'),
        ("config.json", b'{"settings": {}, "facts": []}'),
        ("metrics.csv", b"epoch,train_loss\n1,many\n"),
        ("metrics.csv", b"epoch,train_loss\n1\n"),
        ("metrics.csv", b"train_loss\n1\n"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_acc\n1,1,1,1\n"),
        ("metrics.csv", b"epoch,train_loss,train_acc,val_loss,val_acc\ninf,1,1,1,1\n"),
        ("metrics.csv", b"\xff\xfe"),
        ("metrics.csv", b"epoch,train_loss,train_acc,val_loss,val_acc\n1,4.6,0.1,4.5\n"),
        ("gradient_flow.npz", b"PK\x03\x04 and no more"),
        ("test.json", b"{"),
        ("test.json", b"5"),
        ("test.json", b'{"test_acc": 0.5}'),
        ("test.json", b'{"test_loss": 1.0, "test_acc": "x"}'),
        ("test.json", b'{"test_loss": null, "test_acc": 0.5}'),
        ("test.json", b'{"test_loss": -1.0, "test_acc": 0.5}'),  # no cross-entropy is negative
    ],
)
def test_damaged_files_are_named(runs, tmp_path, call, name, content):
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    (folder / name).write_bytes(content)
    status, _, error = call(compare, folder, "--out", tmp_path / "out")
    assert status == 2
    assert f"{name} is damaged" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_tables_that_a_resume_writes_again(runs, tmp_path, call):
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    before = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(before[: before.rindex(",")])
    advice = f"2 columns.* python scripts/train.py --resume --out {folder} writes it again"
    with pytest.raises(DamagedError, match=advice.replace("2 columns", r"it has \d columns, and \d in the row")):
        read_run(folder)
    assert call(train, "--resume", "--out", folder)[0] == 0
    assert (folder / "metrics.csv").read_text() == before
    (folder / "gradient_flow.npz").write_bytes(b"")
    (folder / "checkpoint-latest.npz").unlink()
    with pytest.raises(DamagedError, match=r"gradient_flow\.npz is damaged: File is not a zip file$"):
        read_run(folder)


def test_one_bad_folder_does_not_break_a_comparison_of_many(runs, tmp_path, call, sketches):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("[" * 10_000)
    folders = [tmp_path / "bad", runs[0], tmp_path / "no|run"]
    status, text, error = call(compare, *folders, "--out", tmp_path / "out")
    assert status == 2
    assert runs[0].name in text
    assert (tmp_path / "out" / "compare_curves.png").exists()
    assert error.count(": left out: ") == error.count("\n") == 2
    table = (tmp_path / "out" / "compare.md").read_text()
    assert "bad/config.json is damaged: it is nested too deeply" in table
    assert r"no\|run" in table


def test_a_gradient_flow_needs_both_statistics_in_one_shape(tmp_path):
    path, names, values = tmp_path / "gradient_flow.npz", np.array(["a", "b"]), np.ones((3, 2))
    both = ("mean_abs", "last_mean_abs")
    np.savez(path, names=names, mean_abs=values, last_mean_abs=values)
    assert len(read_table(path, both)) == 3
    for wrong in ({}, {"last_mean_abs": values[:, :1]}, {"last_mean_abs": values[:2]}):
        np.savez(path, names=names, mean_abs=values, **wrong)
        with pytest.raises(CheckpointError, match=r"gradient_flow\.npz is damaged"):
            read_table(path, both)


def test_the_folder_of_a_sweep_stands_for_its_runs_and_others_are_left_out_aloud(runs, tmp_path, call):
    names = ["norm-batch", "norm-none"]
    for name, folder in zip(names, runs, strict=False):
        shutil.copytree(folder, tmp_path / "sweep" / name)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "notes.txt").write_text("")
    everything = sorted(tmp_path.iterdir())
    status, text, error = call(compare, *everything, "--out", tmp_path / "out")
    assert status == 0 and all(name in text for name in names)
    left_out = [f"note: {tmp_path / name} holds no run: left out" for name in ("notes.txt", "pictures")]
    assert error.splitlines() == [*left_out, f"note: {tmp_path / 'sweep'}: 2 runs in it"]
    assert call(report, tmp_path / "sweep")[0] == 0 and (tmp_path / "sweep" / names[0] / "report.html").exists()
    with pytest.raises(CheckpointError, match="no config.json in it; its folders hold runs, .*norm-batch for ex"):
        read_run(tmp_path / "sweep")


@pytest.mark.slow
def test_the_folder_of_an_earlier_comparison_is_left_out_quietly(runs, tmp_path, call, sketches):
    out = tmp_path / "comparison"
    assert call(compare, *runs, "--out", out)[0] == 0
    status, text, error = call(compare, *runs, out, "--out", out)
    assert (status, error) == (0, "")
    assert "Left out" not in text
    assert "holds no run" in call(compare, out, "--out", out)[2]  # nothing else is named


def record(name, facts=None, **settings):
    """A run that has not begun, with these facts and settings."""
    return RunRecord(name, RunConfig(**settings), History(), {}, None, Facts(**(facts or {})))


def test_the_settings_that_differ_stand_below_the_table():
    small = record("small", {"num_images": [300, 50]}, limit_train=300, epochs=3, residual=True, engine="textbook")
    whole = record("whole", {"num_images": [1000, 50]}, learning_rate=0.01, seed=3)
    table = cells(differences_table(group_runs([small, whole])))
    shown = {"learning rate": "0.001", "epochs": "3", "residual": "yes", "training images": "300"}
    assert table["small"] == {"run": "small", **shown}
    assert list(table["whole"].values()) == ["whole", "no", "100", "0.01", "1,000"]
    unknown = cells(differences_table(group_runs([small, record("older", epochs=3, residual=True)])))
    assert unknown["small"] == {"run": "small", "limit train": "300"}
    assert (unknown["older"]["limit train"], differences_table(group_runs([small]))) == ("-", "")


@pytest.mark.parametrize(
    ("what", "facts", "settings"),
    [
        ("data sets", {}, {"dataset": "mnist"}),
        ("classes", {}, {"labels": "coarse"}),
        ("classes", {"class_names": ["cat", "dog"]}, {}),
        ("data sets and classes", {"class_names": ["cat", "dog"]}, {"dataset": "folder:pets"}),
        ("validation images", {"num_images": [900, 40]}, {}),
        ("validation images", {}, {"split": "stratified"}),
        ("images under the same name", {"data": "2"}, {}),
    ],
)
def test_runs_that_cannot_be_compared(what, facts, settings):
    known = {"class_names": ["cat", "cow"], "num_images": [900, 50], "data": "1"}
    records = [record("one", known), record("other", known | facts, **settings)]
    warning = f"\nWarning: these runs have different {what}, so their losses and accuracies cannot be compared.\n"
    assert comparison_table(group_runs(records)).endswith(warning)


def test_other_training_images_may_be_compared():
    known = {"class_names": ["cat", "cow"], "num_images": [900, 50], "data": "1"}
    fewer = record("fewer", known | {"num_images": [90, 50], "data": "2"}, limit_train=90)
    older = record("older", norm="batch")  # says nothing of its data
    assert comparison_warning(group_runs([record("all", known), fewer, older])) == ""


def test_without_a_name_other_runs_get_another_folder(runs, tmp_path, call, sketches, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [call(compare, *some)[1].split()[-1] for some in (runs[:1], runs[1:2], runs[:1], runs[:2], runs[1::-1])]
    parents = [folder.removesuffix("/compare_gradient_flow.png") for folder in folders]
    usual = "runs/comparison"
    assert parents == [usual, f"{usual}-2", usual, f"{usual}-3", f"{usual}-3"]
