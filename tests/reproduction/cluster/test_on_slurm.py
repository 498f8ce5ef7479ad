"""Jobs on a real Slurm, see slurm_machine.py. What trains is a stand-in with the same files, signals and exit statuses.

Skipped where there can be none; with MLP_SLURM_TESTS=required in the environment (.ci/run), that is a failure.
"""

import os
import shlex
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mlp.commands import sweep
from mlp.reproduction.cluster import submit as submitting
from mlp.reproduction.cluster.slurm import queued_tasks
from mlp.reproduction.cluster.states import cancel, states_of
from mlp.reproduction.cluster.submit import submit
from mlp.reproduction.cluster.wishes import Wishes
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.work import LOG
from mlp.training.attempts import read_attempts

sys.path.insert(0, str(Path(__file__).parent))
from slurm_machine import SlurmMachine, wait_for, why_not

STAND_IN = Path(__file__).with_name("stand_in_train.py")


def require_slurm():
    if why_not():
        if os.environ.get("MLP_SLURM_TESTS") == "required":
            pytest.fail(f"no Slurm: {why_not()}")
        pytest.skip(f"no Slurm: {why_not()}")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    require_slurm()
    with SlurmMachine(tmp_path_factory.mktemp("slurm"), nodes=2, cpus=4) as machine:
        yield machine


@pytest.fixture
def slurm(machine):
    """The Slurm of all tests, with nodes that are idle, whatever the test before left behind."""
    machine.heal()
    return machine


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder of the runs: its name may have a space, and characters that the shell would expand."""
    monkeypatch.setattr(submitting, "train_command", lambda: [sys.executable, "-I", "-S", str(STAND_IN)])
    return tmp_path / "runs $HOME"


def runs(*seeds, epochs=2, milliseconds=50):
    return [PlannedRun(f"seed-{s}", {"seed": s, "epochs": epochs, "limit_train": milliseconds}) for s in seeds]


def send(planned, root, **wishes):
    """Submit runs; return what is said, in one text."""
    return "\n".join(submit(planned, root, Wishes(**{"memory": "100M", "time": "10", **wishes}), None))


def words(root):
    return {state.folder.name: state.word for state in states_of(root)[0]}


def texts(root):
    return {state.folder.name: state.text for state in states_of(root)[0]}


def wait_for_words(root, *expected, patience=180):
    wait_for(lambda: set(words(root).values()) <= set(expected), lambda: f"{expected}: {states_of(root)[0]}", patience)


def wait_for_epoch(folder, number=1):
    wait_for(lambda: (folder / "metrics.csv").exists() and epochs(folder) >= number, f"epoch {number} in {folder}")


def epochs(folder):
    return len((folder / "metrics.csv").read_text().splitlines()) - 1


def endings(folder):
    """What the job's script says of each attempt."""
    return [event.status for event in read_attempts(folder) if event.event == "end" and event.process == "script"]


def test_submit_repeat_and_finish(slurm, root):
    planned = runs(0, 1, 2, 3, 4, milliseconds=300)
    said = send(planned, root, at_once=2)
    assert "0 finished, 0 queued, 5 to be submitted" in said
    assert "5 tasks" in said
    assert "0 finished, 5 queued, 0 to be submitted" in send(planned, root)
    assert set(words(root).values()) <= {"waiting", "running", "finished"}
    assert list(words(root).values()).count("running") <= 2
    wait_for_words(root, "finished")
    assert "5 finished, 0 queued, 0 to be submitted" in send(planned, root)
    assert "5 finished, 0 queued, 1 to be submitted" in send(runs(0, 1, 2, 3, 4, 5, milliseconds=300), root)
    wait_for_words(root, "finished")
    wait_for(lambda: endings(root / "seed-5") == ["0"], "the end of the attempt")  # comes after test.json
    assert (root / "seed-0" / LOG).read_text().startswith(f"$ {sys.executable}")


@pytest.mark.slow
def test_usr2_ends_after_the_epoch_and_the_requeued_job_finishes_the_run(slurm, root):
    send(runs(0, epochs=6, milliseconds=500), root)
    wait_for_epoch(root / "seed-0")
    (task,) = queued_tasks()
    slurm.say("scancel", "--batch", "--signal=USR2", task.id)
    wait_for(lambda: endings(root / "seed-0"), "the end of the first attempt")
    assert endings(root / "seed-0") == ["75"]
    assert 1 <= epochs(root / "seed-0") < 6
    wait_for_words(root, "finished")
    wait_for(lambda: endings(root / "seed-0") == ["75", "0"], "the end of the second attempt")  # after test.json
    assert epochs(root / "seed-0") == 6


@pytest.mark.slow
def test_cancelled_runs_are_lost_and_the_same_command_finishes_them(slurm, root, call):
    planned = runs(0, 1, epochs=4, milliseconds=400)
    send(planned, root, at_once=1)
    wait_for_epoch(root / "seed-0")
    assert call(sweep, "cancel", root)[:2] == (
        0,
        "2 tasks cancelled; what they did is kept, and the command that submitted them continues it\n",
    )
    wait_for(lambda: not queued_tasks(), "an empty queue")
    assert words(root) == {"seed-0": "lost", "seed-1": "lost"}
    status, out, _ = call(sweep, "status", root)
    assert status == 0
    assert "2 runs: 2 lost" in out
    assert "repeat the command" in out
    before = epochs(root / "seed-0")
    send(planned, root)
    wait_for_words(root, "finished")
    assert epochs(root / "seed-0") == 4 > before
    wait_for(lambda: not queued_tasks(), "an empty queue")
    assert cancel(root).startswith("nothing of ")


def test_a_killed_train_py_has_failed_and_is_continued(slurm, root):
    planned = runs(0, epochs=3, milliseconds=600)
    send(planned, root)
    wait_for_epoch(root / "seed-0")
    (start,) = starts(root / "seed-0")
    os.kill(int(start.process), 9)
    wait_for_words(root, "failed")
    assert texts(root)["seed-0"].startswith("exit status 137")
    send(planned, root)
    wait_for_words(root, "finished")


def test_a_missing_python_is_named(slurm, root, monkeypatch):
    monkeypatch.setattr(submitting, "train_command", lambda: ["/no/such/python", str(STAND_IN)])
    send(runs(0), root)
    wait_for_words(root, "failed")
    assert texts(root)["seed-0"].startswith("exit status 127: ")
    assert "/no/such/python: No such file or directory" in texts(root)["seed-0"]


def test_a_held_job_says_what_releases_it(slurm, root):
    planned = runs(0)
    send(planned, root, sbatch=("--hold",))
    assert words(root) == {"seed-0": "held"}
    release = texts(root)["seed-0"].partition(": ")[2].removesuffix(" lets it run")
    assert f"held: {release}" in send(planned, root)
    slurm.say(*shlex.split(release))
    wait_for_words(root, "finished")


def test_a_limit_above_that_of_the_partition_waits_for_ever_and_says_so(slurm, root):
    send(runs(0), root, partition="short", time="5")
    wait_for(lambda: texts(root)["seed-0"].startswith("forever"), lambda: texts(root))
    assert "--time is above the limit of the partition (PartitionTimeLimit): scancel" in texts(root)["seed-0"]
    cancel(root)


def test_what_sbatch_refuses_is_told(slurm, root):
    with pytest.raises(Exception, match="sbatch failed: .*nothing of .* was submitted"):
        send(runs(0), root, memory="900G")
    assert words(root)["seed-0"] in ("new", "lost")


def test_a_full_folder_has_failed_with_its_reason(slurm, root):
    (root / "seed-0").mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(root / "seed-0")], check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        (root / "seed-0" / "ballast").write_bytes(b"x" * 4000)
        send(runs(0, epochs=3000, milliseconds=1), root)
        wait_for_words(root, "failed", "lost")
        (root / "seed-0" / "ballast").unlink()
    finally:
        wait_for(lambda: not queued_tasks(), "an empty queue")
        subprocess.run(["umount", str(root / "seed-0")], check=True)


def test_several_short_runs_a_task(slurm, root):
    planned = runs(*range(7))
    assert "3 tasks" in send(planned, root, runs_per_task=3)
    assert "0 to be submitted" in send(planned, root, runs_per_task=3)
    wait_for_words(root, "finished")
    jobs = {event.job for seed in range(3) for event in read_attempts(root / f"seed-{seed}")}
    assert len(jobs) == 1


def counts_of_endings(root):
    """Return how many attempts of each run have ended."""
    return [len(endings(root / f"seed-{seed}")) for seed in range(3)]


@pytest.mark.slow
def test_a_signal_ends_a_task_of_several_runs_which_goes_on_where_it_was(slurm, root):
    planned = runs(0, 1, 2, epochs=3, milliseconds=500)
    send(planned, root, runs_per_task=3)
    wait_for_epoch(root / "seed-1")
    assert words(root)["seed-2"] == "waiting"
    slurm.say("scancel", "--batch", "--signal=USR2", queued_tasks()[0].id)
    wait_for_words(root, "finished")
    wait_for(lambda: counts_of_endings(root) == [1, 2, 1], lambda: f"the last line of each: {counts_of_endings(root)}")


@pytest.mark.slow
def test_a_run_whose_epoch_never_fits_is_given_up(slurm, root):
    (run,) = runs(0)
    run.settings["batch_size"] = 3000  # milliseconds before the first epoch, in which the signal comes each time
    send([run], root)
    for attempt in range(1, submitting.PATIENCE + 1):
        wait_for(lambda n=attempt: len(starts(root / "seed-0")) == n, f"attempt {attempt}")
        (task,) = queued_tasks()
        slurm.say("scancel", "--batch", "--signal=USR2", task.id)
        wait_for(lambda n=attempt: len(endings(root / "seed-0")) >= n, f"end of attempt {attempt}")
    wait_for_words(root, "stopped")
    assert "no epoch fits between start and signal: a longer --time" in texts(root)["seed-0"]
    assert endings(root / "seed-0") == ["75"] * submitting.PATIENCE + ["76"]
    run.settings["batch_size"] = 100
    send([run], root)
    wait_for_words(root, "finished", "stopped")


@pytest.mark.slow
def test_the_time_limit_ends_after_an_epoch_and_the_job_is_requeued(slurm, root):
    """Slurm looks at limits every 30 s, so the signal may come early or late."""
    send(runs(0, epochs=22, milliseconds=3000), root, partition="short", time="1", margin=20)
    wait_for(lambda: endings(root / "seed-0"), "the end of the first attempt")
    assert endings(root / "seed-0") == ["75"]
    assert 1 <= epochs(root / "seed-0") < 22
    wait_for_words(root, "finished", patience=240)


@pytest.mark.slow
def test_a_node_that_dies_and_its_process_that_lives_on(slurm, root):
    """Slurm gives the run to another node; two never write at once."""
    send(runs(0, epochs=90, milliseconds=1000), root)
    wait_for_epoch(root / "seed-0", 2)
    node = read_attempts(root / "seed-0")[0].host
    slurm.kill_node(node)
    wait_for(lambda: "73" in endings(root / "seed-0"), "a second attempt that finds the folder in use")
    wait_for_words(root, "finished", patience=300)
    assert epochs(root / "seed-0") == 90
    _, *later = starts(root / "seed-0")
    assert all(start.epochs == "90" for start in later)  # a requeued attempt that still comes finds nothing to do


@pytest.mark.slow
@pytest.mark.parametrize("user_signal", [True, False])
def test_a_preempted_run_continues_when_the_urgent_job_is_done(tmp_path, root, user_signal):
    require_slurm()
    with SlurmMachine(tmp_path / "slurm", nodes=1, cpus=1, user_signal=user_signal) as slurm:
        send(runs(0, epochs=30, milliseconds=700), root)
        wait_for_epoch(root / "seed-0", 2)
        slurm.say("sbatch", "--partition=urgent", "--mem=100M", "--output=/dev/null", "--wrap=sleep 1")
        wait_for(lambda: len(read_attempts(root / "seed-0")) > 2, "the end of the first attempt, or a second one")
        wait_for_words(root, "finished", patience=240)
        assert epochs(root / "seed-0") == 30
        assert ("75" in endings(root / "seed-0")) == user_signal


@pytest.mark.slow
def test_a_controller_that_dies_while_jobs_run_loses_nothing(slurm, root):
    """Ending jobs that it hears of twice can drain a node and hold tasks: `status` prints what releases them."""
    planned = runs(0, 1, epochs=10, milliseconds=500)
    send(planned, root)
    wait_for_epoch(root / "seed-0")
    slurm.kill_controller()
    assert set(words(root).values()) <= {"running", "finished"}
    assert "squeue failed" in states_of(root)[1][0]
    slurm.start_controller()
    wait_for(slurm.node_states, "the controller")

    def finished():
        slurm.resume(slurm.node_states())
        for state in states_of(root)[0]:
            if state.word == "held":
                slurm.say(*shlex.split(state.text.partition(": ")[2].removesuffix(" lets it run")))
        return set(words(root).values()) == {"finished"}

    wait_for(finished, lambda: states_of(root)[0], 240)


@pytest.mark.slow
def test_a_controller_that_forgets_its_jobs(slurm, root):
    """It gives the number of a run that still trains to the next. Repeating the command finishes both."""
    first, before = runs(0, epochs=30, milliseconds=500), slurm.memory()
    send(first, root)
    wait_for_epoch(root / "seed-0", 2)
    slurm.kill_controller(forget=before)
    slurm.start_controller()
    wait_for(slurm.node_states, "the controller")
    assert words(root) == {"seed-0": "lost"}  # all that can be known: its process may train on, on another machine
    assert "1 to be submitted" in send(first, root)

    def finished():
        slurm.let_go_on()
        return set(words(root).values()) == {"finished"}

    wait_for(finished, lambda: states_of(root)[0], 240)
    assert epochs(root / "seed-0") == 30
    assert len({event.job for event in starts(root / "seed-0")}) == 1  # the number was given twice


@pytest.mark.slow
def test_500_tasks_of_nothing(slurm, root, monkeypatch):
    monkeypatch.setattr(submitting, "train_command", lambda: ["true"])
    planned = runs(*range(500))
    assert "500 tasks" in send(planned, root, at_once=8)
    begin = time.monotonic()

    def fewer_than(number):
        time.sleep(1)
        slurm.let_go_on()
        return len(queued_tasks()) < number

    left = 500
    while left:  # it does not hang; how long they all take says how busy the machine is
        wait_for(partial(fewer_than, left), lambda: f"the end of a task: {queued_tasks()[:9]}")
        left = len(queued_tasks())
    print(f"500 tasks of nothing in {time.monotonic() - begin:.0f} s")
    assert [endings(root / f"seed-{seed}") for seed in range(500)] == [["0"]] * 500
    assert set(words(root).values()) == {"stopped"}


def starts(folder):
    return [e for e in read_attempts(folder) if e.event == "start" and e.process != "script"]
