"""What a server answers, read by a thread, so that nobody waits forever.

The time-out of a connection counts from byte to byte. A server that sends the lines of its header, or the lengths of
its chunks, one letter at a time never runs into it. So a thread does the reading, and the caller waits only for what
the thread has read. If nothing complete comes for `PATIENCE` seconds, the caller gives up; the thread ends with its
connection or with the process.
"""

from collections.abc import Generator, Iterator
from typing import Any

from mlp.data.prefetch import prefetch

CHUNK = 2**16
AHEAD = 8  # chunks that are read before anybody has asked for them
PATIENCE = 60.0  # seconds without anything whole


def answer_to(url: str, headers: dict[str, str], timeout: float) -> Generator[Any, None, None]:
    """Yield (status, headers) of the answer to a request, then the bytes of the body as they come.

    Errors of the network are raised where bytes are missing.

    Args:
        url, headers: of the request. timeout: seconds without a byte.
    """
    return prefetch(read(url, headers, timeout), AHEAD, max(PATIENCE, 2 * timeout))


def read(url: str, headers: dict[str, str], timeout: float) -> Iterator[Any]:
    """Yield what `answer_to` does, as slowly as it comes."""
    import urllib.error
    import urllib.request  # 40 ms, which only downloads need

    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            yield response.status, response.headers
            while chunk := response.read1(CHUNK):
                yield chunk
    except urllib.error.HTTPError as error:
        error.close()  # a connection is in it, and perhaps nobody waits for it any more
        raise
