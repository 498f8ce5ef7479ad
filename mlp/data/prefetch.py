"""Prefetching: a thread assembles the next batches while the current one is trained on.

Cropping, flipping and normalizing a batch is NumPy work that releases the interpreter's lock, so it runs beside the
step. What a batch holds is a function of (seed, epoch, sample), so it does not matter who draws it, or when.
"""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any

END = object()


def prefetch(iterable: Iterable[Any], ahead: int = 2, patience: float | None = None) -> Generator[Any, None, None]:
    """Yield the items of `iterable`, which a thread computes up to `ahead` items in advance.

    An exception of the iterable is raised here, where its item would have come. When the caller stops early (a break,
    an error, an interrupt), the thread ends as well.

    Args:
        patience: seconds to wait for an item before a TimeoutError, and the thread is not waited for at the end: it may
            never come back. None waits as long as it takes.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item: Any) -> bool:
        """Put an item into the queue, unless the reader has left while there was no room; return whether it was put."""
        while not stopped.is_set():
            try:
                items.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
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
            try:
                item, error = items.get(timeout=patience)
            except queue.Empty:
                raise TimeoutError(f"nothing whole for {patience:g} s") from None
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stopped.set()
        if patience is None:
            thread.join()
