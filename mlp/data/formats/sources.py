"""Where the files of a data set are: in an unpacked folder, or still in the archive that was downloaded.

An archive is read in memory and nothing is extracted: members are asked for by their exact names, so one whose name
climbs out of the folder ("../x"), or that is a link, is never looked at.
"""

import gzip
import lzma
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.errors import DataError
from mlp.typing import PathLike

OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
LARGEST_MEMBER = 2**30  # bytes; CIFAR's largest has 155 million. A damaged header can promise anything.


class MissingDataError(DataError):
    """No place has the files of a data set: they could be downloaded."""


@dataclass(frozen=True)
class Form:
    """One form in which the files of a data set come.

    Args:
        folder: the name of the unpacked folder, which archives contain too.
        names: the files that are needed.
        read: makes (train, test) out of a dictionary name -> (bytes, source), where source says for messages which
            file that was. It may take files out of the dictionary, to free their memory.
        archives: names of archives (.tar.gz, .tar.xz), in the order in which to try them.
    """

    folder: str
    names: tuple[str, ...]
    read: Callable[..., Any]
    archives: tuple[Any, ...] = ()


def find_data_dir(data_dir: PathLike | None = None) -> Path:
    """Return the data folder: the argument, else the environment variable MLP_DATA_DIR, else "data"."""
    return Path(data_dir or os.environ.get("MLP_DATA_DIR") or "data").expanduser()


def load_form(data_dir: PathLike, forms: Sequence[Form], title: str, advice: str) -> Any:
    """Load a data set in the first form that is there: unpacked folders first, because they are the quickest.

    Args:
        data_dir: the folder to look in; it may be the unpacked folder itself.
        forms: the `Form`s of the data set, in the order in which to look for them.
        title: what the data set is called, for messages.
        advice: what to do where it is missing, for messages.

    Returns:
        What the form's `read` returns.

    Raises:
        MissingDataError: no place has all the files of a form. DataError: a file or an archive is damaged.
    """
    data_dir = Path(data_dir)
    incomplete = []
    for form in forms:
        for place in (data_dir / form.folder, data_dir):
            missing = [name for name in form.names if not (place / name).is_file()]
            if not missing:
                return form.read({name: (read_file(place / name), str(place / name)) for name in form.names})
            if len(missing) < len(form.names):
                incomplete.append(f"; {place} lacks {', '.join(missing)}")
    for form in forms:
        for archive in form.archives:
            if (data_dir / archive).is_file():
                return form.read(read_archive(data_dir / archive, form.folder, form.names))
    looked_for = dict.fromkeys([form.folder for form in forms] + [name for form in forms for name in form.archives])
    raise MissingDataError(
        f"{title} was not found in {data_dir}: looked for {', '.join(looked_for)}{''.join(incomplete)}. {advice}"
    )


def advice_for(name: str, page: str) -> str:
    """Return what to do where the data set `name` is missing; `page` is where people read about it."""
    return (
        f"Get it with python scripts/download_data.py {name} (from {page}), or say where it is (--data-dir, or the "
        "environment variable MLP_DATA_DIR), or train on made-up images with --dataset synthetic."
    )


def read_file(path: Path) -> bytes:
    """Return the bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def read_archive(path: Path, folder: str, names: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """Return name -> (bytes, source) of the members folder/name of an archive .tar.gz or .tar.xz."""
    wanted = {f"{folder}/{name}": name for name in names}
    found = {}
    try:
        with OPENERS[path.suffix](path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:  # in the order of the archive: jumping about would decompress it anew each time
                name = wanted.get(member.name)
                if name is None or not member.isreg():
                    continue
                if member.size > LARGEST_MEMBER:
                    raise DataError(f"{path}: {member.name} claims {member.size} bytes, more than any file of this set")
                content: Any = archive.extractfile(member)
                found[name] = (content.read(), f"{path}:{member.name}")
            while stream.read(2**20):  # to the very end, where the checksum is: a damaged pixel looks like any other
                pass
    except DataError:
        raise
    except Exception as error:  # each compression has its own errors for a damaged archive
        raise DataError(
            f"{path} is truncated or damaged, or no archive at all ({type(error).__name__}: {error}): download it again"
        ) from error
    missing = [member for member, name in wanted.items() if name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: it is truncated or another archive; download it again")
    return found
