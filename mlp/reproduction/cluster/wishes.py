"""What a task asks the cluster for: time, cores, memory, and the margin before the time limit."""

from contextlib import suppress
from dataclasses import dataclass

from mlp.checks import at_least, at_least_one
from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments.record import read_metrics
from mlp.reproduction.cluster.slurm import seconds_of
from mlp.reproduction.index import RunIndex

MARGIN = 300  # seconds before the time limit, as long as no epoch has ended yet
BESIDE_THE_EPOCH = 60  # seconds: Slurm may be late, and after an epoch files are written


@dataclass(frozen=True)
class Wishes:
    """What a task asks the cluster for.

    Attributes:
        time: the limit, as Slurm writes it; "" for that of the partition. cores, memory, gpus: of each task.
        partition: "" for the default. sbatch: other options for it, each a string of its own.
        margin: seconds before the limit at which a run is asked to end; None for an epoch and a minute.
        at_once: how many tasks may run at a time; None for no limit of ours.
        runs_per_task: how many runs a task does, one after the other.
    """

    time: str = ""
    cores: int = 1
    memory: str = "4G"
    gpus: int = 0
    partition: str = ""
    sbatch: tuple[str, ...] = ()
    margin: int | None = None
    at_once: int | None = None
    runs_per_task: int = 1

    def __post_init__(self) -> None:
        at_least_one("--cores", self.cores)
        at_least_one("--jobs", 1 if self.at_once is None else self.at_once)
        at_least_one("--runs-per-task", self.runs_per_task)
        at_least("--gpus", self.gpus, 0)
        at_least("--margin", self.margin or 0, 0)
        limit = seconds_of(self.time) if self.time else None
        if limit is not None and self.margin is not None and self.margin >= limit:
            raise ConfigurationError(f"--margin {self.margin} leaves nothing of --time {self.time} ({limit} s)")


def longest_epoch(index: RunIndex) -> float | None:
    """Return the seconds of the longest epoch of all runs of an index; None before the first epoch."""
    seconds: list[float] = []
    for folder in index.folders:
        with suppress(CheckpointError):  # it is damaged
            seconds += [row["seconds"] for row in read_metrics(folder / "metrics.csv") if "seconds" in row]
    return max(seconds, default=None)


def margin_of(wishes: Wishes, epoch: float | None) -> int:
    """Return how many seconds before the limit a run is asked to end."""
    if wishes.margin is not None:
        return wishes.margin
    margin = MARGIN if epoch is None else round(epoch) + BESIDE_THE_EPOCH
    return min(margin, seconds_of(wishes.time) // 2) if wishes.time else margin


def warnings_of(wishes: Wishes, epoch: float | None) -> list[str]:
    """Return warnings if an epoch will not fit into a job, or not between the signal and the limit."""
    if not wishes.time or epoch is None:
        return []
    left = seconds_of(wishes.time) - (wishes.margin or 0)
    lines = []
    if epoch > left:
        lines.append(
            f"warning: an epoch took up to {epoch:.0f} s, and the signal comes after {left} s: ask for a longer --time"
        )
    if epoch > (wishes.margin or 0):
        lines.append(
            f"warning: an epoch took up to {epoch:.0f} s, and the signal comes {wishes.margin} s before the limit: the "
            "last epoch of a job may be lost"
        )
    return lines
