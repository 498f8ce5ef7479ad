"""Patches of a scene (section 7 of the definitions): standardized, cut when asked for, split into exactly one part."""

import numpy as np
import pytest

from mlp.data import SCENE_SPLITS, Batches, PatchSet, Scene, all_patches, labelled_patches, load_dataset
from mlp.data.formats.sources import MissingDataError
from mlp.errors import ConfigurationError, DataError


def scene_of(height=12, width=10, bands=3, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(900, 9000, (height, width, bands)).astype(np.uint16)
    labels = rng.integers(0, classes + 1, (height, width)).astype(np.uint8)
    return Scene(image, labels, tuple("abcd"[:classes]))


def test_bands_are_standardized_over_all_pixels():
    pixels = all_patches(scene_of()).images[np.arange(120)][:, 3, 3]  # (120, 3)
    np.testing.assert_allclose(pixels.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(pixels.std(axis=0), 1.0, rtol=1e-12)


def test_a_constant_band_becomes_zero():
    scene = scene_of()
    scene.image[..., 1] = 1000
    patches = all_patches(scene).images[np.arange(120)]
    assert not patches[..., 1].any()
    assert np.isfinite(patches).all()


def test_patches_are_cut_around_their_pixel():
    scene = scene_of()
    patches = all_patches(scene).images
    first = patches[np.array([0])][0]  # of pixel (0, 0)
    assert not first[:3].any()
    assert not first[:, :3].any()
    assert first[3:, 3:].all()
    inner = patches[np.array([5 * 10 + 4])][0]  # of pixel (5, 4)
    around = patches[np.array([(5 + r) * 10 + 4 + c for r in range(-3, 4) for c in range(-3, 4)])]
    np.testing.assert_array_equal(inner.reshape(49, 3), around[:, 3, 3])


def test_labels_are_those_of_the_labelled_pixels():
    scene = scene_of()
    patches = labelled_patches(scene)
    assert len(patches) == np.count_nonzero(scene.classes)
    np.testing.assert_array_equal(patches.labels, scene.classes[scene.classes > 0] - 1)
    some = patches.take(np.array([7, 2]))
    assert isinstance(some, PatchSet)
    np.testing.assert_array_equal(some.images[np.array([1, 0])], patches.images[np.array([2, 7])])


def test_batches_of_patches():
    batches = Batches(labelled_patches(scene_of()), 16, shuffle=True, dtype=np.float32)
    x, targets = next(iter(batches.epoch(0)))
    assert (x.shape, x.dtype, targets.shape) == ((16, 7, 7, 3), np.float32, (16,))
    with pytest.raises(ConfigurationError, match="patches of a scene: leave augment out"):
        Batches(labelled_patches(scene_of()), 16, augment=True)
    with pytest.raises(DataError, match="a PatchSet needs Patches"):
        PatchSet(np.zeros((1, 7, 7, 3)), np.zeros(1, np.int64), ("a",))
    with pytest.raises(ConfigurationError, match="must be odd"):
        labelled_patches(scene_of(), side=4)


@pytest.mark.parametrize("split", SCENE_SPLITS)
def test_every_labelled_pixel_falls_into_exactly_one_part(split):
    patches = labelled_patches(scene_of(40, 37))
    parts = SCENE_SPLITS[split](patches.labels, patches.images.rows, patches.images.columns)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(patches)))
    assert all(len(part) > 0 for part in parts)


def test_parts_of_each_class():
    labels = np.repeat(np.arange(3), [46, 20, 103])
    train, valid, test = SCENE_SPLITS["per_class"](labels, labels, labels)
    assert np.bincount(labels[train]).tolist() == [46 - 36, 20 - 16, 103 - 82]
    assert (len(valid), len(test)) == (17, 169 - 17 - len(train))
    assert (np.diff(train) < 0).any()  # in drawn order


def test_blocks_lie_in_one_part():
    patches = labelled_patches(scene_of(40, 37))
    rows, columns = patches.images.rows, patches.images.columns
    parts = SCENE_SPLITS["blocks"](patches.labels, rows, columns)
    squares = [set(zip(rows[part] // 12, columns[part] // 12, strict=True)) for part in parts]
    assert not (squares[0] & squares[1] or squares[0] & squares[2] or squares[1] & squares[2])


@pytest.fixture(scope="module")
def indian_pines():
    try:
        return load_dataset("indian_pines")
    except MissingDataError:
        pytest.skip("Indian Pines is not in the data folder")


def test_split_of_indian_pines(indian_pines):
    assert [len(part) for part in indian_pines] == [2055, 1025, 7169]
    counts = [10, 286, 166, 48, 97, 146, 6, 96, 4, 195, 491, 119, 41, 253, 78, 19]
    assert np.bincount(indian_pines[0].labels).tolist() == counts
    pixels = [(part.images.rows * 145 + part.images.columns).tolist() for part in indian_pines]
    assert len(set(sum(pixels, []))) == 10_249
    assert len(Batches(indian_pines[0], 16)) == 129


def test_splits_belong_to_kinds_of_data():
    with pytest.raises(ConfigurationError, match="split of indian_pines must be one of per_class, blocks"):
        load_dataset("indian_pines", split="coursework")
    with pytest.raises(ConfigurationError, match="split of synthetic must be one of coursework, stratified"):
        load_dataset("synthetic", split="blocks")
