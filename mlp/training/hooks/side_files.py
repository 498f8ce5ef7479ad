"""Tables and pictures: training continues even if they cannot be written."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError, as_sentence, out_of_memory
from mlp.training.hooks.base import Hook


class SideFiles(Hook):
    """Base class of hooks that write tables and pictures.

    A spreadsheet may have a file open, which Windows does not allow to replace, or a font may be missing: that is
    noted, training continues, and the file is written the next time.

    Attributes:
        unwritten: {path: the error} of what is not up to date.
    """

    def __init__(self) -> None:
        self.unwritten: dict[Path, Exception] = {}

    def write(self, path: Path, action: Callable[[], Any]) -> None:
        """Call `action`, which writes `path`; if it fails, say so once and remember it."""
        try:
            action()
            self.unwritten.pop(path, None)
        except CheckpointError:  # another process has the folder
            raise
        except Exception as error:
            known = out_of_memory(error) and any(map(out_of_memory, self.unwritten.values()))
            if path not in self.unwritten and not known:  # short memory is one problem, however many files it hits
                print(f"note: {path} could not be written ({as_sentence(error)}): trying again later", file=sys.stderr)
            self.unwritten[path] = error
