"""Downloading a data set from servers that may be slow, break off, lie, or answer with a web page.

    1. Every file goes to `name.part` first. It gets its name by a rename, after its checksum has been compared, so a
       file that has its name is complete.
    2. A download that breaks off continues where it stopped (HTTP Range), now or in the next call, from the same
       address or another. Servers that do not know Range start again.
    3. Addresses are tried in order, mirrors first. If all of them fail, the message says why each did.

Only the checksum (md5, as published) decides what is good; lengths and kinds of content that servers tell are used for
messages. No more bytes than the file has are read, and they set the time for each address (`time_allowed`).
md5 finds damage. It is no protection against somebody who forges a file, and what reads the files does not trust them
either (`mlp.data.formats.safe_pickle`).
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.checks import positive, similar_choice, wrong
from mlp.data.download.checksums import check_existing, copy_verified, describe, md5_of, size_of
from mlp.data.download.transfer import BrokenTransfer, time_allowed, transfer
from mlp.data.formats.sources import find_data_dir
from mlp.errors import CheckpointError, ConfigurationError, DataError
from mlp.files import remove_stranger
from mlp.files.locks import Lock
from mlp.typing import PathLike

CIFAR = ("https://www.cs.toronto.edu/~kriz/",)
MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
TENSORLY = ("https://raw.githubusercontent.com/tensorly/tensorly/main/tensorly/datasets/data/",)
LONGEST_WAIT = 86_400.0  # seconds without a byte, a day: far more, and the system's clocks overflow
ATTEMPTS = 5  # at one address, as long as each brings new bytes


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded: its name, its bytes and their md5 sum, and the folders (URLs) that have it."""

    name: str
    size: int
    md5: str
    addresses: tuple[str, ...]


SOURCES = {
    "cifar100": (RemoteFile("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85", CIFAR),),
    "cifar100-binary": (RemoteFile("cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8", CIFAR),),
    "cifar10": (RemoteFile("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a", CIFAR),),
    "cifar10-binary": (RemoteFile("cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530", CIFAR),),
    "indian_pines": (
        RemoteFile("Indian_pines_corrected.npy", 8_410_128, "9b7504568c0d0e83e0da5c08f2e64e66", TENSORLY),
        RemoteFile("Indian_pines_gt.npy", 21_153, "198eeb96807f71b3e9166afb93514b7b", TENSORLY),
    ),
    "mnist": (
        RemoteFile("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", MNIST),
        RemoteFile("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432", MNIST),
        RemoteFile("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3", MNIST),
        RemoteFile("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c", MNIST),
    ),
}


def download_dataset(
    name: str,
    data_dir: PathLike | None = None,
    mirrors: Sequence[str] = (),
    archives: Sequence[PathLike] = (),
    timeout: float = 30.0,
    sources: Mapping[str, Sequence[RemoteFile]] = SOURCES,
) -> list[Path]:
    """Put the files of a data set into the data folder, unless they are there.

    Args:
        name: one of `SOURCES`.
        data_dir: the data folder, made if it is missing; None for what `find_data_dir` says.
        mirrors: addresses (of folders with the files, or of a file itself) that are tried before the official ones.
        archives: paths of files that somebody has already: they are recognized by their checksums and copied.
        timeout: seconds without a byte after which an address is given up.
        sources: a table like `SOURCES`.

    Returns:
        The paths of the files, in a list.

    Raises:
        ConfigurationError: an unknown name, or an address or time that cannot be.
        DataError: no address gave a file with the right checksum, an archive is another file, or the disk is full.
    """
    if name not in sources:
        near = similar_choice(name, sources)
        raise ConfigurationError(f"data sets that can be downloaded are {', '.join(sources)}, got {name!r}{near}")
    if positive("timeout", timeout) > LONGEST_WAIT:
        raise wrong("timeout", f"must be at most {LONGEST_WAIT:,} seconds, a day, got {timeout}", "--timeout")
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            raise wrong("mirrors", f"must begin with http:// or https://, got {mirror!r}", "--mirror")
    data_dir = find_data_dir(data_dir)
    given = recognize(archives, sources[name])
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the data folder {data_dir} cannot be made: {error.strerror}") from error
    paths = []
    for file in sources[name]:
        path = data_dir / file.name
        with nullcontext() if path.exists() else only_download(path):
            if path.exists():  # from before, or another process has just finished it
                check_existing(path, file.md5)
            elif file.md5 in given:
                copy_verified(given[file.md5], path, file.md5)
            else:
                fetch(file, path, mirrors, timeout)
        paths.append(path)
    return paths


@contextmanager
def only_download(path: Path) -> Iterator[None]:
    """Keep other processes from writing `path` and its part until the context ends; DataError if one does so now."""
    try:
        lock = Lock(path.with_name(f".{path.name}.lock"))
    except (OSError, CheckpointError) as error:
        raise DataError(f"{path} cannot be written: {getattr(error, 'strerror', error)}") from error
    with closing(lock):
        try:
            lock.take(str)
            lock.check()
        except CheckpointError:
            raise DataError(f"another process is downloading {path}: wait until it ends") from None
        try:
            yield
        finally:
            with suppress(OSError):  # while it is still ours; Windows removes no open file
                lock.path.unlink()


def recognize(archives: Sequence[PathLike], files: Sequence[RemoteFile]) -> dict[str, Path]:
    """Return md5 -> path of the archives; DataError if one is none of `files`."""
    given = {md5_of(Path(archive).expanduser()): Path(archive).expanduser() for archive in archives}
    wanted = {file.md5: file.name for file in files}
    for md5, path in given.items():
        if md5 not in wanted:
            expected = " or ".join(f"{name} ({md5})" for md5, name in wanted.items())
            raise DataError(f"{path} has {describe(path)}; expected {expected}: it is damaged, or another file")
    return given


def fetch(file: RemoteFile, path: Path, mirrors: Sequence[str], timeout: float) -> None:
    """Download one file to `path` from the first address that gives it whole."""
    part = path.with_name(path.name + ".part")
    try:
        remove_stranger(part)
    except OSError as error:
        raise DataError(f"{part} cannot be removed: {error.strerror}") from error
    tried = []
    for address in (*mirrors, *file.addresses):
        url = address if address.endswith("/" + file.name) else f"{address.rstrip('/')}/{file.name}"
        try:
            fetch_from(url, part, file, timeout)
        except BrokenTransfer as problem:
            tried.append(f"{url} ({problem})")
            continue
        try:
            os.replace(part, path)
        except OSError as error:
            raise DataError(f"{part} cannot be renamed to {path.name}: {error.strerror}") from error
        return
    kept = ""
    if size_of(part):
        kept = f" The {size_of(part):,} bytes that came are kept in {part}; the next try continues there."
    raise DataError(
        f"{file.name} could not be downloaded. Tried: {'; '.join(tried)}.{kept} ",
        "Name another address (mirrors), or get the file some other way and give it (archives), as arguments of "
        "mlp.data.download_dataset",
        "Name another address with --mirror, or get the file some other way and give it with --archive "
        "(python scripts/download_data.py --help)",
    )


def fetch_from(url: str, part: Path, file: RemoteFile, timeout: float) -> None:
    """Download from one address to `part`, continuing where it broke off; return once the checksum is right.

    Raises:
        BrokenTransfer: why this address does not give the file.
    """
    deadline = time.monotonic() + time_allowed(file.size)
    for _ in range(ATTEMPTS):
        before = size_of(part)
        problem: Any = None
        try:
            resumed = transfer(url, part, file.size, timeout, deadline)
        except BrokenTransfer as error:
            problem = error
        if part.exists() and md5_of(part) == file.md5:  # also if the server told of more bytes than there are
            return
        if problem is None:  # the server is done, and the file is wrong
            wrong = BrokenTransfer(f"gave {describe(part)}; expected {file.size:,} bytes with md5 {file.md5}")
            part.unlink()
            if not resumed:
                raise wrong
            problem = wrong  # the beginning may be from elsewhere: start again
        elif size_of(part) <= before or time.monotonic() > deadline:
            raise problem
    raise problem
