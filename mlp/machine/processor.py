"""What this machine has: its processor, its memory, and how much of it this process has held."""

import math
import os
import platform
import re
import sys
from pathlib import Path

from mlp.backend import parse_device


def peak_memory_mb(device: str = "cpu") -> float:
    """Return the most MB that this process has held so far; NaN where the system does not tell.

    Args:
        device: "cpu" for the resident memory of the process, libraries and images included; "cuda:N" for what CuPy
            has taken of that GPU, which it keeps for its next arrays.
    """
    index = parse_device(device)
    if index is None:
        # getrusage is not asked first: on Linux it counts the process that started this one as well, up to the exec.
        peak = read_kilobytes("/proc/self/status", "VmHWM") or peak_by_getrusage()
    else:
        import cupy

        with cupy.cuda.Device(index):
            peak = int(cupy.get_default_memory_pool().total_bytes())
    return math.nan if peak is None else peak / 1e6


def resident_memory() -> int | None:
    """Return the bytes of memory that this process holds now, libraries and data included; None where it is not known.

    macOS tells only the peak so far.
    """
    return read_kilobytes("/proc/self/status", "VmRSS") or peak_by_getrusage()


def read_kilobytes(path: str, name: str) -> int | None:
    """Return the bytes that a line "Name:  123 kB" of one of Linux' files tells; None without the file or the line."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith(f"{name}:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def peak_by_getrusage() -> int | None:
    """Return the peak in bytes where there is no /proc; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS tells bytes, others kB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory() -> int | None:
    """Return the bytes of memory that are free for new arrays; None if the system does not say."""
    known = [free for free in (free_in_system(), free_in_container()) if free is not None]
    return min(known, default=None)


def free_in_system() -> int | None:
    """Return the free bytes of the whole machine."""
    available = read_kilobytes("/proc/meminfo", "MemAvailable")
    if available is not None:
        return available
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on Windows, and not with this name on macOS
        return None


def free_in_container() -> int | None:
    """Return the bytes that are left of a container's share (Linux control groups), None without a limit."""
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii") for name in ("max", "current"))
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):  # no such files; or "max", which is no limit
        return None


def cpu_model() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()
