"""Where runs are computed on this machine: which cores and which GPU each of them gets."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlp.backend import parse_device
from mlp.engine.cpu.threads import at_once, usable_cores
from mlp.errors import ConfigurationError


@dataclass(frozen=True)
class Place:
    """What one run at a time gets of the machine: its cores, and the number of its GPU ("" for none)."""

    cores: list[int]
    gpu: str = ""


def share_machine(jobs: int | None = None, devices: Sequence[str] = ()) -> list[Place]:
    """Return the Places of so many jobs at once, by default one for each of the devices, or one.

    Cores are shared as equally as possible; with more jobs than cores, some jobs share one. Devices are taken in turn.
    If the system does not say which cores this process may use, they are numbered from 0.

    Raises:
        ConfigurationError: fewer than one job or far too many, or a device that is not a GPU.
    """
    jobs = max(1, len(devices)) if jobs is None else jobs
    at_once("--jobs", jobs)
    if "cpu" in devices:
        raise ConfigurationError("--devices is for GPUs: cuda:0 cuda:1 ...; leave it out to compute on the CPU")
    gpus = [str(parse_device(device)) for device in devices] or [""]
    return [Place(cores, gpus[job % len(gpus)]) for job, cores in enumerate(share_cores(jobs))]


def share_cores(jobs: int) -> list[list[int]]:
    """Return for each job the cores it gets."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(usable_cores()))
    if jobs >= len(cores):
        return [[cores[job % len(cores)]] for job in range(jobs)]
    each, more = divmod(len(cores), jobs)
    starts = [job * each + min(job, more) for job in range(jobs + 1)]
    return [cores[begin:end] for begin, end in pairwise(starts)]


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this thread on some cores for a while. Processes that it starts meanwhile stay on them to their end."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        with contextlib.suppress(OSError):  # some systems do not allow it
            os.sched_setaffinity(0, cores)
        yield
    finally:
        os.sched_setaffinity(0, before)
