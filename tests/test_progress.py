"""Bars move where somebody sees them, and leave no trace elsewhere."""

import os
import subprocess
import sys

import pytest

from mlp import progress

LOOP = """
from mlp.progress import progress_bar, write_line
for i in progress_bar(range(3), desc="rounds", unit="round"):
    write_line(f"round {i} is over")
"""
LINES = "round 0 is over\nround 1 is over\nround 2 is over\n"

NOTEBOOK_WITHOUT_WIDGETS = """
import sys
import types

sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: None)
sys.modules["ipywidgets"] = None
"""


def run(source, **options):
    return subprocess.run([sys.executable, "-c", source], check=True, text=True, **options)


def test_a_log_file_gets_the_lines_and_no_bar():
    done = run(LOOP, capture_output=True)
    assert done.stdout == LINES
    assert done.stderr == ""


def test_a_terminal_gets_a_bar():
    termios = pytest.importorskip("termios", reason="no pseudo-terminals on this system")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    os.set_blocking(ours, False)  # nothing to read is a failure, not a wait
    try:
        done = run(LOOP, stdout=subprocess.PIPE, stderr=theirs)
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == LINES
    assert "rounds:" in shown
    assert "3/3" in shown


def test_a_notebook_without_widgets_is_not_told_so():
    done = run(NOTEBOOK_WITHOUT_WIDGETS + LOOP, capture_output=True)
    assert done.stdout == LINES
    assert done.stderr == ""


def test_a_log_file_gets_a_line_at_the_start_and_now_and_then(capsys, monkeypatch):
    times = iter([0.0, 10.0, 31.0, 40.0, 62.0, 99.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with progress.announced_bar(range(5), desc="test", unit="batch") as bar:
        for i in bar:
            bar.set_postfix_str("nearly" if i else "")
    lines = ["5 batches", "2 of 5 batches after 31 s, nearly", "4 of 5 batches after 62 s, nearly"]
    assert capsys.readouterr() == ("", "".join(f"test: {line}\n" for line in lines))


def test_a_notebook_without_widgets_gets_no_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress, "notebook_display", lambda: print)
    assert list(progress.announced_bar(range(3), desc="work", unit="step")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
