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
        self.model.moment()
        return frozenset(self.seen)

    def wait_event(self, event):
        self.model.moment()
        self.seen |= event

    def __enter__(self):
        self.outer, self.model.current = self.model.current, self
        return self

    def __exit__(self, *error):
        self.model.current = self.outer


class Block:
    """An array: which block of memory it is in, and of which stream's. Any free block is large enough."""

    def __init__(self, model, shape, dtype):
        self.model, self.shape, self.size, self.dtype = model, tuple(shape), int(np.prod(shape)), np.dtype(dtype)
        self.pool = model.pools.setdefault(model.current.name, [])
        self.place = self.pool.pop() if self.pool else next(model.numbers)

    def set(self, array):
        self.model.work(writes=[self])

    def free(self):
        self.pool.append(self.place)


class Model:
    """Stands in for `cupy` and its streams; `races` lists work on the same block without an order."""

    def __init__(self):
        self.numbers, self.pools, self.accesses, self.races = itertools.count(), {}, {}, []
        self.null = self.current = Stream(self, "null")
        self.moment = lambda: None  # called at each moment at which another thread can do something
        self.cuda = self

    def get_current_stream(self):
        return self.current

    def Device(self, index):  # noqa: N802 (CuPy's name)
        return NoContext()

    def empty(self, shape, dtype=np.float32):
        self.moment()
        return Block(self, shape, dtype)

    def work(self, reads=(), writes=()):
        self.moment()
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
def new_model():
    """A function that returns a model and the engine's Gpu on it."""
    return lambda: (model := Model(), gpu_on(model))


def gpu_on(model):
    gpu = Gpu.__new__(Gpu)
    gpu.device, gpu.index, gpu.cuda, gpu.xp, gpu.multiprocessors = "cuda:0", 0, model, model, 132
    names = itertools.count()
    gpu.new_stream = lambda: Stream(model, f"stream {next(names)}")
    gpu.stream = gpu.new_stream()

    def elementwise(name, size, args):
        *reads, x, targets = (a for a in args if isinstance(a, Block))
        return lambda: model.work(reads, writes=[x, targets])

    gpu.elementwise = elementwise
    return gpu


def two_epochs(batches):
    """Their batches, one after the other, as a thread makes them ahead."""
    for epoch in range(2):
        yield from batches.epoch(epoch)


def step_at(moment, model, gpu, batch):
    """Let the engine's step with a batch come at the n-th moment from now; return a list that is then empty.

    It is what `train_step` does with a batch, in another thread; and then the caller drops the batch.
    """
    pending, moments = [batch], itertools.count()

    def step():
        if pending and next(moments) == moment:
            blocks, outer, model.current = pending.pop(), model.current, model.null
            with gpu.working():
                model.work(reads=blocks)
            for block in blocks:
                block.free()
            model.current = outer

    model.moment = step
    return pending


def test_a_batch_that_is_made_ahead_never_overwrites_one_that_is_read(new_model):
    """At whatever moment the step with the first batch comes, while a thread makes all others of two epochs."""
    images, _ = synthetic(8, 10, image_size=8, num_classes=5)
    used_again = 0
    for moment in itertools.count():
        model, gpu = new_model()
        made = two_epochs(DeviceBatches(Batches(images, 4, augment=True), gpu))
        first = next(made)
        pending = step_at(moment, model, gpu, first)
        others = [block.place for batch in made for block in batch]
        assert not model.races, f"at moment {moment}"
        if pending:
            break
        used_again += any(block.place in others for block in first)
    assert moment > 30 and used_again > 10  # the order was put to the test


def test_the_model_notices_a_race(new_model):
    """The wrong order: first the event, and only then the memory."""

    def batch_as_it_was(self, order, drawn, start, n):
        with self.gpu.working(self.stream):
            x, targets = self.gpu.empty((n, *self.images.shape[1:])), self.gpu.empty((n,), np.int32)
            self.gpu.elementwise("make_batch", x.size, (x, targets))()
        return x, targets

    images, _ = synthetic(8, 10, image_size=8, num_classes=5)
    found = []
    for moment in range(10):
        model, gpu = new_model()
        batches = DeviceBatches(Batches(images, 4), gpu)
        batches._batch = batch_as_it_was.__get__(batches)
        made = batches.epoch(0)
        step_at(moment, model, gpu, next(made))
        list(made)
        found += model.races
    assert found


def test_the_order_holds_after_an_error(new_model):
    model, gpu = new_model()
    x = model.empty((4,))
    with pytest.raises(KeyboardInterrupt), gpu.working():
        model.work(writes=[x])
        raise KeyboardInterrupt
    model.work(reads=[x])  # on the null stream
    assert not model.races


@pytest.mark.parametrize("where", ["working", "allocating"])
def test_a_full_device_is_one_sentence(new_model, where):
    """Whatever asks for memory: arrays of a plan, a data set, what a layer without a kernel computes."""
    _, gpu = new_model()
    sentence = pytest.raises(DeviceError, match=r"cuda:0 has no room left \(.*12,000,000 bytes\): .*--batch-size")
    with sentence, getattr(gpu, where)(gpu.stream):
        raise MemoryError("Out of memory allocating 12,000,000 bytes")
