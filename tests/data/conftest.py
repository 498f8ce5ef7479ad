"""Tiny data sets in the layouts of the real ones."""

import http.server
import pickle
import tarfile
import threading
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

FOLDER = "cifar-100-python"


def pack_folder(folder, path):
    """Write the files of a folder, under the folder's name, to the archive `path` (.tar.gz or .tar.xz)."""
    with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, f"{folder.name}/{file.name}")
    return path


def tiny_batch(n, seed):
    """A batch dictionary as Python 2 wrote it: keys are byte strings."""
    rng = np.random.default_rng(seed)
    fine = [int(label) for label in rng.integers(0, 4, n)]
    return {
        b"filenames": [b"%d.png" % i for i in range(n)],
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": fine,
        b"coarse_labels": [label // 2 for label in fine],
        b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8),
    }


class TinyCifar:
    """CIFAR-100: 7 training and 3 test images, 4 classes in 2 groups.

    The three dictionaries can be changed by a test, and are written in the layouts of the two versions.
    """

    def __init__(self, root):
        self.root = root
        self.train, self.test = tiny_batch(7, 1), tiny_batch(3, 2)
        self.meta = {
            b"fine_label_names": [b"apple", b"bear", b"cup", b"dog"],
            b"coarse_label_names": [b"food", b"animals"],
        }

    def write_folder(self, folder=FOLDER, protocol=2):
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        for name in ("train", "test", "meta"):
            (path / name).write_bytes(pickle.dumps(getattr(self, name), protocol=protocol))
        return path

    def write_archive(self, compression="gz"):
        """Write the archive, its folder being packed from elsewhere; return its path."""
        return pack_folder(self.write_folder(f"packed/{FOLDER}"), self.root / f"{FOLDER}.tar.{compression}")

    def write_binary(self, folder="cifar-100-binary"):
        path = self.root / folder
        path.mkdir(parents=True)
        for name in ("train", "test"):
            batch = getattr(self, name)
            records = zip(batch[b"coarse_labels"], batch[b"fine_labels"], batch[b"data"], strict=True)
            (path / f"{name}.bin").write_bytes(b"".join(bytes([*labels]) + row.tobytes() for *labels, row in records))
        for kind in ("fine", "coarse"):
            names = self.meta[f"{kind}_label_names".encode()]
            (path / f"{kind}_label_names.txt").write_bytes(b"\n".join(names) + b"\n")
        return path


class TinyCifar10:
    """CIFAR-10: five batches of 2 training images each, and 3 test images."""

    def __init__(self, root):
        self.root = root
        self.names = [b"airplane", b"automobile", b"bird", b"cat", b"deer"]
        self.batches = {}
        for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            batch = tiny_batch(3 if name == "test_batch" else 2, 10 + number)
            self.batches[name] = {b"labels": batch[b"fine_labels"], b"data": batch[b"data"]}

    def write_folder(self, folder="cifar-10-batches-py"):
        path = self.root / folder
        path.mkdir(parents=True)
        for name, batch in self.batches.items():
            (path / name).write_bytes(pickle.dumps(batch, protocol=2))
        (path / "batches.meta").write_bytes(pickle.dumps({b"label_names": self.names, b"num_vis": 3072}, protocol=2))
        return path

    def write_binary(self, folder="cifar-10-batches-bin"):
        path = self.root / folder
        path.mkdir(parents=True)
        for name, batch in self.batches.items():
            records = zip(batch[b"labels"], batch[b"data"], strict=True)
            (path / f"{name}.bin").write_bytes(b"".join(bytes([label]) + row.tobytes() for label, row in records))
        (path / "batches.meta.txt").write_bytes(b"\n".join(self.names) + b"\n\n")
        return path


@pytest.fixture
def tiny_cifar(tmp_path):
    return TinyCifar(tmp_path)


@pytest.fixture
def tiny_cifar10(tmp_path):
    return TinyCifar10(tmp_path)


@pytest.fixture
def marker(tmp_path):
    """A file that a malicious pickle tries to make, and the object whose pickle makes it when it is loaded."""
    path = tmp_path / "executed"

    class Malicious:
        def __reduce__(self):
            import os

            return os.system, (f"touch {path}",)

    return SimpleNamespace(path=path, malicious=Malicious())


@pytest.fixture(name="pack_folder")
def pack_folder_fixture():
    return pack_folder


@pytest.fixture
def server(monkeypatch):
    """A server on this machine; a test sets how it behaves."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer() as server:
        yield server


class FileServer:
    """Serves `content` as /whatever/<name>, in the way that stands before the name: http://127.0.0.1:port/<way>/<name>.

    Ways: whole, no_range, stall, break, break_once, long, short, page, redirect, and_more, endless, absurd (with the
    Content-Length `promised`), slow_header, slow_chunk_length, slow_trailer, escapes, or a status such as 404.
    `requests` lists (way, Range) in order; `sent` counts the bytes of endless bodies.
    """

    raw: ClassVar = {  # way: an answer that is sent as it is
        "to_a_file": "HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n",
        "to_itself": "HTTP/1.1 302 Found\r\nLocation: /to_itself/tiny.tar.gz\r\n\r\n",
        "to_nowhere": "HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\n\r\n",
        "packed": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b",
        "many_headers": "HTTP/1.1 200 OK\r\n" + "X: x\r\n" * 1000 + "\r\n",
        "long_header": "HTTP/1.1 200 OK\r\nX: " + "x" * 100_000 + "\r\n\r\n",
        "no_status": "\x1b[31mwho are you?\r\n\r\n",
        "negative_chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
        "huge_chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + "f" * 30 + "\r\nabcde",
        "nothing": "",
        "partial": "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/10\r\n\r\nabc",
    }

    def __init__(self):
        self.content, self.requests, self.done = b"", [], threading.Event()
        self.promised, self.sent = "", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 - the name that http.server asks for
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # a client that goes away

        self.http = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.done.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def url(self, way):
        return f"http://127.0.0.1:{self.http.server_port}/{way}"

    def answer(self, handler):
        way = handler.path.split("/")[1]
        asked = handler.headers.get("Range")
        first_time = way not in [way for way, _ in self.requests]
        self.requests.append((way, asked))
        if way.isdigit():
            handler.send_error(int(way))
        elif way == "redirect":
            handler.send_response(302)
            handler.send_header("Location", handler.path.replace("redirect", "whole"))
            handler.end_headers()
        elif way == "escapes":
            handler.send_response(404, "\x1b[31mred\x07\x1b]0;owned\x07")
            handler.end_headers()
        elif way == "absurd":
            self.say(handler, f"HTTP/1.1 200 OK\r\nContent-Length: {self.promised}\r\nConnection: close\r\n\r\n")
        elif way in ("endless", "and_more"):
            self.say(handler, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            handler.wfile.write(self.content if way == "and_more" else b"x" * 1000)
            while not self.done.is_set():  # until the client has gone
                self.sent += handler.wfile.write(b"x" * 2**16)
        elif way.startswith("slow"):
            self.dribble(handler, way)
        elif way in self.raw:
            self.say(handler, self.raw[way])
        elif way == "continues":
            while not self.done.is_set():
                self.say(handler, "HTTP/1.1 100 Continue\r\n\r\n")
        elif way == "page":
            self.send(handler, b"\n <!DOCTYPE html><html>Please log in</html>", 200)
        else:
            self.send_content(handler, way, asked, first_time)

    @staticmethod
    def say(handler, text):
        handler.wfile.write(text.encode("utf-8"))

    def dribble(self, handler, way):
        """Send a beginning, then a letter every moment, and never the end of the line."""
        chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        starts = {
            "slow_header": "HTTP/1.1 200 OK\r\nX: ",
            "slow_chunk_length": chunked,
            "slow_trailer": chunked + "0\r\n",
        }
        self.say(handler, starts[way])
        while not self.done.wait(0.05):
            self.say(handler, "0")

    def send_content(self, handler, way, asked, first_time):
        start = 0
        if asked and way not in ("no_range", "wrong_range"):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                handler.send_error(416)
                return
        rest = self.content[start:]
        told = len(rest) + {"long": 100, "short": -100}.get(way, 0)
        sent = rest[: len(rest) // 2] if way in ("stall", "break") or (way == "break_once" and first_time) else rest
        handler.send_response(206 if start or way == "wrong_range" else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(told))
        handler.end_headers()
        handler.wfile.write(sent)
        if way == "stall":
            self.done.wait(10)

    def send(self, handler, body, status):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
