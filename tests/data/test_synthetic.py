import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mlp.data import Batches, synthetic
from mlp.engine.textbook import TextbookEngine
from mlp.errors import ConfigurationError
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg


def test_shapes_and_names():
    train, test = synthetic()
    assert (len(train), len(test)) == (5000, 1000)
    for images in (train, test):
        assert images.images.shape[1:] == (32, 32, 3)
        assert (len(images.class_names), len(images.coarse_names)) == (100, 20)
        assert len(set(images.class_names)) == 100
        assert (np.bincount(images.labels) == len(images) // 100).all()
        np.testing.assert_array_equal(images.coarse_labels, images.labels // 5)
    assert 20 < train.images.std() < 90
    assert ((train.images == 0) | (train.images == 255)).mean() < 0.02  # hardly a pixel is clipped


def test_other_sizes():
    train, test = synthetic(num_train=13, num_test=1, image_size=9, num_classes=7)
    assert train.images.shape == (13, 9, 9, 3)
    assert (len(test), train.num_classes, len(train.coarse_names)) == (1, 7, 2)
    assert sorted(np.bincount(train.labels)) == [1, 2, 2, 2, 2, 2, 2]


def test_same_seed_same_images():
    first, again, other = (synthetic(50, 20, 16, 10, seed=seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)
    assert (first[0].images != other[0].images).any()
    assert (first[0].images[:20] != first[1].images).any()


def test_classes_of_a_group_share_colours_and_mirror_images_keep_their_class():
    train, _ = synthetic(4000, 1, 16, 10)
    images = train.images.astype(np.float64)
    by_class = np.stack([images[train.labels == label].mean(axis=0) for label in range(10)])  # (10, H, W, 3)
    colours = by_class.mean(axis=(1, 2))  # (10, 3)
    within = max(abs(colours[5 * g : 5 * g + 5] - colours[5 * g : 5 * g + 5].mean(axis=0)).max() for g in range(2))
    assert within < 8 < abs(colours[:5].mean(axis=0) - colours[5:].mean(axis=0)).max()
    # No class has a side: its mean image is as close to its mirror image as averages of 400 images can be.
    assert abs(by_class - by_class[:, :, ::-1]).max() < 20


@pytest.mark.slow
def test_a_small_network_learns_it():
    train, test = synthetic(2000, 400, image_size=16, num_classes=20)
    model = vgg(depth=8, norm="batch", filters=8, num_classes=20)
    engine = TextbookEngine()
    engine.bind(model, SoftmaxCrossEntropy(), Adam(learning_rate=1e-2))
    batches = Batches(train, 50, shuffle=True)
    with threadpool_limits(1):  # several threads wait more than they work on products this small
        for epoch in range(4):
            for x, targets in batches.epoch(epoch):
                engine.train_step(x, targets)
    accuracies = [engine.evaluate(x, targets)[1] for x, targets in Batches(test, 100).epoch(0)]
    assert np.mean(accuracies) > 0.4  # chance is 0.05


@pytest.mark.parametrize("name", ["num_train", "num_test", "image_size", "num_classes"])
def test_wrong_settings(name):
    with pytest.raises(ConfigurationError, match=f"{name} must be a whole number of at least"):
        synthetic(**{name: 0})
