import numpy as np
import pytest

from mlp.data import Batches, ImageSet, crop_and_flip, draw_augmentation, normalize, pairs
from mlp.diagnostics import examine, find_learning_rate
from mlp.errors import ConfigurationError, DataError
from mlp.layers import Affine, Reshape, Sequential
from mlp.learning_rules import GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.rng import generator
from mlp.training import Trainer


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return ImageSet(rng.integers(0, 256, (23, 8, 8, 3), dtype=np.uint8), np.arange(23), tuple(map(str, range(23))))


def all_of(batches, epoch):
    xs, targets = zip(*batches.epoch(epoch), strict=True)
    return np.concatenate(xs), np.concatenate(targets)


@pytest.mark.parametrize(("batch_size", "sizes"), [(10, [10, 10, 3]), (23, [23]), (100, [23]), (1, [1] * 23)])
def test_last_short_batch_is_kept(images, batch_size, sizes):
    batches = Batches(images, batch_size, shuffle=True)
    assert len(batches) == len(sizes)
    assert batches.num_images == 23
    assert [len(x) for x, _ in batches.epoch(0)] == sizes
    assert [len(targets) for _, targets in batches.epoch(0)] == sizes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("augment", [False, True])
def test_dtypes(images, dtype, augment):
    for x, targets in Batches(images, 10, augment=augment, dtype=dtype).epoch(0):
        assert x.dtype == dtype
        assert targets.dtype == np.int64


def test_batches_of_are_the_normalized_images_in_order(images):
    x, targets = all_of(Batches(images, 10, normalization="cifar100"), 5)
    np.testing.assert_array_equal(x, normalize(images.images, "cifar100"))
    np.testing.assert_array_equal(targets, images.labels)


def test_order_is_the_permutation_of_the_epoch(images):
    batches = Batches(images, 10, shuffle=True, seed=4)
    x, targets = all_of(batches, 3)
    order = generator(4, "shuffle", 3).permutation(23)
    np.testing.assert_array_equal(targets, images.labels[order])
    np.testing.assert_array_equal(x, normalize(images.images[order]))
    assert (all_of(batches, 2)[1] != targets).any()
    assert (all_of(Batches(images, 10, shuffle=True, seed=5), 3)[1] != targets).any()


def test_augmentation_belongs_to_the_image_not_to_its_place(images):
    offsets, flips = draw_augmentation(23, 4, 3)
    expected = normalize(crop_and_flip(images.images, offsets, flips))  # by image
    for shuffle in (False, True):
        for batch_size in (10, 7):
            x, targets = all_of(Batches(images, batch_size, augment=True, shuffle=shuffle, seed=4), 3)
            np.testing.assert_array_equal(x, expected[targets])  # here image i has label i


def test_epochs_can_be_asked_for_in_any_order_and_side_by_side(images):
    batches = Batches(images, 10, augment=True, shuffle=True)
    first = all_of(batches, 1)
    all_of(batches, 0)
    for (x1, _), (x7, _) in zip(batches.epoch(1), batches.epoch(7), strict=True):
        assert (x1 != x7).any()
    for again in (all_of(batches, 1), all_of(Batches(images, 10, augment=True, shuffle=True), 1)):
        np.testing.assert_array_equal(again[0], first[0])
        np.testing.assert_array_equal(again[1], first[1])


def test_wrong_settings(images):
    for batch_size in (0, -1):
        with pytest.raises(
            ConfigurationError, match=f"batch_size must be a whole number of at least 1, got {batch_size}"
        ):
            Batches(images, batch_size)
    with pytest.raises(ConfigurationError, match="reports, cifar100"):
        Batches(images, 10, normalization="none")
    with pytest.raises(DataError, match="empty set"):
        Batches(images.take(np.arange(0)), 10)


def test_repr_names_the_settings(images):
    text = repr(Batches(images, 10, augment=True))
    assert "23 images of 8 x 8 x 3" in text
    assert "batch_size=10" in text
    assert "augment=True" in text


@pytest.mark.parametrize(
    ("extra", "got"), [(lambda x, t: (x, t, t), "a tuple of 3"), (lambda x, t: x, "a ndarray")], ids=["three", "one"]
)
def test_a_batch_that_is_no_pair_is_named(images, extra, got):
    class Other:
        def __len__(self):
            return 3

        def epoch(self, e):
            return (extra(x, targets) for x, targets in Batches(images, 10).epoch(e))

    with pytest.raises(ConfigurationError, match=rf"^a batch must be a pair, \(inputs, targets\), got {got}$"):
        next(pairs(Other(), 0))
    trainer = Trainer(Sequential(Reshape((192,)), Affine(192, 23)), SoftmaxCrossEntropy(), GradientDescent())
    for use in (trainer.fit, trainer.evaluate, lambda b: find_learning_rate(trainer, b), lambda b: examine(trainer, b)):
        with pytest.raises(ConfigurationError, match=f"got {got}$"):
            use(Other())
