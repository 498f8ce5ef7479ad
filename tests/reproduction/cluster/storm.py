"""A storm over a sweep on a real Slurm, for developers: everything that goes wrong on a cluster, at random moments.

    nice python tests/reproduction/cluster/storm.py FOLDER --times 10 --seed 0

20 real runs, 4 at a time, and in an order that the seed draws: the controller is killed, urgent jobs preempt, a node is
dead for 25 seconds while its processes live on, a user requeues, a train.py is killed by SIGKILL, a task is cancelled,
a task gets the signal of the time limit. Then the command is repeated, as a person would, until all are finished, and
each run is compared with one that nothing interrupted: metrics, weights, moments, gradient flow, test results, bit for
bit. Prints a line a storm, and the counts at the end; exit status 1 if a run was lost or differs. Needs root and the
packages of slurm_machine.py; a storm takes two to five minutes.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from slurm_machine import SlurmMachine, wait_for, why_not
from train_command import arrays, rows

from mlp.reproduction.cluster.slurm import queued_tasks
from mlp.reproduction.cluster.states import states_of
from mlp.training.attempts import read_attempts

ROOT = Path(__file__).resolve().parents[3]
RUNS, AT_ONCE, REPEATS = 20, 4, 6
SETTINGS = "--dataset synthetic --limit-train 400 --limit-valid 60 --filters 4 --batch-size 20 --epochs 3 --norm batch"
SWEEP = [sys.executable, str(ROOT / "scripts" / "sweep.py"), *SETTINGS.split()]
SWEEP += ["--seed", *map(str, range(RUNS))]
JOBS = ["--cluster", "slurm", "--jobs", str(AT_ONCE), "--time", "10", "--margin", "120", "--memory", "500M"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if why_not():
        sys.exit(f"no Slurm: {why_not()}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    calm = arguments.folder.resolve() / "calm"
    say(f"{RUNS} runs that nothing interrupts")
    subprocess.run([*SWEEP, "--out", str(calm), "--jobs", "2"], check=True, stdout=subprocess.DEVNULL)
    total: Counter[str] = Counter()
    for number in range(arguments.seed, arguments.seed + arguments.times):
        total += storm(arguments.folder.resolve() / f"storm-{number}", random.Random(number), calm)
    say("in all: " + ", ".join(f"{total[name]} {name}" for name in sorted(total)))
    sys.exit(1 if total["runs lost"] or total["runs that differ"] else 0)


def storm(folder, draw, calm):
    """One storm; return its counts."""
    root, count, begin = folder / "sweep", Counter(), time.monotonic()
    with SlurmMachine(folder / "slurm", nodes=3, cpus=2) as slurm:
        command(root)
        events = [controller, urgent, node, requeue, kill, cancel_one, usr2]
        draw.shuffle(events)
        for event in events:
            if not wait_for_running():
                break  # all were quicker than the storm
            time.sleep(draw.uniform(0.5, 6.0))
            event(slurm, root, draw, count)
        for _ in range(REPEATS):
            wait_for(lambda: quiet(slurm, count), "an empty queue", 900)
            if not unfinished(root):
                break
            count["runs that a repeated command finished"] += len(unfinished(root))
            count["repeated commands"] += 1
            command(root)
    finished = [path for path in sorted(root.glob("seed-*")) if (path / "test.json").exists()]
    count["runs finished"] = len(finished)
    count["runs lost"] = RUNS - len(finished)
    count["runs that differ"] = sum(not same(path, calm / path.name) for path in finished)
    for path in finished:
        events = read_attempts(path)
        starts = [event for event in events if event.event == "start" and event.process != "script"]
        count["attempts"] += len(starts)
        count["runs with several attempts"] += len(starts) > 1
        for status in ("73", "75", "137", "140"):
            count[f"ends with {status}"] += sum(
                event.status == status and event.process == "script" and event.event == "end" for event in events
            )
    seconds = time.monotonic() - begin
    say(f"{folder.name}: {seconds:.0f} s, " + ", ".join(f"{count[name]} {name}" for name in sorted(count)))
    return count


def command(root):
    """Type the command."""
    result = subprocess.run([*SWEEP, "--out", str(root), *JOBS], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        say(f"the command failed: {result.stderr}")


def unfinished(root):
    return [state for state in states_of(root)[0] if state.word != "finished"]


def running():
    """Return the tasks at work; none while the controller does not answer."""
    try:
        return [task for task in queued_tasks() if task.state == "RUNNING"]
    except Exception as error:
        say(str(error))
        return []


def wait_for_running():
    """Wait for a task at work; return whether there is one."""
    for _ in range(300):
        if running():
            return True
        if not queued_tasks():
            return False
        time.sleep(0.2)
    return False


def quiet(slurm, count):
    """Whether the queue is empty; nodes that Slurm drained are resumed, held tasks released, as an operator would."""
    nodes, tasks = slurm.let_go_on()
    count["nodes resumed"] += nodes
    count["tasks released"] += tasks
    time.sleep(1)
    return not queued_tasks()


def controller(slurm, root, draw, count):
    slurm.kill_controller()
    time.sleep(draw.uniform(0.5, 4.0))
    slurm.start_controller()
    wait_for(lambda: slurm.node_states(), "the controller")
    count["controllers killed"] += 1


def urgent(slurm, root, draw, count):
    slurm.say(
        *("sbatch", "--partition=urgent", "--array=0-2", "--cpus-per-task=2", "--mem=100M", "--output=/dev/null"),
        "--wrap=sleep 5",
    )
    count["urgent jobs"] += 3


def node(slurm, root, draw, count):
    name = draw.choice(slurm.names)
    slurm.kill_node(name)
    time.sleep(25)  # SlurmdTimeout is 10
    slurm.start_node(name)
    count["nodes dead for 25 s"] += 1


def requeue(slurm, root, draw, count):
    if running():
        subprocess.run(["scontrol", "requeue", draw.choice(running()).id], capture_output=True, check=False)
        count["requeued by hand"] += 1


def kill(slurm, root, draw, count):
    for path in root.glob("seed-*"):
        starts = [event for event in read_attempts(path) if event.event in ("start", "end")]
        if starts and starts[-1].event == "start" and starts[-1].process.isdigit():
            try:
                os.kill(int(starts[-1].process), 9)
            except ProcessLookupError:
                continue
            count["killed by SIGKILL"] += 1
            return


def cancel_one(slurm, root, draw, count):
    tasks = running()
    if tasks:
        slurm.say("scancel", draw.choice(tasks).id)
        count["cancelled"] += 1


def usr2(slurm, root, draw, count):
    tasks = running()
    if tasks:
        subprocess.run(["scancel", "--batch", "--signal=USR2", draw.choice(tasks).id], capture_output=True, check=False)
        count["signalled"] += 1


def same(a, b):
    """Whether two runs have the same numbers, but for the time and the memory that epochs took."""
    checkpoints = ("checkpoint-latest.npz", "checkpoint-best.npz")
    return (
        rows(a) == rows(b)
        and all(arrays(a / name) == arrays(b / name) for name in checkpoints)
        and all((a / name).read_bytes() == (b / name).read_bytes() for name in ("test.json", "gradient_flow.npz"))
    )


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
