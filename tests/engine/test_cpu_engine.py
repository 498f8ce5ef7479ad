"""The CPU engine computes the textbook's numbers: loss, gradients, weights, running statistics, evaluation."""

import numpy as np
import pytest
from comparison import CLASSES, Square, affine, compare_engines, conv, head
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlp.engine import CpuEngine, TextbookEngine
from mlp.engine.cpu import plan
from mlp.engine.cpu.ops import convolution_base
from mlp.engine.cpu.ops.winograd import correlation
from mlp.errors import ShapeError
from mlp.layers import (
    Affine,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Identity,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
)
from mlp.learning_rules import RULES, Adam, GradientDescent
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.models import vgg

VGGS = {
    "plain": {},
    "rc": {"residual": True},
    "bn": {"norm": "batch"},
    "bn_rc": {"norm": "batch", "residual": True},
    "bn_rc_avgpool": {"norm": "batch", "residual": True, "reduction_shortcut": "avgpool"},
    "bn_rc_after": {"norm": "batch", "residual": True, "norm_position": "after"},
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", VGGS)
def test_vgg(name, threads):
    compare_engines(lambda: vgg(14, num_classes=CLASSES, filters=8, **VGGS[name]), (5, 16, 16, 3), threads)


def test_a_network_that_diverges_shows_in_the_loss_and_not_in_warnings():
    """Warnings are errors in these tests, in the engine's own threads as well, where `fit` cannot switch them off."""
    model, rule, engine = Sequential(Affine(4, 8), ReLU(), Affine(8, 3)).initialize(0), Adam(1e30), CpuEngine(2)
    engine.bind(model, SoftmaxCrossEntropy(), rule)
    with np.errstate(all="ignore"):
        losses = [engine.train_step(np.full((6, 4), 1e15, np.float32), np.arange(6) % 3) for _ in range(6)]
    engine.close()
    assert not np.isfinite(losses).all()


@pytest.mark.parametrize("name", VGGS)
def test_vgg_of_odd_sizes(name):
    compare_engines(lambda: vgg(8, num_classes=CLASSES, filters=9, **VGGS[name]), (7, 27, 30, 3))


@pytest.mark.parametrize("depth", [8, 38])
def test_vgg_as_it_is_trained(depth):
    compare_engines(lambda: vgg(depth, "batch", True, num_classes=CLASSES), (4, 32, 32, 3))


@pytest.mark.parametrize("block_bytes", [1, 8_000, 20_000])
@pytest.mark.parametrize("name", VGGS)
def test_many_blocks_and_small_products(name, block_bytes, monkeypatch):
    """Blocks of one image and of several, the last ones smaller; products cut into parts."""
    monkeypatch.setattr(plan, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(convolution_base, "SMALL_PRODUCT", 3_000)
    monkeypatch.setattr(correlation, "SMALL_PRODUCT", 3_000)
    compare_engines(lambda: vgg(14, num_classes=CLASSES, filters=8, **VGGS[name]), (9, 12, 12, 3), steps=2)


@st.composite
def convolutions(draw):
    """A convolution, its image size and batch size; often of the kind that has a faster way."""
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    fast = draw(st.booleans())
    kernel = (3, 3) if fast else draw(pair)
    stride = (1, 1) if fast else draw(pair)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) if fast else draw(pair)
    size = [draw(st.integers(max(1, k - 2 * p), 13)) for k, p in zip(kernel, padding, strict=True)]
    channels = draw(st.sampled_from([1, 2, 3, 8, 11])), draw(st.sampled_from([1, 5, 8]))
    return (
        channels,
        kernel,
        stride,
        padding,
        size,
        draw(st.integers(1, 7)),
        draw(st.integers(1, 3)),
        draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(convolutions())
def test_any_convolution(case):
    (C, F), kernel, stride, padding, size, images, threads, bias = case

    def model():
        first = [conv(2, C, 1), LeakyReLU(0.1)]  # so that the gradient of the inputs is needed
        second = [conv(C, F, kernel, stride, padding, bias=bias), LeakyReLU(0.1)]
        return Sequential(*first, *second, *head(F))

    compare_engines(model, (images, *size, 2), threads)


class DoubledGradient(Conv2d):
    """A subclass with a backward of its own, which no op may replace."""

    def backward(self, grad_outputs):
        return 2 * super().backward(grad_outputs)


class Twice(Sequential):
    """A container with a wiring of its own."""

    def forward(self, x, training=False):
        return 2 * super().forward(x, training)

    def backward(self, grad_outputs):
        return super().backward(2 * grad_outputs)


MODELS = {
    "residual with a convolution as shortcut": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(Sequential(conv(8, 9, 3, 2, 1), BatchNorm(9), ReLU(), conv(9, 9, 3, 1, 1)), conv(8, 9, 1, 2)),
        LeakyReLU(0.2),
        *head(9),
    ],
    "norms on both ways": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(Sequential(conv(8, 8, 3, 1, 1), BatchNorm(8)), Sequential(conv(8, 8, 1), BatchNorm(8))),
        ReLU(),
        *head(8),
    ],
    "x + x": lambda: [conv(3, 8, 3), Residual(Identity()), LeakyReLU(), *head(8)],
    "norm(x) + x": lambda: [conv(3, 8, 3), Residual(BatchNorm(8)), conv(8, 8, 3), *head(8)],
    "shortcut of the inputs": lambda: [Residual(Sequential(conv(3, 3, 3, 1, 1), BatchNorm(3))), *head(3)],
    "residual in residual": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(Sequential(Residual(conv(8, 8, 3, 1, 1)), ReLU(), conv(8, 8, 3, 1, 1)), AvgPool2d(1)),
        *head(8),
    ],
    "convolutions without anything between": lambda: [conv(3, 8, 3), conv(8, 8, 3, 1, 2), conv(8, 9, 5), *head(9)],
    "two norms": lambda: [conv(3, 8, 3), BatchNorm(8), BatchNorm(8), ReLU(), *head(8)],
    "norm first": lambda: [BatchNorm(3), conv(3, 8, 3), *head(8)],
    "activation before norm": lambda: [conv(3, 8, 3), LeakyReLU(0.3), BatchNorm(8), *head(8)],
    "pool first": lambda: [AvgPool2d(2), conv(3, 8, 3), *head(8)],
    "overlapping and uncovered pools": lambda: [conv(3, 8, 3), AvgPool2d(3, 1), AvgPool2d(2, 3), *head(8)],
    "slope 1": lambda: [conv(3, 8, 3), LeakyReLU(1.0), *head(8)],
    "fully connected": lambda: [Flatten(), affine(300, 20), BatchNorm(20), ReLU(), affine(20, CLASSES)],
    "flatten and shortcut": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(conv(8, 8, 3, 1, 1)),
        Flatten(),
        Residual(affine(800, 800)),
        affine(800, CLASSES, bias=False),
    ],
    "a student's layers": lambda: [
        Square(),
        conv(3, 8, 3, padding=1),
        Residual(Sequential(Square(), DoubledGradient(8, 8, 3, padding=1, rng=np.random.default_rng(3)))),
        Twice(BatchNorm(8), ReLU()),
        conv(8, 8, 3),
        Square(),
        *head(8),
    ],
    "a student's model": lambda: [Twice(conv(3, 8, 3), *head(8))],
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_wiring(name, threads):
    compare_engines(lambda: Sequential(*MODELS[name]()), (3, 10, 10, 3), threads, steps=2)


LAYERS = {
    "conv 3": lambda C: conv(C, C, 3, padding=1, bias=False),  # before a norm its gradient is nothing but rounding
    "conv 1": lambda C: conv(C, C, 1, bias=False),
    "norm": BatchNorm,
    "relu": lambda C: LeakyReLU(0.2),
    "pool": lambda C: AvgPool2d(1),
    "square": lambda C: Square(),
}
chains = st.lists(st.sampled_from(list(LAYERS)), max_size=3)
wirings = st.lists(chains | st.tuples(chains, chains), min_size=1, max_size=4)  # a pair is body and shortcut


def network(wiring, C):
    """A network of layers that keep the size of their inputs, one after the other and side by side."""

    def chain(names):
        return Sequential(*[LAYERS[name](C) for name in names])

    parts = [Residual(*map(chain, part)) if isinstance(part, tuple) else chain(part) for part in wiring]
    return Sequential(conv(2, C, 3, padding=1, bias=False), BatchNorm(C), *parts, BatchNorm(C), *head(C))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(wirings, st.sampled_from([5, 8]), st.integers(2, 6), st.integers(1, 3), st.sampled_from([5_000, 10_000]))
@example([(["conv 3", "norm"], ["conv 3"]), ["relu"]], 8, 6, 1, 5_000)  # the shortcut gets its gradient early
@example([(["norm", "relu", "conv 3"], ["conv 3"])], 8, 6, 1, 10_000)  # inputs that a norm shares with a convolution
def test_any_wiring(wiring, C, images, threads, block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK_BYTES", block_bytes)  # one or two images at a time, or more
        # one norm behind another leaves little of its gradients, and few of their digits
        compare_engines(lambda: network(wiring, C), (images, 6, 7, 2), threads, tolerance=1e-7)


def test_more_threads_than_images():
    compare_engines(lambda: Sequential(*MODELS["norms on both ways"]()), (2, 10, 10, 3), threads=5)


def test_many_channels():
    def model():
        return Sequential(conv(3, 70, 3), BatchNorm(70), ReLU(), conv(70, 65, 3, padding=1), *head(65))

    compare_engines(model, (3, 12, 12, 3))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rules(rule, weight_decay):
    def model():  # no bias before the norm: Adam makes steps of its rounding errors
        return Sequential(conv(3, 8, 3, bias=False), BatchNorm(8), LeakyReLU(), conv(8, 8, 3), *head(8))

    compare_engines(model, (4, 9, 9, 3), rule=lambda h: RULES[rule](h, weight_decay=weight_decay), steps=5)


def test_a_students_rule():
    class SignDescent(GradientDescent):
        def change(self, gradient):
            return self.learning_rate * np.sign(gradient)

    compare_engines(lambda: Sequential(conv(3, 8, 3), *head(8)), (4, 9, 9, 3), rule=SignDescent, steps=3)


class SquaredLoss(Loss):
    """A student's loss: how far the true output is from 1."""

    def forward(self, outputs, targets):
        self._kept = outputs, targets
        return float(((outputs[np.arange(len(targets)), targets] - 1.0) ** 2).mean())

    def backward(self):
        outputs, targets = self.take()
        grad, rows = np.zeros_like(outputs), np.arange(len(targets))
        grad[rows, targets] = 2 * (outputs[rows, targets] - 1.0) / len(targets)
        return grad

    def accuracy(self, outputs, targets):
        return 0.5


def test_a_students_loss():
    compare_engines(lambda: Sequential(conv(3, 8, 3), *head(8)), (4, 9, 9, 3), loss=SquaredLoss, steps=2)


@pytest.mark.parametrize("norm", [lambda: BatchNorm(8), lambda: GroupNorm(2, 8)], ids=["batch", "group"])
@pytest.mark.parametrize("offset", [0.0, 30.0, 3e4])
def test_a_mean_much_larger_than_the_deviation(norm, offset):
    gradients = []
    for engine in (TextbookEngine(), CpuEngine(2)):
        model = Sequential(conv(3, 8, 3), norm(), ReLU(), conv(8, 8, 3), *head(8)).astype(np.float64)
        model.layers["0"].bias.data[...] = offset
        engine.bind(model, SoftmaxCrossEntropy(), GradientDescent(1e-2))
        engine.train_step(*batch(6, size=9, dtype=np.float64))
        gradients.append(model.parameters()[0].grad.copy())
        engine.close()
    textbook, cpu = gradients
    assert np.linalg.norm(cpu - textbook) < max(1e-10, 1e-14 * offset) * np.linalg.norm(textbook)


@pytest.mark.parametrize("activation", [ReLU, LeakyReLU])
def test_the_kink_has_the_derivative_from_the_left(activation):
    images = np.zeros((2, 6, 6, 3))
    images[0, 0, 0] = 1.0  # nearly all inputs of the activation are exactly zero
    gradients = []
    for engine in (TextbookEngine(), CpuEngine(1)):
        model = Sequential(conv(3, 8, 3, bias=False), activation(), conv(8, 8, 3), *head(8)).astype(np.float64)
        engine.bind(model, SoftmaxCrossEntropy(), GradientDescent(1e-2))
        engine.train_step(images, np.array([0, 1]))
        gradients.append(model.parameters()[0].grad.copy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-10, atol=1e-16)


def bound_engine(threads=2, dtype=np.float32, **keywords):
    model = vgg(14, "batch", True, num_classes=CLASSES, filters=8).astype(dtype)
    engine = CpuEngine(threads)
    engine.bind(model, SoftmaxCrossEntropy(), RULES["adam"](1e-3), **keywords)
    return model, engine


def batch(images, seed=0, size=16, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((images, size, size, 3)).astype(dtype), rng.integers(0, CLASSES, images)


def test_float32_stays_float32():
    model, engine = bound_engine()
    engine.train_step(*batch(4))
    engine.evaluate(*batch(4))
    for memory in engine.memories.values():
        for array in [*memory.batch_arrays.values(), *memory.scratch_arrays.values(), *memory.common]:
            assert array.dtype == np.float32
    for bound in engine.plans.values():
        for op in bound.ops:
            weights = [getattr(op, name, None) for name in ("kernels", "turned", "kernel", "bias", "wide")]
            assert all(w.dtype == np.float32 for w in weights if w is not None)
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert {array.dtype for array in model.state_dict().values()} == {np.dtype(np.float32)}


def test_float32_is_as_accurate_as_the_textbook():
    """Both float32 engines are compared with float64; the fast convolution may lose a little, no more."""
    x, targets = batch(6)

    def gradients(engine, dtype):
        model = vgg(8, "batch", num_classes=CLASSES, filters=16).astype(dtype)
        engine.bind(model, SoftmaxCrossEntropy(), GradientDescent(1e-2))
        engine.train_step(x.astype(dtype), targets)
        return np.concatenate([p.grad.ravel() for p in model.parameters()]).astype(np.float64)

    exact = gradients(TextbookEngine(), np.float64)
    textbook = np.linalg.norm(gradients(TextbookEngine(), np.float32) - exact)
    cpu = np.linalg.norm(gradients(CpuEngine(2), np.float32) - exact)
    assert cpu < 10 * textbook


def test_a_loss_that_is_not_finite_changes_no_weights():
    model, engine = bound_engine()
    x, targets = batch(4)
    engine.train_step(x, targets)
    state = {name: (p.data.copy(), p.grad.copy()) for name, p in model.named_parameters()}
    assert not np.isfinite(engine.train_step(np.full_like(x, np.nan), targets))
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.data, state[name][0])
        np.testing.assert_array_equal(p.grad, state[name][1])
    assert engine.rule.steps == 1


def test_the_textbook_forward_sees_the_same_weights():
    model, engine = bound_engine(dtype=np.float64)
    x, targets = batch(4, dtype=np.float64)
    for _ in range(3):
        engine.train_step(x, targets)
    loss = SoftmaxCrossEntropy().forward(model.forward(x), targets)
    assert abs(loss - engine.evaluate(x, targets)[0]) < 1e-10


def test_gradient_statistics():
    readings = []
    for engine in (TextbookEngine(), CpuEngine(2)):
        model = vgg(8, "batch", num_classes=CLASSES, filters=8).astype(np.float64)
        engine.bind(model, SoftmaxCrossEntropy(), GradientDescent(1e-3), gradient_statistics="weights")
        for step in range(3):
            engine.train_step(*batch(4, step, dtype=np.float64))
        readings.append(engine.read_gradient_statistics())
    for name, values in readings[0].items():
        np.testing.assert_allclose(readings[1][name], values, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Sequential(Flatten(), BatchNorm(12)),
            "got one value per channel (1, 12); training needs two or more: ",
        ),
        (
            lambda: Sequential(Residual(Conv2d(3, 3, 1, stride=2))),
            "the body gives (1, 1, 1, 3), the shortcut (1, 2, 2, 3)",
        ),
        (lambda: Sequential(Flatten(), GlobalAvgPool(), Affine(3, 3)), "expected (N, H, W, C), got (1, 12): 2 axes"),
    ],
)
def test_what_does_not_fit_is_said_as_the_textbook_says_it(make, sentence):
    sentences = set()
    for engine in (TextbookEngine(), CpuEngine(1)):
        engine.bind(make().initialize(0), SoftmaxCrossEntropy(), GradientDescent(1e-3))
        with pytest.raises(ShapeError) as failure:
            engine.train_step(np.zeros((1, 2, 2, 3), np.float32), np.array([0]))
        sentences.add(str(failure.value))
    assert len(sentences) == 1 and sentence in sentences.pop()


def test_another_dtype_is_an_error():
    _, engine = bound_engine()
    with pytest.raises(ShapeError, match="the parameters are float32, the inputs are float64"):
        engine.train_step(*batch(2, dtype=np.float64))


class Wrong(Square):
    """A student's layer whose backward returns something else than dL/dx."""

    def __init__(self, change):
        self.change = change

    def backward(self, grad_outputs):
        return self.change(super().backward(grad_outputs))


class WrongLoss(SquaredLoss):
    """A student's loss whose backward sums over the batch."""

    def backward(self):
        return super().backward().sum(axis=0)


class Nothing(Square):
    """A student's layer without its return."""

    def forward(self, x, training=False):
        super().forward(x, training)


def one_step(*layers, loss=None):
    """Train these layers and a head for a step; return the loss."""
    engine = CpuEngine(1)
    engine.bind(Sequential(*layers, *head(8)), loss or SoftmaxCrossEntropy(), GradientDescent(1e-2))
    try:
        return engine.train_step(*batch(4, size=9))
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda g: g.sum(axis=0), r"\(7, 7, 8\) of float32"),
        (lambda g: 1.0, "a float"),
        (lambda g: None, "a NoneType"),
        (lambda g: g.astype(np.float64), r"\(4, 7, 7, 8\) of float64"),
    ],
)
def test_gradients_of_another_shape_or_dtype_are_refused(change, got):
    with pytest.raises(ShapeError, match=f"Wrong '1': backward must return dL/dx, an array .* of float32, got {got}"):
        one_step(conv(3, 8, 3), Wrong(change))


def test_a_loss_with_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"WrongLoss.backward must return dL/dy, an array \(4, 5\) of float32, got"):
        one_step(conv(3, 8, 3), loss=WrongLoss())


def test_a_forward_without_return_is_named():
    with pytest.raises(ShapeError, match="Nothing '1': forward returned None: is `return` missing"):
        one_step(conv(3, 8, 3), Nothing())


def test_nobody_looks_at_the_gradient_of_the_images():
    assert np.isfinite(one_step(Wrong(lambda g: None), conv(3, 8, 3)))
