"""What a plan decides: which ops there are, which memory they share, and that steps allocate nothing."""

import gc
import itertools
import tracemalloc
import weakref

import numpy as np
import pytest

from mlp.engine import CpuEngine, TextbookEngine, make_engine
from mlp.engine.cpu.ops.batch_norm import BatchNormOp
from mlp.engine.cpu.ops.convolution import ConvolutionOp
from mlp.engine.cpu.ops.textbook import TextbookOp
from mlp.engine.cpu.ops.winograd.op import WinogradOp
from mlp.errors import ConfigurationError, MlpError
from mlp.layers import BatchNorm, Conv2d, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg


@pytest.fixture
def engine():
    engine = CpuEngine(2)
    engine.bind(vgg(14, "batch", True, num_classes=5, filters=8), SoftmaxCrossEntropy(), Adam(1e-3))
    yield engine
    engine.close()


def batch(images):
    rng = np.random.default_rng(0)
    return rng.standard_normal((images, 8, 8, 3), dtype=np.float32), rng.integers(0, 5, images)


def kinds(plan):
    return [type(op) for op in plan.ops]


def test_norm_shortcut_and_activation_are_one_op(engine):
    ops = kinds(engine.plan((4, 8, 8, 3), np.float32, training=True))
    convolutions = ops.count(WinogradOp) + ops.count(ConvolutionOp)
    assert convolutions == 13
    assert ops.count(BatchNormOp) == convolutions  # one after each
    assert TextbookOp not in ops


def test_evaluation_folds_the_norm_into_the_convolution(engine):
    plan = engine.plan((4, 8, 8, 3), np.float32, training=False)
    assert [op for op in plan.ops if getattr(op, "norm", None)] == []
    assert len([op for op in plan.ops if getattr(op, "folded_norm", None)]) == 13


def test_a_subclass_is_not_replaced():
    class Mine(Conv2d):
        pass

    engine = CpuEngine(1)
    engine.bind(Sequential(Conv2d(3, 8, 3), Mine(8, 8, 3)), SoftmaxCrossEntropy(), Adam(1e-3))
    assert TextbookOp in kinds(engine.plan((2, 8, 8, 3), np.float32, training=True))


def test_the_probe_of_an_unknown_layer_leaves_no_trace():
    class Mine(BatchNorm):
        pass

    norm = Mine(3)
    engine = CpuEngine(1)
    engine.bind(norm, SoftmaxCrossEntropy(), Adam(1e-3))
    engine.plan((2, 3), np.float32, training=True)
    np.testing.assert_array_equal(norm.running_mean, 0.0)


def test_the_first_layer_needs_no_gradient_of_its_inputs(engine):
    plan = engine.plan((4, 8, 8, 3), np.float32, training=True)
    assert plan.ops[0].output.grad is None
    assert all(op.output.grad is not None for op in plan.ops[1:])


def test_gradients_share_memory(engine):
    plan = engine.plan((4, 8, 8, 3), np.float32, training=True)
    values = [op.output for op in plan.ops[1:] if len(op.output.shape) == 3]
    arrays = {id(value.grad) for value in values if value.grad.whole is not None}
    assert len(arrays) < len(values) / 2


def test_arrays_begin_at_a_cache_line_and_share_no_memory(engine):
    engine.train_step(*batch(6))
    (memory,) = engine.memories.values()
    arrays = [*memory.batch_arrays.values(), *memory.scratch_arrays.values(), *memory.common]
    assert len(memory.scratch_arrays) > 2
    assert all(array.ctypes.data % 64 == 0 for array in arrays)
    ranges = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in arrays)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))


def test_memory_is_planned_once(engine):
    for images in (6, 4, 3):
        engine.train_step(*batch(images))
        engine.evaluate(*batch(images))
    (memory,) = engine.memories.values()
    memory.piles.clear()  # how many of a block sum's arrays wait at a time depends on who comes when
    before, plans = memory.nbytes, dict(engine.plans)
    for images in (6, 4, 3) * 3:
        engine.train_step(*batch(images))
        engine.evaluate(*batch(images))
    memory.piles.clear()
    assert memory.nbytes == before
    assert engine.plans == plans


@pytest.mark.slow
def test_steps_allocate_nothing(engine):
    x, targets = batch(6)
    for _ in range(5):
        engine.train_step(x, targets)
    engine.read_metrics()
    tracemalloc.start()
    try:
        for step in range(120):
            engine.train_step(x, targets)
            if step == 20:
                tracemalloc.reset_peak()
                settled = tracemalloc.get_traced_memory()[0]
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - settled < 100_000  # the metrics of 100 steps
    assert peak - settled < 200_000  # less than half of one activation of this small batch


def test_a_converted_model_must_be_bound_again(engine):
    engine.model.astype(np.float64)
    with pytest.raises(MlpError, match="bind the engine again"):
        engine.train_step(*batch(4))
    engine.bind(engine.model, SoftmaxCrossEntropy(), Adam(1e-3))
    x, targets = batch(4)
    assert np.isfinite(engine.train_step(x.astype(np.float64), targets))


def test_make_engine():
    assert type(make_engine()) is CpuEngine
    assert type(make_engine("textbook")) is TextbookEngine
    assert make_engine("cpu", threads=3).threads == 3
    with pytest.raises(ConfigurationError, match="engine must be one of auto, textbook, cpu, cuda, got 'fast'"):
        make_engine("fast")


def test_close_gives_the_memory_back_at_once(engine):
    """Without waiting for the garbage collector: what comes next would need as much memory again."""
    engine.train_step(*batch(6))
    engine.evaluate(*batch(6))
    arrays = [weakref.ref(array) for memory in engine.memories.values() for array in memory.batch_arrays.values()]
    gc.collect()  # ops that were fused into others
    gc.disable()
    try:
        engine.close()
        assert len(arrays) > 3 and not [array for array in arrays if array() is not None]
    finally:
        gc.enable()
