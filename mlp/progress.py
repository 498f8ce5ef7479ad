"""Progress bars for long work: on a terminal, and in a notebook that has ipywidgets; nowhere else.

A log file has no use for them: a bar is written over itself a thousand times.
"""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

SOON = 2.0  # seconds: what takes less needs no bar


@cache
def load_tqdm() -> Any:
    """Return tqdm's class for a terminal or for a notebook. It is loaded late: many programs never draw a bar."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # notebooks without ipywidgets would be told about them each time
        from tqdm.auto import tqdm
    tqdm.monitor_interval = 0  # tqdm starts no thread: a system that has no more threads would warn about it
    return tqdm


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """Return a bar to loop over, or with `total` one to `update`; it is silent where nobody would see it move.

    Args:
        iterable: what to loop over. options: those of tqdm: desc, total, unit, leave, ...
    """
    # disable=None: a bar is drawn only where standard error is a terminal, or in a notebook
    return load_tqdm()(iterable, disable=None, **options)


def loss_text(loss: float) -> str:
    """Return a loss for people: "4.605", and "6.8e+19" for one that is out of all bounds."""
    return f"{loss:.3f}" if abs(loss) < 1e4 else f"{loss:.1e}"


def write_line(text: str) -> None:
    """Print a line, above the bars that are moving."""
    load_tqdm().write(text)
