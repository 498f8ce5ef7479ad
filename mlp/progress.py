"""Progress bars for long work: on a terminal, and in a notebook that has ipywidgets; nowhere else.

A log file has no use for them: a bar is written over itself a thousand times.
"""

import warnings
from collections.abc import Iterable
from typing import Any

from tqdm import TqdmWarning

with warnings.catch_warnings():
    warnings.simplefilter("ignore", TqdmWarning)  # a notebook without ipywidgets would hear of them at every start
    from tqdm.auto import tqdm


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """Return a bar to loop over, or with `total` one to `update`; silent where nobody would see it move.

    Args:
        iterable: what to loop over. options: those of tqdm: desc, total, unit, leave, ...
    """
    return tqdm(iterable, disable=None, **options)  # None: only where standard error is a terminal, or in a notebook


def write_line(text: str) -> None:
    """Print a line, above the bars that are moving."""
    tqdm.write(text)
