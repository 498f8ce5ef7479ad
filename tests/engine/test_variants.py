"""The CPU engine and the textbook agree on every variant of VGG, and on norms, dropout and strides in any place."""

import numpy as np
import pytest
from comparison import CLASSES, affine, compare_engines, conv, head
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp.engine import CpuEngine, TextbookEngine
from mlp.engine.cpu import plan
from mlp.engine.cpu.ops.batch_norm import BatchNormOp
from mlp.engine.cpu.ops.convolution import ConvolutionOp
from mlp.engine.cpu.ops.dropout import DropoutOp
from mlp.engine.cpu.ops.normalization import GroupNormOp
from mlp.engine.cpu.ops.pointwise import PointwiseOp
from mlp.engine.cpu.ops.strided import PixelConvolutionOp, StridedIdentityOp
from mlp.engine.cpu.ops.textbook import TextbookOp
from mlp.engine.cpu.ops.winograd.op import WinogradOp
from mlp.errors import ShapeError
from mlp.layers import (
    Affine,
    Conv2d,
    Dropout,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
    StridedIdentity,
)
from mlp.learning_rules import Adam, GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import ssrn, vgg
from mlp.models.options import NORM_POSITIONS, NORMS, REDUCTION_SHORTCUTS
from mlp.rng import generator


@st.composite
def variants(draw):
    """Settings of vgg that go together."""
    norm = draw(st.sampled_from(NORMS))
    residual = draw(st.booleans())
    groups = draw(st.sampled_from([1, 2, 4])) if norm == "group" else None
    return {
        "depth": draw(st.sampled_from([8, 14])),
        "norm": norm,
        "norm_groups": groups,
        "norm_position": "before" if norm == "instance" else draw(st.sampled_from(NORM_POSITIONS)),
        "residual": residual,
        "reduction_shortcut": draw(st.sampled_from(REDUCTION_SHORTCUTS)) if residual else "none",
        "dropout": 0.0 if norm == "none" else draw(st.sampled_from([0.0, 0.3])),
    }


OTHERS = {
    "dense": {"dense": True, "growth": 4, "norm": "batch"},
    "dense, no norm": {"dense": True, "growth": 3},
    "dense, groups": {"dense": True, "growth": 4, "norm": "group", "norm_groups": 2, "dropout": 0.3},
    "multi-scale": {"multi_scale": True, "residual": True, "norm": "batch", "reduction_shortcut": "avgpool"},
    "multi-scale, no shortcut": {"multi_scale": True},
    "He": {"initializer": "he"},
}


@pytest.mark.parametrize("block_bytes", [1, plan.BLOCK_BYTES])
@pytest.mark.parametrize("name", OTHERS)
def test_networks_that_concatenate(monkeypatch, name, block_bytes):
    monkeypatch.setattr(plan, "BLOCK_BYTES", block_bytes)
    compare_engines(lambda: vgg(14, filters=8, num_classes=CLASSES, **OTHERS[name]), (5, 8, 8, 3), steps=2)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_ssrn(dropout):
    compare_engines(lambda: ssrn(CLASSES, 25, filters=4, dropout=dropout), (5, 7, 7, 25), steps=2)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(variants(), st.integers(2, 7), st.integers(1, 3), st.sampled_from([1, 30_000, plan.BLOCK_BYTES]))
def test_any_variant(variant, images, threads, block_bytes):
    def model():
        return vgg(**variant, num_classes=CLASSES, filters=8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK_BYTES", block_bytes)
        compare_engines(model, (images, 16, 16, 3), threads, steps=2)


MODELS = {
    "norm first": lambda: [LayerNorm(3), conv(3, 8, 3), *head(8)],
    "norm of vectors": lambda: [Flatten(), affine(363, 20), LayerNorm(20), ReLU(), affine(20, CLASSES)],
    "groups of vectors": lambda: [Flatten(), affine(363, 12), GroupNorm(3, 12), affine(12, CLASSES)],
    "norm(x) + x": lambda: [conv(3, 8, 3), Residual(GroupNorm(2, 8)), conv(8, 8, 3), *head(8)],
    "norms on both ways": lambda: [
        conv(3, 8, 3, bias=False),
        Residual(Sequential(conv(8, 9, 3, 2, 1), LayerNorm(9)), Sequential(conv(8, 9, 1, 2), InstanceNorm(9))),
        ReLU(),
        *head(9),
    ],
    "two norms": lambda: [conv(3, 8, 3, bias=False), InstanceNorm(8), GroupNorm(4, 8), LeakyReLU(), *head(8)],
    "a norm that others add to": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(Sequential(GroupNorm(2, 8), ReLU(), conv(8, 8, 3, padding=1)), Sequential(LayerNorm(8), ReLU())),
        *head(8),
    ],
    "one channel, one group": lambda: [conv(3, 1, 3), GroupNorm(1, 1), ReLU(), *head(1)],
    "dropout of the inputs": lambda: [Dropout(0.3), conv(3, 8, 3), *head(8)],
    "dropout twice": lambda: [conv(3, 8, 3), Dropout(0.3), Dropout(0.2), ReLU(), *head(8)],
    "dropout of odd images": lambda: [conv(3, 5, 3), Dropout(0.4), conv(5, 8, 3), *head(8)],  # 9 x 9 x 5 = 405 numbers
    "dropout that others add to": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(Sequential(Dropout(0.4), conv(8, 8, 3, padding=1)), Sequential(Dropout(0.1), ReLU())),
        *head(8),
    ],
    "dropout of vectors": lambda: [Flatten(), affine(363, 21), ReLU(), Dropout(0.5), affine(21, CLASSES)],
    "dropout without effect": lambda: [conv(3, 8, 3), Dropout(0.0), *head(8)],
    "strided first": lambda: [StridedIdentity(3, 3), conv(3, 8, 3), *head(8)],
    "new channels": lambda: [conv(3, 8, 3), StridedIdentity(8, 11, stride=3), ReLU(), conv(11, 8, 1), *head(8)],
    "strided shortcut": lambda: [
        conv(3, 8, 3, padding=1),
        Residual(conv(8, 12, 3, 2, 1), StridedIdentity(8, 12)),
        LeakyReLU(),
        *head(12),
    ],
    "strided both ways": lambda: [conv(3, 8, 3), Residual(StridedIdentity(8, 8), StridedIdentity(8, 8)), *head(8)],
    "pixel convolutions": lambda: [
        conv(3, 8, 1),
        ReLU(),
        conv(8, 9, 1, stride=(2, 1)),
        Residual(conv(9, 9, 1), conv(9, 9, 1, bias=False)),
        conv(9, 8, 3),
        *head(8),
    ],
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("block_bytes", [1, plan.BLOCK_BYTES])
def test_wiring(name, threads, block_bytes, monkeypatch):
    monkeypatch.setattr(plan, "BLOCK_BYTES", block_bytes)
    compare_engines(lambda: Sequential(*MODELS[name]()), (3, 11, 11, 3), threads, steps=2)


FULL = {"norm": "group", "norm_groups": 2, "residual": True, "reduction_shortcut": "projection", "dropout": 0.2}


def bound(engine, dtype=np.float32, **settings):
    model = vgg(14, num_classes=CLASSES, filters=8, **{**FULL, **settings}).astype(dtype)
    engine.bind(model, SoftmaxCrossEntropy(), Adam(1e-3) if dtype == np.float32 else GradientDescent(1e-3))
    return model


def batch(images, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((images, 16, 16, 3)).astype(dtype), rng.integers(0, CLASSES, images)


@pytest.mark.parametrize("settings", [{}, {"norm": "batch", "norm_groups": None, "reduction_shortcut": "avgpool"}])
def test_short_batches_share_the_memory_and_change_nothing(settings):
    losses = {}
    for engine in (TextbookEngine(), CpuEngine(2)):
        model = bound(engine, np.float64, **settings)
        losses[engine.name] = []
        for step, images in enumerate([4, 7, 1, 7, 5, 4, 9, 7]):
            losses[engine.name].append(engine.train_step(*batch(images, step, np.float64)))
            losses[engine.name].append(engine.evaluate(*batch(3, step, np.float64))[0])
        steps = [array for name, array in model.named_buffers() if name.endswith("step")]
        assert steps and all(step == 8 for step in steps)
        engine.close()
    np.testing.assert_allclose(losses["cpu"], losses["textbook"], rtol=1e-9)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("size", [3, 4])  # odd images begin in the middle of a word of random bits
def test_the_threads_draw_the_textbooks_masks(threads, size, monkeypatch):
    monkeypatch.setattr(plan, "BLOCK_BYTES", 2 * size * size * 4)
    model = Sequential(conv(3, 1, 1), Dropout(0.4), Flatten(), affine(size * size, CLASSES)).initialize(5)
    dropout = model.layers["1"]
    engine = CpuEngine(threads)
    engine.bind(model, SoftmaxCrossEntropy(), GradientDescent(1e-3))
    shape = (11, size, size, 3)
    (op,) = [op for op in engine.plan(shape, np.float32, training=True).ops if type(op) is DropoutOp]
    for step in range(3):
        engine.train_step(np.ones(shape, np.float32), np.zeros(11, int))
        draws = generator(dropout.seed, "dropout", "1", step).random((11, size, size, 1), np.float32)
        np.testing.assert_array_equal(op.masks, (draws >= 0.4).reshape(11, -1))
    engine.close()


# --- what the plan is made of -----------------------------------------------------------------------------------------


def ops_of(training, **settings):
    engine = CpuEngine(2)
    bound(engine, **settings)
    kinds = [type(op) for op in engine.plan((4, 16, 16, 3), np.float32, training=training).ops]
    engine.close()
    assert TextbookOp not in kinds
    return kinds


@pytest.mark.parametrize("training", [True, False])
def test_norm_shortcut_and_activation_are_one_op(training):
    kinds = ops_of(training, dropout=0.0)
    convolutions = kinds.count(WinogradOp) + kinds.count(ConvolutionOp)
    assert (convolutions, kinds.count(PixelConvolutionOp)) == (13, 3)
    assert kinds.count(GroupNormOp) == 16  # one after each
    assert PointwiseOp not in kinds


def test_dropout_is_there_in_training_only():
    assert ops_of(True).count(DropoutOp) == 13
    assert DropoutOp not in ops_of(False)


def test_every_shortcut_has_an_op():
    assert ops_of(True, reduction_shortcut="strided").count(StridedIdentityOp) == 3
    assert ops_of(True, reduction_shortcut="projection_everywhere").count(PixelConvolutionOp) == 6


def test_evaluation_folds_the_norm_of_a_projection_too():
    kinds = ops_of(False, norm="batch", norm_groups=None, dropout=0.0)
    assert BatchNormOp not in kinds
    assert kinds.count(PixelConvolutionOp) == 3


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([vgg(8, num_classes=CLASSES, filters=8)], (2, 16, 16, 4)),
        ([vgg(8, num_classes=CLASSES, filters=8)], (2, 16, 16)),
        ([vgg(8, num_classes=CLASSES, filters=8)], (2, 7, 7, 3)),
        ([InstanceNorm(3)], (2, 1, 1, 3)),
        ([GroupNorm(2, 4)], (2, 5, 5, 3)),
        ([LayerNorm(3)], (2, 5, 3)),
        ([StridedIdentity(4, 4)], (2, 5, 5, 3)),
        ([Residual(Conv2d(3, 3, 3, 2, 1), StridedIdentity(3, 3, 3))], (2, 8, 8, 3)),
        ([Residual(Sequential(Conv2d(3, 8, 3), LeakyReLU()))], (2, 8, 8, 3)),
    ],
)
def test_wrong_inputs_get_the_textbooks_message(layers, shape):
    messages = []
    for engine in (TextbookEngine(), CpuEngine(2)):
        engine.bind(Sequential(*layers, Flatten(), Affine(3, 2)), SoftmaxCrossEntropy(), GradientDescent(1e-3))
        with pytest.raises(ShapeError) as caught:
            engine.train_step(np.zeros(shape, np.float32), np.zeros(2, int))
        messages.append(str(caught.value))
        engine.close()
    assert messages[0] == messages[1]
