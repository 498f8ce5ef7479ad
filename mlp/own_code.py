"""Users' own Python files: how they are run as modules, and which of their lines an error came through."""

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

# Users' code can raise anything, and its sys.exit() must not end the program that runs it.
OWN_ERRORS = (Exception, SystemExit)


@contextmanager
def folder_of_imports(folder: Path) -> Iterator[None]:
    """Within this context files of `folder` can be imported, as by a script that lies there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def load_module(path: Path, name: str, attempt: Callable[[Callable[[], Any]], Any]) -> ModuleType | None:
    """Run a file and return it as a module; None if it is not a Python file.

    Args:
        name: of the module. attempt: calls the function that runs the file, and handles what it raises.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up by its name
    loader = spec.loader
    attempt(lambda: loader.exec_module(module))
    return module


def frames_in(error: BaseException, path: Path) -> list[traceback.FrameSummary]:
    """Return the frames of an error's traceback that lie in the user's file, the innermost last."""
    files = (path, path.resolve())
    return [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) in files]


def own_lines(error: BaseException, path: Path) -> list[str]:
    """Return the last three lines of a traceback that lie in the user's file, the innermost last."""
    if isinstance(error, SyntaxError) and error.lineno:
        return [f"{path.name}, line {error.lineno}: {(error.text or '').strip()}"]
    return [f"{path.name}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames_in(error, path)[-3:]]
