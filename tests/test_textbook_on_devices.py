"""The textbook runs unchanged on a GPU's arrays: every layer, loss, rule and diagnostic does there what it does here.

Each test runs twice: on CuPy's arrays (marked gpu, skipped without one), where results must agree to rounding, and on
those of tests/stand_in.py, which finds what CuPy would refuse without a GPU, and must agree bit for bit.
"""

import copy
import importlib.metadata
import sys

import numpy as np
import pytest
import stand_in
from stand_in import StandIn

import mlp
from mlp import backend, initializers, interop
from mlp.backend import device_of, move, to_numpy
from mlp.data import Batches, synthetic
from mlp.diagnostics import GradientFlow, all_statistics, check_layer, compare_gradients
from mlp.diagnostics.gradients.layer_cases import CASES
from mlp.engine import GradientStatistics, TextbookEngine
from mlp.errors import DeviceError, NonFiniteLossError
from mlp.experiments.inference import evaluate_run
from mlp.experiments.run import run
from mlp.layers import Affine, BatchNorm, Conv2d, LeakyReLU, Sequential
from mlp.learning_rules import RULES, Adam, GradientDescent
from mlp.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.training import Checkpoint, Trainer, load_checkpoint

GPU = "cuda:0"
TOLERANCE = 1e-10  # in float64


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def library(request, monkeypatch):
    """The library of cuda:0: CuPy, or what stands in for it."""
    if request.param == "cupy":
        return pytest.importorskip("cupy")
    library = StandIn()
    monkeypatch.setitem(sys.modules, "cupy", library)
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"cupy": ["cupy-cuda13x"]})
    backend.check_gpu.cache_clear()
    request.addfinalizer(backend.check_gpu.cache_clear)
    return library


@pytest.fixture
def agree(library):
    """A function that runs outcome("cpu") and outcome("cuda:0"), dicts of NumPy arrays, and compares them.

    Sums over a tensor, in statistics, are taken in another order: they agree to rounding always.
    """

    def compare(outcome):
        expected, found = outcome("cpu"), outcome(GPU)
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            assert isinstance(found[name], (np.ndarray, float, int)), name
            assert np.shape(found[name]) == np.shape(array), name
            if isinstance(library, StandIn) and not name.startswith(("gradient_flow/", "update_ratio/")):
                np.testing.assert_array_equal(found[name], array, err_msg=name, strict=isinstance(array, np.ndarray))
        errors = compare_gradients(found, expected)
        assert max(errors.values()) < TOLERANCE, errors

    return compare


def random(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def on_host(arrays, device):
    """Return {name: NumPy array} of arrays that must be on `device`."""
    assert {device_of(array) for array in arrays.values()} <= {device}, {k: device_of(v) for k, v in arrays.items()}
    return {name: to_numpy(array).copy() for name, array in arrays.items()}


def small_vgg(dtype=np.float64, **settings):
    given = {"depth": 14, "norm": "batch", "residual": True, "reduction_shortcut": "avgpool", "filters": 4}
    return vgg(**{**given, **settings}, num_classes=5, dtype=dtype)


def batch(dtype=np.float64, seed=0):
    return random(6, 8, 8, 3, seed=seed, dtype=dtype), np.random.default_rng(seed).integers(0, 5, 6)


# --- layers, losses, rules, initializers --------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_layers(case, training, agree):
    def outcome(device):
        layer = case.make().initialize(0).astype(np.float64).to(device)
        x = move(random(*case.input_shape), device)
        layer.forward(x, training=True)  # statistics that are not their first values
        y = layer.forward(x, training)
        grad_inputs = layer.backward(move(random(*y.shape, seed=1), device))
        pieces = layer.branches(x)
        arrays = {"outputs": y, "inputs": grad_inputs, **({} if pieces is None else {"pieces": pieces})}
        arrays |= {f"{name}.grad": p.grad for name, p in layer.named_parameters()}
        return {**on_host(arrays, device), **layer.state_dict()}

    agree(outcome)


LOSSES = {
    "softmax": (SoftmaxCrossEntropy(), np.array([0, 3, 2, 1, 3])),
    "smoothed": (SoftmaxCrossEntropy(label_smoothing=0.1), np.array([0, 3, 2, 1, 3])),
    "squares": (MeanSquaredError(), random(5, 4, seed=1)),
    "yes or no": (BinaryCrossEntropy(), (random(5, 4, seed=1) > 0).astype(np.float64)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, agree):
    loss, targets = LOSSES[name]

    def outcome(device):
        outputs, wanted = move(random(5, 4), device), move(targets, device)
        value = loss.forward(outputs, wanted)
        assert type(value) is float
        return {
            "loss": value,
            "accuracy": np.nan_to_num(loss.accuracy(outputs, wanted)),
            **on_host({"gradient": loss.backward()}, device),
        }

    agree(outcome)


SETTINGS = {
    "plain": {},
    "decays": {"weight_decay": 0.1, "decoupled_weight_decay": 0.2, "no_decay": "(gamma|beta|bias)$"},
    "clips": {"clip_norm": 0.5, "clip_value": 0.1},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("rule", RULES)
def test_rules(rule, settings, agree):
    def outcome(device):
        model = Sequential(Affine(3, 4), BatchNorm(4), Affine(4, 2)).initialize(0).astype(np.float64).to(device)
        made, again = (RULES[rule](0.1, **SETTINGS[settings]) for _ in range(2))
        made.initialize(model.parameters())
        for step in range(4):
            for p in model.parameters():
                p.grad = move(random(*p.data.shape, seed=step), device)
            if step == 2:  # stop, and go on from what was saved
                again.initialize(model.parameters())
                again.load_state_dict(made.state_dict())
                made = again
            made.update()
        assert device in repr(made)
        return {**model.state_dict(), **{f"rule/{name}": value for name, value in made.state_dict().items()}}

    agree(outcome)


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.pytorch_default,
        initializers.glorot_uniform,
        initializers.glorot_normal,
        initializers.orthogonal,
        initializers.constant(0.3),
        initializers.uniform(-1, 1),
        initializers.normal(),
        initializers.he_uniform(0.01),
        initializers.he_normal(0.01),
    ],
)
def test_initializers_draw_for_a_model_that_is_on_the_device_already(initializer, agree):
    def outcome(device):
        layers = Conv2d(3, 4, 3, initializer=initializer), BatchNorm(4), Affine(4, 2, initializer=initializer)
        model = Sequential(*layers).astype(np.float64).to(device)
        model.initialize(7)
        assert device_of(model.parameters()[0].data) == device
        return model.state_dict()

    agree(outcome)


# --- whole steps, and what looks at them ----------------------------------------------------------------------------


NETWORKS = {
    "BN+RC": {},
    "BN after": {"norm_position": "after"},
    "plain": {"norm": "none", "residual": False, "reduction_shortcut": "none"},
    "group, dropout": {"norm": "group", "norm_groups": 2, "dropout": 0.1},
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_of_a_whole_network(network, dtype, agree, library):
    if dtype == np.float32 and not isinstance(library, StandIn):
        pytest.skip("rounding in float32 differs from library to library")

    def outcome(device):
        model, rule, engine = small_vgg(dtype, **NETWORKS[network]).to(device), Adam(1e-2), TextbookEngine()
        engine.bind(model, SoftmaxCrossEntropy(), rule, "weights and biases")
        losses = [engine.train_step(*batch(dtype, seed)) for seed in range(3)]
        values = {"losses": np.array(losses), "metrics": np.array(engine.read_metrics())}
        values |= {f"gradient_flow/{name}": array for name, array in engine.read_gradient_statistics().items()}
        values["evaluation"] = np.array(engine.evaluate(*batch(dtype)))
        arrays = {name: p.grad for name, p in model.named_parameters()} | rule.moments
        arrays |= {name: buffer for name, buffer in model.named_buffers() if buffer.dtype.kind == "f"}
        assert {array.dtype for array in arrays.values()} == {np.dtype(dtype)}
        return {**values, **on_host(arrays, device), **{f"state/{k}": v for k, v in model.state_dict().items()}}

    agree(outcome)


def test_statistics_of_small_gradients_beside_large_ones(agree):
    """As in a plain VGG38: a sum that ran through all tensors would lose the small ones."""

    def outcome(device):
        model = Sequential(Affine(3, 4), Affine(4, 3), Affine(3, 2)).astype(np.float64).to(device)
        rule = GradientDescent()
        rule.initialize(model.parameters())
        for scale, p in zip((1.0, 1e-3, 1e-12, 1e-15, 1e-9, 1.0), model.parameters(), strict=True):
            p.grad = move(scale * random(*p.data.shape), device)
        statistics = GradientStatistics(rule.flat, "weights and biases")
        statistics.accumulate()
        result = statistics.read()
        exact = [np.abs(to_numpy(p.grad)).mean() for p in model.parameters()]
        np.testing.assert_allclose(result["mean_abs"], exact, rtol=1e-12)
        return {f"gradient_flow/{name} of {i}": value[i] for name, value in result.items() for i in range(6)}

    agree(outcome)


def test_a_step_waits_for_the_device_a_few_times_and_not_once_a_layer(library):
    if not isinstance(library, StandIn):
        pytest.skip("counted by the stand-in")
    reads = []
    for depth in (8, 20):
        engine = TextbookEngine()
        engine.bind(small_vgg(depth=depth).to(GPU), SoftmaxCrossEntropy(), Adam(1e-2), "weights")
        library.reads = 0
        engine.train_step(*batch())
        reads.append(library.reads)
    assert reads == [4, 4]  # loss, accuracy, smallest and largest target


def test_training_with_all_hooks_stopped_and_resumed(tmp_path, agree):
    def outcome(device):
        train, valid = synthetic(num_train=24, num_test=8, image_size=8, num_classes=5)
        train_batches = Batches(train, 6, augment=True, shuffle=True, dtype=np.float64)
        valid_batches = Batches(valid, 4, dtype=np.float64)
        folder = tmp_path / device.replace(":", "")
        folder.mkdir()

        def make_trainer():
            hooks = [GradientFlow(), *all_statistics(), Checkpoint(folder)]
            model = small_vgg(depth=8).to(device)
            return Trainer(model, SoftmaxCrossEntropy(), Adam(1e-2), hooks=hooks, engine="textbook")

        make_trainer().fit(train_batches, valid_batches, epochs=3, stop_after=1)
        trainer = make_trainer()
        load_checkpoint(folder / "checkpoint-latest.npz", trainer)
        history = trainer.fit(train_batches, valid_batches, epochs=3)
        tables = {
            f"{name}/{statistic}": np.nan_to_num(table[statistic], posinf=0.0)
            for name, table in history.tables.items()
            for statistic in table.values
        }
        columns = ("train_loss", "train_acc", "val_loss", "val_acc")
        return {**tables, **{name: history.column(name) for name in columns}, **trainer.model.state_dict()}

    agree(outcome)


def test_a_whole_run_and_what_is_asked_of_it(tmp_path, agree, library):
    images = np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(48) % 4
    test = {"test_images": images[40:], "test_labels": labels[40:]}
    np.savez(tmp_path / "own.npz", images=images[:40], labels=labels[:40], class_names=list("abcd"), **test)
    np.save(tmp_path / "picture.npy", images[0])
    settings = {"dataset": f"npz:{tmp_path / 'own.npz'}", "epochs": 1, "batch_size": 10, "filters": 4, "norm": "batch"}
    settings |= {"dtype": "float64", "engine": "textbook"}

    def outcome(device):
        out = tmp_path / device.replace(":", "")
        history = run(out, {**settings, "device": device}, statistics=True)
        evaluation = evaluate_run(out, split="valid")
        (prediction,) = mlp.load_run(out).predict([tmp_path / "picture.npy"])
        return {
            "train_loss": history.column("train_loss"),
            "logits": evaluation.logits,
            "loss": evaluation.loss,
            "probabilities": prediction.probabilities,
        }

    agree(outcome)


def test_the_layer_that_broke_is_found(library):
    model = Sequential(Affine(2, 3), LeakyReLU(), Affine(3, 2)).to(GPU)
    model.layers["2"].weight.data[0, 0] = float("nan")

    class One:
        def __len__(self):
            return 1

        def epoch(self, epoch):
            yield np.ones((2, 2), np.float32), np.array([0, 1])

    with pytest.raises(NonFiniteLossError, match="Affine '2', in its weight"):
        Trainer(model, SoftmaxCrossEntropy(), GradientDescent(), engine="textbook").fit(One())


def test_a_layer_on_the_device_can_be_checked(library):
    layer = Conv2d(2, 3, 3, padding=1).to(GPU)
    assert check_layer(layer, (2, 4, 3, 2)).passed
    assert device_of(layer.weight.data) == GPU


# --- moving ---------------------------------------------------------------------------------------------------------


def test_there_and_back(library):
    model = small_vgg(depth=8)
    before = model.state_dict()
    assert model.to(GPU) is model
    assert {device_of(p.data) for p in model.parameters()} == {device_of(p.grad) for p in model.parameters()} == {GPU}
    for name, array in model.state_dict().items():
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, before[name])
    other = small_vgg(depth=8, seed=1).to(GPU)
    other.load_state_dict(before)
    interop.from_torch_arrays(other, interop.to_torch_arrays(model))
    for name, array in other.to("cpu").state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert "total" in model.summary((8, 8, 3))


def test_arrays_of_two_devices_are_an_error_that_names_both(library):
    layer = Affine(2, 3).to(GPU)
    with pytest.raises(DeviceError, match=r"parameters are on cuda:0, the inputs on cpu: call model.to\('cpu'\)"):
        layer.forward(random(4, 2, dtype=np.float32))
    with pytest.raises(DeviceError, match="is on cuda:0, got values on cpu"):
        layer.weight.data = np.zeros((2, 3), np.float32)


def test_the_stand_in_refuses_what_cupy_refuses(library):
    host = np.ones(3)
    x = move(host, GPU)
    for mix in (
        lambda: x + host,
        lambda: host + x,
        lambda: host.__iadd__(x),
        lambda: library.maximum(x, host),
        lambda: np.maximum(host, x),
        lambda: np.asarray(x),
        lambda: np.concatenate([x, host]),
        lambda: library.concatenate([host, host]),
    ):
        with pytest.raises((TypeError, ValueError)):
            mix()
    with pytest.raises((AttributeError, NotImplementedError)):
        library.maximum.reduceat(x, [0])
    assert type(np.sqrt(x)) is type(x) is type(np.zeros_like(x)) is library.ndarray


def test_all_that_the_stand_in_has_is_in_the_library(library):
    for name in f"{stand_in.FUNCTIONS} {stand_in.UFUNCS} {stand_in.NAMES} asarray array".split():
        assert hasattr(library, name), name
    array = library.asarray(np.ones(3))
    for name in f"{stand_in.METHODS} {stand_in.ATTRIBUTES} T get item fill device".split():
        assert hasattr(array, name), name


def test_a_model_that_moves_to_the_device_and_back_trains_on_with_its_moments(library):
    x, targets = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1] * 3)

    def steps(route):
        model, rule, engine = Sequential(Affine(3, 2)).initialize(0).astype(np.float64), Adam(1e-2), TextbookEngine()
        for device in route:
            model.to(device)
            engine.bind(model, SoftmaxCrossEntropy(), rule)
            assert device_of(rule.moments["mean"]) == device
            engine.train_step(x, targets)
        return model.to("cpu").state_dict()

    there, here = steps(["cpu", GPU, GPU, "cpu"]), steps(["cpu"] * 4)
    for name, array in here.items():
        np.testing.assert_allclose(there[name], array, rtol=TOLERANCE, err_msg=name)


def test_a_model_on_the_device_is_copied_there_with_its_rule(library):
    x, targets = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1] * 3)
    model = Sequential(Affine(3, 2), BatchNorm(2)).initialize(0).astype(np.float64).to(GPU)
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam(1e-2), engine="textbook")
    trainer.engine.bind(trainer.model, trainer.loss, trainer.rule)
    trainer.engine.train_step(x, targets)
    twin = copy.deepcopy(trainer)
    before = trainer.model.state_dict()
    assert device_of(twin.rule.flat.data) == GPU
    twin.engine.bind(twin.model, twin.loss, twin.rule)
    twin.engine.train_step(x, targets)
    assert twin.rule.steps == 2
    assert all((before[name] == array).all() for name, array in trainer.model.state_dict().items())
    assert any((before[name] != array).any() for name, array in twin.model.state_dict().items())
