"""Streams, events and memory in a model: is every access to a block ordered after those it must not overtake?

A stream runs its own work in order. An event that a stream records stands for all that was asked for on it so far, and
a stream that waits for it comes after that. Memory is what CuPy makes of it: a freed block goes back to the stream that
it came from, at once and without an event. The engine's own code runs on this model; work that touches the same block
without an order between them is a race, which a real GPU would show once in a thousand runs.
"""

import itertools

import numpy as np
import pytest

from mlp.data import Batches, synthetic
from mlp.engine.cuda.batches import DeviceBatches
from mlp.engine.cuda.gpu import Gpu
from mlp.errors import DeviceError


class Stream:
    def __init__(self, model, name):
        self.model, self.name, self.seen = model, name, set()

    def record(self):
        event = frozenset(self.seen)
        self.model.after_record(self)
        return event

    def wait_event(self, event):
        self.seen |= event

    def __enter__(self):
        self.outer, self.model.current = self.model.current, self
        return self

    def __exit__(self, *error):
        self.model.current = self.outer


class Block:
    """An array: which block of memory it is in, and of which stream's."""

    def __init__(self, model, shape):
        self.model, self.shape, self.size = model, tuple(shape), int(np.prod(shape))
        self.home = (model.current.name, self.shape)
        pool = model.pools.setdefault(self.home, [])
        self.place = pool.pop() if pool else next(model.numbers)

    def free(self):
        self.model.pools[self.home].append(self.place)


class Model:
    """Stands in for `cupy` and its streams; `races` lists work on the same block without an order."""

    def __init__(self):
        self.numbers, self.pools, self.accesses, self.races = itertools.count(), {}, {}, []
        self.null = self.current = Stream(self, "null")
        self.after_record = lambda stream: None
        self.cuda = self

    def get_current_stream(self):
        return self.current

    def Device(self, index):  # noqa: N802 (CuPy's name)
        return NoContext()

    def asarray(self, array):
        return array

    def empty(self, shape, dtype=None):
        return Block(self, shape)

    def work(self, reads=(), writes=()):
        number = next(self.numbers)
        for block in (*reads, *writes):
            for other, wrote in self.accesses.setdefault(block.place, []):
                if (wrote or block in writes) and other not in self.current.seen:
                    self.races.append((other, number, block.place))
            self.accesses[block.place].append((number, block in writes))
        self.current.seen.add(number)


class NoContext:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def gpu(model):
    """The engine's Gpu on the model."""
    gpu = Gpu.__new__(Gpu)
    gpu.device, gpu.index, gpu.cuda, gpu.xp, gpu.multiprocessors = "cuda:0", 0, model, model, 132
    names = itertools.count()
    gpu.new_stream = lambda: Stream(model, f"stream {next(names)}")
    gpu.stream = gpu.new_stream()

    def elementwise(name, size, args):
        return lambda: model.work(writes=[a for a in args if isinstance(a, Block)])

    gpu.elementwise = elementwise
    return gpu


def batches(gpu):
    images, _ = synthetic(40, 10, image_size=8, num_classes=5)
    return DeviceBatches(Batches(images, 4), gpu)


def a_step_of_the_engine(model, gpu, x):
    """What `train_step` does with a batch, and then the caller drops it."""
    with gpu.working():
        model.work(reads=[x])
    x.free()


def step_in_between(model, gpu, x):
    """Let the engine's step with `x` come after the null stream's next event; return a list that is then empty."""
    pending = [x]

    def after_record(stream):
        if pending and stream is model.null:
            outer, model.current = model.current, model.null
            a_step_of_the_engine(model, gpu, pending.pop())
            model.current = outer

    model.after_record = after_record
    return pending


def test_a_batch_that_is_made_ahead_never_overwrites_one_that_is_read(model, gpu):
    """The engine's step comes while the thread that makes batches stands between an event and its next call."""
    made = batches(gpu).epoch(0)
    x0, _ = next(made)
    pending = step_in_between(model, gpu, x0)
    x1, _ = next(made)
    x2, _ = next(made)
    assert not pending and not model.races
    assert x0.place in (x1.place, x2.place)  # the block was used again, so the order was put to the test


def test_the_model_notices_a_race(model, gpu):
    """The wrong order: first the event, and only then the memory."""

    def batch_as_it_was(self, order, drawn, start, n):
        with self.gpu.working(self.stream):
            x, targets = self.gpu.empty((n, *self.images.shape[1:])), self.gpu.empty((n,), np.int32)
            self.gpu.elementwise("make_batch", x.size, (x, targets))()
        return x, targets

    made = batches(gpu)
    made._batch = batch_as_it_was.__get__(made)
    source = made.epoch(0)
    x0, _ = next(source)
    step_in_between(model, gpu, x0)
    next(source)
    assert model.races


def test_the_order_holds_after_an_error(model, gpu):
    x = model.empty((4,))
    with pytest.raises(KeyboardInterrupt), gpu.working():
        model.work(writes=[x])
        raise KeyboardInterrupt
    model.work(reads=[x])  # on the null stream
    assert not model.races


def test_a_full_device_is_one_sentence(model, gpu, monkeypatch):
    def full(shape, dtype=None):
        raise MemoryError("Out of memory allocating 12,000,000 bytes")

    monkeypatch.setattr(model, "empty", full)
    with pytest.raises(DeviceError, match=r"cuda:0 has no room for another 12.0 MB .*--batch-size"):
        gpu.empty((3_000_000,))
