"""Stands in for scripts/train.py in jobs: the same files, exit statuses and signals, and nothing to wait for but time.

An epoch takes --limit-train milliseconds, and what comes before the first takes --batch-size. The numbers of an epoch
follow from the seed and the epoch alone.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

words = sys.argv[1:]
given = {words[i]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
folder = Path(given["--out"])
seed, epochs, milliseconds, startup = (
    int(given.get(name, 0)) for name in ("--seed", "--epochs", "--limit-train", "--batch-size")
)
asked = []
signal.signal(signal.SIGUSR2, lambda number, frame: asked.append(number))

attempts = open(folder / "attempts.tsv", "a")  # noqa: SIM115
try:
    fcntl.flock(attempts, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("another run is writing there")
    sys.exit(73)


def note(event, status=""):
    host, job = os.environ.get("SLURMD_NODENAME", "here"), os.environ.get("SLURM_ARRAY_JOB_ID", "")
    job += "_" + os.environ.get("SLURM_ARRAY_TASK_ID", "")
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    attempts.write("\t".join([when, event, status, host, str(os.getpid()), job, str(done)]) + "\n")
    attempts.flush()


def write(name, text):
    (folder / f"{name}.part").write_text(text)
    os.replace(folder / f"{name}.part", folder / name)


metrics = folder / "metrics.csv"
lines = (
    metrics.read_text().splitlines() if metrics.exists() else ["epoch,train_loss,train_acc,val_loss,val_acc,seconds"]
)
done = len(lines) - 1
note("start")
settings = {"seed": seed, "epochs": epochs, "limit_train": milliseconds, "batch_size": startup or 100}
time.sleep(startup / 1000)
write("config.json", json.dumps({"settings": settings}))
while done < epochs:
    if asked:
        note("end", "75")
        print(f"stopped after epoch {done}")
        sys.exit(75)
    time.sleep(milliseconds / 1000)
    done += 1
    lines.append(f"{done},{seed + done}.5,0.1,2.0,0.{seed}{done},{milliseconds / 1000}")
    write("metrics.csv", "\n".join(lines) + "\n")
write("test.json", json.dumps({"test_loss": 1.0, "test_acc": 0.5, "best_epoch": done, "images": 10}))
note("end", "0")
