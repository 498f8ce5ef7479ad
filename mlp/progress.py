"""Signs of life of long work: a bar on a terminal and in a notebook that has ipywidgets, lines in a log file.

A log file has no use for a bar, which is written over itself a thousand times: it gets a line at the start and one
every half a minute. A notebook without ipywidgets, which would show such lines as if they were errors, gets neither.
"""

import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Self

EVERY = 30.0  # seconds between two lines
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

    This is for work that prints lines of its own; for other work see `announced_bar`.

    Args:
        iterable: what to loop over. options: those of tqdm: desc, total, unit, leave, ...
    """
    # disable=None: a bar is drawn only where standard error is a terminal, or in a notebook
    return load_tqdm()(iterable, disable=None, **options)


def announced_bar(iterable: Iterable[Any] | None = None, *, desc: str, unit: str, **options: Any) -> Any:
    """Return a bar as `progress_bar` does, or outside of notebooks where that would be silent, `ProgressLines`."""
    bar = progress_bar(iterable, desc=desc, unit=unit, **options)
    lines = bar.disable and notebook_display() is None
    return ProgressLines(iterable, desc, unit, options.get("total")) if lines else bar


def notebook_display() -> Any:
    """Return IPython's `display` in a notebook, None elsewhere."""
    if "IPython" not in sys.modules:  # a notebook has loaded it
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    return display if shell is not None and hasattr(shell, "kernel") else None


class ProgressLines:
    """What is called like a bar, and prints lines on standard error: "evaluation: 40 of 100 batches after 30 s"."""

    disable = True  # it is no bar

    def __init__(self, iterable: Any, desc: str, unit: str, total: int | None = None) -> None:
        self.iterable, self.desc, self.n, self.postfix = iterable, desc, 0, ""
        self.total = len(iterable) if total is None else total
        self.units = unit if self.total == 1 else f"{unit}es" if unit.endswith("ch") else f"{unit}s"
        self.start = self.told = time.monotonic()
        self.say(f"{self.total:,} {self.units}")

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{self.desc}: {text}", file=sys.stderr, flush=True)

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def update(self, n: int = 1) -> None:
        """Count n more; print a line if it is time for one."""
        self.n += n
        now = time.monotonic()
        if now - self.told >= EVERY and self.n < self.total:
            self.told = now
            self.say(f"{self.n:,} of {self.total:,} {self.units} after {now - self.start:.0f} s{self.postfix}")

    def set_postfix_str(self, text: str, *, refresh: bool = True) -> None:
        """Set what the next lines end in."""
        self.postfix = f", {text}" if text else ""

    def close(self) -> None:
        """Do nothing: the work prints its results itself."""


def loss_text(loss: float) -> str:
    """Return a loss for people: "4.605", and "6.8e+19" for one that is out of all bounds."""
    return f"{loss:.3f}" if abs(loss) < 1e4 else f"{loss:.1e}"


def write_line(text: str) -> None:
    """Print a line, above the bars that are moving."""
    load_tqdm().write(text)
