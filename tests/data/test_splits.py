import numpy as np
import pytest

from mlp.data import ImageSet, split_indices
from mlp.data.splits import hold_out
from mlp.errors import ConfigurationError, DataError

LABELS = np.random.default_rng(3).permutation(np.arange(50_000) % 100)


@pytest.mark.parametrize("kind", ["coursework", "stratified"])
def test_every_image_is_on_one_side(kind):
    train, valid = split_indices(LABELS, kind)
    assert (len(train), len(valid)) == (47_500, 2_500)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(50_000))
    assert (np.diff(valid) > 0).all()
    assert not (np.diff(train) > 0).all()  # in drawn order
    again = split_indices(LABELS, kind)
    np.testing.assert_array_equal(train, again[0])


def test_coursework_split_is_that_of_the_reports():
    train, valid = split_indices(LABELS)
    assert train[:5].tolist() == [11841, 19602, 45519, 25747, 42642]
    assert valid[:5].tolist() == [52, 55, 63, 81, 93]


def test_coursework_split_does_not_look_at_labels():
    np.testing.assert_array_equal(split_indices(LABELS)[1], split_indices(np.zeros_like(LABELS))[1])


def test_stratified_split_takes_the_same_part_of_every_class():
    assert (np.bincount(LABELS[split_indices(LABELS, "stratified")[1]]) == 25).all()
    labels = np.repeat([7, 2, 9], [500, 300, 200])
    train, valid = split_indices(labels, "stratified", train_fraction=0.7)
    assert np.unique(labels[valid], return_counts=True)[1].tolist() == [90, 150, 60]  # of 2, 7 and 9
    assert len(train) == 700


@pytest.mark.parametrize(
    ("counts", "expected"), [((100, 2, 1), (5, 1, 0)), ((20, 20, 20), (1, 1, 1)), ((2, 2), (1, 1))]
)
def test_every_class_of_two_images_has_one_for_validation(counts, expected):
    labels = np.repeat(np.arange(len(counts)), counts)
    _, valid = split_indices(labels, "stratified")
    assert np.bincount(labels[valid], minlength=len(counts)).tolist() == list(expected)


def test_what_is_held_out_leaves_two_images_of_each_class():
    labels = np.repeat(np.arange(4), [1, 2, 3, 30])
    images = ImageSet(np.zeros((36, 2, 2, 1), np.uint8), labels, tuple("abcd"))
    train, test = hold_out(images)
    assert np.bincount(test.labels, minlength=4).tolist() == [0, 0, 1, 3]
    assert train.labels.tolist() == sorted(train.labels)
    with pytest.raises(DataError, match="36 images are too few"):
        hold_out(ImageSet(images.images, np.arange(36) // 2, tuple(map(str, range(18)))))


def test_stratified_split_draws_within_the_classes():
    labels = np.repeat(np.arange(10), 100)
    _, valid = split_indices(labels, "stratified", train_fraction=0.5)
    places = valid % 100  # place within the class
    assert 40 < places.mean() < 60
    assert len(np.unique(places)) > 90


def test_wrong_requests():
    with pytest.raises(ConfigurationError, match="coursework, stratified, got 'random'"):
        split_indices(LABELS, "random")
    for fraction in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError, match="between 0 and 1"):
            split_indices(LABELS, "coursework", fraction)
    for labels, kind in ((np.zeros(5), "coursework"), (np.arange(5), "stratified"), (np.zeros(0), "stratified")):
        with pytest.raises(DataError, match="too few"):
            split_indices(labels.astype(np.int64), kind)
