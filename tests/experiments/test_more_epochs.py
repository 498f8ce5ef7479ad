"""A resumed run may get more epochs: as if it had them from the start, or only if you ask for it."""

import json

import pytest

from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments import run
from mlp.experiments.run_folder import RunFolder
from mlp.files.stored import read_arrays


def weights(folder):
    arrays = read_arrays(folder / "checkpoint-latest.npz")
    return {name: value.tolist() for name, value in arrays.items() if name.startswith(("model", "rule", "step"))}


@pytest.mark.sampled
@pytest.mark.parametrize(
    "schedule", [{"schedule": "constant"}, {"schedule": "exponential"}, {"schedule": "step", "schedule_length": 1}]
)
def test_where_the_rate_does_not_depend_on_it_the_run_equals_one_begun_with_more(small, tmp_path, schedule):
    settings = {**small, **schedule, "norm": "batch"}
    run(tmp_path / "whole", {**settings, "epochs": 4})
    run(tmp_path / "more", {**settings, "epochs": 2})
    run(tmp_path / "more", {"epochs": 4}, resume=True)
    assert weights(tmp_path / "more") == weights(tmp_path / "whole")
    assert RunFolder(tmp_path / "more").load() == RunFolder(tmp_path / "whole").load()
    tests = [json.loads((tmp_path / name / "test.json").read_text()) for name in ("more", "whole")]
    assert tests[0] == tests[1]
    assert len(run(tmp_path / "more", {}, resume=True).rows) == 4  # config.json and checkpoint agree


def test_a_cosine_over_all_epochs_says_what_changes_and_asks(small, tmp_path, capsys):
    folder = tmp_path / "run"
    run(folder, {**small, "epochs": 2})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    message = r"with 4 in place of 2, the learning rate is 5\.01e-03 in epoch 3 \(it was 5\.01e-03 in epoch 2\)"
    with pytest.raises(ConfigurationError, match=f"{message}.*add --stretch-schedule"):
        run(folder, {"epochs": 4}, resume=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    rows = run(folder, {"epochs": 4}, resume=True, stretch_schedule=True).rows
    assert "note: the schedule cosine spans all epochs" in capsys.readouterr().out
    assert [round(row["learning_rate"], 5) for row in rows] == [0.01, 0.00501, 0.00501, 0.00148]


def test_a_run_that_is_to_have_more_epochs_is_not_finished_any_more(small, tmp_path):
    folder = tmp_path / "run"
    run(folder, {**small, "schedule": "constant"})
    run(folder, {"epochs": 4}, resume=True, stop_after=3)
    assert not (folder / "test.json").exists()
    assert RunFolder(folder).load()[0].epochs == 4
    run(folder, {}, resume=True)
    assert RunFolder(folder).rows_written == 4


def test_an_interruption_between_checkpoint_and_config_is_mended_by_the_same_command(small, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    run(folder, {**small, "schedule": "constant"})

    def interrupted(self, config):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_longer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(folder, {"epochs": 3}, resume=True)
    assert len(run(folder, {"epochs": 3}, resume=True).rows) == 3


def test_fewer_epochs_or_other_settings_too_are_refused(small, tmp_path):
    folder = tmp_path / "run"
    run(folder, {**small, "schedule": "constant"})
    for given in ({"epochs": 1}, {"epochs": 4, "seed": 1}):
        with pytest.raises(CheckpointError, match="epochs: 2 there"):
            run(folder, given, resume=True)
    with pytest.raises(CheckpointError, match="epochs: 2 there, 4 here"):
        run(folder, {"epochs": 4})
