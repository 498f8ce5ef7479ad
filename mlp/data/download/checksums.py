"""Whether a file is the wanted one: its checksum decides. md5 finds damage, not files that were made to deceive."""

import hashlib
from pathlib import Path
from typing import Any

from mlp.data.download.transfer import looks_like_web_page
from mlp.errors import CheckpointError, DataError
from mlp.files import atomic_write
from mlp.files.stored import open_file


def check_existing(path: Path, md5: str) -> None:
    """Raise DataError unless the file that is there already is the one that is wanted; it is never replaced."""
    if md5_of(path) != md5:
        raise DataError(
            f"{path} is there already but has {describe(path)}; expected md5 {md5}: it is damaged, or another file; "
            "move it away and try again"
        )


def copy_verified(archive: Path, path: Path, md5: str) -> None:
    """Copy a file whose checksum is known; the checksum of what is copied decides."""
    code = new_md5()
    try:
        with open(archive, "rb") as source, atomic_write(path) as target:
            while chunk := source.read(2**20):
                code.update(chunk)
                target.write(chunk)
            if code.hexdigest() != md5:
                raise DataError(f"{archive} changed while it was copied: try again")
    except OSError as error:
        raise DataError(f"{archive} cannot be copied to {path}: {error.strerror}") from error


def describe(path: Path) -> str:
    """Say what a wrong file is, for messages."""
    with open(path, "rb") as file:
        page = "; it looks like a web page" if looks_like_web_page(file.read(1024)) else ""
    return f"{size_of(path):,} bytes with md5 {md5_of(path)}{page}"


def size_of(path: Path) -> int:
    """Return the length of a file in bytes, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def md5_of(path: Path) -> str:
    """Return the md5 sum of a file as 32 hexadecimal digits."""
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, new_md5).hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path} cannot be read: there is no such file") from None
    except CheckpointError as error:
        raise DataError(str(error)) from None


def new_md5() -> Any:
    """Return an empty md5 sum. Some systems forbid md5 for security; here it only finds damage."""
    return hashlib.md5(usedforsecurity=False)
