"""Report s0: the batch-norm transform as it writes it, the derivative of a residual block, and two tables."""

import json

import numpy as np
import pytest
from reproduction.derived.arrays import EPS, jacobian_by_backward, jacobian_by_differences, residuals
from reproduction.made_up_runs import make_up_runs

from mlp.errors import ConfigurationError
from mlp.experiments.record import read_run
from mlp.layers import BatchNorm, LeakyReLU, Sequential
from mlp.models import vgg
from mlp.reproduction.gradient_magnitude import GROUPS, HEADER, exponent, gradient_magnitudes, magnitude_rows
from mlp.reproduction.index import RunIndex
from mlp.reproduction.reports import ROWS
from mlp.reproduction.tables import make_table


def draw_batches(count=5, m=12, C=3):
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 3.0, (count, 1, C))
    return rng.standard_normal((count, C))[:, None] + scale * rng.standard_normal((count, m, C))  # (count, m, C)


def norm_with_values(C=3):
    rng = np.random.default_rng(1)
    norm = BatchNorm(C, dtype=np.float64)
    norm.gamma.data, norm.beta.data = rng.uniform(0.5, 2.0, C), rng.standard_normal(C)
    return norm


def feed(norm, batches, momentum):
    """Training forwards over `batches`; momentum(k) is the weight that the k-th of them gets, k = 1, 2, ..."""
    for k, batch in enumerate(batches, start=1):
        norm.momentum = momentum(k)
        norm.forward(batch, training=True)


def test_s0_14_training_normalizes_with_the_statistics_of_the_mini_batch():
    """s0-14, training: y_i = gamma (x_i - mu_B) / sqrt(sigma_B^2 + eps) + beta, sigma_B^2 divided by m."""
    norm, x = norm_with_values(), draw_batches()[0]
    m = len(x)
    mu = sum(x) / m
    variance = sum((row - mu) ** 2 for row in x) / m
    expected = norm.gamma.data * (x - mu) / np.sqrt(variance + EPS) + norm.beta.data
    np.testing.assert_allclose(norm.forward(x, training=True), expected, rtol=1e-13, atol=1e-13)


def test_s0_14_population_statistics_of_the_report_are_those_of_momentum_1_over_k():
    """s0-14, inference: E[x] = mean of mu_B, Var[x] = m/(m-1) mean of sigma_B^2, then one fixed linear function.

    The layer keeps running averages. With momentum 1/k at the k-th batch they are the report's plain averages.
    """
    norm, batches, x = norm_with_values(), draw_batches(), draw_batches()[0, :2]
    m = batches.shape[1]
    feed(norm, batches, momentum=lambda k: 1.0 / k)
    mean = batches.mean(axis=1).mean(axis=0)
    variance = m / (m - 1) * ((batches - batches.mean(axis=1, keepdims=True)) ** 2).mean(axis=1).mean(axis=0)
    np.testing.assert_allclose(norm.running_mean, mean, rtol=1e-13)
    np.testing.assert_allclose(norm.running_var, variance, rtol=1e-13)

    slope = norm.gamma.data / np.sqrt(variance + EPS)
    expected = slope * x + (norm.beta.data - slope * mean)
    np.testing.assert_allclose(norm.forward(x), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(norm.forward(x[:1]), expected[:1], rtol=1e-12, atol=1e-13)  # whoever else is there


def test_s0_14_the_system_weighted_the_newest_batches_most():
    """s0-14: with PyTorch's momentum 0.1, batch k of K counts 0.1 * 0.9^(K - k), and the start (0, 1) counts 0.9^K."""
    norm, batches = norm_with_values(), draw_batches()
    (K, m, _), r = batches.shape, 0.1
    feed(norm, batches, momentum=lambda k: r)
    weights = r * (1 - r) ** np.arange(K - 1, -1, -1)  # (K,)
    assert weights.sum() + (1 - r) ** K == pytest.approx(1.0)
    np.testing.assert_allclose(norm.running_mean, weights @ batches.mean(axis=1), rtol=1e-13)
    unbiased = batches.var(axis=1) * m / (m - 1)
    np.testing.assert_allclose(norm.running_var, weights @ unbiased + (1 - r) ** K, rtol=1e-13)


def test_s0_14_the_two_ways_to_the_population_agree_when_batches_do_not_change():
    """s0-14: for one batch again and again both reach mu and m/(m-1) sigma^2, momentum 0.1 only in the limit."""
    batch = draw_batches()[0]
    report, system = norm_with_values(), norm_with_values()
    feed(report, [batch] * 3, momentum=lambda k: 1.0 / k)
    feed(system, [batch] * 3, momentum=lambda k: 0.1)
    assert np.abs(system.running_mean - report.running_mean).max() > 0.1
    feed(system, [batch] * 400, momentum=lambda k: 0.1)  # 0.9^400 = 5e-19
    for name in ("running_mean", "running_var"):
        np.testing.assert_allclose(getattr(system, name), getattr(report, name), rtol=1e-12)
    np.testing.assert_allclose(report.running_var, batch.var(axis=0, ddof=1), rtol=1e-13)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_s0_15_the_derivative_of_a_residual_block_is_1_plus_that_of_its_body(norm):
    """s0-15: d x_b / d x_(b-1) = 1 + dF/dx: the Jacobian matrix of a block of the network, all entries of it."""
    block = residuals(vgg(14, norm=norm, residual=True, filters=2, dtype=np.float64))[0]
    body = Sequential(block.body)
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 2))  # 36 numbers
    of_body = jacobian_by_differences(lambda point: body.forward(point, training=True), x)
    of_block = jacobian_by_backward(block, x)
    assert np.abs(of_body).max() > 0.01
    np.testing.assert_allclose(of_block, np.eye(x.size) + of_body, atol=2e-8)
    np.testing.assert_allclose(of_block - jacobian_by_backward(body, x), np.eye(x.size), atol=1e-13)


def test_s0_15_the_activation_after_the_sum_scales_the_rows():
    """s0-15, in the network as it is: LReLU stands after the sum, so row i is (1 + dF/dx)_i times the slope there."""
    model = vgg(14, norm="batch", residual=True, filters=2, dtype=np.float64)
    block = residuals(model)[0]
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 2))
    slopes = np.where(block.forward(x, training=True).ravel() > 0, 1.0, 0.01)
    whole = jacobian_by_backward(Sequential(block, LeakyReLU(0.01)), x)
    np.testing.assert_allclose(whole, slopes[:, None] * jacobian_by_backward(block, x), atol=1e-13)


def test_s0_16_the_gaps_of_the_published_table(tmp_path):
    """s0-16: RC overfits more than BN, in both measures; that BN reduces it shows in the loss, not in the accuracy."""
    bn, rc, both = (line.published for line in make_table("s0-16-tab", RunIndex(tmp_path)).lines)
    gaps = [(run["gap_loss"].value, run["gap_acc"].value) for run in (bn, rc, both)]
    np.testing.assert_allclose(gaps, [(0.27, 0.0533), (0.51, 0.0920), (0.47, 0.0923)], atol=1e-9)


def test_s0_16_the_gaps_of_our_runs(tmp_path):
    """s0-16: validation loss minus training loss, training accuracy minus validation accuracy, at the last epoch."""
    folders = make_up_runs(tmp_path, [ROWS["s0-16"]])
    assert len(folders) == 3
    lines = make_table("s0-16-tab", RunIndex(tmp_path)).lines
    assert [line.result.run.label.partition(",")[0] for line in lines] == ["VGG38 BN", "VGG38 RC", "VGG38 BN+RC"]
    for line, folder in zip(lines, folders, strict=True):
        last = read_run(folder).history.rows[-1]
        assert line.ours["gap_loss"].value == pytest.approx(last["val_loss"] - last["train_loss"], rel=1e-9)
        assert line.ours["gap_acc"].value == pytest.approx(last["train_acc"] - last["val_acc"], rel=1e-9)
    assert len({line.ours["gap_loss"].value for line in lines}) == 3


NAMES = ["input.conv_0.weight", "input.norm_0.gamma", "stage_0.reduction.conv_0.weight", "head.affine.weight"]


@pytest.fixture
def make_folder(tmp_path):
    """A function that makes the folder of a made-up run and returns what read_run reads in it."""

    def make(name, flow, **settings):
        folder = tmp_path / name
        folder.mkdir()
        settings = {"model": "vgg08", "norm": "batch", "epochs": 2, **settings}
        (folder / "config.json").write_text(json.dumps({"settings": settings}))
        rows = "".join(f"{e},4.0,0.1,4.1,0.09,0.001,10.0\n" for e in (1, 2))
        header = "epoch,train_loss,train_acc,val_loss,val_acc,learning_rate,seconds\n"
        (folder / "metrics.csv").write_text(header + rows)
        if flow is not None:
            flow = np.asarray(flow, np.float32)
            np.savez(folder / "gradient_flow.npz", names=np.array(NAMES), mean_abs=flow, last_mean_abs=flow)
        return read_run(folder)

    return make


def flow_of(scale):
    """Two epochs; the means over them are scale x (3, 8, 2, 1)."""
    return scale * np.array([[2.0, 6.0, 1.0, 1.0], [4.0, 10.0, 3.0, 1.0]])


def test_s0_19_means_over_tensors_epochs_and_seeds(make_folder):
    """s0-19: each group's mean by hand, two seeds of one rate averaged, rates in ascending order."""
    records = [
        make_folder("fast", flow_of(0.01), learning_rate=5e-3),
        make_folder("slow", flow_of(1.0), learning_rate=1e-4),
        make_folder("slow-1", flow_of(3.0), learning_rate=1e-4, seed=1),
    ]
    slow, fast = gradient_magnitudes(records)
    assert (slow.learning_rate, slow.runs, fast.learning_rate, fast.runs) == (1e-4, 2, 5e-3, 1)
    expected = dict(zip(GROUPS, (3.5, 3.0, 2.5, 8.0, 1.0), strict=True))
    assert slow.groups == pytest.approx({name: 2.0 * value for name, value in expected.items()})
    assert fast.groups == pytest.approx({name: 0.01 * value for name, value in expected.items()})


@pytest.mark.parametrize("k", [-0.7, 0.0, 0.5])
def test_s0_19_the_exponent_of_a_power_law_comes_back(make_folder, k):
    """s0-19, "is it negative?": gradients made as rate^k give k, in every group."""
    rates = (1e-4, 5e-4, 5e-3)
    records = [make_folder(f"lr{rate}", flow_of(rate**k), learning_rate=rate) for rate in rates]
    magnitudes = gradient_magnitudes(records)
    for name in GROUPS:
        assert exponent(magnitudes, name) == pytest.approx(k, abs=1e-6)


def test_s0_19_the_table(make_folder):
    """s0-19: a row a rate, the exponents below."""
    records = [make_folder(f"lr{rate}", flow_of(rate**-0.5), learning_rate=rate) for rate in (1e-4, 1e-2)]
    rows = magnitude_rows(gradient_magnitudes(records))
    assert rows[0] == ["0.0001", "1", "3.50e+02", "3.00e+02", "2.50e+02", "8.00e+02", "1.00e+02"]
    assert rows[2] == ["exponent", "", *["-0.50"] * 5]
    assert len(rows[0]) == len(HEADER)


def test_s0_19_one_rate_has_no_exponent_and_zeros_do_not_count(make_folder):
    """s0-19: what cannot be said is "-"."""
    dead = make_folder("dead", np.zeros((2, 4)), learning_rate=5e-2)
    assert magnitude_rows(gradient_magnitudes([dead]))[-1] == ["exponent", "", *["-"] * 5]
    alive = [make_folder(f"lr{rate}", flow_of(rate), learning_rate=rate) for rate in (1e-3, 1e-2)]
    assert exponent(gradient_magnitudes([*alive, dead]), "all weights") == pytest.approx(1.0, abs=1e-6)


def test_s0_19_runs_that_cannot_be_compared_are_named(make_folder):
    """s0-19: another network beside the first, or a run without a gradient flow, is an error."""
    first = make_folder("first", flow_of(1.0), learning_rate=1e-4)
    other = make_folder("other", flow_of(1.0), learning_rate=1e-3, batch_size=50)
    with pytest.raises(ConfigurationError, match="other and first differ in batch_size"):
        gradient_magnitudes([first, other])
    with pytest.raises(ConfigurationError, match="empty has no gradient flow"):
        gradient_magnitudes([first, make_folder("empty", None, learning_rate=1e-3)])
