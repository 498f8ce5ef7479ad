"""What a server answers, read by a thread, so that nobody waits forever.

The time-out of a connection counts from byte to byte. A server that sends the lines of its header, or the lengths of
its chunks, one letter at a time never runs into it. So a thread does the reading, and the caller waits only for what
the thread has read. If nothing complete comes for `PATIENCE` seconds, the caller gives up; the thread ends with its
connection or with the process.
"""

import queue
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from mlp.data.prefetch import put_unless

CHUNK = 2**16
AHEAD = 8  # chunks that are read before anybody has asked for them
PATIENCE = 60.0  # seconds without anything whole


class Answer:
    """The answer to a request. Errors of the network are raised by `head` and `chunks`, where bytes are missing.

    Args:
        url, headers: of the request. timeout: seconds without a byte.
    """

    def __init__(self, url: str, headers: dict[str, str], timeout: float) -> None:
        self.items: queue.Queue[Any] = queue.Queue(AHEAD)
        self.left = threading.Event()
        self.patience = max(PATIENCE, 2 * timeout)
        threading.Thread(target=self._work, args=(url, headers, timeout), daemon=True, name="download").start()

    def _work(self, url: str, headers: dict[str, str], timeout: float) -> None:
        import urllib.error
        import urllib.request  # 40 ms, which only downloads need

        put = partial(put_unless, self.left, self.items)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
                put((response.status, response.headers))
                while not self.left.is_set() and (chunk := response.read1(CHUNK)):
                    put(chunk)
            put(b"")
        except urllib.error.HTTPError as error:
            error.close()  # a connection is in it, and perhaps nobody waits for it any more
            put(error)
        except BaseException as error:  # a thread has nobody else to tell
            put(error)

    def _get(self) -> Any:
        try:
            item = self.items.get(timeout=self.patience)
        except queue.Empty:
            raise TimeoutError(f"nothing whole for {self.patience:g} s") from None
        if isinstance(item, BaseException):
            raise item
        return item

    def head(self) -> tuple[int, Any]:
        """Return status and headers; called once, before `chunks`."""
        status, headers = self._get()
        return status, headers

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the body as they come."""
        while chunk := self._get():
            yield chunk

    def leave(self) -> None:
        """Stop reading: nothing more is wanted."""
        self.left.set()
