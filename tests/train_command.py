"""Runs scripts/train.py as a user would, and compares what two runs left behind. For the tests of whole runs."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).parents[1] / "scripts"
SMALL = ["--dataset", "synthetic", "--limit-train", "400", "--limit-valid", "60", "--filters", "4"]
SMALL += ["--batch-size", "20"]


WITHOUT_PICTURES = """
from mlp.commands.shared.begin import start
from mlp.experiments.hooks import SaveFigures
SaveFigures.draw = lambda self, history: None
start("train")
"""


def command(*arguments, draws=True):
    """Return the command line of a training; without pictures it is through in a third of the time."""
    program = [str(SCRIPTS / "train.py")] if draws else ["-c", WITHOUT_PICTURES]
    return [sys.executable, *program, *map(str, arguments)]


def environment(**extra):
    return {**os.environ, **extra}


def train(*arguments, **extra):
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment(**extra), check=False)


def rows(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return [numbers(row) for row in csv.DictReader(file)]


def numbers(row):
    """A row of the history without the time and the memory that its epoch took, which differ from run to run."""
    return {name: value for name, value in row.items() if name not in ("seconds", "peak_memory_mb")}


def arrays(path):
    """All arrays of a checkpoint, without what epochs took."""
    with np.load(path) as file:
        result = {name: file[name].tolist() for name in file.files if name != "digest"}
    history = json.loads(result.pop("history/rows"))
    return {**result, "rows": [numbers(row) for row in history]}


def assert_same_run(a, b, *, pictures=True):
    assert rows(a) == rows(b)
    for name in ("checkpoint-latest.npz", "checkpoint-best.npz"):
        assert arrays(a / name) == arrays(b / name)
    for name in ("curves", "gradient_flow", "gradient_flow_map", "gradient_flow_linear") if pictures else ():
        assert (a / f"{name}.png").read_bytes() == (b / f"{name}.png").read_bytes()
    assert (a / "test.json").read_text() == (b / "test.json").read_text()
    assert (a / "gradient_flow.npz").read_bytes() == (b / "gradient_flow.npz").read_bytes()
