"""No name from outside becomes a formula in a spreadsheet, and every one comes back as it was."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp.errors import DamagedError
from mlp.experiments.record import read_metrics
from mlp.files import write_text
from mlp.files.tables import STARTS, csv_text, guarded, tsv_line, tsv_texts, unguarded
from mlp.training.attempts import Event, read_attempts
from mlp.training.history import History

FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=HYPERLINK(1)",
    "\uff0d1",
    "\uff1d1",
    "'=1",
    "''=1",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_a_quote_in_front_and_loses_it_when_it_is_read(text):
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "it's", "a=b", "'", "'a", "ünï", "1-2", " =1"])
def test_other_texts_stay(text):
    assert guarded(text) == unguarded(text) == text


@given(st.text(alphabet="'=+-@\t\r\nab1\uff1d"))
def test_every_text_comes_back(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(tuple(STARTS.replace("\\", "")))


def test_numbers_are_numbers():
    assert csv_text([["a", "-b"], [-0.5, np.float32(-2)], [None, -3]]) == "a,'-b\n-0.5,-2.0\n,-3\n"


def test_a_line_of_tsv():
    assert tsv_line(["=a", "b\tc\nd", "", ""]) == "'=a\tb c d\n"
    assert tsv_texts("'=a\tb c d") == ["=a", "b c d"]


def test_columns_that_hooks_name(tmp_path):
    history = History()
    history.rows = [{"epoch": 1, "=cmd|'/C calc'!A1": 2.0, "'=x": 3.0, "a,b": -1.0, 'q"': 0.5}]
    history.rows[0] |= dict.fromkeys(("train_loss", "train_acc", "val_loss", "val_acc"), 0.5)
    write_text(tmp_path / "metrics.csv", history.csv())
    header = next(csv.reader(io.StringIO(history.csv())))
    assert not any(name.startswith("=") for name in header)
    assert read_metrics(tmp_path / "metrics.csv") == history.rows


def test_two_columns_of_one_name_are_no_metrics(tmp_path):
    names = "epoch,train_loss,train_acc,val_loss,val_acc"
    write_text(tmp_path / "metrics.csv", f"{names},x,x\n1,1,1,1,1,2,3\n")
    with pytest.raises(DamagedError, match="two columns of one name"):
        read_metrics(tmp_path / "metrics.csv")


def test_a_host_and_a_note_in_the_lines_of_attempts(tmp_path):
    event = Event(time="2026-01-01", event="end", host="=HOST()", note="-1 is no  number", job="@1")
    write_text(tmp_path / "attempts.tsv", event.line())
    assert "\t'=HOST()\t" in event.line()
    (found,) = read_attempts(tmp_path)
    assert (found.host, found.note, found.job) == ("=HOST()", "-1 is no number", "@1")
