import numpy as np
import pytest

from mlp.data import split_indices
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


def test_stratified_split_is_balanced_even_where_the_classes_are_not():
    assert (np.bincount(LABELS[split_indices(LABELS, "stratified")[1]]) == 25).all()
    labels = np.repeat([7, 2, 9], [500, 300, 200])
    train, valid = split_indices(labels, "stratified", train_fraction=0.7)
    assert np.unique(labels[valid], return_counts=True)[1].tolist() == [100, 100, 100]
    assert len(train) == 700


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
    for labels in (np.zeros(5, np.int64), np.zeros(0, np.int64)):
        for kind in ("coursework", "stratified"):
            with pytest.raises(DataError, match="too few"):
                split_indices(labels, kind)
    with pytest.raises(DataError, match="class 1 has only 3"):
        split_indices(np.repeat([0, 1], [97, 3]), "stratified", train_fraction=0.5)
