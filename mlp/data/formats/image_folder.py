"""Your own images as files: `--dataset folder:DIR`, with a folder for each class.

    DIR/cat/1.png, DIR/cat/2.jpg, DIR/dog/1.png ...             a tenth of the images is held out for the test
    DIR/train/cat/1.png ..., DIR/test/cat/7.png ...             your own test set

Folders inside a class folder belong to the class. No file is left out silently: hidden files and those with one of the
`COMPANIONS`' suffixes are skipped. Any other file that cannot be read is an error, and so is a folder that looks like
another layout.

Classes are numbered in the order of their names, and images come in the order of theirs, so that the same folder is
the same data set everywhere. All images must have one size, or are given one (`--image-size`), see `mlp.data.pictures`.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlp.data.formats.sources import seen_from
from mlp.data.image_set import ImageSet, image_set
from mlp.data.pictures import fit_size, read_pixels, require_memory_for
from mlp.data.splits import hold_out
from mlp.errors import DataError
from mlp.progress import SOON, progress_bar
from mlp.typing import Array, PathLike

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
TEXTS = (".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf", ".log")
COMPANIONS = (*TEXTS, ".ini", ".db", ".py")  # desktop.ini, Thumbs.db
PARTS = ("train", "training", "test", "testing", "val", "valid", "validation")
OF_MACS = "__MACOSX"  # beside the folders of an archive that a Mac has packed, with copies that hold no pictures


def load_folder(path: PathLike, image_size: int | None = None, image_fit: str = "crop") -> tuple[ImageSet, ImageSet]:
    """Read the images of a folder of class folders.

    Args:
        image_size: make every image so many pixels wide and high; None for images that have one size.
        image_fit: how, one of `mlp.data.pictures.FITS`.

    Returns:
        (train, test), two `ImageSet`s: images (N, H, W, 1) where all are in shades of grey, else (N, H, W, 3).

    Raises:
        DataError: there are no images, one cannot be read, or two have different sizes.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise DataError(
            f"there is no folder {path}{seen_from(path)}: folder:DIR needs a folder with a folder for each class"
        )
    train_path, test_path = path / "train", path / "test"
    split = bool(class_folders(train_path))
    beside = [folder for folder in class_folders(path) if folder not in (train_path, test_path)]
    others = [folder.name for folder in beside if any(f.suffix.lower() in SUFFIXES for f in folder.rglob("*"))]
    if split and others:
        raise DataError(
            f"{path} has train/ and {', '.join(f'{name}/' for name in others)}: of its folders only train/ and test/ "
            "are read, and the validation images are drawn from train/. Move the others' images there, or elsewhere."
        )
    train_files = image_files(train_path if split else path)
    test_files = image_files(test_path) if split and test_path.is_dir() else {}
    if split and (loose := pictures_in(path)):
        raise DataError(f"{path} has train/, and {len(loose)} images beside it, such as {loose[0].name}: move them")
    class_names = tuple(train_files)
    unknown = [name for name in test_files if name not in class_names]
    if unknown:
        raise DataError(f"{test_path} has classes that {train_path} lacks: {', '.join(unknown)}")
    groups = (*train_files.values(), *test_files.values())
    images = read_images([file for files in groups for file in files], image_size, image_fit)
    numbers = [class_names.index(name) for files in (train_files, test_files) for name in files for _ in files[name]]
    labels = np.array(numbers, dtype=np.int64)
    num_train = sum(map(len, train_files.values()))
    train = image_set(path, images[:num_train], labels[:num_train], class_names)
    if not test_files:
        return hold_out(train)
    return train, image_set(path, images[num_train:], labels[num_train:], class_names)


def class_folders(path: Path) -> list[Path]:
    """Return the folders in a folder in the order of their names, hidden ones left out.

    Raises:
        DataError: a link leads nowhere; it may have been a class.
    """
    if not path.is_dir():
        return []
    entries = sorted(entry for entry in path.iterdir() if not is_hidden(entry, path))
    if lost := [entry for entry in entries if not entry.exists()]:
        raise DataError(f"{lost[0]} is a link that leads nowhere: mend it or remove it")
    return [entry for entry in entries if entry.is_dir()]


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder itself; a link to one is not: `rglob` does not find the files behind it."""
    return path.is_dir() and not path.is_symlink()


def is_hidden(path: Path, root: Path) -> bool:
    """Say whether a part of a path below `root` begins with a dot, or is what Macs put into archives."""
    return any(part.startswith(".") or part == OF_MACS for part in path.relative_to(root).parts)


def is_part(name: str) -> bool:
    """Say whether a folder is called like a part of a data set: "test", "seg_train", "training_set"."""
    return any(word in PARTS for word in re.split(r"[^a-z]+", name.lower()))


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files that lie in a folder itself."""
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file() and f.name[0] != ".")


def image_files(path: Path) -> dict[str, list[Path]]:
    """Return class name -> image files, in the order of names; DataError where there are none, or another layout."""
    folders = class_folders(path)
    check_layout(path, folders)
    files = {folder.name: files_of_class(folder) for folder in folders}
    empty = [name for name in files if not files[name]]
    if empty:
        raise DataError(f"{path / empty[0]} holds no image ({', '.join(SUFFIXES)}): fill it or remove it")
    return files


def check_layout(path: Path, folders: Sequence[Path]) -> None:
    """Raise DataError unless the folders in `path` can be those of classes."""
    if not folders:
        raise DataError(f"{path} has no class folders: put the images of each class into a folder with its name")
    names = ", ".join(f"{folder.name}/" for folder in folders)
    if all(is_part(folder.name) for folder in folders):
        raise DataError(
            f"{path} has {names}, which are parts of a data set, not classes: they must be called train/ and test/, "
            "and have a folder for each class"
        )
    if loose := pictures_in(path):
        raise DataError(
            f"{path} has {len(loose)} images, such as {loose[0].name}, beside the class folders {names}: move "
            "them into the folders of their classes"
        )
    places = [folder.resolve() for folder in folders]
    if twice := [folder for folder in folders if places.count(folder.resolve()) > 1]:
        raise DataError(f"{twice[0]} and {twice[1]} are the same folder under two names: remove the link")
    for folder in folders:
        inner = class_folders(folder)
        if any(entry.name.lower() in PARTS for entry in inner):
            raise DataError(
                f"{folder} has {', '.join(f'{entry.name}/' for entry in inner)}: the parts train/ and test/ must lie "
                "above the class folders, train/cat and test/cat"
            )
        if len(folders) == 1 and inner and not pictures_in(folder):
            raise DataError(f"{path} has one folder alone, and that has folders: do you mean folder:{folder}?")
    mention_same_inner(folders)


def mention_same_inner(folders: Sequence[Path]) -> None:
    """Print a note if all folders hold nothing but folders of the same names: those may be the classes."""
    inner = [tuple(entry.name for entry in class_folders(folder)) for folder in folders]
    if len(inner[0]) > 1 and len(set(inner)) == 1 and not any(map(pictures_in, folders)):
        names, same = (", ".join(texts[:5]) for texts in ([folder.name for folder in folders], inner[0]))
        print(
            f"note: the classes are {names}, and each has the folders {same}: if these are the classes, name the parts "
            "of the data set train/ and test/",
            file=sys.stderr,
        )


def files_of_class(folder: Path) -> list[Path]:
    """Return the image files in a folder and in the folders inside, in the order of their names."""
    found = sorted(file for file in folder.rglob("*") if not is_hidden(file, folder) and not is_folder(file))
    others = [file for file in found if file.suffix.lower() not in SUFFIXES + COMPANIONS or not file.is_file()]
    if others:
        raise DataError(
            f"{folder} has {len(others)} files that cannot be read, such as {others[0].relative_to(folder)}: save "
            f"images as {', '.join(SUFFIXES)}, and move other files elsewhere"
        )
    return [file for file in found if file.suffix.lower() in SUFFIXES]


def read_images(files: Sequence[Path], image_size: int | None = None, image_fit: str = "crop") -> Array:
    """Return the images in a list of files, (N, H, W, C)."""
    pictures = list[Array]()
    for file in progress_bar(files, desc="reading", unit="picture", delay=SOON, leave=False):
        picture = read_pixels(file)
        h, w, c = picture.shape
        H, W = (image_size or h), (image_size or w)
        if not pictures:  # the first one, before it is made larger
            require_memory_for(2 * len(files), (H, W, c))  # one by one, and then joined
        pictures.append(fit_size(picture, H, W, image_fit)[1])
    H, W = pictures[0].shape[:2]
    for picture, file in zip(pictures, files, strict=True):
        h, w = picture.shape[:2]
        if (h, w) != (H, W):
            raise DataError(
                f"all images must have one size, but {files[0]} is {W} wide x {H} high, {file} {w} x {h}: ",
                "image_size=32 gives all of them one (image_fit='crop' or 'squeeze' says how)",
                "--image-size 32 gives all of them one (--image-fit crop or squeeze says how)",
            )
    C = max(picture.shape[2] for picture in pictures)  # a grey image among coloured ones has three equal channels
    return np.stack([np.broadcast_to(picture, (H, W, C)) for picture in pictures])
