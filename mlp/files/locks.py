"""One writer per folder: a lock that ends with its process, and that is checked again before every write.

The lock is taken on a file that is open for writing: network drives (NFS) refuse an exclusive lock on any other. A
process that dies releases it, however it dies. A process whose machine loses the network loses the lock after a while,
without being told. So `mlp.files` checks the lock before it writes a file in the folder: a process that has lost it, or
whose folder was moved away, writes nothing more.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlp.errors import CheckpointError, FolderInUseError
from mlp.typing import PathLike

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Mount options (of NFS, Lustre) with which other machines know nothing of a lock.
LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "localflock"}


class Lock:
    """A file that this process has locked.

    Attributes:
        path: of the file; the lock is for its folder.

    Raises:
        CheckpointError: something else has the file's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
            raise CheckpointError(f"{path} is not a file, but a link, a folder, a pipe or a device: move it away")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self.descriptor = os.open(path, flags, 0o666)
        self.why_none: str | None = None  # why there is no lock; None if there is one

    def take(self, holder: Callable[[], str]) -> None:
        """Lock the file, or raise FolderInUseError; `holder` says who has it: "process 12 on n1"."""
        if fcntl is None:
            self.why_none = "this system has none"
            return
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = holder()
            raise FolderInUseError(
                f"another run is writing to {self.path.parent}: wait until it ends, or choose another --out"
                f"{who and f' ({who})'}"
            ) from None
        except OSError as error:  # a network drive without locks
            self.why_none = error.strerror or str(error)
            return
        self.why_none = kept_to_this_machine(self.path)

    def check(self) -> None:
        """Raise an error unless the path is still this file, and the lock still ours."""
        folder = self.path.parent
        mine = os.fstat(self.descriptor)
        try:
            there = os.stat(self.path)
            same = (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
        except OSError:
            same = False
        if not same:
            raise CheckpointError(
                f"{folder} is no longer the folder in which this run began (its {self.path.name} is gone, or another "
                "one): nothing more is written there"
            )
        if fcntl is not None and self.why_none is None:
            try:  # a lock that is still ours is simply granted again
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise FolderInUseError(
                    f"the lock on {folder} was lost, another run may be writing there ({error.strerror or error}): "
                    "this one ends"
                ) from None

    def append(self, text: str) -> None:
        """Write at the end of the file, in one piece, and onto the disk."""
        content = text.encode()
        try:
            if os.write(self.descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.descriptor)
        except OSError as error:
            error.filename = str(self.path)
            raise

    def close(self) -> None:
        """Close the file, which ends the lock."""
        os.close(self.descriptor)


_held: dict[str, Lock] = {}  # by folder


@contextmanager
def only_writer(path: PathLike, holder: Callable[[], str] = str) -> Iterator[Lock]:
    """Keep other processes from writing to a file's folder until the context ends, or this process, however it ends.

    Two processes that write one file at once use the same temporary name, and the result may be half of each.
    Where a system or a network drive has no locks, a line on standard error says so.

    Args:
        path: of the file that is locked; it is made if it is not there. holder: who may have it, for the message.

    Raises:
        FolderInUseError: another process writes there.
    """
    lock = Lock(Path(path))
    key = os.path.abspath(lock.path.parent)
    try:
        lock.take(holder)
        lock.check()
        if lock.why_none:
            print(
                f"warning: {lock.path.parent} has no locks ({lock.why_none}): nothing keeps a second run from writing "
                "there",
                file=sys.stderr,
            )
        _held[key] = lock
        yield lock
    finally:
        _held.pop(key, None)
        lock.close()


def check_lock(folder: PathLike) -> None:
    """Raise an error if this process has locked a folder, or one above it, and lost it since; else do nothing."""
    path = Path(os.path.abspath(folder)) if _held else Path()
    for place in (path, *path.parents):
        if str(place) in _held:
            _held[str(place)].check()


def kept_to_this_machine(path: Path) -> str | None:
    """Return "it is mounted with nolock" if other machines know nothing of locks; else, or if it is not known, None."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    parents = {str(parent) for parent in path.resolve().parents}
    mounts = [line.split() for line in lines]
    below = [(len(words[1]), words[3].split(",")) for words in mounts if len(words) > 3 and words[1] in parents]
    options = max(below, default=(0, []))[1]
    return next((f"it is mounted with {option}" for option in options if option in LOCAL_LOCKS), None)
