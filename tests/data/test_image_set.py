import numpy as np
import pytest

from mlp.data import ImageSet
from mlp.errors import ConfigurationError, DataError

NAMES = ("a", "b", "c")


def make(images=None, labels=None, **others):
    images = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1) if images is None else images
    labels = np.array([0, 1, 2, 0, 1]) if labels is None else labels
    return ImageSet(images, labels, NAMES, **others)


def test_facts_of_a_set():
    images = make()
    assert (len(images), images.num_classes) == (5, 3)
    assert repr(images) == "ImageSet(5 images of 2 x 2 x 1, 3 classes)"


def test_take_keeps_images_and_labels_together():
    images = make(coarse_labels=np.array([0, 0, 1, 0, 0]), coarse_names=("x", "y"))
    taken = images.take(np.array([4, 2]))
    np.testing.assert_array_equal(taken.images, images.images[[4, 2]])
    assert taken.labels.tolist() == [1, 2]
    assert taken.coarse_labels.tolist() == [0, 1]
    assert (taken.class_names, taken.coarse_names) == (NAMES, ("x", "y"))
    assert len(make().take(np.arange(0))) == 0
    assert make().take(np.arange(2)).coarse_labels is None


def test_the_first_classes():
    images = make(coarse_labels=np.array([0, 0, 1, 0, 0]), coarse_names=("x", "y"))
    kept = images.first_classes(2)
    np.testing.assert_array_equal(kept.images, images.images[[0, 1, 3, 4]])
    assert kept.labels.tolist() == [0, 1, 0, 1]
    assert (kept.class_names, kept.num_classes, kept.coarse_names) == (("a", "b"), 2, ("x", "y"))
    assert len(images.first_classes(3)) == 5
    for count in (1, 0, -1, 2.5):
        with pytest.raises(
            ConfigurationError, match=f"limit_classes must be a whole number of at least 2, got {count}"
        ):
            images.first_classes(count)
    with pytest.raises(ConfigurationError, match=r"limit_classes must lie in 2 \.\. 3, .*, got 4"):
        images.first_classes(4)
    with pytest.raises(DataError, match="none of 5 images is of the first 2 classes"):
        make(labels=np.full(5, 2)).first_classes(2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": np.zeros((5, 2, 2), np.uint8)}, r"images must be \(N, H, W, C\) of uint8, got \(5, 2, 2\)"),
        ({"images": np.zeros((5, 2, 2, 1), np.float32)}, "of float32"),
        ({"labels": np.zeros(4, np.int64)}, r"5 images need as many labels, got labels of shape \(4,\)"),
        ({"labels": np.zeros((5, 1), np.int64)}, "shape"),
        ({"labels": np.zeros(5, np.int32)}, r"int64, got int32: call labels\.astype"),
        ({"labels": np.array([0, 1, 2, 3, 0])}, r"0 \.\. 2 \(there are 3 names\), got values in 0 \.\. 3"),
        ({"labels": np.array([0, 1, 2, -1, 0])}, r"got values in -1 \.\. 2"),
        ({"coarse_labels": np.array([0, 0, 0, 0, 2]), "coarse_names": ("x", "y")}, "coarse labels must lie"),
        ({"coarse_labels": np.zeros(5, np.int64)}, "there are 0 names"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        make(**wrong)
