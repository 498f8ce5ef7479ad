"""Configurations of wrong types, and config.json files with anything in them: always the clear error."""

import dataclasses
import json
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments import RunConfig, RunFolder, run

NAMES = [field.name for field in dataclasses.fields(RunConfig)]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
campaign = settings(deadline=None, derandomize=True, max_examples=200)


@campaign
@given(name=st.sampled_from(NAMES), value=ANYTHING)
def test_a_setting_of_any_type_is_accepted_or_refused_by_name(name, value):
    try:
        config = RunConfig(**{name: value})
    except ConfigurationError as error:
        assert name.replace("_", "-") in str(error) or "depth" in str(error)
    else:
        assert json.loads(json.dumps(config.as_dict()))[name] == value


@campaign
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | ANYTHING.map(lambda v: json.dumps(v).encode())
)
def test_any_config_json_is_read_or_named_as_damaged(tmp_path_factory, content):
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        folder.open({}, resume=True)
    assert (folder / "config.json").read_bytes() == content


@campaign
@given(changes=st.dictionaries(st.sampled_from([*NAMES, "unknown"]), ANYTHING, min_size=1, max_size=3))
def test_changed_settings_are_read_or_named_as_damaged(tmp_path_factory, changes):
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    (folder / "config.json").write_text(json.dumps({"settings": {**RunConfig().as_dict(), **changes}}))
    try:
        config = folder.open({}, resume=True)
    except CheckpointError as error:
        assert "config.json is damaged" in str(error)
    else:
        assert all(getattr(config, name) == value for name, value in changes.items())


def test_a_folder_in_which_no_epoch_was_finished_starts_afresh(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"settings": RunConfig(seed=3, epochs=7).as_dict()}))
    assert folder.open({"seed": 4}, resume=False) == RunConfig(seed=4)
    assert folder.open({"seed": 4}, resume=True) == RunConfig(seed=4, epochs=7)
    (tmp_path / "metrics.csv").write_text("epoch\n1\n2\n")
    with pytest.raises(CheckpointError, match="has a metrics.csv, but no checkpoint-latest.npz to continue from"):
        folder.open({}, resume=True)
    folder.latest.write_bytes(b"")
    with pytest.raises(CheckpointError, match="holds a run already"):
        folder.open({}, resume=False)
    for resume in (False, True):
        with pytest.raises(CheckpointError, match="seed: 3 there, 4 here"):
            folder.open({"seed": 4}, resume=resume)


def test_a_run_that_came_in_between_is_not_mixed_with_ours(small, tmp_path, monkeypatch):
    """It writes an epoch while ours is loading its data, and ends before ours takes the folder."""
    module = sys.modules["mlp.experiments.settings.prepare"]
    load = module.load_images

    def load_slowly(*arguments, **keywords):
        monkeypatch.setattr(module, "load_images", load)
        run(tmp_path / "run", {**small, "seed": 1}, stop_after=1)
        return load(*arguments, **keywords)

    monkeypatch.setattr(module, "load_images", load_slowly)
    with pytest.raises(CheckpointError, match="holds a run with another configuration"):
        run(tmp_path / "run", {**small, "seed": 2})
