"""Prefetching: a thread assembles the next batches while the current one is trained on.

Cropping, flipping and normalizing a batch is NumPy work that releases the interpreter's lock, so it runs beside the
step. What a batch holds is a function of (seed, epoch, sample), so it does not matter who draws it, or when.
"""

import queue
import threading
from collections.abc import Generator, Iterable
from functools import partial
from typing import Any

END = object()


def prefetch(iterable: Iterable[Any], ahead: int = 2) -> Generator[Any, None, None]:
    """Yield the items of `iterable`, which a thread computes up to `ahead` items in advance.

    An exception of the iterable is raised here, where its item would have come. When the caller stops early (a break,
    an error, an interrupt), the thread ends as well.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def work() -> None:
        put = partial(put_unless, stopped, items)
        try:
            for item in iterable:
                if not put((item, None)):
                    return
            put((END, None))
        except BaseException as error:
            put((END, error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stopped.set()
        thread.join()


def put_unless(stopped: threading.Event, items: queue.Queue[Any], item: Any) -> bool:
    """Put an item into a queue, waiting for room, but not for a reader that has left; return whether it was put."""
    while not stopped.is_set():
        try:
            items.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
