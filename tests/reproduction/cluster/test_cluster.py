"""What is said of runs, the script for sbatch, and the script itself under bash, without a Slurm."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlp.commands import reproduce, sweep
from mlp.errors import ConfigurationError, FolderInUseError, MlpError
from mlp.experiments.settings.naming import name_of
from mlp.files.locks import only_writer
from mlp.reproduction.cluster import states as stating
from mlp.reproduction.cluster import submit as submitting
from mlp.reproduction.cluster.slurm import Task, seconds_of
from mlp.reproduction.cluster.states import known_runs, state_of, states_of, text_of
from mlp.reproduction.cluster.submit import make_arrays, read_tasks, submit
from mlp.reproduction.cluster.wishes import Wishes, margin_of, warnings_of
from mlp.reproduction.index import PlannedRun, RunIndex
from mlp.reproduction.work import LOG, Outcome, divide, write_planned
from mlp.training.attempts import ATTEMPTS, Event, read_attempts

STAND_IN = Path(__file__).with_name("stand_in_train.py")
needs_bash = pytest.mark.skipif(sys.platform == "win32", reason="needs bash and signals")


@pytest.fixture
def no_slurm(monkeypatch):
    """A Slurm with nothing in its queue that takes everything, and the scripts that it was given."""
    given = []
    monkeypatch.setattr(submitting, "queued_tasks", list)
    monkeypatch.setattr(submitting, "largest_array", lambda: 1001)
    monkeypatch.setattr(submitting, "submit_script", lambda script: given.append(script) or str(len(given)))
    monkeypatch.setattr(submitting, "train_command", lambda: [sys.executable, "-I", "-S", str(STAND_IN)])
    return given


def runs(*seeds, epochs=2, milliseconds=10):
    return [PlannedRun(f"seed-{s}", {"seed": s, "epochs": epochs, "limit_train": milliseconds}) for s in seeds]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        *(("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-12", 129600), ("1-0:30", 88200), ("0-1:02:03", 3723)),
    ],
)
def test_times_as_slurm_reads_them(time, seconds):
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"time": "soon"}, "--time must be minutes, hours:minutes:seconds or days-hours, got 'soon'"),
        ({"cores": 0}, "--cores must be a whole number of at least 1, got 0"),
        ({"runs_per_task": 0}, "--runs-per-task must be a whole number of at least 1, got 0"),
        ({"at_once": 0}, "--jobs must be a whole number of at least 1, got 0"),
        ({"gpus": -1}, "--gpus must be a whole number of at least 0, got -1"),
        ({"margin": -1}, "--margin must be a whole number of at least 0, got -1"),
        ({"time": "1", "margin": 60}, "--margin 60 leaves nothing of --time 1"),
    ],
)
def test_wishes_that_cannot_be(wishes, message):
    with pytest.raises(ConfigurationError, match=message):
        Wishes(**wishes)


def test_the_margin_is_an_epoch_and_a_minute_and_what_cannot_fit_is_said():
    assert margin_of(Wishes(), None) == 300
    assert margin_of(Wishes(time="2:00:00"), 100.4) == 160
    assert margin_of(Wishes(time="5"), 1000.0) == 150
    assert margin_of(Wishes(margin=7), 1000.0) == 7
    assert warnings_of(Wishes(time="2:00:00", margin=160), 100.0) == []
    assert "the last epoch of a job may be lost" in warnings_of(Wishes(time="2:00:00", margin=60), 100.0)[0]
    assert "ask for a longer --time" in warnings_of(Wishes(time="5", margin=150), 200.0)[0]


def test_the_script_and_the_tasks(no_slurm, tmp_path):
    root = tmp_path / "100% runs"
    outcomes = [Outcome(run, root / run.name, "waiting") for run in runs(0, 1, 2, 3, 4)]
    wishes = Wishes("2:00:00", 4, "8G", 1, "gpu", ("--constraint=zen4",), 120, 8, runs_per_task=2)
    (array,) = make_arrays(outcomes, root, wishes, "images")
    options = [line.split(" ", 1)[1].strip("'") for line in array.script.splitlines() if line.startswith("#SBATCH")]
    assert options == [
        f"--job-name=mlp-{name_of({}, first='100% runs')}",
        "--array=0-2%8",
        f"--output={str(array.folder).replace('%', '%%')}/log/%A_%a.txt",
        "--open-mode=append",
        "--requeue",
        "--signal=B:USR2@120",
        f"--chdir={os.getcwd()}",
        "--cpus-per-task=4",
        "--mem=8G",
        "--time=2:00:00",
        "--gres=gpu:1",
        "--partition=gpu",
        "--constraint=zen4",
    ]
    assert not re.search("@[A-Z]+@", array.script)
    folder, command = array.tasks.splitlines()[0].split("\t")
    assert folder == str(root / "seed-0")
    assert "--threads 4" in command
    assert command.endswith(f"--data-dir {Path.cwd() / 'images'}")


def test_an_array_that_would_be_too_long_is_several_that_share_the_limit(no_slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(submitting, "largest_array", lambda: 10)
    outcomes = [Outcome(run, tmp_path / run.name, "waiting") for run in runs(*range(45))]
    arrays = make_arrays(outcomes, tmp_path, Wishes(at_once=8, runs_per_task=2), None)
    assert [array.size for array in arrays] == [10, 10, 3]
    assert all("%2\n" in array.script for array in arrays)
    assert sum(array.tasks.count("\n") for array in arrays) == 45


def test_submitting_writes_everything_down_and_a_dry_run_nothing(no_slurm, tmp_path):
    root = tmp_path / "runs"
    said = submit(runs(0, 1), root, Wishes(), None, dry_run=True)
    assert "2 to be submitted" in said[0]
    assert any("#SBATCH --array=0-1" in line for line in said)
    assert not root.exists()
    submit(runs(0, 1), root, Wishes(runs_per_task=2), None)
    (folder,) = [path.parent for path in no_slurm]
    assert sorted(path.name for path in folder.iterdir()) == ["array.sh", "job", "log", "tasks.txt"]
    assert read_tasks(folder) == (2, [root / "seed-0", root / "seed-1"])
    assert {state.folder.name: state.word for state in states_of(root)[0]} == {"seed-0": "lost", "seed-1": "lost"}


def test_a_dry_run_needs_no_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no squeue there
    said = submit(runs(0, 1), tmp_path / "runs", Wishes(), None, dry_run=True)
    assert said[0].startswith("this takes no run as queued: there is no squeue on this machine")
    assert any("#SBATCH --array=0-1" in line for line in said)
    with pytest.raises(ConfigurationError, match="there is no squeue on this machine"):
        submit(runs(0, 1), tmp_path / "runs", Wishes(), None)


def test_two_submissions_at_once_are_kept_apart(no_slurm, tmp_path):
    (tmp_path / "slurm").mkdir()
    lines = ("import sys", "from mlp.files.locks import only_writer", "with only_writer(sys.argv[1]):")
    script = "\n".join([*lines, " print(1, flush=True)", " input()"])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "slurm" / "lock")], **pipes) as other:
        assert other.stdout.readline() == "1\n"
        with pytest.raises(FolderInUseError, match="another command is submitting"):
            submit(runs(0), tmp_path, Wishes(), None)
        other.kill()


def test_what_is_queued_is_known_by_its_script_and_not_submitted_again(no_slurm, tmp_path, monkeypatch):
    submit(runs(0, 1, 2, 3), tmp_path, Wishes(runs_per_task=3), None)
    (script,) = no_slurm
    queue = [
        Task("7_0", "RUNNING", "None", script),
        Task("7_1", "PENDING", "JobHeldUser", script),
        Task("8_0", "PENDING", "Resources", tmp_path.parent / "other" / "array.sh"),
    ]
    monkeypatch.setattr(submitting, "queued_tasks", lambda: queue)
    said = submit(runs(0, 1, 2, 3), tmp_path, Wishes(), None)
    assert said == ["held: scontrol release 7_1 lets it run", "0 finished, 4 queued, 0 to be submitted"]
    monkeypatch.setattr(submitting, "queued_tasks", lambda: queue[1:])
    assert "1 queued, 3 to be submitted" in submit(runs(0, 1, 2, 3), tmp_path, Wishes(), None)[1]


def test_a_folder_that_is_named_through_a_link_is_the_same(no_slurm, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    submit(runs(0, 1), tmp_path / "link", Wishes(), None)
    queue = [Task(f"7_{i}", "PENDING", "Resources", no_slurm[0]) for i in range(2)]
    monkeypatch.setattr(submitting, "queued_tasks", lambda: queue)
    monkeypatch.setattr(stating, "queued_tasks", lambda: queue)
    monkeypatch.setattr(stating.shutil, "which", lambda name: name)
    for name in ("runs", "link"):
        assert "0 finished, 2 queued, 0 to be submitted" in submit(runs(0, 1), tmp_path / name, Wishes(), None)
        assert [state.word for state in states_of(tmp_path / name)[0]] == ["waiting", "waiting"]


def attempts(folder, *events):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ATTEMPTS).write_text("".join(Event(**event).line() for event in events))


START = {"time": "t", "event": "start", "host": "n1", "process": "12", "job": "7_0"}
END = {"time": "t", "event": "end", "host": "n1", "process": "script", "job": "7_0"}
JOB = Path("slurm/x/array.sh")


@pytest.mark.parametrize(
    ("events", "task", "word", "text"),
    [
        ([], None, "new", ""),
        ([START], Task("7_0", "RUNNING", "None", JOB), "running", "epoch 1 of 5, job 7_0 on n1"),
        ([], Task("7_0", "RUNNING", "None", JOB), "waiting", "in job 7_0, which is running and has not begun it"),
        ([], Task("7_0", "PENDING", "Resources", JOB), "waiting", "Resources (job 7_0)"),
        ([START], Task("7_0", "PENDING", "BeginTime", JOB), "waiting", "requeued, it starts again in a moment"),
        ([], Task("7_0", "PENDING", "PartitionTimeLimit", JOB), "waiting", "forever, --time is above the limit"),
        ([], Task("7_0", "PENDING", "ReqNodeNotAvail, UnavailableNodes:n1", JOB), "waiting", "down or drained"),
        ([], Task("7_0", "PENDING", "launch failed requeued held", JOB), "held", "scontrol release 7_0"),
        ([START], None, "lost", "epoch 1 of 5, job 7_0 is gone"),
        ([START, {**END, "status": "75"}], None, "stopped", "after epoch 0 of 5: asked by a signal"),
        ([START, {**END, "status": "76", "note": "no epoch fits"}], None, "stopped", "no epoch fits"),
        ([START, {**END, "status": "2", "note": "no epoch"}], None, "failed", "exit status 2: the last line"),
        ([{**END, "status": "127"}], None, "failed", "exit status 127: the last line"),
        ([{**START, "job": "", "host": "elsewhere"}], None, "running", "or lost: process 12 on elsewhere"),
    ],
)
def test_states(tmp_path, events, task, word, text):
    attempts(tmp_path / "run", *events)
    (tmp_path / "run" / LOG).write_text("first\nthe last line\n")
    run = submitting.RunIndex(tmp_path).place(PlannedRun("run", {"epochs": 5}))
    state = state_of(run, 5, {run.path.resolve(): task} if task else {}, {})
    assert state.word == word
    assert text in state.text


def test_a_run_of_this_machine_is_running_as_long_as_its_process_is_there(tmp_path):
    host = socket.gethostname()
    local = {**START, "job": "", "host": host, "process": str(os.getpid())}
    attempts(tmp_path / "a", local)
    attempts(tmp_path / "b", {**local, "process": "4194305"})  # above the largest there can be
    index = RunIndex(tmp_path)
    words = [state_of(index.place(PlannedRun(n, {"seed": i})), 5, {}, {}).word for i, n in enumerate("ab")]
    assert words == ["running", "lost"]


def test_a_slurm_that_does_not_answer_is_said_and_the_folders_speak(tmp_path, monkeypatch):
    def silent():
        raise MlpError("squeue failed: Unable to contact slurm controller")

    monkeypatch.setattr(stating, "queued_tasks", silent)
    monkeypatch.setattr(stating.shutil, "which", lambda name: name)
    planned = runs(0, 1)
    done, waiting = divide(planned, RunIndex(tmp_path))
    write_planned(tmp_path, [*done, *waiting])
    attempts(tmp_path / "seed-0", START)
    states, warnings = states_of(tmp_path)
    text = text_of(states, warnings, tmp_path)
    assert "running   seed-0  epoch 1 of 2, or lost: job 7_0" in text
    assert "new       seed-1" in text
    assert "2 runs: 1 running, 1 new" in text
    assert "warning: squeue failed: Unable to contact slurm controller" in text
    attempts(tmp_path / "seed-0", {**START, "job": ""})  # a sweep of this machine alone has nothing to ask
    assert states_of(tmp_path)[1] == []


def test_status_of_folders_that_are_none_and_of_those_of_reproduce(call, tmp_path, write):
    assert call(sweep, "status", tmp_path / "none")[0] == 2
    assert "holds no runs" in call(sweep, "status", tmp_path)[2]
    write("s0-1", (1.7, 0.5, 1.9, 0.47), test=(1.9, 0.46))
    write("s0-2", (1.7, 0.5, 1.9, 0.47), done=7)
    status, out, _ = call(reproduce, "status", tmp_path)
    assert status == 0
    assert "2 runs: 1 finished, 1 new" in out
    assert out == call(sweep, "status", tmp_path)[1]
    (tmp_path / "full" / "broken").mkdir()
    (tmp_path / "full" / "broken" / "config.json").write_text("{")
    assert "warning: " in call(reproduce, "status", tmp_path)[1]
    assert known_runs(tmp_path)[2]


def test_without_slurm_the_commands_say_where_it_is(call, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, error = call(sweep, "--seed", 0, 1, "--out", tmp_path / "runs", "--cluster", "slurm")
    assert status == 2
    assert "there is no squeue on this machine: --cluster slurm works where Slurm's commands are" in error
    assert call(sweep, "--dry-run", "--out", tmp_path / "runs")[2].endswith("--dry-run belongs to --cluster slurm\n")


# --- array.sh under bash, with a scontrol that only writes down that it was called --------------------------------


@pytest.fixture
def job(no_slurm, tmp_path, monkeypatch):
    """A function that submits runs and starts task 0 as Slurm would; scontrol kills the script, as a requeue does."""
    monkeypatch.setattr(submitting, "PATIENCE", 2)
    tools = tmp_path / "bin"
    tools.mkdir()
    scontrol = tools / "scontrol"
    scontrol.write_text(f'#!/bin/bash\necho "$*" >>{tmp_path}/requeued\nkill "$PPID"\n')
    scontrol.chmod(scontrol.stat().st_mode | stat.S_IXUSR)
    started = []

    def start(planned, root, again=False, **wishes):
        if not again:
            submit(planned, root, Wishes(**wishes), None)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        environment |= {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "0", "SLURMD_NODENAME": "n1"}
        started.append(subprocess.Popen(["bash", str(no_slurm[-1])], env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@needs_bash
def test_the_script_does_its_runs_and_goes_on_when_one_fails(job, tmp_path):
    (tmp_path / "runs" / "seed-0" / "metrics.csv").mkdir(parents=True)  # the stand-in fails
    assert job(runs(0, 1), tmp_path / "runs", runs_per_task=2).wait(60) == 1
    assert (tmp_path / "runs" / "seed-1" / "test.json").exists()
    ends = [(e.event, e.status, e.process, e.job, e.note) for e in read_attempts(tmp_path / "runs" / "seed-0")]
    assert ends == [("start", "", "script", "7_0", "restart 0 of the job"), ("end", "1", "script", "7_0", "no epoch")]
    assert "IsADirectoryError" in (tmp_path / "runs" / "seed-0" / LOG).read_text()
    header = (tmp_path / "runs" / "seed-0" / ATTEMPTS).read_text().splitlines()[0]
    assert header.split("\t")[:3] == ["time", "event", "status"]


@needs_bash
def test_the_script_passes_the_signal_on_and_asks_for_a_requeue(job, tmp_path):
    folder = tmp_path / "runs" / "seed-0"
    planned = runs(0, epochs=3, milliseconds=400)
    process = job(planned, tmp_path / "runs")
    wait_for(lambda: (folder / "metrics.csv").exists())
    process.send_signal(signal.SIGUSR2)
    process.wait(60)
    assert (tmp_path / "requeued").read_text() == "requeue 7_0\n"
    assert [e.status for e in read_attempts(folder) if e.event == "end"] == ["75", "75"]
    assert job(planned, tmp_path / "runs", again=True).wait(60) == 0
    assert json.loads((folder / "test.json").read_text())["best_epoch"] == 3


@needs_bash
def test_a_folder_in_use_is_requeued_and_fruitless_attempts_end(job, tmp_path):
    folder = tmp_path / "runs" / "seed-0"
    folder.mkdir(parents=True)
    (planned,) = runs(0)
    with only_writer(folder / ATTEMPTS):
        job([planned], tmp_path / "runs").wait(60)
    assert [e.status for e in read_attempts(folder) if e.event == "end"] == ["73"]
    planned.settings["batch_size"] = 1500
    for attempt in range(1, 3):
        process = job([planned], tmp_path / "runs", again=attempt > 1)
        wait_for(
            lambda n=attempt: sum(e.event == "start" and e.process != "script" for e in read_attempts(folder)) == n
        )
        process.send_signal(signal.SIGUSR2)
        process.wait(60)
    assert process.returncode == 76
    assert [e.status for e in read_attempts(folder) if e.process == "script" and e.event == "end"] == [
        *("73", "75", "75", "76")
    ]
    assert (tmp_path / "requeued").read_text().count("requeue 7_0") == 2
