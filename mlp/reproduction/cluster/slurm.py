"""The few commands of Slurm that we need, and how to read their answers."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlp.errors import ConfigurationError, MlpError

TIMEOUT = 120.0  # seconds that a command may take
LARGEST_ARRAY = 1001  # Slurm's default of MaxArraySize: the largest index is one less


@dataclass(frozen=True)
class Task:
    """A task of an array that Slurm knows of.

    Attributes:
        id: of job and task, "17_4". state: RUNNING, PENDING, COMPLETING, ... reason: why it waits.
        script: the file that sbatch was given.
    """

    id: str
    state: str
    reason: str
    script: Path

    @property
    def number(self) -> int:
        """The number of the task in its array."""
        return int(self.id.partition("_")[2])

    @property
    def held(self) -> bool:
        """Whether it waits until somebody releases it."""
        return self.state == "PENDING" and "held" in self.reason.lower()


def command(*words: str) -> str:
    """Run a command of Slurm and return what it prints.

    Raises:
        ConfigurationError: there is no Slurm here. MlpError: the command failed, with what it said.
    """
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no {words[0]} on this machine: --cluster slurm works where Slurm's commands are, mostly on the "
            "login node of a cluster"
        ) from None
    except subprocess.TimeoutExpired:
        raise MlpError(f"{words[0]} did not answer within {TIMEOUT:.0f} s: try again later") from None
    if result.returncode != 0:
        said = " ".join((result.stderr or result.stdout).split())[:500]
        raise MlpError(f"{words[0]} failed: {said or f'exit status {result.returncode}'}")
    return result.stdout


def submit_script(script: Path) -> str:
    """Give a script to sbatch; return the id of its job."""
    return command("sbatch", "--parsable", str(script)).strip().partition(";")[0]


def queued_tasks() -> list[Task]:
    """Return the tasks of this user's arrays that wait, run or are about to end."""
    tasks = []
    for line in command("squeue", "--me", "-r", "-h", "-o", "%i|%T|%r|%o").splitlines():
        parts = line.split("|", 3)
        if len(parts) == 4 and re.fullmatch(r"\d+_\d+", parts[0]):
            tasks.append(Task(parts[0], parts[1], parts[2], Path(parts[3])))
    return tasks


def cancel_tasks(tasks: Sequence[Task]) -> None:
    """Cancel tasks."""
    for begin in range(0, len(tasks), 500):  # a command line may not be too long
        command("scancel", *(task.id for task in tasks[begin : begin + 500]))


def largest_array() -> int:
    """Return how many tasks an array may have."""
    try:
        said = command("scontrol", "show", "config")
    except MlpError:  # sbatch will say so if the array is too large
        return LARGEST_ARRAY
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", said, re.MULTILINE)
    return max(1, int(match.group(1))) if match else LARGEST_ARRAY


def seconds_of(time: str) -> int:
    """Return a time limit in seconds, read as Slurm does: 90 (minutes), 1:30, 2:00:00, 1-12 (days-hours), 1-12:00:00.

    Raises:
        ConfigurationError: it is not a time.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", time)
    if match is None:
        raise ConfigurationError(f"--time must be minutes, hours:minutes:seconds or days-hours, got {time!r}")
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:  # minutes[:seconds]
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
