"""Every engine keeps the promises of the interface; the textbook's layers, called one by one, give the right numbers.

`gradients` and `evaluate` change nothing in a model but `p.grad`.
"""

import copy

import numpy as np
import pytest
from comparison import Square, biases_before_norm

from mlp.diagnostics import relative_error
from mlp.engine import CpuEngine, CudaEngine, Engine, TextbookEngine
from mlp.errors import MlpError
from mlp.layers import (
    Affine,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    LeakyReLU,
    Residual,
    Sequential,
    frozen_buffers,
)
from mlp.learning_rules import Adam
from mlp.losses import MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg

CLASSES, SHAPE = 4, (6, 8, 8, 3)


class Counting(Layer):
    """A student's layer with a buffer that it makes anew at every training forward."""

    buffer_names = ("seen",)

    def __init__(self):
        self.seen = np.zeros((), np.int64)

    def forward(self, x, training=False):
        self.seen = self.seen + len(x) * training
        return x

    def backward(self, grad_outputs):
        return grad_outputs


def dropout_net():
    rng = np.random.default_rng(0)
    return Sequential(
        Conv2d(3, 8, 3, padding=1, rng=rng),
        BatchNorm(8),
        Dropout(0.4, seed=3),
        LeakyReLU(0.1),
        Counting(),
        GlobalAvgPool(),
        Affine(8, CLASSES, rng=rng),
    )


def students_net():
    rng = np.random.default_rng(0)
    body = Sequential(Conv2d(8, 8, 3, padding=1, rng=rng), LayerNorm(8), Square())
    first = Conv2d(3, 8, 3, padding=1, rng=rng)
    return Sequential(first, Residual(body), Counting(), Flatten(), Affine(512, CLASSES, rng=rng))


MODELS = {
    "batch norm": lambda: vgg(8, norm="batch", residual=True, filters=8, num_classes=CLASSES, seed=1),
    "dropout": dropout_net,
    "students": students_net,
}


@pytest.fixture(params=["textbook", "cpu", "cuda"])
def make_engine(request):
    """A function that returns an engine on the CPU; the CUDA engine's kernels are emulated."""
    if request.param == "cuda":
        module = request.getfixturevalue("emulated")
        module.set_order(0)
        return lambda: CudaEngine("cuda:0", xp=np, module=module)
    return TextbookEngine if request.param == "textbook" else lambda: CpuEngine(2)


def batch(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(SHAPE).astype(dtype), rng.integers(0, CLASSES, SHAPE[0])


def everything(model, rule, engine):
    """Return copies of all that may not change."""
    arrays = model.state_dict() | rule.state_dict() | {"flat": rule.flat.data, "metrics": engine.read_metrics()}
    return {name: np.array(array) for name, array in arrays.items()}


def same(before, after):
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def by_the_textbook(model, loss, x, targets):
    """Return (loss, accuracy, gradients) with the formulas of training, in float64."""
    model = copy.deepcopy(model).astype(np.float64).set_paths()
    with frozen_buffers(model):
        outputs = model.forward(x.astype(np.float64), training=True)
    targets = targets.astype(np.float64) if targets.dtype.kind == "f" else targets
    value, accuracy = loss.forward(outputs, targets), loss.accuracy(outputs, targets)
    model.backward(loss.backward())
    return value, accuracy, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_textbooks_and_leave_no_trace(make_engine, name):
    model, rule, engine = MODELS[name](), Adam(1e-3), make_engine()
    engine.bind(model, SoftmaxCrossEntropy(), rule, "weights and biases")
    engine.train_step(*batch(1))  # running statistics and counters are off their first values
    engine.read_metrics(), engine.read_gradient_statistics()
    before = everything(model, rule, engine)
    value, accuracy, expected = by_the_textbook(model, SoftmaxCrossEntropy(), *batch(2))
    for _ in range(2):  # the same both times: nothing has moved
        assert engine.gradients(*batch(2)) == pytest.approx(value, rel=1e-5)
        largest = max(np.linalg.norm(gradient) for gradient in expected.values())
        for parameter in expected.keys() - biases_before_norm(model):
            found = dict(model.named_parameters())[parameter].grad
            assert relative_error(found, expected[parameter], largest) < 2e-4, parameter
    gradients = rule.flat.grad.copy()
    assert engine.evaluate(*batch(2), training=True) == pytest.approx((value, accuracy), rel=1e-5)
    np.testing.assert_array_equal(rule.flat.grad, gradients)
    assert np.isnan(engine.read_metrics()).all()
    assert np.isnan(engine.read_gradient_statistics()["l2"]).all()
    same(before, everything(model, rule, engine))
    engine.close()


@pytest.mark.sampled
@pytest.mark.parametrize("name", MODELS)
def test_training_is_the_same_with_probes_in_between(make_engine, name):
    results = []
    for probes in (False, True):
        model, rule, engine = MODELS[name](), Adam(1e-3), make_engine()
        engine.bind(model, SoftmaxCrossEntropy(), rule, "weights")
        losses = []
        for step in range(3):
            if probes:
                assert engine.gradients(*batch(step)) == pytest.approx(engine.evaluate(*batch(step), training=True)[0])
                engine.evaluate(*batch(9))
            losses.append(float(engine.train_step(*batch(step))))
        results.append(everything(model, rule, engine) | engine.read_gradient_statistics() | {"losses": losses})
        engine.close()
    same(*results)


def test_gradients_follow_weights_that_somebody_moves(make_engine):
    model, rule, engine = MODELS["batch norm"](), Adam(1e-3), make_engine()
    engine.bind(model, SoftmaxCrossEntropy(), rule)
    first = engine.gradients(*batch())
    rule.flat.data += 0.01 * np.random.default_rng(0).standard_normal(rule.flat.data.size).astype(np.float32)
    value, _, expected = by_the_textbook(model, SoftmaxCrossEntropy(), *batch())
    assert engine.gradients(*batch()) == pytest.approx(value, rel=1e-5) != first
    gradient = dict(model.named_parameters())["head.affine.weight"].grad
    assert relative_error(gradient, expected["head.affine.weight"], 0.0) < 2e-4
    engine.close()


def test_a_loss_without_a_kernel(make_engine):
    model, loss, rule, engine = dropout_net(), MeanSquaredError(), Adam(1e-3), make_engine()
    engine.bind(model, loss, rule)
    x, _ = batch()
    targets = batch(1)[0][:, 0, 0, :1] + np.zeros((1, CLASSES), np.float32)
    value, _, expected = by_the_textbook(model, MeanSquaredError(), x, targets)
    assert engine.gradients(x, targets) == pytest.approx(value, rel=1e-5)
    assert engine.evaluate(x, targets, training=True)[0] == pytest.approx(value, rel=1e-5)
    largest = max(np.linalg.norm(gradient) for gradient in expected.values())
    for name in expected.keys() - biases_before_norm(model):
        assert relative_error(dict(model.named_parameters())[name].grad, expected[name], largest) < 2e-4, name
    engine.close()


def test_gradients_of_a_loss_that_is_not_finite_stay_as_they_were(make_engine):
    model, rule, engine = MODELS["batch norm"](), Adam(1e-3), make_engine()
    engine.bind(model, SoftmaxCrossEntropy(), rule)
    x, targets = batch()
    with np.errstate(all="ignore"):
        engine.gradients(x, targets)
        gradients = rule.flat.grad.copy()
        assert not np.isfinite(engine.gradients(np.full_like(x, np.inf), targets))
    np.testing.assert_array_equal(rule.flat.grad, gradients)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())  # running statistics, too
    engine.close()


def test_an_engine_without_a_model_says_so(make_engine):
    engine = make_engine()
    for call in (engine.train_step, engine.gradients, engine.evaluate):
        with pytest.raises(MlpError, match=r"call engine\.bind\(model, loss, rule\)"):
            call(*batch())
    engine.bind(dropout_net(), SoftmaxCrossEntropy(), Adam(1e-3))
    with pytest.raises(MlpError, match="gradient_statistics="):
        engine.read_gradient_statistics()
    engine.close()


def test_every_engine_has_what_the_protocol_promises():
    """What the protocol promises, every engine has."""
    promised = {name for name in vars(Engine) if not name.startswith("_")} | {"name"}
    for engine in (TextbookEngine, CpuEngine, CudaEngine):
        assert promised <= set(dir(engine))
