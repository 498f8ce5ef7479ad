"""The promise about resuming (docs/resuming.md), each half by a test: nothing is lost, nothing is mixed up."""

import json
import os
import shutil

import numpy as np
import pytest

from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.errors import CheckpointError, ConfigurationError, DamagedError, MlpError, NonFiniteLossError
from mlp.experiments import run
from mlp.experiments.hooks import SaveFigures
from mlp.experiments.record import read_run
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.files import write_arrays
from mlp.files.stored import read_arrays
from mlp.training.checkpoint import digest
from mlp.training.history import plain_row
from mlp.training.hooks import Checkpoint, CsvLog, Evaluate, Hook, PeakMemory, Progress, StopOnNonFinite


@pytest.fixture
def settings(small):
    return {**small, "epochs": 3}


def arrays_of(folder):
    """What two equal runs have in common."""
    found = {}
    for name in ("checkpoint-latest.npz", "checkpoint-best.npz"):
        content = read_arrays(folder / name)
        found |= {
            f"{name} {key}": value.tolist() for key, value in content.items() if key.startswith(("model", "rule"))
        }
    rows = [
        {k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")}
        for row in read_run(folder).history.rows
    ]
    return {**found, "rows": rows, "test": json.loads((folder / "test.json").read_text())}


HOOKS = (StopOnNonFinite, Evaluate, GradientFlow, PeakMemory, Progress, Checkpoint, CsvLog, SaveFigures)
ERRORS = (KeyboardInterrupt, OSError(28, "No space left on device"), NonFiniteLossError)


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """What a run without interruption ends with."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, {**small, "epochs": 3})
    return arrays_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("epoch", "moment"), [(1, "before"), (1, "after"), (2, "before"), (2, "after")])
def test_an_interruption_in_any_hook_loses_at_most_the_epoch(
    settings, whole, tmp_path, monkeypatch, error, epoch, moment
):
    """Whatever is interrupted at the end of an epoch, a resume starts or continues, and ends with the same bits."""
    for hook in HOOKS:
        folder = tmp_path / f"{hook.__name__}"
        original = hook.after_epoch

        def after_epoch(self, trainer, row, original=original):
            if moment == "after":
                original(self, trainer, row)
            if trainer.epoch == epoch:
                raise error
            if moment == "before":
                original(self, trainer, row)

        with monkeypatch.context() as patch:
            patch.setattr(hook, "after_epoch", after_epoch)
            with pytest.raises(BaseException) as caught:  # noqa: PT011
                run(folder, settings)
            assert caught.type in (type(error), error)
        rows = len(read_run(folder).history.rows)
        saved = int(read_arrays(folder / "checkpoint-latest.npz")["epoch"]) if RunFolder(folder).latest.exists() else 0
        assert rows == saved  # the CSV has the epochs that the checkpoint has
        assert saved in (epoch - 1, epoch)
        run(folder, settings, resume=True)
        assert arrays_of(folder) == whole


def test_a_loss_that_is_noticed_after_the_first_epoch_leaves_no_results(settings, tmp_path, monkeypatch):
    def after_epoch(self, trainer, row):
        raise NonFiniteLossError("the loss became nan")

    with monkeypatch.context() as patch:
        patch.setattr(StopOnNonFinite, "after_epoch", after_epoch)
        with pytest.raises(NonFiniteLossError):
            run(tmp_path / "run", settings)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["attempts.tsv", "config.json"]
    run(tmp_path / "run", {**settings, "learning_rate": 1e-3})  # no epoch, so other settings may be tried


def test_what_older_versions_left_of_a_first_epoch_is_no_obstacle(settings, tmp_path, capsys):
    run(tmp_path / "run", settings, stop_after=1)
    (tmp_path / "run" / "checkpoint-latest.npz").unlink()
    run(tmp_path / "run", settings, resume=True)
    assert "holds no finished epoch: starting from the beginning" in capsys.readouterr().out


# --- nothing is mixed up ----------------------------------------------------------------------------------------------


def edit_config(folder, change):
    path = folder / "config.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_checkpoint(path, change):
    """Change the arrays of a checkpoint, with a digest that fits."""
    arrays = read_arrays(path)
    del arrays["digest"]
    change(arrays)
    write_arrays(path, {**arrays, "digest": np.array(digest(arrays))})


@pytest.fixture(scope="module")
def after_two_epochs(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(folder, {**small, "epochs": 3}, stop_after=2)
    return folder


@pytest.fixture
def begun(after_two_epochs, tmp_path):
    """A run after two of three epochs: a copy, to be spoilt."""
    return shutil.copytree(after_two_epochs, tmp_path / "run")


CHANGES = {
    "seed": 5,
    "learning_rate": 0.5,
    "batch_size": 20,
    "schedule": "constant",
    "dtype": "float64",
    "augment": False,
    "epochs": 9,
    "label_smoothing": 0.1,
    "limit_train": 50,
    "learning_rule": "adamw",
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_that_were_edited_are_refused_with_their_names(begun, name):
    edit_config(begun, lambda content: content["settings"].update({name: CHANGES[name]}))
    with pytest.raises(CheckpointError, match=f"{name.replace('_', ' ')} "):
        run(begun, {}, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_shape", [9, 8, 3]), ("class_names", list("abcd")), ("num_images", [1, 2]), ("data", "0" * 64)],
)
def test_facts_that_were_edited_are_refused(begun, name, value):
    edit_config(begun, lambda content: content["facts"].update({name: value}))
    with pytest.raises(CheckpointError, match=f"{name.replace('_', ' ')} "):
        run(begun, {}, resume=True)


def change_images(arrays):
    arrays["images"] = arrays["images"] ^ 1


def change_labels(arrays):
    arrays["labels"] = arrays["labels"][::-1]


def change_names(arrays):
    arrays["class_names"] = np.array(["a", "b", "c", "d"])


def change_number(arrays):
    arrays["images"], arrays["labels"] = arrays["images"][:-20], arrays["labels"][:-20]


@pytest.mark.parametrize("change", [change_images, change_labels, change_names, change_number])
def test_another_data_set_under_the_same_name_is_refused(settings, tmp_path, change):
    data = tmp_path / "data.npz"
    shutil.copy(settings["dataset"].removeprefix("npz:"), data)
    settings = {**settings, "dataset": f"npz:{data}"}
    run(tmp_path / "run", settings, stop_after=1)
    with np.load(data) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(data, **arrays)
    with pytest.raises(CheckpointError, match="is not what .* was trained on, after epoch 1 of 3"):
        run(tmp_path / "run", settings, resume=True)


def test_refusals_and_the_resume_line_name_the_data_set_and_the_epoch(begun, settings, capsys):
    where = "vgg08 on npz:.*own.npz, after epoch 2 of 3"
    with pytest.raises(CheckpointError, match=f"holds a run already \\({where}\\)"):
        run(begun, settings)
    with pytest.raises(CheckpointError, match=f"another configuration \\({where}\\)"):
        run(begun, {**settings, "dataset": "synthetic"}, resume=True)
    capsys.readouterr()
    run(begun, {}, resume=True)
    assert f"after epoch 2 of 3: VGG08 on {settings['dataset']}\n" in capsys.readouterr().out


def set_accuracies(folder, *accuracies):
    """Change the validation accuracies in the history of the latest checkpoint."""

    def change(arrays):
        rows = json.loads(str(arrays["history/rows"]))
        rows = [{**row, "val_acc": accuracy} for row, accuracy in zip(rows, accuracies, strict=True)]
        arrays["history/rows"] = np.array(json.dumps(rows))

    edit_checkpoint(folder / "checkpoint-latest.npz", change)


def test_a_missing_best_checkpoint_shows_before_the_first_step(begun):
    set_accuracies(begun, 1.0, 0.0)
    for content in (None, b"damaged"):
        (begun / "checkpoint-best.npz").unlink(missing_ok=True)
        if content is not None:
            (begun / "checkpoint-best.npz").write_bytes(content)
        with pytest.raises(CheckpointError, match="weights of epoch 1, the best one, are needed for the test"):
            run(begun, {}, resume=True)


def test_a_best_checkpoint_of_another_run_is_noticed(begun):
    def of_another(arrays):
        arrays["epoch"] = np.array(1)
        arrays["config"] = np.array(json.dumps({**json.loads(str(arrays["config"])), "seed": 5}))

    set_accuracies(begun, 1.0, 0.0)
    edit_checkpoint(begun / "checkpoint-best.npz", of_another)
    with pytest.raises(CheckpointError, match=r"does not have them \(it is of another run: seed 5 there, 0 here\)"):
        run(begun, {}, resume=True)


def test_a_best_checkpoint_that_is_the_latest_is_saved_again(begun):
    set_accuracies(begun, 0.0, 1.0)
    (begun / "checkpoint-best.npz").unlink()
    run(begun, {}, resume=True)
    assert int(read_arrays(begun / "checkpoint-best.npz")["epoch"]) == 2


def test_only_a_checkpoint_that_was_read_is_called_damaged(begun, monkeypatch):
    latest = begun / "checkpoint-latest.npz"
    whole = latest.read_bytes()
    latest.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedError, match="copy checkpoint-best.npz over it"):
        run(begun, {}, resume=True)
    latest.write_bytes(whole)

    def no_memory(*arguments, **options):
        raise MemoryError("Unable to allocate")

    with monkeypatch.context() as patch:
        patch.setattr("mlp.files.stored.read_member", no_memory)
        with pytest.raises(MemoryError):
            run(begun, {}, resume=True)
    (begun / "checkpoint-latest.npz").unlink()
    (begun / "checkpoint-latest.npz").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        run(begun, {}, resume=True)
    assert not isinstance(caught.value, DamagedError)


def set_rows(value):
    return lambda arrays: arrays.update({"history/rows": np.array(json.dumps(value))})


BAD_CONTENTS = {
    "rows that are none": set_rows({"epoch": 1}),
    "rows of another epoch": set_rows([{"epoch": 7, "val_acc": 0.5}]),
    "too few rows": set_rows([]),
    "an accuracy of 7": set_rows([{"epoch": 1, "val_acc": 7}, {"epoch": 2, "val_acc": 0.5}]),
    "deep rows": lambda arrays: arrays.update({"history/rows": np.array("[" * 50_000)}),
    "deep settings": lambda arrays: arrays.update({"config": np.array("[" * 50_000)}),
    "settings that are a list": lambda arrays: arrays.update({"config": np.array("[]")}),
    "no settings": lambda arrays: arrays.pop("config"),
    "an epoch that is none": lambda arrays: arrays.update(epoch=np.array([1, 2])),
    "an epoch below 0": lambda arrays: arrays.update(epoch=np.array(-1)),
    "a step that is a text": lambda arrays: arrays.update(step=np.array("x")),
    "a moment for one weight": lambda arrays: arrays.update({"rule/mean": np.zeros(1, np.float32)}),
    "no moment": lambda arrays: arrays.pop("rule/square"),
    "whole weights": lambda arrays: arrays.update({"model/head.bias": np.zeros(4, np.int64)}),
    "a table of strings": lambda arrays: arrays.update({"history/tables/gradient_flow/l2": np.array([["a"]])}),
}


@pytest.mark.parametrize("name", BAD_CONTENTS)
def test_a_checkpoint_with_wrong_contents_is_an_mlp_error(begun, name):
    edit_checkpoint(begun / "checkpoint-latest.npz", BAD_CONTENTS[name])
    before = (begun / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError) as caught:
        run(begun, {}, resume=True)
    assert len(str(caught.value)) < 1000
    assert (begun / "metrics.csv").read_bytes() == before


# --- hooks and files that people look at ------------------------------------------------------------------------------


class Adds(Hook):
    def __init__(self, **values):
        self.values = values

    def after_epoch(self, trainer, row):
        row.update(self.values)


def test_numbers_of_any_kind_from_hooks_are_kept(settings, tmp_path):
    numpys = [np.float32(1.5), np.float16(1.5), np.int64(3), np.uint8(3), np.bool_(True), np.array(1.5), np.array(3)]
    values = {f"own_{i}": value for i, value in enumerate([*numpys, True, 2.5, np.nan])}
    history = run(tmp_path / "run", settings, stop_after=1, more_hooks=[Adds(**values)])
    run(tmp_path / "run", {}, resume=True, stop_after=2)
    for rows in (history.rows, read_run(tmp_path / "run").history.rows):
        for name, value in values.items():
            np.testing.assert_equal(float(rows[0][name]), float(value))


@pytest.mark.parametrize("value", ["text", None, [1.0], np.zeros(2), 1j, np.array("x"), 10**400, object()])
def test_what_is_no_number_is_refused_with_the_hook_the_key_and_the_type(value):
    with pytest.raises(ConfigurationError, match=f"the hook Adds put 'own' of type {type(value).__name__}"):
        plain_row({"epoch": 1, "own": value}, "the hook Adds", 1)


def test_a_hook_that_adds_no_number_ends_the_run(settings, tmp_path):
    with pytest.raises(ConfigurationError, match="the hook Adds put 'own' of type str"):
        run(tmp_path / "run", settings, more_hooks=[Adds(own="text")])


@pytest.mark.parametrize("name", ["metrics.csv", "gradient_flow.npz", "curves.png"])
def test_a_table_or_picture_that_is_open_elsewhere_is_written_later(
    settings, tmp_path, monkeypatch, capsys, request, name
):
    replace, fails = os.replace, []
    if name == "curves.png":
        request.getfixturevalue("pictures")

    def busy(source, target):
        if str(target).endswith(name) and len(fails) < 1:
            fails.append(target)
            raise PermissionError(13, "in use", str(target))
        replace(source, target)

    monkeypatch.setattr("mlp.files.PAUSES", ())
    monkeypatch.setattr(os, "replace", busy)
    if name == "curves.png":  # drawn once, at the end
        with pytest.raises(MlpError, match="curves.png is not up to date"):
            run(tmp_path / "run", settings)
        run(tmp_path / "run", settings, resume=True)
    else:
        run(tmp_path / "run", settings)
    assert capsys.readouterr().err.count("could not be written") == 1
    assert (tmp_path / "run" / "test.json").exists()
    assert (tmp_path / "run" / name).exists()
    assert len(read_run(tmp_path / "run").history.rows) == 3


@pytest.mark.parametrize("name", ["parameters", "image_shape", "class_names", "num_images", "model_file", "data"])
@pytest.mark.parametrize("value", [0, False, "", {}, [], [0], "text", 1.5, [[1, 2, 3]]])
def test_facts_of_every_wrong_type_are_refused(name, value):
    if isinstance(value, str) and name in ("model_file", "data"):
        return
    with pytest.raises(ConfigurationError):
        Facts(**{name: value})


def test_an_image_larger_than_any_is_refused():
    with pytest.raises(ConfigurationError, match="larger than any that is read"):
        Facts(image_shape=[10**6, 10**6, 3])
