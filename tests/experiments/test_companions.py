"""Runs of deeply supervised networks: what they write, resume, and what of them is saved."""

import json

import numpy as np
import pytest
from run_fixtures import drawing

from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.experiments.inference import evaluate_run
from mlp.experiments.run import run

SETTINGS = {
    "model": "vgg08",
    "companions": "blocks",
    "companion_weight": 0.2,
    "filters": 4,
    "dataset": "synthetic",
    "limit_train": 60,
    "limit_valid": 20,
    "batch_size": 20,
    "epochs": 3,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    with drawing():
        run(out, SETTINGS, threads=1)
    return out


def test_what_a_run_writes(whole):
    table = np.genfromtxt(whole / "metrics.csv", delimiter=",", names=True)
    np.testing.assert_allclose(table["alpha"], [0.2, 0.2 * 2 / 3, 0.2 / 3])
    assert (table["objective"] > table["train_loss"]).all()
    with np.load(whole / "companions.npz") as companions:
        assert companions["names"].tolist() == ["stage_0_reduction", "stage_1_reduction"]
        assert companions["loss"].shape == companions["accuracy"].shape == (3, 2)
    np.testing.assert_allclose(
        table["objective"], table["train_loss"] + table["alpha"] * np.load(whole / "companions.npz")["loss"].sum(axis=1)
    )
    with np.load(whole / "gradient_flow.npz") as flow:
        assert not any("companions" in name for name in flow["names"])
    facts = json.loads((whole / "config.json").read_text())["facts"]
    assert facts["parameters"] < facts["parameters"] + 2 * (4 * 100 + 100)
    assert (whole / "companions.png").exists()


@pytest.mark.slow
def test_a_resumed_run_is_the_same_bit_for_bit(whole, tmp_path):
    run(tmp_path / "parts", SETTINGS, stop_after=1, threads=1)
    run(tmp_path / "parts", {}, resume=True, threads=1)
    with np.load(whole / "checkpoint-latest.npz") as one, np.load(tmp_path / "parts/checkpoint-latest.npz") as two:
        assert "model/companions.stage_0_reduction.weight" in one.files
        for name in one.files:
            if name.startswith(("model/", "rule/")) or name == "step":
                np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_the_model_of_a_run_can_be_evaluated(whole):
    assert 0.0 <= evaluate_run(whole, split="valid").top(1) <= 1.0


def test_settings_of_companions_need_companions():
    with pytest.raises(ConfigurationError, match="--companion-weight is for networks with companions"):
        RunConfig(companion_weight=0.3)
    with pytest.raises(ConfigurationError, match="--companions must be one of"):
        RunConfig(companions="all")
