"""The CUDA engine computes the textbook's numbers, on an emulated GPU and, where there is one, on a real GPU."""

import math

import gpu_stand_in
import numpy as np
import pytest
from comparison import Square, biases_before_norm

from mlp.backend import device_of, move, to_numpy
from mlp.data import Batches, prefetch, synthetic
from mlp.diagnostics import GradientFlow, relative_error
from mlp.engine import CudaEngine, TextbookEngine, make_engine
from mlp.engine.cuda.gpu import WARM_UP
from mlp.errors import ConfigurationError, DeviceError, MlpError, NonFiniteLossError, ShapeError
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, LeakyReLU, Residual, Sequential
from mlp.learning_rules import RULES, Adam, GradientDescent, LearningRule
from mlp.losses import MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import ssrn, vgg
from mlp.models.deep_supervision import DeepSupervision, taps_of
from mlp.training import Trainer

GPU, CLASSES, SHAPE = "cuda:0", 5, (4, 8, 8, 3)
TOLERANCE = {"float32": 1e-4, "tf32": 3e-2}  # of a whole network, whose norms of 16 numbers enlarge roundings


def small_vgg(depth=14, **settings):
    given = {"norm": "batch", "residual": True, "filters": 8, "num_classes": CLASSES}
    return vgg(depth, **{**given, **settings})


def batch(shape=SHAPE, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape).astype(dtype), rng.integers(0, CLASSES, shape[0])


def off_the_first_values(model):
    """Return the model with other gammas, betas and slopes: 1 and 0 hide mistakes, small slopes enlarge roundings."""
    rng = np.random.default_rng(7)
    for _, layer in model.named_layers():
        if type(layer) is LeakyReLU:
            layer.negative_slope = 0.7
    for name, p in model.named_parameters():
        if name.endswith(("gamma", "beta")):
            p.data += 0.3 * rng.standard_normal(p.data.shape).astype(p.data.dtype)
    return model


def bound_engine(rule=None, gradient_statistics=None):
    """Return a CUDA engine that works on a small network."""
    engine = CudaEngine(GPU)
    engine.bind(small_vgg(8).to(GPU), SoftmaxCrossEntropy(), rule or Adam(1e-2), gradient_statistics)
    return engine


def outcome(engine, device, model, rule, loss=None, steps=3, shape=SHAPE, dtype=np.float32):
    """Train; return everything that is left, as {name: array} in float64."""
    model = off_the_first_values(model).astype(dtype).to(device)
    engine.bind(model, loss or SoftmaxCrossEntropy(), rule, "weights and biases")
    losses = [engine.train_step(*batch(shape, seed, dtype)) for seed in range(steps)]
    results = {"losses": [float(loss) for loss in losses], "metrics": engine.read_metrics()}
    results |= {f"gradient of {name}": to_numpy(p.grad) for name, p in model.named_parameters()}
    results |= {f"statistics: {name}": values for name, values in engine.read_gradient_statistics().items()}
    results["evaluation"] = engine.evaluate(*batch(shape, 9, dtype))
    results |= model.state_dict()
    results |= {f"rule: {name}": values for name, values in rule.state_dict().items()}
    engine.close()
    return {name: np.array(values, np.float64) for name, values in results.items()}


def compare(make_model, make_rule=lambda: GradientDescent(1e-2), precision="float32", also_vanishing=(), **settings):
    """Assert that the engine agrees with the textbook in float64; return the CUDA engine's results.

    also_vanishing: names of parameters whose gradient is 0 on paper, beside biases before a norm.
    """
    vanishing = biases_before_norm(make_model()) | set(also_vanishing)
    expected = outcome(TextbookEngine(), "cpu", make_model(), make_rule(), dtype=np.float64, **settings)
    found = outcome(CudaEngine(GPU, precision), GPU, make_model(), make_rule(), **settings)
    assert found.keys() == expected.keys()
    largest = max(np.linalg.norm(a) for name, a in expected.items() if name.startswith("gradient of"))
    for name, array in expected.items():
        if "zeros" in name or any(bias in name for bias in vanishing):
            continue
        error = relative_error(found[name], array, largest if name.startswith("gradient of") else 0.0)
        assert error < TOLERANCE[precision], f"{name}: {error}"
    return found


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"reduction_shortcut": "avgpool"},
        {"norm": "none"},
        {"norm_position": "after", "residual": False},
        {"depth": 8, "filters": 16},
    ],
    ids=str,
)
def test_vgg(library, settings):
    compare(lambda: small_vgg(**settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"dense": True, "growth": 4, "residual": False},
        {"dense": True, "growth": 8, "norm": "none", "residual": False},
        {"multi_scale": True, "filters": 16},
    ],
    ids=str,
)
def test_networks_that_concatenate(library, settings):
    all_readers_are_norms = ("input.norm_0.gamma", "input.norm_0.beta", "reduction.conv_1.bias")
    compare(lambda: small_vgg(**settings), also_vanishing=all_readers_are_norms if "norm" not in settings else ())


def test_ssrn(library):
    compare(lambda: ssrn(CLASSES, 19, filters=8, dropout=0.0), shape=(3, 7, 7, 19), steps=1)


def test_companions(library):
    """The loss sees what the branches make of a batch, and its gradient reaches them."""
    results = []
    for engine, device, dtype in ((TextbookEngine(), "cpu", np.float64), (CudaEngine(GPU), GPU, np.float32)):
        model = off_the_first_values(small_vgg(companions="blocks")).astype(dtype).to(device)
        loss = DeepSupervision(SoftmaxCrossEntropy(), taps_of(model))
        engine.bind(model, loss, GradientDescent(1e-2))
        engine.train_step(*batch(dtype=dtype))
        engine.train_step(*batch(seed=1, dtype=dtype))
        seen = [loss.objective, *loss.companion_losses]
        gradients = {name: to_numpy(p.grad).astype(np.float64) for name, p in model.named_parameters()}
        evaluation = engine.evaluate(*batch(dtype=dtype))
        assert loss.companion_losses == []
        results.append((seen, gradients, evaluation))
        engine.close()
    (seen, gradients, evaluation), (found_seen, found, found_evaluation) = results
    np.testing.assert_allclose(found_seen, seen, rtol=1e-5)
    np.testing.assert_allclose(found_evaluation, evaluation, rtol=1e-4)
    largest = max(np.linalg.norm(a) for a in gradients.values())
    for name in gradients.keys() - biases_before_norm(small_vgg(companions="blocks")):
        assert relative_error(found[name], gradients[name], largest) < TOLERANCE["float32"], name


def test_settings_may_be_whole_numbers(library):
    """A kernel's float must not get the bits of an integer."""

    def model():
        made = small_vgg(8)
        for _, layer in made.named_layers():
            if type(layer) is BatchNorm:
                layer.eps, layer.momentum = 1, 1
        return made

    losses = []
    for engine, device, dtype in ((TextbookEngine(), "cpu", np.float64), (CudaEngine(GPU), GPU, np.float32)):
        loss = SoftmaxCrossEntropy()
        loss.label_smoothing = 1
        results = outcome(engine, device, model(), GradientDescent(1e-2), loss, dtype=dtype)
        losses.append(results["losses"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_vgg_in_tf32(library):
    compare(lambda: small_vgg(8, norm="none"), precision="tf32", steps=1)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_vgg38_at_full_size(precision):
    """Batch 100, 32 x 32: each layer is compared in test_cuda_layers, here the loss of a whole step."""
    model = lambda: vgg(38, "batch", residual=True)  # noqa: E731
    losses = []
    for engine, device, dtype in ((TextbookEngine(), "cpu", np.float64), (CudaEngine(GPU, precision), GPU, np.float32)):
        engine.bind(model().astype(dtype).to(device), SoftmaxCrossEntropy(), Adam(1e-3))
        losses.append(float(engine.train_step(*batch((100, 32, 32, 3), 0, dtype))))
    assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE[precision])


RULE_SETTINGS = [
    {},
    {"clip_norm": 0.5, "clip_value": 0.02},
    {"weight_decay": 0.1, "no_decay": r"(gamma|beta|bias)$"},
    {"decoupled_weight_decay": 0.1},
]


@pytest.mark.slow
@pytest.mark.parametrize("settings", RULE_SETTINGS, ids=str)
@pytest.mark.parametrize("name", RULES)
def test_learning_rules(library, name, settings):
    """Far from zero gradients, where the division by their size would show every rounding."""

    def model():
        return Sequential(Conv2d(3, 8, 3, padding=1, rng=np.random.default_rng(1)), LeakyReLU(), *head(8))

    compare(model, lambda: RULES[name](1e-2, **settings), shape=(4, 4, 4, 3))


def head(channels):
    return GlobalAvgPool(), Affine(channels, CLASSES, rng=np.random.default_rng(2))


class Slow(LearningRule):
    """A student's rule."""

    def change(self, gradient):
        return 0.5 * self.learning_rate * gradient


def mixed_model():
    rng = np.random.default_rng(1)
    shortcut = Residual(Sequential(Conv2d(6, 6, 3, padding=1, rng=rng), LeakyReLU()))
    first = [Conv2d(3, 8, 3, padding=1, rng=rng), BatchNorm(8), Square(), Conv2d(8, 6, 3, padding=1, rng=rng), shortcut]
    return Sequential(*first, AvgPool2d(3, 1), Conv2d(6, 8, 1, rng=rng), LeakyReLU(), *head(8))


def test_what_has_no_kernel_runs_as_the_textbook_has_it(library):
    compare(mixed_model)


@pytest.mark.slow
def test_other_losses_and_rules(library):
    compare(lambda: small_vgg(8), lambda: Slow(1e-2))
    compare(lambda: small_vgg(8), loss=SoftmaxCrossEntropy(label_smoothing=0.1))


def test_a_loss_without_kernel(library):
    model = small_vgg(8).to(GPU)
    engine = CudaEngine(GPU)
    engine.bind(model, MeanSquaredError(), Adam(1e-3))
    x = batch()[0]
    targets = np.zeros((4, CLASSES), np.float32)
    losses = [float(engine.train_step(x, targets)) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert math.isnan(engine.read_metrics()[1])


def test_float64_models_train_too(library):
    found = outcome(CudaEngine(GPU), GPU, small_vgg(8), Adam(1e-2), dtype=np.float64)
    expected = outcome(TextbookEngine(), "cpu", small_vgg(8), Adam(1e-2), dtype=np.float64)
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-6)
    np.testing.assert_allclose(found["head.affine.weight"], expected["head.affine.weight"], rtol=1e-6)


def test_a_recorded_step_is_bit_for_bit_the_same(library):
    """The learning rate changes from step to step, the batch sizes too: neither may be part of what is recorded."""
    results = []
    for record in (True, False):
        engine, rule, model = CudaEngine(GPU, record=record), Adam(1e-2), off_the_first_values(small_vgg(8)).to(GPU)
        engine.bind(model, SoftmaxCrossEntropy(), rule, "weights")
        losses = []
        for step in range(2 * WARM_UP + 3):
            rule.learning_rate = 1e-2 / (step + 1)
            losses.append(engine.train_step(*batch((4 - step % 2, 8, 8, 3), step)))
            engine.evaluate(*batch(seed=step))
        graphs = [program.graph is not None for program in engine.programs.values()]
        assert graphs == [record] * 3  # steps of 4 and of 3 images, evaluation
        results.append({"losses": [float(loss) for loss in losses], "metrics": engine.read_metrics()})
        results[-1] |= engine.read_gradient_statistics() | model.state_dict() | rule.state_dict()
    for name, values in results[0].items():
        np.testing.assert_array_equal(values, results[1][name], err_msg=name)


def test_two_runs_have_the_same_bits(library):
    runs = [outcome(CudaEngine(GPU), GPU, small_vgg(8), Adam(1e-2)) for _ in range(2)]
    for name, array in runs[0].items():
        np.testing.assert_array_equal(array, runs[1][name], err_msg=name)


def test_a_step_reads_nothing_back(stand_in):
    engine = bound_engine(gradient_statistics="weights")
    engine.train_step(*batch())
    stand_in.reads = 0
    losses = [engine.train_step(*batch(seed=seed)) for seed in range(5)]
    assert stand_in.reads == 0
    engine.read_metrics()
    assert stand_in.reads == 1
    assert f"{losses[0]:.3f}" == f"{float(losses[0]):.3f}" and repr(losses[0]) == repr(float(losses[0]))
    assert stand_in.reads == 1  # all were fetched together


def test_more_steps_than_the_log_has_room_for(library, monkeypatch):
    monkeypatch.setattr("mlp.engine.cuda.engine.LOG_STEPS", 2)
    engine = bound_engine()
    losses = [engine.train_step(*batch(seed=seed)) for seed in range(5)]
    assert len(engine.log.rows) == 2
    assert engine.read_metrics()[0] == pytest.approx(sum(map(float, losses)) / 5)


def test_a_loss_that_is_not_finite_changes_nothing(library):
    rule = Adam(1e-2)
    engine = bound_engine(rule)
    engine.train_step(*batch())
    arrays = rule.flat.data, rule.flat.grad, rule.moments["mean"]
    before = [to_numpy(array).copy() for array in arrays]
    x, targets = batch(seed=1)
    x[0, 0, 0, 0] = np.inf
    assert not math.isfinite(engine.train_step(x, targets))
    for array, values in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(to_numpy(array), values)


def test_training_ends_at_a_loss_that_is_not_finite(library):
    trainer = Trainer(small_vgg(8).to(GPU), SoftmaxCrossEntropy(), GradientDescent(1e30), engine="cuda")
    with pytest.raises(NonFiniteLossError):
        trainer.fit(batches(), epochs=20)


def batches(**settings):
    train = synthetic(image_size=8, num_classes=CLASSES)[0]
    return Batches(train.take(np.arange(10)), 4, shuffle=True, **settings)


def test_the_trainer_takes_it_for_a_gpu(library):
    found, expected = (
        Trainer(small_vgg(8).to(device), SoftmaxCrossEntropy(), Adam(1e-3), hooks=[GradientFlow()], engine=engine)
        for device, engine in ((GPU, "auto"), ("cpu", "textbook"))
    )
    assert type(found.engine) is CudaEngine
    expected.fit(batches(augment=True), batches(), epochs=2)
    found.fit(batches(augment=True), batches(), epochs=2)
    assert device_of(found.batch[0]) == GPU  # made there
    for a, b in zip(found.history.rows, expected.history.rows, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in b.items() if k != "seconds"}, rel=1e-3
        )


@pytest.mark.parametrize(
    "settings", [{"augment": True}, {"augment": False}, {"augment": True, "normalization": "cifar100"}]
)
def test_batches_made_on_the_device_are_the_same_to_the_last_bit(library, settings):
    engine, source = CudaEngine(GPU), batches(seed=3, **settings)
    resident = engine.resident(source)
    assert len(resident) == len(source) and resident.num_images == source.num_images
    for epoch in range(2):
        for (x, targets), (expected, labels) in zip(resident.epoch(epoch), source.epoch(epoch), strict=True):
            np.testing.assert_array_equal(to_numpy(x), expected, strict=True)
            np.testing.assert_array_equal(to_numpy(targets), labels)


def test_batches_are_uploaded_once(library):
    engine, source = CudaEngine(GPU), batches()
    assert engine.resident(source) is engine.resident(source)
    engine.close()
    assert not engine.residents


@pytest.mark.slow
def test_batches_may_be_made_in_another_thread(library):
    """While the first steps are recorded, too."""
    results = []
    for ahead in (False, True):
        engine = bound_engine()
        epochs = [engine.resident(batches(augment=True)).epoch(e) for e in range(3)]
        losses = [engine.train_step(*xt) for epoch in epochs for xt in (prefetch(epoch) if ahead else epoch)]
        results.append([float(loss) for loss in losses])
    assert results[0] == results[1]


def test_batches_of_another_kind_stay_as_they_are(stand_in):
    engine = CudaEngine(GPU)
    for source in (batches(dtype=np.float64), [1, 2]):
        assert engine.resident(source) is source


def test_batches_on_the_device_train_like_those_of_the_host(library):
    results = []
    for where in (GPU, "cpu"):
        engine = bound_engine()
        results.append([float(engine.train_step(*(move(a, where) for a in batch(seed=s)))) for s in range(4)])
    assert results[0] == results[1]


def test_mistakes_have_the_textbooks_messages(library):
    engine, textbook = bound_engine(), TextbookEngine()
    textbook.bind(small_vgg(8), SoftmaxCrossEntropy(), Adam(1e-3))
    x, targets = batch()
    wrong = ((x[..., :2], targets), (x.astype(np.float64), targets), (x, targets + CLASSES), (x, targets[:2]))
    one_pixel = (x[:1, :1, :1], targets[:1])  # one value per channel
    for given in (*wrong, one_pixel):
        messages = []
        for each in (engine, textbook):
            with pytest.raises(ShapeError) as caught:
                each.train_step(*given)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_wrong_targets_on_the_device_show_in_the_loss(library):
    engine = bound_engine()
    x, targets = batch()
    assert math.isnan(engine.train_step(x, move(targets + CLASSES, GPU)))


def test_a_model_elsewhere_is_an_error(library):
    with pytest.raises(
        DeviceError, match=r"the cuda engine works on cuda:0, the model is on cpu: call model.to\('cuda:0'\)"
    ):
        CudaEngine(GPU).bind(small_vgg(8), SoftmaxCrossEntropy(), Adam(1e-3))
    engine = bound_engine()
    engine.model.astype(np.float64)
    with pytest.raises(MlpError, match="bind the engine again"):
        engine.train_step(*batch())


def test_make_engine(library):
    assert type(make_engine("auto", device=GPU)) is type(make_engine("cuda", device=GPU)) is CudaEngine
    assert make_engine("cuda", device=GPU, precision="tf32").gpu.precision == "tf32"
    with pytest.raises(ConfigurationError, match="precision must be one of float32, tf32, got 'half'"):
        make_engine("cuda", device=GPU, precision="half")


def test_gpus_without_tf32_run_the_textbook(stand_in, monkeypatch):
    monkeypatch.setattr(gpu_stand_in.Gpu, "compute_capability", "75")
    assert type(make_engine("auto", device=GPU)) is TextbookEngine
    with pytest.raises(DeviceError, match="needs compute capability 8.0 or newer, cuda:0 has 7.5: take the engine"):
        make_engine("cuda", device=GPU)


def test_no_cuda_engine_on_the_cpu():
    with pytest.raises(ConfigurationError, match=r"needs a CUDA device, got 'cpu': call model.to\('cuda:0'\)"):
        make_engine("cuda", device="cpu")
