"""NumPy's library for matrix products (BLAS): which one it is, and how many threads it uses.

Only the package threadpoolctl can ask the library, or tell it to use fewer threads. Without it all other parts of `mlp`
work, and so does the cpu engine if BLAS was started with one thread: OPENBLAS_NUM_THREADS=1.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

from mlp.errors import ConfigurationError

# These libraries start a thread for each core of the machine unless one of these is set.
THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class BlasThreads:
    """The threads of BLAS itself.

    Raises:
        ConfigurationError: threadpoolctl is missing, and BLAS was not started with one thread.
    """

    def __init__(self) -> None:
        package = import_threadpoolctl()
        if package is None and os.environ.get("OPENBLAS_NUM_THREADS") != "1":
            raise ConfigurationError(
                "the cpu engine needs the package threadpoolctl, which is not installed: python -m pip install "
                "threadpoolctl; or set OPENBLAS_NUM_THREADS=1, or choose the engine 'textbook'"
            )
        self.controller = package and package.ThreadpoolController().select(user_api="blas")

    def held_to_one(self) -> AbstractContextManager[object]:
        """Return a context within which BLAS uses one thread."""
        return self.controller.limit(limits=1) if self.controller else nullcontext()


def blas_kernels() -> str:
    """Return a text that says which kernels compute matrix products: "openblas 0.3.30 SkylakeX"."""
    texts = [f"{b['internal_api']} {b['version']} {b.get('architecture', '')}".strip() for b in blas_libraries()]
    return ", ".join(texts) or "unknown BLAS"


def blas_threads() -> int | None:
    """Return how many threads BLAS uses; None where that cannot be found out."""
    return max((library["num_threads"] for library in blas_libraries()), default=None)


def blas_libraries() -> list[dict[str, Any]]:
    """Return what threadpoolctl knows about each BLAS in this process; [] where the package is missing."""
    package = import_threadpoolctl()
    return [library for library in package.threadpool_info() if library["user_api"] == "blas"] if package else []


def import_threadpoolctl() -> ModuleType | None:
    """Return the package threadpoolctl; None where it is not installed."""
    try:
        import threadpoolctl
    except ImportError:
        return None
    return threadpoolctl
