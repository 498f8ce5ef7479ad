"""Results have the same bits with any number of threads, whichever thread takes which block."""

import time

import numpy as np
import pytest

from mlp.engine import CpuEngine
from mlp.engine.cpu import plan
from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.memory import Memory
from mlp.engine.cpu.program import EVEN, Blocks, Segment, count_blocks
from mlp.layers import Affine, BatchNorm, Conv2d, Flatten, ReLU, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg

CLASSES = 5
VARIANTS = {
    "plain": {},
    "bn_rc": {"norm": "batch", "residual": True},
    "dropout": {"norm": "batch", "dropout": 0.3},
    "layer norm": {"norm": "layer", "residual": True},
    "projections": {"norm": "batch", "residual": True, "reduction_shortcut": "projection"},
}


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    """Blocks of an image or two, as large images have them."""
    monkeypatch.setattr(plan, "BLOCK_BYTES", 16_000)


def trained(model, threads, images, size=16):
    """Return everything that a few steps and an evaluation leave behind, as bytes by name."""
    rng = np.random.default_rng(5)
    engine = CpuEngine(threads)
    engine.bind(model, SoftmaxCrossEntropy(), Adam(1e-3))
    found = {}
    for step, n in enumerate((images, images, max(2, images // 3), images)):  # an epoch's last batch is short
        x = rng.standard_normal((n, size, size, 3), dtype=np.float32)
        found[f"loss {step}"] = engine.train_step(x, rng.integers(0, CLASSES, n))
    found["evaluation"] = engine.evaluate(x, rng.integers(0, CLASSES, n))
    found |= {f"gradient of {name}": p.grad.tobytes() for name, p in model.named_parameters()}
    found |= {name: array.tobytes() for name, array in model.state_dict().items()}
    engine.close()
    return found


@pytest.mark.sampled
@pytest.mark.parametrize("images", [3, 21])
@pytest.mark.parametrize("name", VARIANTS)
def test_any_number_of_threads(name, images):
    def run(threads):
        return trained(vgg(8, num_classes=CLASSES, filters=8, seed=1, **VARIANTS[name]), threads, images)

    expected = run(1)
    for threads in (2, 3, 4):
        found = run(threads)
        assert [key for key in expected if found[key] != expected[key]] == []


def test_fully_connected_layers_and_a_mean_far_from_zero():
    def model():
        rng = np.random.default_rng(0)
        first = Conv2d(3, 8, 3, rng=rng)
        first.bias.data[...] = 1e3  # batch norm takes its sums once more, around the mean
        layers = [first, BatchNorm(8), ReLU(), Conv2d(8, 8, 5, rng=rng), Flatten(), Affine(72, CLASSES, rng=rng)]
        return Sequential(*layers)

    assert trained(model(), 1, 10, 9) == trained(model(), 3, 10, 9)


def test_a_thread_that_is_late(monkeypatch):
    """Others take its blocks, and the bits stay the same."""
    taken = []
    take = Segment.take

    def slow_take(self, t):
        if t == 0:
            time.sleep(2e-4)
        block = take(self, t)
        if block:
            taken.append((t, self.shares[t].count(block)))
        return block

    def run(threads):
        return trained(vgg(8, "batch", num_classes=CLASSES, filters=8, seed=1), threads, 13)

    expected = run(2)
    monkeypatch.setattr(Segment, "take", slow_take)
    assert run(2) == expected
    assert (1, 0) in taken  # thread 1 took what was laid ready for thread 0


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_block_leaves_no_trace(threads, monkeypatch):
    rng = np.random.default_rng(5)
    x, targets = rng.standard_normal((13, 16, 16, 3), dtype=np.float32), rng.integers(0, CLASSES, 13)
    engine = CpuEngine(threads)
    engine.bind(vgg(8, "batch", num_classes=CLASSES, filters=8, seed=1), SoftmaxCrossEntropy(), Adam(1e-3))

    def gradient():
        engine.gradients(x, targets)
        return engine.rule.flat.grad.tobytes()

    def careless_add(self, i, array):
        if i == 2:
            raise ZeroDivisionError("on purpose")
        add(self, i, array)

    expected, add = gradient(), BlockSum.add
    with monkeypatch.context() as patch:
        patch.setattr(BlockSum, "add", careless_add)
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            gradient()
    assert gradient() == expected
    engine.close()


def test_blocks_depend_on_the_shape_alone():
    sizes = (1, 5, 8, 9, 100, 128, 400)
    assert [count_blocks(images, 100, 800) for images in sizes] == [1, 4, 4, 8, 16, 16, 56]
    assert [count_blocks(images, 100, 100) for images in sizes] == [1, 5, 8, 9, 100, 128, 400]
    for images, count in ((5, 5), (100, 16), (13, 8)):
        blocks = Blocks(images, count)
        assert [image for lo, hi in blocks for image in range(lo, hi)] == list(range(images))
        assert {hi - lo for lo, hi in blocks} <= {images // count, -(-images // count)}
        assert [blocks.number[lo] for lo, _ in blocks] == list(range(count))
    assert EVEN % 4 == 0


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_a_sum_of_blocks_has_one_value(count):
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((count, 50)).astype(np.float32)
    memory, sums = Memory(np.float32, 1), set()
    total = BlockSum(count, (50,), memory)
    for _ in range(20):
        total.start()
        for i in rng.permutation(count):
            array = total.take()
            array[...] = numbers[i]
            total.add(int(i), array)
        result = total.hand_out()
        np.testing.assert_allclose(result, numbers.sum(axis=0), rtol=1e-4, atol=1e-5)
        sums.add(result.tobytes())
        assert total.waiting == {}
    assert len(sums) == 1
    assert len(memory.piles[50,]) <= count


def test_a_stopped_job_leaves_nothing_in_the_sum():
    total = BlockSum(2, (1,), Memory(np.float32, 1))

    def bring(i, number):
        array = total.take()
        array[...] = number
        total.add(i, array)

    bring(0, np.nan)
    total.start()
    bring(0, 1.0)
    bring(1, 2.0)
    assert total.hand_out() == 3.0
