"""Starts the same run again and again, and kills it at random moments. A program, for test_interruptions.py:

    python interruptions.py FOLDER KILLS SEED

First FOLDER/whole is run without interruption. Then FOLDER/0 is started, killed, resumed, killed, ..., until it is
done; then FOLDER/1, and so on, until there have been KILLS kills; the last run is resumed to its end. Every other kill
comes from inside: in the middle of writing a file, before it is put on the disk. Prints the number of finished runs.
Children are forked, because importing takes longer than training here.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import mlp.plotting  # noqa: F401 - here, not in each child: it takes a second
from mlp.experiments import run

MODEL = """
from mlp.layers import Affine, Conv2d, Dropout, GlobalAvgPool, ReLU, Sequential

def model(num_classes, seed):
    layers = [Conv2d(3, 4, 3, stride=2), ReLU(), Dropout(0.3), GlobalAvgPool(), Affine(4, num_classes)]
    return Sequential(*layers).initialize(seed)
"""


def settings(folder):
    return {
        "model": f"{folder / 'model.py'}:model",
        "dataset": "synthetic",
        "limit_train": 200,
        "limit_valid": 40,
        "batch_size": 20,
        "epochs": 6,
        "learning_rule": "nesterov",
        "learning_rate": 0.05,
        "schedule": "warm_restarts",
        "schedule_length": 7,
        "schedule_unit": "step",
        "clip_norm": 1.0,
    }


def start(folder, out, kill_at_sync=None):
    """Fork a child that runs or resumes `out`; with kill_at_sync it kills itself at that call of fsync."""
    child = os.fork()
    if child:
        return child
    if kill_at_sync is not None:
        fsync, calls = os.fsync, []

        def deadly(descriptor):
            calls.append(descriptor)
            if len(calls) == kill_at_sync:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(descriptor)

        os.fsync = deadly
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        run(out, settings(folder), resume=True)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)


def finish(child):
    """Wait for a child; return whether it was killed, an error if it failed."""
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        sys.exit("a run failed")
    return os.WIFSIGNALED(status)


def main(folder, kills, seed):
    rng = np.random.default_rng(seed)
    (folder / "model.py").write_text(MODEL)
    begin = time.perf_counter()
    finish(start(folder, folder / "whole"))
    duration = time.perf_counter() - begin
    number = done = 0
    while done < kills:
        inside = done % 2 == 1
        child = start(folder, folder / str(number), int(rng.integers(1, 30)) if inside else None)
        if not inside:
            time.sleep(rng.uniform(0.0, 0.7 * duration))
            os.kill(child, signal.SIGKILL)
        if finish(child):
            done += 1
        else:
            number += 1
    finish(start(folder, folder / str(number)))
    print(number + 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
