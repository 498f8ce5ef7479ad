"""The report about a class: what students write cannot stop it, and parts of a solution earn parts of the points."""

import csv
import json
import os

import pytest

from mlp.commands.check import main
from mlp.diagnostics.class_report.results import check_replaceable, graded, mistakes_of, plain, points_of, write_report
from mlp.diagnostics.class_report.submissions import Outcome, Task, names_of, of_worker, run_all
from mlp.diagnostics.class_report.worker import parts_of
from mlp.diagnostics.gradients.check import check_layer
from mlp.diagnostics.gradients.gallery.affine import BiasGradientAveraged
from mlp.diagnostics.gradients.gallery.batch_norm import TrainingFormulaInEvaluation
from mlp.errors import ConfigurationError
from mlp.files.tables import csv_text

posix = pytest.mark.skipif(os.name != "posix", reason="needs limits of processes")

DENSE = """
import numpy as np
class Dense:
    def __init__(self):
        self.W, self.b = np.ones((4, 3)), np.zeros(3)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, g):
        self.dW, self.db = self.x.T @ g, g.sum(axis=0)
        return g @ self.W.T
"""


def outcome(student, path, **fields):
    return Outcome(student, path / f"{student}.py", **fields)


@pytest.mark.slow
def test_parts_earn_parts_of_the_points(tmp_path):
    parts = parts_of(check_layer(BiasGradientAveraged(3, 4), (5, 3)))
    assert parts == {
        "forward": True,
        "gradient of inputs": True,
        "gradient of weight": True,
        "gradient of bias": False,  # in both modes, which costs once
        "evaluation": True,
    }
    assert points_of(outcome("a", tmp_path, parts=parts), 10.0, 5) == 8.0
    parts = parts_of(check_layer(TrainingFormulaInEvaluation(3), (6, 3)))
    assert [name for name, right in parts.items() if not right] == ["evaluation"]
    assert points_of(outcome("b", tmp_path, passed=True), 10.0, 5) == 10.0
    assert points_of(outcome("c", tmp_path, error="it ended"), 10.0, 5) == 0.0
    assert points_of(outcome("d", tmp_path, parts={"forward": True}), 10.0, 5) == 2.0  # the others were never seen
    assert points_of(outcome("e", tmp_path, parts={"forward": True}), 10.0, 1) == 5.0  # a fault of no part


def test_mistakes_are_counted(tmp_path):
    outcomes = [outcome(f"s{i}", tmp_path, mistake="sign", sentence="-1") for i in range(10)]
    outcomes += [outcome("t", tmp_path, mistake="transposed", sentence="W"), outcome("u", tmp_path, passed=True)]
    rows = mistakes_of(outcomes)
    assert [(row[0], row[1]) for row in rows] == [("sign", 10), ("transposed", 1)]
    assert rows[0][2].endswith("s7 ...")


def test_the_page_escapes_and_a_spreadsheet_runs_nothing(tmp_path):
    evil = "<script>alert(1)</script>"
    outcomes = [outcome(evil, tmp_path, mistake=evil, sentence=evil), outcome("=cmd()", tmp_path, passed=True)]
    files = write_report(tmp_path / "class.html", outcomes, Task("Conv"), 10.0)
    assert [file.name for file in files] == ["class.html", "class.csv", "class-scores.csv", "class-scores.json"]
    page = files[0].read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "1 of 2</b> solutions passed" in page
    rows = list(csv.DictReader(files[1].read_text().splitlines()))
    assert [row["student"] for row in rows] == [evil, "'=cmd()"]
    scores = list(csv.DictReader(files[2].read_text().splitlines()))
    assert scores[1] == {"assignment": "Conv", "student_id": "'=cmd()", "score": "10", "max_score": "10"}
    assert json.loads(files[3].read_text())["=cmd()"]["score"] == 10.0
    assert csv_text([["+1", "a,b"]]) == '\'+1,"a,b"\n'
    assert plain("a\x1b[31m\nb") == "a [31m b"
    assert graded(outcomes, 10.0)[evil]["tests"] == [{"name": "check", "score": 0.0, "max_score": 10.0}]


@pytest.mark.parametrize("ending", [".html", ".csv", "-scores.csv", "-scores.json"])
def test_only_files_of_earlier_reports_are_replaced(tmp_path, ending):
    page, theirs = tmp_path / "class.html", tmp_path / f"class{ending}"
    for most in (10.0, 1e-5):
        check_replaceable(page)
        write_report(page, [outcome('a "b"', tmp_path, passed=True)], Task("Conv"), most)
    check_replaceable(page)
    for text in ("", "student,grade\n", '{\n "ann": 1\n}\n', "<title>My report</title>"):
        theirs.write_text(text)
        with pytest.raises(ConfigurationError, match=f"class{ending} is not from a class report"):
            check_replaceable(page)


def test_names_of_files(tmp_path):
    assert names_of([tmp_path / "a.py", tmp_path / "b.py"]) == ["a", "b"]
    assert names_of([tmp_path / "ann" / "conv.py", tmp_path / "bob" / "conv.py"]) == ["ann", "bob"]
    assert of_worker({"error": "no"}) == {"error": "no", "mistake": "could not be checked"}


def test_what_cannot_be_run_is_said(tmp_path, capsys):
    with pytest.raises(ConfigurationError, match="there is no file"):
        run_all([tmp_path / "missing.py"], Task("Dense"), 1)
    for wrong in (["--class-report", "c.html"], ["--class-report", "c.html", "--name", "A"], ["a.py", "b.py"]):
        with pytest.raises(SystemExit):
            main(wrong)
    assert "--class-report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--points", "nan"], "argument --points: expected a number, got 'nan'"),
        (["--points", "1e300"], "--points must be greater than 0 and at most 1,000,000, got 1e+300"),
        (["--seconds", "inf"], "argument --seconds: expected a number, got 'inf'"),
        (["--seconds", "1e9"], "--seconds must be greater than 0 and at most 604,800, got 1e+09"),
    ],
)
def test_numbers_that_are_no_points_and_no_time(tmp_path, capsys, words, message):
    with pytest.raises(SystemExit):
        main(["--class-report", str(tmp_path / "c.html"), "--name", "A", *words, "a.py"])
    assert message in capsys.readouterr().err


def test_memory_that_cannot_be_set_is_refused_before_a_file_is_run(tmp_path):
    (tmp_path / "right.py").write_text(DENSE)
    words = ["--class-report", str(tmp_path / "c.html"), "--name", "Dense", str(tmp_path / "right.py")]
    with pytest.raises(ConfigurationError, match="--megabytes must be at most"):
        main([*words, "--megabytes", "99999999999999"])
    assert not (tmp_path / "c.html").exists()


@posix
def test_a_process_that_cannot_be_limited_is_not_the_students_fault(tmp_path):
    (tmp_path / "right.py").write_text(DENSE)
    with pytest.raises(ConfigurationError, match="files cannot be checked with 99999999999999 MB .*: OverflowError"):
        run_all([tmp_path / "right.py"], Task("Dense", megabytes=99999999999999), 1)


@pytest.mark.slow
def test_hostile_files_end_alone(tmp_path):
    texts = {
        "right": DENSE,
        "wrong": DENSE.replace("g.sum", "g.mean"),
        "exits": "import os\nos._exit(0)\n",
        "leaves": "import sys\nsys.exit()\n",
        "loops": "while True:\n    pass\n",
        "prints": DENSE.replace("self.x = x", "self.x = x; print('x' * 10**6)"),
        "grows": "import numpy as np\nx = np.ones((10**6, 10**6))\n",
        "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(100,)).start()\n" + DENSE,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    task = Task("Dense", input_shape=(5, 4), seconds=40.0)
    found = {one.student: one for one in run_all(sorted(tmp_path.glob("*.py")), task, 2)}
    assert {name for name, one in found.items() if one.passed} == {"right", "prints", "thread"}
    assert found["wrong"].mistake == "mean over the batch"
    assert "endless loop" in found["loops"].error
    assert "ended the program" in found["exits"].error
    assert "SystemExit" in found["leaves"].error
    assert found["grows"].mistake == "could not be checked"
