"""Downloads from a server on this machine that behaves as servers do. No test goes further than 127.0.0.1."""

import errno
import gc
import hashlib
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from mlp.data import SOURCES, download_dataset
from mlp.data.download.checksums import md5_of
from mlp.data.download.fetch import RemoteFile, only_download
from mlp.data.download.transfer import BrokenTransfer, received, time_allowed
from mlp.errors import ConfigurationError, DataError, as_sentence

NAME = "tiny.tar.gz"
CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def served(server):
    server.content = CONTENT


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def download(root, server, *ways, timeout=60.0, **options):
    """Download from the server, which behaves at each address as the ways say; the last is the official address."""
    *mirrors, official = [server.url(way) for way in ways]
    sources = {"tiny": (RemoteFile(NAME, len(CONTENT), MD5, (official,)),)}
    return download_dataset("tiny", root, mirrors, timeout=timeout, sources=sources, **options)


def assert_downloaded(root):
    assert [path.name for path in root.iterdir()] == [NAME]
    assert (root / NAME).read_bytes() == CONTENT


def assert_failed(root, server, *ways, part=None, **options):
    """The download fails, nothing has the final name, `part` bytes are kept; return the message."""
    with pytest.raises(DataError) as caught:
        download(root, server, *ways, **options)
    message = str(caught.value)
    assert "\n" not in message
    if part is None:
        assert list(root.iterdir()) == []
        assert "are kept" not in message
    else:
        assert [path.name for path in root.iterdir()] == [f"{NAME}.part"]
        assert (root / f"{NAME}.part").read_bytes() == CONTENT[:part]
        assert f"{part:,} bytes that came are kept in {root / NAME}.part" in message
    return message


@pytest.mark.parametrize("way", ["whole", "no_range", "long", "redirect", "break_once"])
def test_the_file_appears_under_its_name(root, server, way):
    assert download(root, server, way) == [root / NAME]
    assert_downloaded(root)


def test_a_file_that_is_there_is_not_downloaded_again(root, server):
    download(root, server, "whole")
    download(root, server, "whole")
    assert len(server.requests) == 1


def test_a_broken_download_goes_on_where_it_stopped(root, server):
    download(root, server, "break_once")
    assert server.requests == [("break_once", None), ("break_once", "bytes=150000-")]


def test_a_server_that_always_breaks_off_is_asked_again_and_again(root, server):
    message = assert_failed(root, server, "break", part=290_625)  # halves: 1/2, 3/4, ... 31/32
    assert len(server.requests) == 5
    assert "/break/tiny.tar.gz (broke off after 9,375 of 18,750 bytes)" in message
    download(root, server, "whole")  # the next call goes on there
    assert server.requests[-1] == ("whole", "bytes=290625-")
    assert_downloaded(root)


def test_a_stall_ends_with_the_time_out(root, server, monkeypatch):
    monkeypatch.setattr("mlp.data.download.fetch.ATTEMPTS", 2)
    message = assert_failed(root, server, "stall", timeout=0.7, part=225_000)
    assert "/stall/tiny.tar.gz (no byte for 0.7 s, after 75,000 bytes)" in message


def test_mirrors_are_tried_in_order_and_the_official_address_last(root, server):
    assert download(root, server, "404", "500", "page", "short", "whole", "no_range") == [root / NAME]
    assert [way for way, _ in server.requests] == ["404", "500", "page", "short", "whole"]
    assert_downloaded(root)


def test_what_one_address_began_another_completes(root, server):
    download(root, server, "break", "page", "404", "whole")
    assert server.requests[5:] == [(way, "bytes=290625-") for way in ("page", "404", "whole")]
    assert_downloaded(root)


@pytest.mark.parametrize("way", ["no_range", "whole"])
def test_a_server_that_ignores_range_starts_again(root, server, way):
    root.mkdir()
    (root / f"{NAME}.part").write_bytes(CONTENT[:1000])
    download(root, server, way)
    assert server.requests == [(way, "bytes=1000-")]
    assert_downloaded(root)


@pytest.mark.parametrize("part", [b"x" * 1000, CONTENT + b"x", b"x" * 300_000])
def test_a_beginning_that_is_wrong_is_thrown_away(root, server, part):
    root.mkdir()
    (root / f"{NAME}.part").write_bytes(part)
    download(root, server, "whole")
    assert [asked for _, asked in server.requests] == [f"bytes={len(part)}-", None]
    assert_downloaded(root)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_part_that_is_no_file_goes_first(root, server, tmp_path, kind):
    root.mkdir()
    (tmp_path / "target").write_text("keep me")
    part = root / f"{NAME}.part"
    part.symlink_to(tmp_path / "target") if kind == "link" else os.mkfifo(part)
    download(root, server, "whole")
    assert_downloaded(root)
    assert (tmp_path / "target").read_text() == "keep me"


def test_a_part_that_is_complete_needs_its_name_only(root, server):
    root.mkdir()
    (root / f"{NAME}.part").write_bytes(CONTENT)
    download(root, server, "whole")
    assert_downloaded(root)


def test_all_that_was_tried_is_named_with_its_reason(root, server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    ways = ("404", "500", "page", "short", "wrong_range")
    mirrors = [f"http://127.0.0.1:{port}/", *(server.url(way) for way in ways)]
    sources = {"tiny": (RemoteFile(NAME, len(CONTENT), MD5, (server.url("403"),)),)}
    with pytest.raises(DataError) as caught:
        download_dataset("tiny", root, mirrors, sources=sources)
    message = str(caught.value)
    for part in (
        f"{NAME} could not be downloaded",
        f"http://127.0.0.1:{port}/{NAME} (",  # what is said of a refusal differs between systems
        f"/404/{NAME} (HTTP 404 Not Found)",
        f"/500/{NAME} (HTTP 500 Internal Server Error)",
        f"/page/{NAME} (answered with a web page instead of the file)",
        f"/short/{NAME} (gave 299,900 bytes with md5 {hashlib.md5(CONTENT[:-100]).hexdigest()}; expected 300,000 bytes",
        f"/wrong_range/{NAME} (answered with other bytes than asked for",
        f"/403/{NAME} (HTTP 403 Forbidden)",
        "Name another address (mirrors), or get the file some other way and give it (archives)",
    ):
        assert part in message
    flags = "Name another address with --mirror, or get the file some other way and give it with --archive"
    assert flags in as_sentence(caught.value)
    assert "--mirror" not in message
    assert list(root.iterdir()) == []


def test_another_file_under_the_right_name_is_refused(root, server):
    server.content = b"something else"
    assert "gave 14 bytes with md5" in assert_failed(root, server, "whole")
    server.content = b""
    assert "gave 0 bytes with md5" in assert_failed(root, server, "whole")


def test_a_mirror_may_be_the_address_of_the_file_itself(root, server):
    sources = {"tiny": (RemoteFile(NAME, len(CONTENT), MD5, ()),)}
    download_dataset("tiny", root, [server.url("whole/" + NAME)], sources=sources)
    assert_downloaded(root)


class FullDisk:
    """A file that takes 100,000 bytes, and then the disk is full."""

    def __init__(self, *arguments, **options):
        self.file, self.left = open(*arguments, **options), 100_000  # noqa: SIM115 - closed in __exit__

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()

    def write(self, chunk):
        self.left -= len(chunk)
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(chunk)


def test_a_full_disk_is_said_and_no_other_address_is_tried(root, server, monkeypatch):
    monkeypatch.setattr("mlp.data.download.transfer.open", FullDisk, raising=False)
    with pytest.raises(DataError, match=rf"{NAME}\.part cannot be written: No space left on device"):
        download(root, server, "whole", "no_range")
    assert len(server.requests) == 1
    assert [path.name for path in root.iterdir()] == [f"{NAME}.part"]
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    download(root, server, "whole")
    assert_downloaded(root)


def test_a_full_disk_while_an_archive_is_copied(root, server, tmp_path, monkeypatch):
    (tmp_path / "stick").write_bytes(CONTENT)
    monkeypatch.setattr("mlp.files.open", FullDisk, raising=False)
    with pytest.raises(DataError, match="cannot be copied to .*No space left on device"):
        download(root, server, "whole", archives=[tmp_path / "stick"])
    assert list(root.iterdir()) == []


def test_an_archive_is_recognized_by_its_checksum_and_copied(root, server, tmp_path):
    (tmp_path / "stick").write_bytes(CONTENT)
    download(root, server, "whole", archives=[tmp_path / "stick"])
    assert server.requests == []
    assert_downloaded(root)
    assert (tmp_path / "stick").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], "299,999 bytes with md5"),
        (b"<html>404</html>", "looks like a web page"),
        (None, "cannot be read"),
    ],
    ids=["truncated", "page", "missing"],
)
def test_an_archive_that_is_another_file_is_refused(root, server, tmp_path, content, message):
    if content is not None:
        (tmp_path / "stick").write_bytes(content)
    with pytest.raises(DataError, match=rf"stick .*{message}"):
        download(root, server, "whole", archives=[tmp_path / "stick"])
    assert not root.exists()
    assert server.requests == []


def test_a_wrong_file_under_the_final_name_is_never_replaced(root, server, tmp_path):
    root.mkdir()
    (root / NAME).write_bytes(b"precious")
    (tmp_path / "stick").write_bytes(CONTENT)
    for archives in ([], [tmp_path / "stick"]):
        with pytest.raises(DataError, match=f"{NAME} is there already but has 8 bytes .* expected md5 {MD5}.*move it"):
            download(root, server, "whole", archives=archives)
    assert [path.name for path in root.iterdir()] == [NAME]
    assert (root / NAME).read_bytes() == b"precious"


def test_several_files_come_from_archives_and_addresses(root, server, tmp_path):
    other = b"the other file"
    (tmp_path / "stick").write_bytes(other)
    files = (
        RemoteFile(NAME, len(CONTENT), MD5, (server.url("whole"),)),
        RemoteFile("other.gz", len(other), hashlib.md5(other).hexdigest(), (server.url("404"),)),
    )
    paths = download_dataset("tiny", root, archives=[tmp_path / "stick"], sources={"tiny": files})
    assert [path.read_bytes() for path in paths] == [CONTENT, other]


def test_wrong_requests(root, tmp_path, server):
    with pytest.raises(ConfigurationError, match="cifar100, cifar100-binary, .*mnist, got 'imagenet'"):
        download_dataset("imagenet", root)
    for timeout in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="^timeout must be greater than 0"):
            download(root, server, "whole", timeout=timeout)
    with pytest.raises(ConfigurationError, match=r"^timeout must be at most 86,400\.0 seconds, a day, got 1e\+300"):
        download(root, server, "whole", timeout=1e300)
    for mirror in ("ftp://x/", "file:///etc", "example.org"):
        with pytest.raises(ConfigurationError, match=f"^mirrors must begin with http:// or https://, got '{mirror}'"):
            download_dataset("mnist", root, [mirror])
    assert not root.exists()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="data folder .*file cannot be made"):
        download(tmp_path / "file", server, "whole")


@pytest.mark.parametrize(
    "mirror", ["http://", "http://127.0.0.1:99999", "http://[", "http://exa mple/", "http://\u00fc.invalid\u20ac/a b"]
)
def test_impossible_mirrors_are_reasons_like_others(root, server, mirror):
    sources = {"tiny": (RemoteFile(NAME, len(CONTENT), MD5, (server.url("whole"),)),)}
    download_dataset("tiny", root, [mirror], sources=sources)
    assert_downloaded(root)


def test_the_table_of_sources():
    files = [file for files in SOURCES.values() for file in files]
    assert len(files) == 10
    assert len({file.md5 for file in files}) == len({file.name for file in files}) == 10
    for file in files:
        assert len(file.md5) == 32
        assert 1000 < file.size < 2**28
        assert all(address.startswith("https://") and address.endswith("/") for address in file.addresses)
        assert file.addresses


def test_md5_is_the_known_one(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert md5_of(tmp_path / "file") == "900150983cd24fb0d6963f7d28e17f72"
    shutil.rmtree(tmp_path)


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits longer than a moment for something whole."""
    monkeypatch.setattr("mlp.data.download.answer.PATIENCE", 0.3)


@pytest.mark.parametrize("promised", [str(2 * len(CONTENT) + 1), "9" * 5000])
def test_absurd_lengths_are_not_believed(root, server, promised):
    server.promised = promised
    told = f"{int(promised[:20]):,}"
    assert f"(promises {told} bytes or more, the file has 300,000)" in assert_failed(root, server, "absurd")


@pytest.mark.parametrize("promised", ["", "-5", "many", "0x10", "٣"])
def test_lengths_that_are_no_numbers_say_nothing(root, server, promised):
    server.promised = promised
    assert_failed(root, server, "absurd")  # there is no body
    download(root, server, "absurd", "whole")
    assert_downloaded(root)


def test_an_endless_body_is_left_after_as_many_bytes_as_the_file_has(root, server):
    message = assert_failed(root, server, "endless")
    assert f"/endless/{NAME} (gave 300,000 bytes with md5" in message
    assert f"expected 300,000 bytes with md5 {MD5}" in message
    assert server.sent < 10 * len(CONTENT) + 2**24  # what the buffers of the system take
    download(root, server, "endless", "whole")
    assert_downloaded(root)


def test_the_file_with_something_behind_it_is_the_file(root, server):
    download(root, server, "and_more")
    assert_downloaded(root)


@pytest.mark.parametrize("way", ["slow_header", "slow_chunk_length", "slow_trailer"])
def test_a_server_that_sends_letter_by_letter_is_left(root, server, impatient, way):
    """The time-out of the connection never comes: there is always another letter."""
    assert f"/{way}/{NAME} (nothing whole for 1.2 s" in assert_failed(root, server, way, timeout=0.6)
    download(root, server, "whole")
    assert_downloaded(root)


ODD = ("to_a_file", "to_itself", "to_nowhere", "packed", "many_headers", "long_header", "no_status", "negative_chunk")
ODD += ("huge_chunk", "nothing", "partial", "continues")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib leaves some sockets to Python
@pytest.mark.parametrize("way", ODD)
def test_answers_that_no_server_should_give(root, server, impatient, way):
    with pytest.raises(DataError) as caught:
        download(root, server, way, timeout=0.5)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 900
    assert f"/{way}/{NAME} (" in message
    download(root, server, way, "whole", timeout=0.5)
    assert_downloaded(root)
    gc.collect()  # those sockets now, not in a later test


def chunks_of(number, size):
    return iter([b"x" * size] * number)


def test_a_body_that_drips_ends(monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr("mlp.data.download.transfer.time.monotonic", lambda: next(clock))
    with pytest.raises(BrokenTransfer, match="only 31,000 bytes in 62 s"):
        list(received(chunks_of(100, 1000), 10**9, 5.0, 10**9))


def test_a_body_that_takes_longer_than_its_size_allows_ends(monkeypatch):
    assert 60 < time_allowed(4542) < 61
    assert 9 * 3600 < time_allowed(169_001_437) < 10 * 3600
    clock = iter(range(0, 10**6, 1000))
    monkeypatch.setattr("mlp.data.download.transfer.time.monotonic", lambda: next(clock))
    with pytest.raises(BrokenTransfer, match="took too long, after 16,000,000 bytes"):
        list(received(chunks_of(100, 2_000_000), 169_001_437, 5.0, deadline=7500))


def test_a_server_that_breaks_off_again_and_again_has_one_time_for_all_of_it(root, server, monkeypatch):
    monkeypatch.setattr("mlp.data.download.fetch.time_allowed", lambda size: -1.0)
    with pytest.raises(DataError, match=r"/break/tiny.tar.gz \(took too long, after [\d,]+ bytes\)"):
        download(root, server, "break")
    assert len(server.requests) == 1


def test_what_a_server_says_in_its_reason_is_printed_clean(root, server):
    message = assert_failed(root, server, "escapes")
    assert f"/escapes/{NAME} (HTTP 404  [31mred  ]0;owned " in message
    assert all(c.isprintable() for c in message)


def test_what_a_server_says_is_printed_clean():
    assert str(BrokenTransfer("HTTP 404 \x1b[31mred\r\n" + "x" * 1000)) == "HTTP 404  [31mred  " + "x" * 181


def test_two_downloads_of_one_file_do_not_mix(root, server):
    pytest.importorskip("fcntl")
    root.mkdir()
    with only_download(root / NAME), pytest.raises(DataError, match="another process is downloading .*tiny"):
        download(root, server, "whole")
    assert list(root.iterdir()) == []
    assert server.requests == []
    download(root, server, "whole")
    assert_downloaded(root)


def test_the_lock_of_a_download_that_was_killed_is_in_nobodys_way(root, server):
    root.mkdir()
    (root / f".{NAME}.lock").touch()
    download(root, server, "whole")
    assert_downloaded(root)


ONE_OF_TWO = """
import hashlib, sys
from mlp.data import download_dataset
from mlp.data.download.fetch import RemoteFile
from mlp.errors import DataError
folder, address, size, md5 = sys.argv[1:]
try:
    download_dataset("tiny", folder, sources={"tiny": (RemoteFile("tiny.tar.gz", int(size), md5, (address,)),)})
except DataError as error:
    sys.exit(2 if "another process is downloading" in str(error) else str(error))
"""


@pytest.mark.slow
def test_two_processes_download_into_one_folder_thirty_times(tmp_path, server):
    """One downloads; the other is told so, or finds the file: never is there a wrong file under the name."""
    pytest.importorskip("fcntl")
    statuses = []
    for number in range(30):
        root = tmp_path / str(number)
        command = [sys.executable, "-c", ONE_OF_TWO, root, server.url("whole"), str(len(CONTENT)), MD5]
        both = [subprocess.Popen(command) for _ in range(2)]
        statuses.append(sorted(process.wait(60) for process in both))
        assert_downloaded(root)
    assert {tuple(pair) for pair in statuses} <= {(0, 0), (0, 2)}
