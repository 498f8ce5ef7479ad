"""Smoothness against functions whose loss and gradient are known everywhere."""

import numpy as np
import pytest
from point_network import Point

import mlp
from mlp.data import Batches, synthetic
from mlp.diagnostics.smoothness import Smoothness, SmoothnessRecord, shift_layers, smoothness
from mlp.errors import CheckpointError, ConfigurationError
from mlp.layers import Parameter
from mlp.learning_rules import Adam, GradientDescent
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.training import Hook, Trainer


class Function(Loss):
    """A loss of the first row alone, with its gradient."""

    def __init__(self, value, gradient):
        self.value, self.gradient = value, gradient

    def forward(self, outputs, targets):
        self._kept = outputs
        return float(self.value(outputs[0]))

    def backward(self):
        w = self.take()
        grad = np.zeros_like(w)
        grad[0] = self.gradient(w[0])
        return grad


def measure(value, gradient, weights, **options):
    model = Point(weights).set_paths()
    return smoothness(
        model, Function(value, gradient), np.zeros((1, 1)), np.zeros(1, int), engine="textbook", **options
    )


def quadratic(diagonal):
    h = np.array(diagonal, float)
    return (lambda w: w @ (h * w) / 2), (lambda w: h * w)


def test_a_linear_loss_has_a_gradient_that_never_changes():
    slope = np.array([3.0, 4.0])
    found = measure(lambda w: 7 + w @ slope, lambda w: slope, [1.0, 2.0])
    np.testing.assert_allclose(found.losses, found.loss - np.linspace(0.05, 0.4, 8) * 25.0)
    assert found.beta == 0.0
    assert not found.changes.any()
    np.testing.assert_allclose(found.cosines, 1.0)
    assert (found.grad_norm, found.weight_norm) == (5.0, pytest.approx(5**0.5))


def test_the_beta_of_a_quadratic():
    found = measure(*quadratic([1, 4, 9]), [1.0, 1.0, 1.0])
    assert found.beta == pytest.approx(8.340948901140, rel=1e-12)
    np.testing.assert_allclose(found.changes / found.distances, 8.340948901140, rtol=1e-12)
    row = found.row()
    assert row["loss_min"] == pytest.approx(1.17, abs=5e-3)
    assert row["loss_max"] == pytest.approx(31.32, abs=5e-3)
    assert row["change_min"] == pytest.approx(4.128559, abs=1e-6)
    assert row["change_max"] == pytest.approx(33.028473, abs=1e-6)


def test_along_an_eigenvector_beta_is_the_eigenvalue():
    for i, eigenvalue in enumerate((1.0, 4.0, 9.0)):
        assert measure(*quadratic([1, 4, 9]), np.eye(3)[i]).beta == pytest.approx(eigenvalue, rel=1e-12)


def test_beta_depends_on_the_scale_of_weights_that_do_not_matter():
    """A loss of the direction of w alone: at 3 w the gradient is a third, and the curvature a ninth."""
    target = np.array([1.0, 2.0, -1.0])
    value = lambda w: -(w @ target) / np.linalg.norm(w)  # noqa: E731
    gradient = lambda w: -target / np.linalg.norm(w) + (w @ target) * w / np.linalg.norm(w) ** 3  # noqa: E731
    w, sizes = np.array([1.0, 0.5, 2.0]), np.linspace(0.05, 0.4, 8)
    small, large = measure(value, gradient, w, sizes=sizes), measure(value, gradient, 3 * w, sizes=9 * sizes)
    assert large.grad_norm == pytest.approx(small.grad_norm / 3, rel=1e-12)
    assert large.beta == pytest.approx(small.beta / 9, rel=1e-12)
    np.testing.assert_allclose(large.losses, small.losses, rtol=1e-12)


# --- while a network trains ---------------------------------------------------------------------------------------


def train(hooks=(), engine="textbook", rule=None, stop_after=None):
    """Two epochs of a small network that has everything a probe could leave a trace in."""
    images, _ = synthetic(24, 10, image_size=8, num_classes=5)
    batches = Batches(images, 8, augment=True, shuffle=True, seed=1)
    model = mlp.models.vgg(8, "batch", filters=4, num_classes=5, dropout=0.2)
    trainer = Trainer(model, SoftmaxCrossEntropy(), rule or Adam(1e-2), hooks=hooks, engine=engine, threads=1)
    trainer.fit(batches, batches, epochs=2, stop_after=stop_after)
    return trainer


def traces(trainer, other):
    """Return what differs between two trainers."""
    mine, theirs = trainer.model.state_dict(), other.model.state_dict()
    different = [name for name in mine if not np.array_equal(mine[name], theirs[name])]
    moments, others = trainer.rule.state_dict(), other.rule.state_dict()
    different += [name for name in moments if not np.array_equal(moments[name], others[name])]
    rows = [[{**row, "seconds": 0} for row in t.history.rows] for t in (trainer, other)]
    return different + (["history"] if rows[0] != rows[1] else [])


class Gradients(Hook):
    """Remembers the gradient of every step, as hooks after the probe find it."""

    def __init__(self):
        self.seen = []

    def after_step(self, trainer):
        self.seen.append(trainer.rule.flat.grad.copy())


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
@pytest.mark.parametrize("options", [{}, {"direction": "update", "layers": 3}])
def test_training_is_the_same_with_the_probe_and_without(engine, options):
    found, plain = Gradients(), Gradients()
    probe = Smoothness(2, **options)
    assert traces(train([probe, found], engine), train([plain], engine)) == []
    assert np.array_equal(found.seen, plain.seen)
    assert probe.record.steps.tolist() == [0, 2, 4]
    assert np.isfinite([list(row.values()) for row in probe.record.rows]).all()


BUGS = {
    "weights": lambda trainer: trainer.rule.flat.data.__iadd__(np.float32(1e-7)),
    "subtracts what it added": lambda trainer: subtract(trainer.rule.flat.data, np.float32(0.1)),
    "running statistics": lambda trainer: dict(trainer.model.named_buffers())["input.norm_0.running_mean"].fill(0.1),
    "the step of dropout": lambda trainer: dict(trainer.model.named_buffers())["input.dropout_0.step"].__iadd__(1),
    "moments": lambda trainer: trainer.rule.moments["mean"].__imul__(np.float32(1.01)),
    "the rule's steps": lambda trainer: setattr(trainer.rule, "steps", trainer.rule.steps + 1),
}


def subtract(array, step):
    array += step
    array -= step


@pytest.mark.parametrize("bug", BUGS)
def test_a_probe_that_leaves_a_trace_would_be_seen(bug):
    class Careless(Hook):
        def after_step(self, trainer):
            if trainer.step == 2:
                BUGS[bug](trainer)

    assert traces(train([Careless()]), train()) != []


def test_the_probe_sees_the_batch_and_masks_of_the_step():
    """At size 0 the loss is that of the step, and the gradient has not changed."""
    probe = Smoothness(1)
    probe.sizes = np.array([0.0])
    train([probe])
    np.testing.assert_array_equal(probe.record.column("loss_min"), probe.record.column("loss"))
    assert not probe.record.column("change_max").any()
    np.testing.assert_allclose(probe.record.column("cosine_min"), 1.0, rtol=1e-12)


def test_an_interrupt_inside_the_probe_leaves_weights_and_buffers_alone():
    class Stop(Smoothness):
        def after_step(self, trainer):
            engine, calls = trainer.engine, []
            original = type(engine).gradients

            def gradients(x, targets):
                calls.append(1)
                if len(calls) == 3:
                    raise KeyboardInterrupt
                return original(engine, x, targets)

            self.expected = trainer.model.state_dict(), trainer.rule.flat.grad.copy()
            engine.gradients = gradients
            self.trainer = trainer
            super().after_step(trainer)

    probe = Stop(1)
    with pytest.raises(KeyboardInterrupt):
        train([probe])
    state, gradient = probe.expected
    assert all(np.array_equal(value, state[name]) for name, value in probe.trainer.model.state_dict().items())
    assert np.array_equal(probe.trainer.rule.flat.grad, gradient)


def test_the_update_of_gradient_descent_is_the_gradient_times_the_rate():
    gradient, update = Smoothness(1), Smoothness(1, direction="update")
    gradient.sizes = 0.1 * update.sizes
    train([gradient], rule=GradientDescent(0.1))
    train([update], rule=GradientDescent(0.1))
    for name in ("loss_max", "change_max", "beta"):
        np.testing.assert_allclose(gradient.record.column(name), update.record.column(name), rtol=1e-3)


def test_covariate_shift_compares_gradients_before_and_after_the_layers_below_moved():
    probe = Smoothness(3, layers=8)
    trainer = train([probe])
    names = ["input.conv_0", *(f"stage_{s}.reduction.conv_{i}" for s in range(3) for i in (0, 1)), "head.affine"]
    shift = probe.record.shifts[3]
    assert shift.names == [f"{name}.weight" for name in names]
    assert shift.shifts[0] == 0.0  # nothing lies below the first layer
    assert shift.cosines[0] == pytest.approx(1.0)
    assert (shift.shifts[1:] > 0).all()
    assert (shift.cosines[1:] < 1).all()
    assert len(shift_layers(trainer.rule.flat, 3)) == 3


def test_covariate_shift_of_two_layers_by_hand():
    """y = w_2 w_1 x with a squared loss: G of w_2 is (w_2 w_1 - 1) w_1, and w_1 has moved in G'."""
    from mlp.layers import Affine, Sequential
    from mlp.losses import MeanSquaredError

    model = Sequential(*(Affine(1, 1, bias=False, dtype=np.float64) for _ in range(2)))
    w1, w2 = 2.0, 3.0
    for p, value in zip(model.parameters(), (w1, w2), strict=True):
        p.data[...] = value
    probe = Smoothness(1, layers=2)

    class OneBatch:
        def __len__(self):
            return 1

        def epoch(self, epoch):
            yield np.ones((1, 1)), np.ones((1, 1))

    Trainer(model, MeanSquaredError(), GradientDescent(0.01), hooks=[probe], engine="textbook").fit(OneBatch())
    moved = w1 - 0.01 * 2 * (w2 * w1 - 1) * w2
    before, after = 2 * (w2 * w1 - 1) * w1, 2 * (w2 * moved - 1) * moved
    np.testing.assert_allclose(probe.record.shifts[0].shifts, [0.0, abs(before - after)], rtol=1e-12)


def test_the_record_is_written_and_read_and_goes_on(tmp_path):
    whole, first = Smoothness(2, tmp_path, layers=2), tmp_path / "first"
    train([whole])
    read = SmoothnessRecord.read(tmp_path)
    assert read.rows == whole.record.rows
    assert read.settings == whole.record.settings
    np.testing.assert_array_equal(read.shifts[4].shifts, whole.record.shifts[4].shifts)
    header = "step,loss,loss_min,loss_max,grad_norm,change_min,change_max,beta,cosine_min,weight_norm"
    lines = (tmp_path / "smoothness.csv").read_text().splitlines()
    assert lines[0] == header
    assert [line.partition(",")[0] for line in lines[1:]] == ["0", "2", "4"]
    first.mkdir()
    with pytest.raises(CheckpointError, match="--smoothness 50"):
        SmoothnessRecord.read(first)
    (first / "smoothness.npz").write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match="damaged"):
        SmoothnessRecord.read(first)


def test_an_interrupted_run_keeps_what_was_measured_before(tmp_path):
    images, _ = synthetic(24, 10, image_size=8, num_classes=5)
    batches = Batches(images, 8)

    def trainer_with(probe):
        model = mlp.models.vgg(8, filters=4, num_classes=5)
        return Trainer(model, SoftmaxCrossEntropy(), GradientDescent(0.1), hooks=[probe], engine="textbook")

    whole = Smoothness(2)
    trainer_with(whole).fit(batches, epochs=2)
    half = Smoothness(2, tmp_path)
    trainer = trainer_with(half)
    trainer.fit(batches, epochs=2, stop_after=1)
    half.record.rows.append({**half.record.rows[-1], "step": 4})  # measured in an epoch that was not finished
    half.record.write(str(tmp_path))
    again = Smoothness(2, tmp_path)
    trainer.hooks = [again]
    trainer.fit(batches, epochs=2)
    assert again.record.rows == whole.record.rows
    before = (tmp_path / "smoothness.npz").read_bytes()
    trainer.hooks = [Smoothness(3, tmp_path)]
    with pytest.raises(ConfigurationError, match=r"smoothness\.npz was .* would be lost \(every 2 there, 3 here\)"):
        trainer.fit(batches, epochs=3)
    assert (tmp_path / "smoothness.npz").read_bytes() == before


def test_companions_do_not_count():
    from mlp.diagnostics.smoothness.nearby import network_part
    from mlp.layers.parameter import FlatParameters

    names = ("input.conv_0.weight", "companions.stage_0.weight", "head.affine.bias")
    flat = FlatParameters([Parameter(np.ones(n), name) for n, name in zip((2, 3, 1), names, strict=True)])
    assert network_part(flat).tolist() == [True, True, False, False, False, True]


def test_wrong_settings_are_named():
    with pytest.raises(ConfigurationError, match="every must be a whole number of at least 1"):
        Smoothness(0)
    with pytest.raises(ConfigurationError, match="gradient, update"):
        Smoothness(5, direction="sideways")
