"""The types of flags that name files and folders. They report what cannot be written before any work is done."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlp.errors import ConfigurationError
from mlp.files import named_path
from mlp.files.own import require_no_input, require_replaceable


def path_argument(text: str) -> str:
    """The type of a flag that names a file or a folder: ~ is the home folder; an empty name is an error."""
    if not text.strip():
        raise ArgumentTypeError("it is empty, but must name a file or a folder (is a variable of your script unset?)")
    try:
        return str(named_path(text)) if text.startswith("~") else text
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from None


def folder_argument(text: str) -> Path:
    """The type of a flag that names a folder to write into, which will be made if it is not there."""
    path = Path(path_argument(text))
    require_writable(path)
    if os.path.lexists(path) and not path.is_dir():
        kind = "a file" if path.exists() else "a link that leads nowhere"
        raise ArgumentTypeError(f"{path} is {kind}, but it must be a folder: choose another name, or move it away")
    return path


def file_argument(text: str) -> Path:
    """The type of a flag that names a file to write; the folder that it lies in will be made."""
    path = Path(path_argument(text))
    require_writable(path)
    if path.is_dir() or text.endswith(("/", os.sep)):
        raise ArgumentTypeError(f"{text} is a folder, but it must be a file: {path / 'NAME'}")
    if path.exists() and not path.is_file():
        raise ArgumentTypeError(f"{path} is a device or a pipe, but it must be a file: choose another name")
    return path


def require_writable(path: Path) -> None:
    """Raise an ArgumentTypeError if it is clear in advance that `path`, a file or a folder, cannot be written."""
    try:
        os.lstat(f"{path}.part")  # the longest name there will be, see `mlp.files`
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ArgumentTypeError(f"{path}: {error.strerror}: choose another place") from None
    above = next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.lexists(folder))
    if above != path.absolute() and not above.is_dir():
        raise ArgumentTypeError(f"{path} cannot be made, because {above} is a file: choose another place")
    folder = above if above.is_dir() else above.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ArgumentTypeError(f"{path} cannot be written: you may not write in {folder}: choose another place")


def usual_path(kind: Callable[[str], Path], usual: str, advice: str = "add --out to write elsewhere") -> Path:
    """Return the path that a command writes to when no flag names another one; it is checked as a given one is.

    Args:
        kind: `folder_argument` or `file_argument`. advice: what to do if it cannot be written.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        return kind(usual)
    except ArgumentTypeError as error:
        text = str(error).rpartition(": ")[0] or str(error)  # without the advice for a name that was given
        raise ConfigurationError(f"{text}: {advice}") from None


def output_file(given: Path | None, run: str, name: str, inputs: Sequence[str] = ()) -> Path:
    """Return the file that a command writes about a run: what --out says, or `name` in the run's folder.

    Args:
        inputs: the files that are read.

    Raises:
        ConfigurationError: it cannot be written, or another file would be lost.
    """
    usual = Path(run) / name
    if given is None:
        given = usual_path(file_argument, str(usual)) if Path(run).is_dir() else usual
    require_no_input(given, inputs)
    if os.path.abspath(given) != os.path.abspath(usual):
        require_no_other_file(given)
    return given


def require_no_other_files(folder: Path, names: Iterable[str]) -> None:
    """Raise ConfigurationError if a folder to write into has files of these names that we have not made."""
    for name in names:
        require_no_other_file(folder / name)


def require_no_other_file(path: Path) -> None:
    """Raise ConfigurationError if a path is that of a run's own file, or of a file that we have not made."""
    from mlp.training.own_files import is_run_file  # loads much

    if is_run_file(path):
        raise ConfigurationError(f"{path} is the name of a run's own file: choose another --out")
    require_replaceable(path)
