"""Losses: values against loops in plain Python, large logits, errors."""

import math

import numpy as np
import pytest

from mlp.diagnostics import check_loss
from mlp.errors import BackwardError, ShapeError
from mlp.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy


def cross_entropy_loops(logits, targets):
    """Formulas (1) to (4) of the module, number by number: the loss and its gradient."""
    N, K = logits.shape
    loss, grad = 0.0, np.zeros((N, K))
    for n in range(N):
        total = sum(math.exp(z) for z in logits[n])
        loss -= math.log(math.exp(logits[n, targets[n]]) / total) / N
        for k in range(K):
            grad[n, k] = (math.exp(logits[n, k]) / total - (k == targets[n])) / N
    return loss, grad


@pytest.mark.parametrize(("N", "K"), [(1, 2), (4, 3), (7, 10)])
def test_values_and_gradient(N, K):
    rng = np.random.default_rng(0)
    logits, targets = 3.0 * rng.standard_normal((N, K)), rng.integers(0, K, N)
    loss = SoftmaxCrossEntropy()
    expected, grad = cross_entropy_loops(logits, targets)
    assert loss.forward(logits, targets) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), grad, rtol=1e-12, atol=1e-14)
    check_loss(loss, (N, K)).raise_if_failed()


@pytest.mark.parametrize("K", [2, 10, 100])
def test_a_network_that_knows_nothing_has_log_k(K):
    logits = np.full((5, K), 7.0, np.float32)
    value = SoftmaxCrossEntropy().forward(logits, np.zeros(5, int))
    assert type(value) is float
    assert value == pytest.approx(math.log(K), rel=1e-6)


def test_the_gradient_of_a_sample_sums_to_zero():
    rng = np.random.default_rng(0)
    loss = SoftmaxCrossEntropy()
    loss.forward(rng.standard_normal((6, 5)), rng.integers(0, 5, 6))
    np.testing.assert_allclose(loss.backward().sum(axis=1), np.zeros(6), atol=1e-16)


def test_a_constant_added_to_a_samples_logits_changes_nothing():
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((4, 3)), np.array([0, 1, 2, 0])
    loss = SoftmaxCrossEntropy()
    value = loss.forward(logits, targets)
    assert loss.forward(logits + np.array([[1.0], [-50.0], [500.0], [0.0]]), targets) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_neither_overflow_nor_become_nan(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], dtype)
    loss = SoftmaxCrossEntropy()
    assert loss.forward(logits, np.array([0, 2])) == pytest.approx(5e3)  # certain and right; certain and wrong
    grad = loss.backward()
    assert grad.dtype == dtype
    np.testing.assert_allclose(grad, [[0, 0, 0], [0, 0.5, -0.5]], atol=1e-12)


def test_logits_stay_as_they_are():
    logits = np.random.default_rng(0).standard_normal((4, 3))
    logits.flags.writeable = False
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, np.array([0, 1, 2, 0]))
    loss.backward()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_any_integers_are_targets(dtype):
    logits, targets = np.eye(3, dtype=np.float32), np.array([0, 1, 1])
    value = SoftmaxCrossEntropy().forward(logits, targets)
    assert SoftmaxCrossEntropy().forward(logits, targets.astype(dtype)) == value


def test_accuracy():
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 5.0]])
    assert SoftmaxCrossEntropy().accuracy(logits, np.array([0, 1, 1, 1])) == 0.75
    assert math.isnan(Loss().accuracy(logits, np.zeros(4)))


@pytest.mark.parametrize(
    ("shape", "targets", "message"),
    [
        ((3, 4), np.array([0, 1]), r"targets \(N,\), got \(3, 4\) and \(2,\)"),
        ((3,), np.array([0, 1, 2]), r"logits \(N, K\)"),
        ((3, 4), np.eye(3, 4), r"got \(3, 4\) and \(3, 4\)"),
        ((3, 4), np.array([0.0, 1.0, 2.0]), "targets must be integers .*float64"),
        ((3, 4), np.array([0, 1, 4]), r"must lie in 0 .. 3, got values in 0 .. 4"),
        ((3, 4), np.array([-1, 1, 2]), r"got values in -1 .. 2"),
        ((0, 4), np.zeros(0, int), "at least one sample"),
    ],
)
def test_targets_that_do_not_fit(shape, targets, message):
    with pytest.raises(ShapeError, match=message):
        SoftmaxCrossEntropy().forward(np.zeros(shape), targets)


def test_backward_needs_a_forward_of_its_own():
    loss = SoftmaxCrossEntropy()
    with pytest.raises(BackwardError, match="SoftmaxCrossEntropy: backward called before forward"):
        loss.backward()
    loss.forward(np.zeros((2, 3)), np.array([0, 1]))
    loss.backward()
    with pytest.raises(BackwardError, match="twice"):
        loss.backward()


@pytest.mark.parametrize("s", [0.1, 0.5])
def test_label_smoothing_is_cross_entropy_with_a_mixed_target(s):
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    q = (1 - s) * np.eye(3)[targets] + s / 3
    loss = SoftmaxCrossEntropy(label_smoothing=s)
    assert loss.forward(logits, targets) == pytest.approx(-(q * np.log(p)).sum() / 4, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), (p - q) / 4, rtol=1e-12)


def test_mean_squared_error():
    loss = MeanSquaredError()
    y, t = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    assert loss.forward(y, t) == (1 + 0 + 4 + 16) / 4
    assert loss.backward().tolist() == [[0.5, 0.0], [1.0, 2.0]]


def test_binary_cross_entropy():
    loss = BinaryCrossEntropy()
    z, t = np.array([[0.5, -2.0], [3.0, 0.0]]), np.array([[1.0, 0.0], [0.25, 1.0]])
    p = 1 / (1 + np.exp(-z))
    assert loss.forward(z, t) == pytest.approx(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), rel=1e-13)
    np.testing.assert_allclose(loss.backward(), (p - t) / 4, rtol=1e-13)
    assert loss.accuracy(z, t) == 0.5
    assert loss.forward(np.array([[1000.0, -1000.0]]), np.array([[0.0, 1.0]])) == 1000.0


@pytest.mark.parametrize("loss", [MeanSquaredError(), BinaryCrossEntropy(), SoftmaxCrossEntropy(label_smoothing=0.2)])
def test_gradients_against_finite_differences(loss):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, 5) if isinstance(loss, SoftmaxCrossEntropy) else rng.random((5, 4))
    check_loss(loss, (5, 4), targets=targets).raise_if_failed()


@pytest.mark.parametrize("loss", [MeanSquaredError(), BinaryCrossEntropy()])
def test_targets_must_be_like_the_outputs(loss):
    with pytest.raises(ShapeError, match=r"\(2, 3\) float32, got \(3,\) float32"):
        loss.forward(np.zeros((2, 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ShapeError, match="float64"):
        loss.forward(np.zeros((2, 3), np.float32), np.zeros((2, 3)))
    loss.forward(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    assert loss.backward().dtype == np.float32


def test_binary_targets_lie_between_0_and_1():
    with pytest.raises(ShapeError, match="must lie in 0 .. 1, got 0.0 .. 2.0"):
        BinaryCrossEntropy().forward(np.zeros(2), np.array([0.0, 2.0]))


@pytest.mark.parametrize(
    ("outputs", "targets", "advice"),
    [
        (np.zeros((5, 1), np.float32), np.zeros(5), ": write targets.reshape(outputs.shape).astype(np.float32)."),
        (np.zeros((5, 1), np.float32), np.zeros((5, 1)), ": write targets.astype(np.float32)."),
        (np.zeros((5, 1)), np.zeros(5), ": write targets.reshape(outputs.shape)."),
        (np.zeros((2, 3)), np.zeros((3, 2)), "got (3, 2) float64."),  # reshaped, the numbers would be mixed up
    ],
)
def test_targets_of_another_shape_or_dtype(outputs, targets, advice):
    for loss in (MeanSquaredError(), BinaryCrossEntropy()):
        with pytest.raises(ShapeError) as failure:
            loss.forward(outputs, targets)
        assert str(failure.value).endswith(advice)
        if targets.size == outputs.size and "write" in advice:
            made = eval(advice.removeprefix(": write ").rstrip("."), {"np": np, "targets": targets, "outputs": outputs})
            assert loss.forward(outputs, made) >= 0.0


@pytest.mark.parametrize(
    ("targets", "advice"),
    [
        (np.zeros(3), "got float64: write targets.astype(np.int64)."),
        (np.array([1, 2, 3]), "got values in 1 .. 3: of targets that begin with 1, take targets - 1."),
        (np.array([0, 2, 3]), "got values in 0 .. 3."),
    ],
)
def test_targets_that_are_no_classes_and_what_to_write_instead(targets, advice):
    with pytest.raises(ShapeError) as failure:
        SoftmaxCrossEntropy().forward(np.zeros((3, 3)), targets)
    assert str(failure.value).endswith(advice)


class Keeps(Loss):
    """Keeps what it is given as outputs, in the way that `how` says."""

    def __init__(self, how):
        self.how = how

    def forward(self, outputs, targets):
        self.how(self, outputs, targets)
        return 0.0

    def backward(self):
        return self.take()


@pytest.mark.parametrize(
    ("how", "taken"),
    [
        (lambda loss, y, t: loss.keep(y), 1),
        (lambda loss, y, t: loss.keep(y, t), (1, 2)),
        (lambda loss, y, t: loss.keep((y,)), (1,)),
        (lambda loss, y, t: setattr(loss, "_kept", (y,)), (1,)),  # as losses were written before `keep`
        (lambda loss, y, t: setattr(loss, "_kept", (y, t)), (1, 2)),
    ],
)
def test_what_a_loss_keeps_is_taken_once_and_as_it_is(how, taken):
    loss = Keeps(how)
    loss.forward(1, 2)
    assert loss.backward() == taken
    with pytest.raises(BackwardError):
        loss.backward()
    loss.forward(1, 2)
    loss.forget()
    with pytest.raises(BackwardError):
        loss.backward()
