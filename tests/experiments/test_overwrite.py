"""--overwrite starts anew, and what was there is moved, not lost; folders that hold no run stay as they are."""

import pytest

from mlp.errors import CheckpointError, ConfigurationError, FolderInUseError
from mlp.experiments import run
from mlp.experiments.run_folder import RunFolder
from mlp.files.locks import only_writer
from mlp.training.attempts import put_away


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_run_that_was_there_is_moved_away_and_another_one_starts(small, tmp_path, capsys):
    folder = tmp_path / "run"
    run(folder, small)
    before = contents(folder)
    with pytest.raises(CheckpointError, match="holds a run with another configuration"):
        run(folder, {**small, "seed": 1})
    run(folder, {**small, "seed": 1}, overwrite=True)
    assert f"the run that was in {folder} is in {folder}-old-1 now" in capsys.readouterr().out
    assert contents(tmp_path / "run-old-1") == before
    assert RunFolder(folder).load()[0].seed == 1
    put_away(folder)
    assert RunFolder(tmp_path / "run-old-2").load()[0].seed == 1
    assert not folder.exists()


def test_an_error_leaves_the_run_where_it_is(small, tmp_path):
    folder = tmp_path / "run"
    run(folder, small)
    before = contents(folder)
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        run(folder, small, overwrite=True, resume=True)
    with pytest.raises(ConfigurationError, match="depth must be"):
        run(folder, {**small, "model": "vgg9"}, overwrite=True)
    with only_writer(folder / "attempts.tsv"), pytest.raises(FolderInUseError):
        put_away(folder)
    assert contents(folder) == before


def test_only_runs_are_put_away(small, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    assert RunFolder(folder).open(small, resume=False, overwrite=True).filters == 4  # nothing is there
    (folder / "thesis.txt").write_text("no run")
    with pytest.raises(CheckpointError, match="holds no run, but other files"):
        run(folder, small, overwrite=True)
    (folder / "config.json").write_text('{"settings": {}}')
    monkeypatch.chdir(folder)
    with pytest.raises(CheckpointError, match="while you are in it"):
        run(".", small, overwrite=True)
    assert (folder / "thesis.txt").read_text() == "no run"
