import os
import zlib
from unittest import mock

import numpy as np
import pytest

from mlp.data import load_folder
from mlp.data.pictures import read_pixels
from mlp.errors import ConfigurationError, DataError, as_sentence
from mlp.experiments.images import read_picture

Image = pytest.importorskip("PIL.Image")


def picture(seed, shape=(6, 5, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(root, names, **options):
    """Write PNGs of distinct noise; return path -> pixels."""
    written = {}
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written[name] = picture(zlib.crc32(name.encode()), **options)
        Image.fromarray(written[name]).save(path)
    return written


def test_classes_are_folders_in_the_order_of_their_names(tmp_path):
    names = [f"{part}/{c}/{i}.png" for part, n in (("train", 3), ("test", 2)) for c in ("dog", "cat") for i in range(n)]
    written = write(tmp_path, names)
    (tmp_path / "train" / ".hidden").mkdir()
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "cat" / "._0.png").write_bytes(b"what macOS leaves")
    train, test = load_folder(tmp_path)
    assert train.class_names == test.class_names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    for images, part, n in ((train, "train", 3), (test, "test", 2)):
        expected = [written[f"{part}/{c}/{i}.png"] for c in ("cat", "dog") for i in range(n)]
        np.testing.assert_array_equal(images.images, np.stack(expected))


@pytest.mark.parametrize("base", ["", "train/"])
def test_a_tenth_is_held_out_where_there_is_no_test_folder(tmp_path, base):
    written = write(tmp_path, [f"{base}{c}/{i:02}.png" for c in ("a", "b") for i in range(15)])
    (train, test), again = load_folder(tmp_path), load_folder(tmp_path)
    assert (len(train), len(test)) == (26, 4)
    assert test.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(test.images, again[1].images)
    labels = {pixels.tobytes(): int("b/" in name) for name, pixels in written.items()}
    for images in (train, test):
        assert [labels[image.tobytes()] for image in images.images] == images.labels.tolist()
    assert train.labels.tolist() == sorted(train.labels)  # in the order of the names


def test_a_class_may_be_called_train(tmp_path):
    write(tmp_path, [f"{c}/{i}.png" for c in ("plane", "train") for i in range(5)])
    assert load_folder(tmp_path)[0].class_names == ("plane", "train")


def test_grey_images_keep_one_channel_unless_one_is_coloured(tmp_path):
    grey = write(tmp_path, [f"a/{i}.png" for i in range(5)] + [f"b/{i}.png" for i in range(5)], shape=(6, 5))
    train, test = load_folder(tmp_path)
    assert train.images.shape == (8, 6, 5, 1)
    np.testing.assert_array_equal(train.images[0, ..., 0], grey["a/0.png"])
    write(tmp_path, ["b/4.png"])
    train, test = load_folder(tmp_path)
    assert train.images.shape == (8, 6, 5, 3)
    np.testing.assert_array_equal(train.images[0], np.repeat(grey["a/0.png"][..., None], 3, axis=2))


def test_jpeg_and_other_kinds_of_pixels_become_colours(tmp_path):
    write(tmp_path, ["a/0.png"] + [f"b/{i}.png" for i in range(4)])
    colour = Image.new("RGB", (5, 6), (200, 30, 40))
    colour.save(tmp_path / "a" / "1.jpg", quality=95)
    colour.save(tmp_path / "a" / "2.JPEG", quality=95)
    colour.convert("RGBA").save(tmp_path / "a" / "3.png")
    colour.quantize().save(tmp_path / "a" / "4.PNG")
    train, test = load_folder(tmp_path)
    assert len(train) + len(test) == 9
    images = np.concatenate([train.images, test.images]).astype(int)
    assert sum(abs(image - [200, 30, 40]).max() < 30 for image in images) == 4


def test_sizes_that_differ_are_named(tmp_path):
    write(tmp_path, [f"a/{i}.png" for i in range(3)])
    write(tmp_path, ["b/0.png"], shape=(6, 7, 3))
    with pytest.raises(DataError, match=r"one size, but .*0\.png is 5 wide x 6 high, .*b.0\.png 7 x 6"):
        load_folder(tmp_path)


def test_memory_is_checked_before_a_picture_is_made_larger(tmp_path):
    write(tmp_path, [f"{c}/{i}.png" for c in "ab" for i in range(3)])
    with (
        mock.patch("mlp.data.pictures.resize", side_effect=AssertionError),
        mock.patch("mlp.data.pictures.available_memory", lambda: 12 * 100 * 100 * 3 - 1),
        pytest.raises(ConfigurationError, match="12 images of 100 x 100 pixels need"),
    ):
        load_folder(tmp_path, 100)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"GIF89a", b"\x89PNG\r\n\x1a\n", None], ids=repr)
def test_unreadable_images_are_named(tmp_path, content):
    write(tmp_path, [f"a/{i}.png" for i in range(3)])
    path = tmp_path / "a" / "1.png"
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    with pytest.raises(DataError, match=r"a.1\.png cannot be read as an image"):
        load_folder(tmp_path)


def test_sixteen_bits_are_refused(tmp_path):
    write(tmp_path, ["a/0.png"])
    Image.fromarray(np.zeros((6, 5), np.uint16)).save(tmp_path / "a" / "1.png")
    with pytest.raises(
        DataError, match=r"1\.png cannot be read .*pixels are of kind I;16, not bytes: save it as 8 bits$"
    ):
        load_folder(tmp_path)


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match="there is no folder .*none"):
        load_folder(tmp_path / "none")
    with pytest.raises(DataError, match="has no class folders"):
        load_folder(tmp_path)
    write(tmp_path, ["a/0.png"])
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"b holds no image \(\.png, \.jpg, "):
        load_folder(tmp_path)


def test_test_classes_must_be_known(tmp_path):
    write(tmp_path, ["train/a/0.png", "train/b/0.png", "test/a/0.png", "test/c/0.png"])
    with pytest.raises(DataError, match="test has classes that .*train lacks: c"):
        load_folder(tmp_path)


def test_folders_that_would_not_be_read_are_named(tmp_path):
    write(tmp_path, [f"{part}/{c}/0.png" for part in ("train", "test", "val") for c in ("cat", "dog")])
    with pytest.raises(DataError, match="has train/ and val/: of its folders only train/ and test/ are read"):
        load_folder(tmp_path)


def test_pictures_are_upright(tmp_path):
    pixels = picture(0)
    orientation = Image.Exif()
    orientation[0x0112] = 6  # turned by a quarter when shown
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=orientation)
    Image.fromarray(np.rot90(pixels, -1)).save(tmp_path / "upright.png")
    np.testing.assert_array_equal(read_pixels(tmp_path / "turned.png"), read_pixels(tmp_path / "upright.png"))


def test_folders_without_images_are_in_nobodys_way(tmp_path):
    write(tmp_path, [f"{part}/{c}/0.png" for part in ("train", "test") for c in ("cat", "dog")])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no image")
    assert len(load_folder(tmp_path)[0]) == 2


@pytest.mark.parametrize("name", ["x.webp", "x.bmp", "x.TIF", "x.tiff", "x.gif", "x.ppm", "x.pgm", "deep/er/x.png"])
def test_files_of_other_formats_and_folders_inside_are_read(tmp_path, name):
    write(tmp_path, [f"{c}/{i}.png" for c in "ab" for i in range(5)])
    for c in "ab":
        path = tmp_path / c / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if name == "x.pgm" else "RGB", (5, 6)).save(path)
    assert sum(map(len, load_folder(tmp_path))) == 12


@pytest.mark.parametrize("name", ["x.heic", "x.npy", "x", "deeper/x.avif"])
def test_files_that_are_not_read_are_counted(tmp_path, name):
    write(tmp_path, [f"{c}/{i}.png" for c in "ab" for i in range(5)])
    (tmp_path / "b" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "b" / name).write_bytes(b"something")
    with pytest.raises(DataError, match=f"b has 1 files that cannot be read, such as {name}: save images as .png"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/0.png", "test/0.png"], "has test/, train/, which are parts of a data set, not classes"),
        (["Train/a/0.png", "Train/b/0.png", "Test/a/0.png"], "has Test/, Train/, which are parts"),
        (["training/0.png", "val/0.png"], "which are parts"),
        (
            ["a/train/0.png", "a/test/0.png", "b/train/0.png"],
            "a has test/, train/: the parts .* above the class folders",
        ),
        (["set/a/0.png", "set/b/0.png"], "has one folder alone, .* do you mean folder:.*set"),
        (["a/0.png", "b/0.png", "c.png"], r"has 1 images, such as c\.png, beside the class folders a/, b/"),
        (["train/a/0.png", "train/b/0.png", "c.png"], r"has train/, and 1 images beside it, such as c\.png"),
        (["train/a/0.png", "train/b/0.png", "train/c.png"], r"train has 1 images, such as c\.png, beside"),
        (["train/a/0.png", "train/b/0.png", "test/c.png"], "test has no class folders"),
    ],
)
def test_a_layout_is_never_taken_for_another(tmp_path, names, message):
    write(tmp_path, names)
    with pytest.raises(DataError, match=message):
        load_folder(tmp_path)


def test_several_pictures_in_a_file_are_refused(tmp_path):
    frames = [Image.new("L", (5, 6), shade) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"x\.gif cannot be read as an image: it holds 3 pictures"):
        read_pixels(tmp_path / "x.gif")


@pytest.mark.parametrize(("form", "suffix"), [("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")])
def test_moving_pictures_of_all_formats_are_refused_by_every_reader(tmp_path, form, suffix):
    frames = [Image.new("RGB", (5, 6), (shade, 0, 0)) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / f"x.{suffix}", form, save_all=True, append_images=frames[1:])
    for read in (read_pixels, lambda path: read_picture(path, (6, 5, 3))):
        with pytest.raises(DataError, match="it holds 3 pictures: save each as a file"):
            read(tmp_path / f"x.{suffix}")


def test_a_telephones_picture_with_a_small_copy_of_itself_is_one(tmp_path):
    Image.new("RGB", (16, 16), (200, 0, 0)).save(
        tmp_path / "x.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]
    )
    assert read_pixels(tmp_path / "x.jpg").shape == (16, 16, 3)


def test_a_picture_that_a_program_would_have_to_draw_starts_none(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", "EPS")  # Pillow gives PostScript to Ghostscript
    monkeypatch.setattr("subprocess.Popen", None)
    for read in (read_pixels, lambda path: read_picture(path, (8, 8, 3))):
        with pytest.raises(DataError, match=r"x\.png cannot be read as an image: it is damaged, or none of PNG, JPEG"):
            read(tmp_path / "x.png")


def linked(target):
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize("make", [os.mkfifo, linked("nowhere.png"), linked("x.png"), linked("../b")])
@pytest.mark.parametrize("name", ["x.png", "deep.er"])
def test_pipes_and_links_in_a_class_are_counted(tmp_path, make, name):
    write(tmp_path, [f"{label}/{i}.png" for label in "ab" for i in range(5)])
    make(tmp_path / "a" / name)
    with pytest.raises(DataError, match=rf"such as {name}|{name} is a link that leads nowhere"):
        load_folder(tmp_path)


def test_a_class_that_is_a_link(tmp_path):
    root = tmp_path / "set"
    write(root, [f"{label}/{i}.png" for label in "ab" for i in range(5)])
    write(tmp_path, [f"elsewhere/{i}.png" for i in range(5)])
    (root / "c").symlink_to("../elsewhere")
    assert load_folder(root)[0].class_names == ("a", "b", "c")
    (root / "d").symlink_to("nowhere")
    with pytest.raises(DataError, match="d is a link that leads nowhere"):
        load_folder(root)


def test_damaged_notes_beside_the_pixels_are_no_business_of_the_terminal(tmp_path):
    note = b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20)
    Image.new("RGB", (5, 6)).save(tmp_path / "x.png", exif=note)
    assert read_pixels(tmp_path / "x.png").shape == (6, 5, 3)  # a warning would be an error here


@pytest.mark.parametrize("most", [20, 10])  # of more than twice as many Pillow does not only warn
def test_pictures_of_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, most):
    write(tmp_path, ["x.png"])
    monkeypatch.setattr(Image.Image, "convert", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    with pytest.raises(DataError, match=rf"x\.png is not read: it has more than {most} pixels: make it smaller first$"):
        read_pixels(tmp_path / "x.png")


@pytest.mark.parametrize("fit", ["crop", "squeeze"])
def test_pictures_of_several_sizes_get_one(tmp_path, fit):
    for i, (w, h) in enumerate([(40, 20), (20, 40), (80, 40), (8, 8)] * 3):
        pixels = np.full((h, w, 3), 128, np.uint8)
        pixels[:, : w // 5] = (255, 0, 0)  # a red stripe at the left side, gone where the middle is cut out
        path = tmp_path / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    with pytest.raises(DataError, match=r"all images must have one size, .*: image_size=32 gives all") as caught:
        load_folder(tmp_path)
    assert "--" not in str(caught.value)
    assert "--image-size 32 gives all of them one (--image-fit crop or squeeze says how)" in as_sentence(caught.value)
    train, test = load_folder(tmp_path, 16, fit)
    assert train.images.shape[1:] == test.images.shape[1:] == (16, 16, 3)
    wide = train.images[train.labels == 0]
    assert (wide[:, 8, 0, 0] > 200).all() == (fit == "squeeze")


def test_what_is_transparent_is_white_as_in_a_viewer(tmp_path):
    pixels = picture(1, (6, 5, 4))
    pixels[..., 3] = np.where(np.arange(5) < 2, 0, 255)  # the left is transparent, whatever its colours are
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    expected = np.where(np.arange(5)[:, None] < 2, 255, pixels[..., :3])
    np.testing.assert_array_equal(read_pixels(tmp_path / "colour.png"), expected)
    grey = Image.fromarray(pixels[..., 0] // 2 + 100)
    grey.save(tmp_path / "grey.png", transparency=100)
    expected = np.where(np.asarray(grey) == 100, 255, np.asarray(grey))
    np.testing.assert_array_equal(read_pixels(tmp_path / "grey.png"), expected[..., None])
    grey.putalpha(Image.fromarray(pixels[..., 3]))
    grey.save(tmp_path / "grey_with_alpha.png")
    expected = np.where(np.arange(5) < 2, 255, np.asarray(grey)[..., 0])
    np.testing.assert_array_equal(read_pixels(tmp_path / "grey_with_alpha.png"), expected[..., None])


@pytest.mark.parametrize("parts", [("seg_train", "seg_test"), ("training_set", "test_set"), ("train-images", "Val")])
def test_parts_of_a_data_set_under_longer_names_are_no_classes(tmp_path, parts):
    write(tmp_path, [f"{part}/{c}/{i}.png" for part in parts for c in "ab" for i in range(3)])
    with pytest.raises(DataError, match="which are parts of a data set, not classes"):
        load_folder(tmp_path)


def test_folders_of_the_same_names_in_all_classes_are_told(tmp_path, capsys):
    write(tmp_path, [f"{fold}/{c}/{i}.png" for fold in ("one", "two") for c in "ab" for i in range(3)])
    load_folder(tmp_path)
    assert "note: the classes are one, two, and each has the folders a, b: if these are" in capsys.readouterr().err


def test_what_macs_put_into_archives_is_no_class_and_a_link_no_second_one(tmp_path):
    write(tmp_path, [f"{c}/{i}.png" for c in ("a", "b", "__MACOSX") for i in range(5)])
    assert load_folder(tmp_path)[0].class_names == ("a", "b")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="a and .*c are the same folder under two names"):
        load_folder(tmp_path)
