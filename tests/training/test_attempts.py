"""attempts.tsv: what it says of runs that end, fail, are interrupted or killed; reading what others made of it."""

import os
import subprocess
import sys

import pytest

from mlp.errors import NonFiniteLossError, StopRequestedError
from mlp.layers import Affine, Flatten, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Trainer
from mlp.training.attempts import ATTEMPTS, COLUMNS, attempt, job_of, read_attempts, what_changed


@pytest.fixture
def trainer():
    return Trainer(Sequential(Flatten(), Affine(12, 2)), SoftmaxCrossEntropy(), Adam(), engine="cpu", threads=1)


def test_an_attempt_has_a_start_with_all_facts_and_an_end(tmp_path, trainer, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    with attempt(tmp_path) as this:
        this.start(trainer)
        trainer.epoch, this.outcome = 3, "finished"
    start, end = read_attempts(tmp_path)
    assert (start.event, start.process, start.job, start.epochs, start.threads) == (
        *("start", str(os.getpid()), "17_4", "0", "1"),
    )
    assert start.time.endswith("Z")
    assert all((start.host, start.processor, start.blas))
    assert "NumPy" in start.versions
    assert (end.event, end.status, end.epochs, end.note) == ("end", "0", "3", "finished")
    assert (tmp_path / ATTEMPTS).read_text().startswith("\t".join(COLUMNS) + "\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "130"),
        (StopRequestedError("stopped\nafter"), "75"),
        (NonFiniteLossError("nan"), "2"),
        (OSError(28, "No space left on device"), "2"),
        (RuntimeError("a bug"), "2"),
    ],
)
def test_how_an_attempt_ends_is_its_exit_status_and_a_line_about_it(tmp_path, trainer, error, status):
    with pytest.raises(type(error)), attempt(tmp_path) as this:
        this.start(trainer)
        raise error
    end = read_attempts(tmp_path)[-1]
    assert (end.event, end.status) == ("end", status)
    assert end.note.startswith(type(error).__name__)


KILLED = """
import os, sys
from pathlib import Path
from mlp.layers import Affine, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Trainer
from mlp.training.attempts import attempt
with attempt(Path(sys.argv[1])) as this:
    this.start(Trainer(Sequential(Affine(12, 2)), SoftmaxCrossEntropy(), Adam()))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_killed_attempt_is_a_start_without_an_end(tmp_path, trainer):
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    assert [event.event for event in read_attempts(tmp_path)] == ["start"]
    with attempt(tmp_path) as this:
        this.start(trainer)
    assert [event.event for event in read_attempts(tmp_path)] == ["start", "start", "end"]


def test_an_attempt_that_never_trained_leaves_no_line(tmp_path):
    with pytest.raises(ValueError, match="no"), attempt(tmp_path):
        raise ValueError("no")
    assert read_attempts(tmp_path) == []


def test_a_resume_with_other_kernels_or_versions_says_what_follows(tmp_path, trainer, capsys):
    with attempt(tmp_path) as this:
        this.start(trainer)
    facts = {name: getattr(read_attempts(tmp_path)[0], name) for name in ("processor", "threads", "blas", "versions")}
    assert what_changed(read_attempts(tmp_path), {**facts, "threads": "8"}) == ""
    text = what_changed(read_attempts(tmp_path), {**facts, "blas": "other", "versions": ""})
    assert f"blas {facts['blas']} before, other now; versions" in text
    assert text.endswith("The run continues correctly, but not with the same bits as without the interruption")
    trainer.epoch = 1
    with attempt(tmp_path) as this:
        this.start(trainer)
    assert capsys.readouterr().out == ""
    textbook = Trainer(trainer.model, trainer.loss, trainer.rule, engine="textbook")
    textbook.epoch = 1
    with attempt(tmp_path) as this:
        this.start(textbook)
    assert "note: blas " in capsys.readouterr().out
    assert read_attempts(tmp_path)[-2].blas.endswith("threads")


def test_lines_that_are_none_are_passed_over(tmp_path):
    assert read_attempts(tmp_path) == []
    (tmp_path / ATTEMPTS).write_bytes(b"\xff\xfe\n\n\tx\n" + b"t\tstart\t" + b"\t".join([b"a"] * 30) + b"\nt\tend\t2\n")
    assert [(event.event, event.status) for event in read_attempts(tmp_path)] == [("start", "a"), ("end", "2")]


def test_the_job_of_a_process():
    assert job_of({}) == ""
    assert job_of({"SLURM_JOB_ID": "7"}) == "7"
    assert job_of({"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "0"}) == "7_0"
