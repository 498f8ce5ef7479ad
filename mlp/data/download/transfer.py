"""One HTTP transfer into a file, which may be there in part already."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlp.errors import DataError
from mlp.progress import progress_bar

CHUNK = 2**16
LARGEST_DOWNLOAD = 2**28  # bytes; the largest file of a data set has 170 million
SLOWEST = 1000  # bytes a second, on the average
PATIENCE = 60.0  # seconds before a server can be called slow
LONGEST_REASON = 200  # characters: a server may answer with anything


class BrokenTransfer(Exception):  # noqa: N818 - not an error of the user: the next address is tried
    """Why a transfer did not come to its end, in a few words; what a server said stands in it without escapes."""

    def __init__(self, why: str) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in why[:LONGEST_REASON]))


def transfer(url: str, part: Path, timeout: float) -> bool:
    """Append what is missing of the file at `url` to `part`, or write it anew.

    A request for a file of which n bytes are there already carries "Range: bytes=n-". The answers:

        206 with "Content-Range: bytes n-..."    the rest follows: it is appended
        416                                      there is no rest
        200                                      the server does not know Range: the whole file follows

    Args:
        url: of the file.
        part: the path to write to.
        timeout: seconds without a byte after which to give up.

    Returns:
        Whether the beginning of `part` was there before.

    Raises:
        BrokenTransfer: the server cannot be reached, breaks off, stalls, or answers with an error or a web page. What
            came is in `part`.
        DataError: `part` cannot be written.
    """
    import http.client  # 40 ms, which only downloads need
    import urllib.error
    import urllib.request

    there = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "mlp"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:
            return True
        raise BrokenTransfer(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BrokenTransfer(reason(error, timeout)) from error
    with response:
        content_range = response.headers.get("Content-Range", "")
        resumed = response.status == 206
        if resumed and not content_range.startswith(f"bytes {there}-"):
            raise BrokenTransfer(f"answered with other bytes than asked for: {content_range or 'no Content-Range'}")
        promised = response.headers.get("Content-Length", "")
        total = int(promised[:20]) if promised.isascii() and promised.isdigit() else None
        if total is not None and total > LARGEST_DOWNLOAD:
            raise BrokenTransfer(f"promises {total:,} bytes or more, which no file of a data set has")
        chunks = received(response, timeout)
        first = next(chunks, b"")
        if not resumed and looks_like_web_page(first):
            raise BrokenTransfer("answered with a web page instead of the file")
        count = write(part, first, chunks, there if resumed else 0, total)
        if total is not None and count < total:
            raise BrokenTransfer(f"broke off after {count:,} of {total:,} bytes")
    return resumed


def received(response: Any, timeout: float) -> Iterator[bytes]:
    """Yield the bytes of a response as they come; the network's errors become BrokenTransfer."""
    from http.client import HTTPException

    count, start = 0, time.monotonic()
    try:
        while chunk := response.read1(CHUNK):
            count += len(chunk)
            if count > LARGEST_DOWNLOAD:
                raise BrokenTransfer(f"sent more than {LARGEST_DOWNLOAD:,} bytes, which no file of a data set has")
            seconds = time.monotonic() - start
            if seconds > PATIENCE and count < SLOWEST * seconds:
                raise BrokenTransfer(f"only {count:,} bytes in {seconds:.0f} s")
            yield chunk
    except (OSError, HTTPException, ValueError) as error:
        raise BrokenTransfer(f"{reason(error, timeout)}, after {count:,} bytes") from error


def write(part: Path, first: bytes, chunks: Iterator[bytes], start: int, total: int | None) -> int:
    """Write the chunks to `part` from byte `start` on, with a progress bar in a terminal; return how many bytes."""
    bar = progress_bar(
        desc=part.name.removesuffix(".part"),
        total=None if total is None else start + total,
        initial=start,
        unit="B",
        unit_scale=True,
    )
    count = 0
    try:
        with bar, open(part, "ab" if start else "wb") as file:
            chunk = first
            while chunk:
                file.write(chunk)
                count += len(chunk)
                bar.update(len(chunk))
                chunk = next(chunks, b"")
            file.flush()
            os.fsync(file.fileno())  # before the rename that gives the file its name
    except OSError as error:  # the disk's: those of the network are BrokenTransfer by now
        raise DataError(f"{part} cannot be written: {error.strerror or error}") from error
    return count


def reason(error: Exception, timeout: float) -> str:
    """Say in a few words what went wrong with a connection."""
    cause = getattr(error, "reason", error)  # URLError wraps what happened
    if isinstance(cause, TimeoutError):
        return f"no byte for {timeout:g} s"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def looks_like_web_page(head: bytes) -> bool:
    """Tell whether the first bytes of a file are those of an HTML page; the files of data sets begin otherwise."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--"))
