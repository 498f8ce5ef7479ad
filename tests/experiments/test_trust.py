"""No reader of a run folder runs code that the folder names, unless it was told to."""

import importlib
import json
import sys

import numpy as np
import pytest

import mlp
from mlp.commands.command_line import run_command
from mlp.errors import ConfigurationError
from mlp.experiments import run
from mlp.experiments.inference import evaluate_run
from mlp.experiments.probes.images import probed_run
from mlp.experiments.record import read_run
from mlp.reproduction.index import RunIndex

NET = """
from pathlib import Path
Path({marker!r}).touch()
from mlp.layers import Affine, Flatten, Sequential
def net(num_classes):
    return Sequential(Flatten(), Affine(192, num_classes))
"""


@pytest.fixture
def folder(small, tmp_path):
    """A run with a model in a file that leaves a mark when it is run; the mark is gone."""
    file, marker = tmp_path / "net.py", tmp_path / "marker"
    file.write_text(NET.format(marker=str(marker)))
    settings = {name: value for name, value in small.items() if name != "filters"}
    run(tmp_path / "run", {**settings, "model": f"{file}:net"}, stop_after=1)
    assert marker.exists()
    marker.unlink()
    return tmp_path / "run"


def ran(folder):
    """Whether the file was run since."""
    return (folder.parent / "marker").exists()


READERS = {
    "evaluate": lambda folder, **trust: evaluate_run(folder, "valid", **trust),
    "predict": lambda folder, **trust: mlp.load_run(folder, **trust).predict([folder.parent / "a.npy"]),
    "probe": lambda folder, **trust: probed_run(folder, 4, "valid", **trust),
    "resume": lambda folder, **trust: run(folder, {}, resume=True, **trust),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_that_needs_the_model_refuses_and_says_what_to_add(folder, name):
    np.save(folder.parent / "a.npy", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ConfigurationError, match="if you trust that file, add --trust-code"):
        READERS[name](folder)
    assert not ran(folder)
    READERS[name](folder, trust_code=True)
    assert ran(folder)


@pytest.mark.parametrize("facts", [True, False])
def test_a_reader_that_needs_only_numbers_runs_nothing(folder, facts):
    if not facts:  # as an older version, or somebody who means harm, leaves it
        content = json.loads((folder / "config.json").read_text())
        content["settings"]["dataset"] = "synthetic"
        (folder / "config.json").write_text(json.dumps({"settings": content["settings"]}))
    assert read_run(folder).history.rows
    assert not RunIndex(folder.parent).damaged
    assert not ran(folder)


COMMANDS = [
    ["evaluate", "RUN"],
    ["predict", "RUN", "IMAGE"],
    ["compare", "RUN", "--out", "OUT"],
    ["train", "--out", "RUN", "--resume"],
    ["landscape", "RUN", "--images", "4", "--points", "3"],
    ["gradient_correlation", "RUN", "--out", "OUT"],
    ["smoothness", "--resume", "--out", "RUN"],
    ["smoothness", "RUN", "--out", "OUT"],
    ["reproduce", "report", "--runs", "PARENT", "--out", "OUT"],
    ["reproduce", "findings", "--runs", "PARENT"],
    ["sweep", "--epochs", "1", "--dataset", "npz:none", "--out", "PARENT"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_runs_it(folder, monkeypatch, capsys, words):
    np.save(folder.parent / "a.npy", np.zeros((8, 8, 3), np.uint8))
    places = {"RUN": folder, "PARENT": folder.parent, "IMAGE": folder.parent / "a.npy", "OUT": folder.parent / "out"}
    monkeypatch.setattr(sys, "argv", [f"{words[0]}.py", *(str(places.get(word, word)) for word in words[1:])])
    importlib.import_module(f"mlp.commands.{words[0]}")
    status = run_command(words[0])
    assert status in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not ran(folder)
