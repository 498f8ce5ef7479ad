"""Images from arrays and files, made to fit a model."""

import argparse
import re
from pathlib import Path

import numpy as np
import pytest

from mlp.errors import DataError
from mlp.experiments.images import read_picture
from mlp.experiments.inference import evaluate_run
from mlp.experiments.run import run
from mlp.experiments.settings.flags import add_flags, given_settings

Image = pytest.importorskip("PIL.Image")


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_image_of_the_right_size_is_taken_as_it_is(tmp_path):
    pixels = noise(8, 8, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", pixels)
    for name in ("a.png", "b.npy"):
        ((path, note, read),) = read_picture(tmp_path / name, (8, 8, 3))
        assert (path, note) == (str(tmp_path / name), "")
        np.testing.assert_array_equal(read, pixels)


def test_the_middle_of_a_larger_image_is_cut_out_and_resized(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 10:50] = 200  # the middle square; its surroundings must not be seen
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    np.save(tmp_path / "high.npy", pixels.transpose(1, 0, 2))
    ((_, note, wide),) = read_picture(tmp_path / "wide.png", (8, 8, 3))
    assert note == "60 wide x 40 high: cut to the middle 40 x 40, resized to 8 x 8"
    assert (wide == 200).all()
    ((_, note, high),) = read_picture(tmp_path / "high.npy", (8, 8, 3))
    assert note == "40 wide x 60 high: cut to the middle 40 x 40, resized to 8 x 8"
    assert (high == 200).all()
    np.save(tmp_path / "small.npy", np.full((4, 4, 3), 9, np.uint8))
    ((_, note, small),) = read_picture(tmp_path / "small.npy", (8, 8, 3))
    assert note == "4 wide x 4 high: resized to 8 x 8"
    assert (small == 9).all()
    ((_, _, oblong),) = read_picture(tmp_path / "wide.png", (4, 6, 3))
    assert oblong.shape == (4, 6, 3)
    assert (oblong[:, [0, -1]] < 150).all()


def test_grey_and_colours(tmp_path):
    np.save(tmp_path / "grey.npy", noise(8, 8))
    ((_, _, grey),) = read_picture(tmp_path / "grey.npy", (8, 8, 3))
    assert (grey == noise(8, 8)[..., None]).all()
    np.save(tmp_path / "red.npy", np.broadcast_to(np.array([255, 0, 0], np.uint8), (8, 8, 3)))
    ((_, _, red),) = read_picture(tmp_path / "red.npy", (8, 8, 1))
    assert red.shape == (8, 8, 1)
    assert (red == 76).all()
    Image.fromarray(noise(8, 8, 4)).save(tmp_path / "transparent.png")
    assert read_picture(tmp_path / "transparent.png", (8, 8, 3))[0][2].shape == (8, 8, 3)


def test_an_npy_file_of_several_images(tmp_path):
    np.save(tmp_path / "three.npy", noise(3, 8, 8, 3))
    pictures = read_picture(tmp_path / "three.npy", (8, 8, 3))
    assert [name for name, _, _ in pictures] == [f"{tmp_path / 'three.npy'}[{i}]" for i in range(3)]
    np.testing.assert_array_equal(np.stack([pixels for _, _, pixels in pictures]), noise(3, 8, 8, 3))


def test_pictures_are_turned_upright(tmp_path):
    image = Image.fromarray(noise(8, 8, 3))
    exif = image.getexif()
    exif[0x0112] = 3  # taken upside down
    image.save(tmp_path / "turned.png", exif=exif)
    ((_, _, read),) = read_picture(tmp_path / "turned.png", (8, 8, 3))
    np.testing.assert_array_equal(read, noise(8, 8, 3)[::-1, ::-1])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("floats.npy", np.zeros((8, 8, 3)), "must hold bytes (uint8, 0 .. 255)"),
        ("first.npy", np.zeros((3, 8, 8), np.uint8), "got (3, 8, 8) of uint8"),
        ("objects.npy", np.array([{}, None]), "is not an .npy file of plain numbers"),
        ("none.npy", np.zeros((0, 8, 8, 3), np.uint8), "must hold bytes"),
        ("text.npy", None, "is not an .npy file of plain numbers"),
        ("text.png", None, "cannot be read as an image"),
        ("cut.png", "cut", "cannot be read as an image"),
        ("missing.png", "missing", "there is no file"),
    ],
)
def test_errors_name_the_file(tmp_path, name, array, message):
    path = tmp_path / name
    if array is None:
        path.write_text("hello")
    elif isinstance(array, np.ndarray):
        np.save(path, array, allow_pickle=True)
    elif array == "cut":
        Image.fromarray(noise(64, 64, 3)).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError) as caught:
        read_picture(path, (8, 8, 3))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_pictures_of_more_than_bytes_are_refused(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(tmp_path / "deep.png")
    with pytest.raises(
        DataError,
        match=r"deep\.png cannot be read .*pixels are of kind I;16, not bytes: save it as 8 bits$",
    ):
        read_picture(tmp_path / "deep.png", (8, 8, 3))


def test_models_of_other_channels_take_arrays(tmp_path):
    pixels = noise(8, 8, 4)
    np.save(tmp_path / "four.npy", pixels)
    ((_, _, read),) = read_picture(tmp_path / "four.npy", (8, 8, 4))
    np.testing.assert_array_equal(read, pixels)
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "three.png")
    with pytest.raises(DataError, match="an image has 3 channels, the model takes 4"):
        read_picture(tmp_path / "three.png", (8, 8, 4))


@pytest.mark.slow
def test_sixty_pictures_of_three_colours_are_learned(tmp_path, monkeypatch):
    """The README's own command, with a folder of pictures of several sizes."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    words = re.search(r"scripts/train\.py (--dataset folder:my_pictures [^`]*)`", text)[1].split()
    rng = np.random.default_rng(0)
    for k, name in enumerate(("red", "green", "blue")):
        (tmp_path / "my_pictures" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 90, (*rng.integers(24, 64, 2), 3))
            pixels[..., k] += rng.integers(60, 160)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "my_pictures" / name / f"{i:02}.png")
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_flags(parser)
    run("mine", given_settings(parser.parse_args(words)))
    for split, images in (("train", 51), ("valid", 3), ("test", 6)):
        evaluation = evaluate_run("mine", split)
        assert np.bincount(evaluation.targets).tolist() == [images // 3] * 3
        assert evaluation.top(1) == 1.0
