"""One HTTP transfer into a file, which may be there in part already."""

import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mlp.data.download.answer import PATIENCE, answer_to
from mlp.errors import DataError
from mlp.progress import progress_bar

SLOWEST = 1000  # bytes a second, on the average, once PATIENCE is over
EXPECTED = 5000  # bytes a second: a file may take as long as that, and `PATIENCE` on top
LONGEST_REASON = 200  # characters: a server may answer with anything


class BrokenTransfer(Exception):  # noqa: N818 - not an error of the user: the next address is tried
    """Why a transfer did not come to its end, in a few words; a server's own words are freed of control characters."""

    def __init__(self, why: str) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in why[:LONGEST_REASON]))


def time_allowed(size: int) -> float:
    """Return in how many seconds a file of so many bytes must have come from one address."""
    return PATIENCE + size / EXPECTED


def transfer(url: str, part: Path, size: int, timeout: float, deadline: float) -> bool:
    """Append what is missing of the file at `url` to `part`, or write it anew.

    A request for a file of which n bytes are there already carries "Range: bytes=n-". The answers:

        206 with "Content-Range: bytes n-..."    the rest follows: it is appended
        416                                      there is no rest
        200                                      the server does not know Range: the whole file follows

    Args:
        url: of the file.
        part: the path to write to.
        size: of the whole file; more bytes are not read.
        timeout: seconds without a byte after which to give up.
        deadline: the time, as `time.monotonic` tells it, at which to give up anyway.

    Returns:
        Whether the beginning of `part` was there before.

    Raises:
        BrokenTransfer: the server cannot be reached, breaks off, stalls, is too slow, or answers with an error or a web
            page. What came is in `part`.
        DataError: `part` cannot be written.
    """
    import http.client
    import urllib.error

    there = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "mlp"}
    if there:
        headers["Range"] = f"bytes={there}-"
    answer = answer_to(url, headers, timeout)
    try:
        status, told = next(answer)
        resumed = status == 206
        if resumed and not told.get("Content-Range", "").startswith(f"bytes {there}-"):
            range_told = told.get("Content-Range") or "no Content-Range"
            raise BrokenTransfer(f"answered with other bytes than asked for: {range_told}")
        start = there if resumed else 0
        promised = promise_of(told, size)
        chunks = received(answer, size - start, timeout, deadline)
        first = next(chunks, b"")
        if not resumed and looks_like_web_page(first):
            raise BrokenTransfer("answered with a web page instead of the file")
        count = write(part, first, chunks, start, size)
        if promised is not None and count < min(promised, size - start):
            raise BrokenTransfer(f"broke off after {count:,} of {promised:,} bytes")
    except urllib.error.HTTPError as error:
        if error.code == 416 and there:
            return True
        raise BrokenTransfer(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BrokenTransfer(reason(error, timeout)) from error
    finally:
        answer.close()
    return resumed


def promise_of(told: Any, size: int) -> int | None:
    """Return the length that headers tell, None without one; BrokenTransfer if it is more than twice the file's."""
    text = told.get("Content-Length", "")
    promised = int(text[:20]) if text.isascii() and text.isdigit() else None
    if promised is not None and promised > 2 * size:
        raise BrokenTransfer(f"promises {promised:,} bytes or more, the file has {size:,}")
    return promised


def received(chunks: Iterator[bytes], wanted: int, timeout: float, deadline: float) -> Iterator[bytes]:
    """Yield the first `wanted` bytes of a body as they come; the network's errors become BrokenTransfer."""
    from http.client import HTTPException

    count, start = 0, time.monotonic()
    try:
        for chunk in chunks:
            yield chunk[: max(0, wanted - count)]
            count += len(chunk)
            now = time.monotonic()
            if count >= wanted:  # what else the server sends is no part of the file
                return
            if now - start > PATIENCE and count < SLOWEST * (now - start):
                raise BrokenTransfer(f"only {count:,} bytes in {now - start:.0f} s")
            if now > deadline:
                raise BrokenTransfer(f"took too long, after {count:,} bytes")
    except (OSError, HTTPException, ValueError) as error:
        raise BrokenTransfer(f"{reason(error, timeout)}, after {count:,} bytes") from error


def write(part: Path, first: bytes, chunks: Iterator[bytes], start: int, size: int) -> int:
    """Write the chunks to `part` from byte `start` on, with a progress bar in a terminal; return how many bytes."""
    bar = progress_bar(desc=part.name.removesuffix(".part"), total=size, initial=start, unit="B", unit_scale=True)
    count = 0
    try:
        with bar, open(part, "ab" if start else "wb") as file:
            for chunk in chain((first,), chunks):
                file.write(chunk)
                count += len(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())  # before the rename that gives the file its name
    except OSError as error:  # the disk's: those of the network are BrokenTransfer by now
        raise DataError(f"{part} cannot be written: {error.strerror or error}") from error
    return count


def reason(error: Exception, timeout: float) -> str:
    """Say in a few words what went wrong with a connection."""
    cause = getattr(error, "reason", error)  # URLError wraps what happened
    if isinstance(cause, TimeoutError):
        return str(cause) if "nothing whole" in str(cause) else f"no byte for {timeout:g} s"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def looks_like_web_page(head: bytes) -> bool:
    """Tell whether the first bytes of a file are those of an HTML page; no file of a data set begins like that."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--"))
