"""Tools of scripts/gpu_check.py: programs that run under a time limit, one table, one archive, data in three pieces."""

import csv
import importlib.metadata
import io
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIECES = 3  # of CIFAR-100, each below 64 MiB
GRACE = 5.0  # seconds that a program has to end after it was interrupted


class Check:
    """One call. The table always has what is known so far, whatever ends the call.

    Args:
        out: a folder. It gets gpu_check.md, the table, and gpu_check.tar.gz, everything that programs wrote. Those of
            an earlier call are continued.
        small: whether programs run in small sizes, which only try the check itself.

    Attributes:
        rows: [stage, part, what, result], the lines of the table. failed: whether something went wrong.
    """

    def __init__(self, out, small):
        self.out, self.small, self.failed, self.stage = Path(out), small, False, "start"
        self.table, self.archive = self.out / "gpu_check.md", self.out / "gpu_check.tar.gz"
        self.python = os.environ.get("PYTHON") or sys.executable
        self.folder = tempfile.TemporaryDirectory()
        self.logs, self.rows = Path(self.folder.name) / "gpu_check", []
        self.logs.mkdir()
        if self.archive.exists():
            with tarfile.open(self.archive) as archive:
                unpack(archive, Path(self.folder.name))
            with suppress(OSError, ValueError):
                self.rows = json.loads((self.logs / "table.json").read_text())

    def begin(self, stage, seconds):
        """Begin a stage that may take so many seconds; rows of an earlier try are forgotten."""
        self.stage, self.deadline = stage, time.monotonic() + seconds
        self.rows = [row for row in self.rows if row[0] != stage]

    def run(self, part, seconds, command, read):
        """Run a program; each second, and when it has ended, the table gets what it has said so far.

        Args:
            part: a name; its log is `part`.log. seconds: its limit, within that of the stage.
            command: arguments for Python, or a whole command if the first begins with /.
            read: a function (log, ended) -> [(what, result)]; ended says why the log is complete; None while it runs.

        Returns:
            The exit status of the program; None if it was stopped.
        """
        limit = min(seconds, self.deadline - time.monotonic() - GRACE)
        log, status = self.logs / f"{self.stage}-{part}.log", None
        if limit < 1:
            log.write_text("")
            self.note(part, read("", "no time was left in this stage"))
            return None
        print(f"\n== {self.stage}, {part}: at most {limit:.0f} s", flush=True)
        whole = command if command[0].startswith("/") else [self.python, *command]
        ended, end = "it was interrupted", time.monotonic() + limit
        with log.open("w") as file:
            process = subprocess.Popen(
                list(map(str, whole)), stdout=file, stderr=subprocess.STDOUT, start_new_session=True, cwd=ROOT
            )
            try:
                while status is None and time.monotonic() < end:
                    with suppress(subprocess.TimeoutExpired):
                        status = process.wait(min(1.0, max(0.01, end - time.monotonic())))
                    self.note(part, read(log.read_text(errors="replace"), None))
                ended = f"stopped after {limit:.0f} s" if status is None else f"exit status {status}"
            finally:
                stop(process)
                text = log.read_text(errors="replace")
                self.note(part, read(text, ended))
                self.pack()
        print("\n".join(text.splitlines()[-6:]), flush=True)
        return status

    def note(self, part, lines):
        """Put the lines of a part into the table, in place of its earlier ones."""
        new = [[self.stage, part, what, clean(result)] for what, result in lines]
        old = [row for row in self.rows if row[:2] == [self.stage, part]]
        if new == old:
            return
        for row in new:
            if row not in old:
                print(f"{row[2]}: {row[3]}", flush=True)
        self.rows = [row for row in self.rows if row not in old] + new
        self.write_table()

    def write_table(self):
        """Write the table, and the same as JSON for the archive."""
        lines = ["| stage | what | result |", "| --- | --- | --- |"]
        lines += [f"| {stage} | {what} | {result} |" for stage, _, what, result in self.rows]
        replace(self.table, "\n".join(lines) + "\n")
        replace(self.logs / "table.json", json.dumps(self.rows, indent=1) + "\n")

    def pack(self):
        """Write the archive."""
        part = self.archive.with_suffix(".part")
        with tarfile.open(part, "w:gz") as archive:
            archive.add(self.logs, "gpu_check")
        part.replace(self.archive)


def stop(process):
    """End a program and all processes that it started: first by an interrupt, so that it can write what it knows."""
    for number, patience in ((signal.SIGINT, GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)  # also processes that outlived it
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def clean(text):
    """Return text for a cell of a table."""
    return " ".join(str(text).replace("|", "/").split())[:300]


def replace(path, text):
    """Write a file under another name and rename it: readers find the old file or the new one."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text)
    part.replace(path)


def pieces():
    """Return the paths of the three pieces of CIFAR-100."""
    return [ROOT / "build" / f"cifar100.tar.gz.{number}" for number in range(1, PIECES + 1)]


def write_pieces(data_dir):
    """Cut CIFAR-100 in `data_dir` into three pieces under build/; return their paths."""
    source = Path(data_dir) / "cifar-100-python"
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w:gz", compresslevel=6) as archive:
            for name in ("meta", "test", "train"):
                archive.add(source / name, f"cifar-100-python/{name}")
        size = -(-whole.tell() // PIECES)
        whole.seek(0)
        for path in pieces():
            path.write_bytes(whole.read(size))
    return pieces()


def join_pieces(folder):
    """Put CIFAR-100 together again in a folder; return whether all pieces were there."""
    if not all(path.exists() for path in pieces()):
        return False
    with tempfile.TemporaryFile() as whole:
        for path in pieces():
            whole.write(path.read_bytes())
        whole.seek(0)
        with tarfile.open(fileobj=whole, mode="r:gz") as archive:
            unpack(archive, Path(folder))
    return True


def unpack(archive, folder):
    """Write the files of an archive into a folder; those that would lie outside are left out."""
    for member in archive:
        path = (folder / member.name).resolve()
        if member.isfile() and path.is_relative_to(folder.resolve()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())


def said(what, log, ended, pattern):
    """Return the row of a program that prints one result, which matches a pattern."""
    found = re.findall(pattern, log)
    if found or ended:
        return [(what, found[-1] if found else f"not measured: {last_line(log) or ended}")]
    return []


def remark(ended):
    """Return what to add to the numbers of a program that did not end by itself."""
    return f" ({ended})" if ended and not ended.startswith("exit status") else ""


def last_line(log):
    """Return the last line that is not blank."""
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")


def versions():
    """Return the versions of Python and the packages that matter."""
    names = ("numpy", "cupy-cuda12x", "cupy-cuda13x", "torch", "threadpoolctl")
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return ", ".join([f"Python {platform.python_version()}", *(f"{n} {found[n]}" for n in names if n in found)])


def metrics(path):
    """Return the epochs of a metrics.csv, as far as it has any."""
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []
