"""Right layers get no diagnosis: every layer of the library, at random shapes and seeds."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss, check_rule
from mlp.diagnostics.gradients.layer_cases import CASES
from mlp.learning_rules import RULES
from mlp.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy

DRAWS = 100


def other_shape(shape, rng):
    """Return a shape with another batch size, and images that are up to one pixel larger."""
    batch = int(rng.integers(1, 5))
    larger = [size + int(rng.integers(0, 2)) for size in shape[1:-1]]
    return (batch, *larger, shape[-1])


@pytest.mark.sampled
@pytest.mark.parametrize("draw", range(DRAWS))
def test_right_layers_get_no_diagnosis(draw):
    rng = np.random.default_rng(draw)
    case = CASES[draw % len(CASES)]
    shape, seed = other_shape(case.input_shape, rng), int(rng.integers(2**20))
    report = check_layer(case.make(), shape, seed=seed)
    if "exception in forward" in [
        diagnosis.name for diagnosis in report.diagnoses
    ]:  # sizes that the case does not take
        report = check_layer(case.make(), case.input_shape, seed=seed)
    report.raise_if_failed()
    assert report.diagnoses == []
    assert report.remarks == []


SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 100))]


@pytest.mark.parametrize("seed", SEEDS)
def test_right_losses_and_rules_get_no_diagnosis(seed):
    rng = np.random.default_rng(seed)
    N, K = (int(size) for size in rng.integers(1, 8, 2))
    losses = (
        (SoftmaxCrossEntropy(), None),
        (SoftmaxCrossEntropy(label_smoothing=0.1), None),
        (MeanSquaredError(), rng.random((N, K + 1))),
        (BinaryCrossEntropy(), rng.random((N, K + 1))),
    )
    for loss, targets in losses:
        report = check_loss(loss, (N, K + 1), targets, seed=seed)
        report.raise_if_failed()
        assert report.diagnoses == []
    settings = {"learning_rate": float(rng.uniform(1e-3, 0.1))}
    for name, kind in RULES.items():
        for decay in ({}, {"weight_decay": 0.1}, {"decoupled_weight_decay": 0.2, "no_decay": "bias"}):
            report = check_rule(kind(**settings, **decay), seed=seed)
            report.raise_if_failed()
            assert report.diagnoses == [], name
