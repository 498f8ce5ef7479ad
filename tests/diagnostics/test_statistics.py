"""What the statistics hooks record, against a few lines of NumPy; and that they change nothing else."""

import json

import numpy as np
import pytest

from mlp.diagnostics import (
    Activations,
    BatchNormStatistics,
    GradientFlow,
    GradientSignal,
    UpdateRatio,
    all_statistics,
)
from mlp.layers import Affine, BatchNorm, Conv2d, Dropout, GlobalAvgPool, LeakyReLU, ReLU, Sequential, Sigmoid
from mlp.learning_rules import Adam, GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.training import Hook, Trainer, load_checkpoint, save_checkpoint

ENGINES = ("textbook", "cpu")


class Data:
    """Batches of `shape` with classes 0 .. 2, other ones in every epoch."""

    def __init__(self, shape, batches=3, dtype=np.float64):
        self.shape, self.batches, self.dtype = shape, batches, dtype

    def __len__(self):
        return self.batches

    def epoch(self, e):
        rng = np.random.default_rng(e)
        for _ in range(self.batches):
            yield rng.standard_normal(self.shape).astype(self.dtype), rng.integers(0, 3, self.shape[0])


def last_batch(data, epoch):
    return list(data.epoch(epoch))[-1]


def perceptron():
    rng = np.random.default_rng(1)
    layers = [Affine(4, 5, rng=rng), BatchNorm(5), ReLU(), Affine(5, 3, rng=rng)]
    return Sequential(*layers).astype(np.float64)


def train(model, hooks, data, epochs=2, engine="textbook", rule=None):
    trainer = Trainer(model, SoftmaxCrossEntropy(), rule or GradientDescent(0.1), hooks=hooks, engine=engine)
    trainer.fit(data, epochs=epochs)
    return trainer


class AfterEpochs(Hook):
    """Notes the weights at the end of each epoch."""

    def before_training(self, trainer):
        self.weights = []

    def after_epoch(self, trainer, row):
        self.weights.append({p.name: p.data.copy() for p in trainer.model.parameters()})


@pytest.mark.parametrize("engine", ENGINES)
def test_activations_and_gradient_signal_against_numpy(engine):
    data, after = Data((6, 4)), AfterEpochs()
    history = train(perceptron(), [Activations(), GradientSignal(), after], data, engine=engine).history
    table, signal = history.tables["activations"], history.tables["gradient_signal"]
    assert table.names == signal.names == ["0", "1", "2", "3"]
    for e, w in enumerate(after.weights):
        x, targets = last_batch(data, e)
        a = x @ w["0.weight"] + w["0.bias"]
        centred = a - a.mean(axis=0)
        s = np.sqrt(centred.var(axis=0) + 1e-5)
        b = w["1.gamma"] * centred / s + w["1.beta"]
        c = np.maximum(b, 0)
        d = c @ w["3.weight"] + w["3.bias"]
        np.testing.assert_allclose(table["mean"][e], [v.mean() for v in (a, b, c, d)], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(table["std"][e], [v.std() for v in (a, b, c, d)], rtol=1e-10)
        np.testing.assert_array_equal(table["dead"][e], [np.nan, np.nan, (c <= 0).all(axis=0).mean(), np.nan])
        grad_d = (np.exp(d) / np.exp(d).sum(axis=1, keepdims=True) - np.eye(3)[targets]) / 6
        grad_c = grad_d @ w["3.weight"].T
        grad_b = grad_c * (b > 0)
        x_hat = centred / s
        grad_a = w["1.gamma"] / s * (grad_b - grad_b.mean(axis=0) - x_hat * (grad_b * x_hat).mean(axis=0))
        gradients = (grad_a, grad_b, grad_c, grad_d)
        np.testing.assert_allclose(signal["mean_abs"][e], [abs(g).mean() for g in gradients], rtol=1e-9)
        np.testing.assert_allclose(signal["l2"][e], [np.linalg.norm(g) for g in gradients], rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_norm_against_numpy(engine):
    rng, data, after = np.random.default_rng(0), Data((4, 6, 6, 2)), AfterEpochs()
    layers = {"conv": Conv2d(2, 5, 1, bias=False, rng=rng), "norm": BatchNorm(5), "pool": GlobalAvgPool()}
    model = Sequential({**layers, "head": Affine(5, 3, rng=rng)}).astype(np.float64)
    table = train(model, [BatchNormStatistics(), after], data, engine=engine).history.tables["batch_norm"]
    assert table.names == ["norm"]
    for e, w in enumerate(after.weights):
        y = last_batch(data, e)[0].reshape(-1, 2) @ w["conv.weight"].reshape(2, 5)
        expected = {"batch_mean": y.mean(axis=0), "batch_var": y.var(axis=0), "gamma": w["norm.gamma"]}
        for name, channels in expected.items():
            np.testing.assert_allclose(table[name][e], [channels.mean()], rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(table[f"{name}_spread"][e], [channels.std()], rtol=1e-9)


def test_without_batch_norm_there_is_no_such_table():
    history = train(Sequential(Affine(4, 3)), all_statistics(), Data((5, 4), dtype=np.float32)).history
    assert sorted(history.tables) == ["activations", "gradient_signal", "update_ratio"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batches", [1, 2, 3])
def test_update_ratio_is_that_of_the_last_step(engine, batches):
    """Gradient descent moves w by h g, and g of the last step is still there after it."""
    ratios = []

    class Listen(Hook):
        def after_epoch(self, trainer, row):
            steps = [(0.1 * p.grad, p.data) for p in trainer.model.parameters()]
            ratios.append([np.linalg.norm(step) / np.linalg.norm(after + step) for step, after in steps])

    hooks = [UpdateRatio(biases=True), Listen()]
    table = train(perceptron(), hooks, Data((6, 4), batches), 3, engine).history.tables["update_ratio"]
    assert table.names == ["0.weight", "0.bias", "1.gamma", "1.beta", "3.weight", "3.bias"]
    np.testing.assert_allclose(table["update_ratio"], ratios, rtol=1e-9, atol=1e-15)
    history = train(perceptron(), [UpdateRatio()], Data((6, 4), batches), 3, engine).history
    assert history.tables["update_ratio"].names == ["0.weight", "1.gamma", "3.weight"]
    np.testing.assert_array_equal(history.tables["update_ratio"]["update_ratio"], table["update_ratio"][:, [0, 2, 4]])


@pytest.mark.parametrize("activation", [ReLU, LeakyReLU])
def test_dead_units_are_counted(activation):
    model = Sequential(Affine(4, 8), activation(), Affine(8, 3)).astype(np.float64)
    model.layers["0"].bias.data[:6] = -1e3
    dead = train(model, [Activations()], Data((5, 4)), 1).history.tables["activations"]["dead"]
    assert dead[0, 1] >= 6 / 8
    model.layers["0"].bias.data[...] = -1e3
    assert train(model, [Activations()], Data((5, 4)), 1).history.tables["activations"]["dead"][0, 1] == 1.0
    model.layers["0"].bias.data[...] = 1e3
    assert train(model, [Activations()], Data((5, 4)), 1).history.tables["activations"]["dead"][0, 1] == 0.0


def test_a_channel_of_an_image_lives_if_one_pixel_does():
    model = Sequential(ReLU(), GlobalAvgPool(), Affine(2, 3)).astype(np.float64)

    class Images(Data):
        def epoch(self, e):
            x = np.full((2, 4, 4, 2), -1.0)
            x[1, 2, 3, 0] = 1.0
            yield x, np.array([0, 1])

    table = train(model, [Activations()], Images((2, 4, 4, 2), batches=1), 1).history.tables["activations"]
    assert table["dead"][0, 0] == 0.5


def test_a_vanishing_gradient_vanishes_from_layer_to_layer():
    model = Sequential(*[layer for _ in range(12) for layer in (Affine(6, 6), Sigmoid())], Affine(6, 3))
    table = train(model.initialize(0), [GradientSignal()], Data((5, 6), dtype=np.float32)).history.tables
    arriving = table["gradient_signal"]["mean_abs"][0, 0::2]  # at the affine layers
    assert (arriving[:-1] < arriving[1:]).all()
    assert 0 < arriving[0] < 1e-8 * arriving[-1]


def test_squares_of_vanishing_gradients_do_not_underflow():
    size = GradientSignal().see(None, np.full((2, 8), 1e-30, np.float32), None)
    assert size["l2"] == pytest.approx(4e-30)


def everything(trainer):
    arrays = {**trainer.model.state_dict(), **trainer.rule.state_dict()}
    arrays |= {f"grad {p.name}": p.grad for p in trainer.model.parameters()}
    arrays |= {name: array for name, array in trainer.history.arrays().items() if name != "rows"}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history.rows]
    return {"rows": json.dumps(rows), **{name: np.asarray(value).tobytes() for name, value in arrays.items()}}


def small_vgg():
    return Sequential(vgg(8, "batch", residual=True, num_classes=4, filters=3), Dropout(0.3), Affine(4, 3)).initialize(
        0
    )


IMAGES = Data((4, 8, 8, 3), dtype=np.float32)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_the_same_bit_for_bit_with_and_without(engine):
    """Weights, buffers (dropout counts its steps there), moments, gradients, gradient flow, metrics."""
    plain = everything(train(small_vgg(), [GradientFlow()], IMAGES, 3, engine, Adam(1e-2)))
    watched = everything(train(small_vgg(), [GradientFlow(), *all_statistics()], IMAGES, 3, engine, Adam(1e-2)))
    assert {name: watched[name] for name in plain} == plain
    assert len(watched) > len(plain)


def test_nothing_stays_behind_in_the_layers():
    trainer = train(small_vgg(), all_statistics(), IMAGES, 1)
    for _, layer in trainer.model.named_layers():
        assert layer._kept is None
        assert not {"forward", "backward"} & set(vars(layer))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_resumed_run_has_the_same_tables(tmp_path, engine):
    def make():
        rule = Adam(1e-2)
        return Trainer(small_vgg(), SoftmaxCrossEntropy(), rule, hooks=all_statistics(), engine=engine)

    whole, first, second = make(), make(), make()
    whole.fit(IMAGES, epochs=3)
    first.fit(IMAGES, epochs=3, stop_after=2)
    save_checkpoint(tmp_path / "c.npz", first)
    load_checkpoint(tmp_path / "c.npz", second)
    second.fit(IMAGES, epochs=3)
    assert everything(second) == everything(whole)


def test_a_table_that_begins_later_has_nan_before():
    trainer = train(perceptron(), [], Data((6, 4)), 2)
    trainer.hooks = all_statistics()
    trainer.fit(Data((6, 4)), epochs=3)
    for table in trainer.history.tables.values():
        for statistic in set(table.values) - {"dead"}:
            assert np.isnan(table[statistic]).tolist() == [[True] * len(table.names)] * 2 + [[False] * len(table.names)]
