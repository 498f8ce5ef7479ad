"""How the C library gives out memory: whether arrays that a step throws away are there for the next one."""

import ctypes
import functools

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of glibc's mallopt(3)
LARGE = 1 << 30  # bytes


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed arrays, and return whether the C library can (glibc: Linux).

    Otherwise glibc hands arrays of some megabytes back to the system and asks for them again, and the system fills
    each page with zeros first: a tenth of a step that makes its arrays anew. The process stays as large as its largest
    moment.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGE)) and bool(mallopt(TRIM_THRESHOLD, LARGE))
