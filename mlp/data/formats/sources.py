"""Where the files of a data set are: in an unpacked folder, or still in the archive that was downloaded.

An archive is read in memory and nothing is extracted, so it does not matter where the name of a member leads; links
are never looked at. Its first bytes say how it is compressed, for some browsers unpack what they download and keep its
name. Members lie in the form's folder, wherever that is, or in none: `tar czf x ./folder`, `tar czf x *`.
"""

import gzip
import lzma
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from mlp.errors import DataError, excerpt
from mlp.typing import PathLike

OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open}  # by how a file begins
# Bytes: a damaged header can promise anything.
LARGEST_FILE = 2**30  # a course's MNIST in double precision has 314 million
LARGEST_MEMBER = 2**28  # CIFAR's largest has 155 million
LARGEST_ARCHIVE = 2**30  # unpacked; CIFAR's have 190 million
LARGEST_HEADER = 2**22  # of a member, with its long name
MOST_MEMBERS = 10_000
UNSUSPICIOUS = 2**26  # bytes of an array that may be as compressible as it likes; a scene has some 10 million
LARGEST_GROWTH = 100  # times that a larger one may grow: drawings shrink to a twentieth, zeros to a thousandth


def largest_unpacked(packed: int) -> int:
    """Return how many bytes an array may have that takes `packed` bytes in its file."""
    return max(UNSUSPICIOUS, LARGEST_GROWTH * packed)


MADE_UP_IMAGES = (  # the end of the advice in Python and in commands
    ', or use made-up images: load_dataset("synthetic")',
    ", or train on made-up images with --dataset synthetic",
)


class MissingDataError(DataError):
    """No place has the files of a data set: they could be downloaded."""

    def of_run(self) -> "MissingDataError":
        """Return the error for a run that was trained on these data: it cannot take made-up images instead."""
        whole = (str(self), self.in_commands)
        advice = [text[len(self.text) :].replace(end, "") for text, end in zip(whole, MADE_UP_IMAGES, strict=True)]
        return MissingDataError(self.text, *advice)


def unreadable(source: object, error: Exception, what: str = "is truncated or damaged", advice: str = "") -> DataError:
    """Return the error for a file that could not be read; only a file whose content is wrong is called damaged.

    Args:
        source: the file's name. what, advice: what is said of a damaged one, and what to do.
    """
    if isinstance(error, MemoryError):
        return DataError(f"there is not enough memory to read {source}")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{source} cannot be read: {error.strerror}")
    return DataError(f"{source} {what} ({type(error).__name__}: {excerpt(str(error))}){advice}")


@dataclass(frozen=True)
class Form:
    """One form in which the files of a data set come.

    Args:
        folder: the name of the unpacked folder, which archives contain too.
        names: the files that are needed.
        read: makes (train, test) out of a dictionary name -> (bytes, source), where source says for messages which
            file that was. It may take files out of the dictionary, to free their memory.
        archives: names of archives, in the order in which to try them.
        spellings: name -> the names under which that file may be there, the usual one first.
    """

    folder: str
    names: tuple[str, ...]
    read: Callable[..., Any]
    archives: tuple[Any, ...] = ()
    spellings: Callable[[str], tuple[str, ...]] = lambda name: (name,)

    def find(self, place: Path) -> dict[str, Path]:
        """Return name -> path of the files that are there, in a folder."""
        paths = {name: [place / spelling for spelling in self.spellings(name)] for name in self.names}
        there = {name: next((path for path in tried if path.is_file()), None) for name, tried in paths.items()}
        return {name: path for name, path in there.items() if path is not None}


class BoundedStream:
    """A stream for tarfile to read from, which refuses impossible sizes before they cost memory or time.

    tarfile seeks before it reads the header of a member or a piece of its content, but reads all of a header, at once
    or (newer versions of Python) in pieces, without a seek in between.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.since_seek = 0  # bytes asked for

    def tell(self) -> int:
        return int(self.stream.tell())

    def read(self, size: int) -> bytes:
        self.since_seek += size
        if size < 0 or self.since_seek > LARGEST_HEADER:
            raise ValueError(f"a header of more than {LARGEST_HEADER:,} bytes")
        return bytes(self.stream.read(size))

    def seek(self, position: int) -> None:
        if not 0 <= position <= LARGEST_ARCHIVE:
            raise ValueError(f"a member that ends at byte {position:,}")
        self.since_seek = 0
        self.stream.seek(position)


def find_data_dir(data_dir: PathLike | None = None) -> Path:
    """Return the data folder: the argument, else the environment variable MLP_DATA_DIR, else "data"."""
    return Path(data_dir or os.environ.get("MLP_DATA_DIR") or "data").expanduser()


def seen_from(path: Path) -> str:
    """Return " in FOLDER" for a relative path, for the message that it does not exist: it depends on where one is."""
    return "" if path.is_absolute() else f" in {Path.cwd()}"


def load_form(data_dir: PathLike, forms: Sequence[Form], title: str, advice: tuple[str, str]) -> Any:
    """Load a data set in the first form that is there: unpacked folders first, because they are the quickest.

    Args:
        data_dir: the folder to look in. It may be the unpacked folder itself, or have that in a folder of its name.
        forms: the `Form`s of the data set, in the order in which to look for them.
        title: what the data set is called, for messages.
        advice: what to do where it is missing, in Python and in commands.

    Returns:
        What the form's `read` returns.

    Raises:
        MissingDataError: no place has all the files of a form. DataError: a file or an archive is damaged.
    """
    data_dir = Path(data_dir)
    incomplete = []
    for form in forms:
        for place in (data_dir / form.folder, data_dir, data_dir / form.folder / form.folder):
            paths = form.find(place)
            missing = [form.spellings(name)[0] for name in form.names if name not in paths]
            if not missing:
                return form.read({name: (read_file(path), str(path)) for name, path in paths.items()})
            if len(missing) < len(form.names):
                incomplete.append(f"; {place} lacks {', '.join(missing)}")
    for form in forms:
        for archive in form.archives:
            if (data_dir / archive).is_file():
                return form.read(read_archive(data_dir / archive, form.folder, form.names))
    looked_for = dict.fromkeys([form.folder for form in forms] + [name for form in forms for name in form.archives])
    near = similar_names(data_dir, [*looked_for, *(name for form in forms for name in form.names)])
    there = f"; there is {', '.join(near)}, which is none of them" if near and not incomplete else ""
    kind = "" if data_dir.is_dir() else ", which is a file" if data_dir.exists() else ", which does not exist"
    raise MissingDataError(
        f"{title} was not found in {data_dir}{kind}: looked for {', '.join(looked_for)}{''.join(incomplete)}{there}. ",
        *advice,
    )


def similar_names(folder: Path, names: Sequence[str]) -> list[str]:
    """Return up to three names in a folder that resemble some names, such as files of another format."""
    try:
        entries = sorted(entry.name for entry in folder.iterdir())[:MOST_MEMBERS]
    except OSError:
        return []
    similar = {near for name in names for near in get_close_matches(name, entries, n=1, cutoff=0.75)}
    return sorted(similar - set(names))[:3]


def advice_for(name: str, page: str) -> tuple[str, str]:
    """Return what to do where the data set `name` is missing, in Python and in commands.

    Args:
        page: where people read about it.
    """
    where = "the environment variable MLP_DATA_DIR"
    return (
        f"Get it with mlp.data.download_dataset({name!r}) (from {page}), or say where it is (data_dir, or {where})"
        f"{MADE_UP_IMAGES[0]}.",
        f"Get it with python scripts/download_data.py {name} (from {page}), or say where it is (--data-dir, or "
        f"{where}){MADE_UP_IMAGES[1]}.",
    )


def read_file(path: Path) -> bytes:
    """Return the bytes of a file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path} has {path.stat().st_size:,} bytes, more than any file of this set")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def open_archive(path: Path) -> Any:
    """Open an archive for reading what is packed in it."""
    with open(path, "rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    return opener(path, "rb")


def wanted_name(member: str, folder: str, names: Sequence[str]) -> str | None:
    """Return which of the wanted files a member of an archive is, None for any other."""
    *above, name = PurePosixPath(member).parts or ("",)
    return name if name in names and (not above or above[-1] == folder) else None


def read_archive(path: Path, folder: str, names: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """Return name -> (bytes, source) of the members folder/name of an archive, packed by gzip or xz, or not."""
    found: dict[str, tuple[bytes, str]] = {}
    try:
        with open_archive(path) as stream, tarfile.open(fileobj=cast(Any, BoundedStream(stream)), mode="r:") as archive:
            for count, member in enumerate(archive):  # in order: jumping about would decompress it anew each time
                if count >= MOST_MEMBERS:
                    raise ValueError(f"more than {MOST_MEMBERS:,} members")
                name = wanted_name(member.name, folder, names)
                if name is None or not member.isreg():
                    continue
                if member.size > LARGEST_MEMBER:
                    size = f"{member.size:,} bytes"
                    raise DataError(f"{path}: {member.name} claims {size}, more than any file of this set")
                content: Any = archive.extractfile(member)
                found[name] = (b"".join(iter(partial(content.read, 2**20), b"")), f"{path}:{member.name}")
            while stream.read(2**20):  # to the very end, where the checksum is: a damaged pixel looks like any other
                if stream.tell() > LARGEST_ARCHIVE:
                    raise ValueError(f"more than {LARGEST_ARCHIVE:,} bytes")
    except DataError:
        raise
    except Exception as error:  # each compression has its own errors for a damaged archive
        what = "is truncated or damaged, or no archive at all"
        raise unreadable(path, error, what, ": download it again") from error
    missing = [f"{folder}/{name}" for name in names if name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: it is truncated or another archive; download it again")
    return found
