"""What all tests share."""

import functools
import os
import signal
import warnings
from collections import Counter

# Before NumPy is loaded: BLAS' threads gain nothing in matrices as small as those of the tests, and while they spin
# they take the cores from everything else that runs. Programs that tests start inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from mlp.machine.cuda_devices import gpu_problem

pytest_plugins = ["run_fixtures"]
EACH = 5  # `make test` runs one of so many cases of a test that is marked `sampled`


@functools.cache
def no_gpu_because():
    """Return why there is no GPU, None if there is one; what CuPy warns of at its import is not an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        return gpu_problem()


def pytest_configure(config):
    """Let signals act, also where the tests were started in the background, with SIGINT or (nohup) SIGHUP ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # programs that tests start inherit it


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark all cases of a sampled test but every fifth one as slow."""
    seen = Counter()
    for item in items:
        if item.get_closest_marker("sampled"):
            place = item.path, item.originalname
            if seen[place] % EACH:
                item.add_marker(pytest.mark.slow)
            seen[place] += 1


def pytest_runtest_setup(item):
    """Skip tests that need a GPU where there is none, with the sentence that a user would get."""
    if item.get_closest_marker("gpu") and no_gpu_because():
        pytest.skip(no_gpu_because())


@pytest.fixture(scope="session")
def library_folder(request, tmp_path_factory):
    """Where emulated kernels, compiled for the CPU, are kept from one run of the tests to the next."""
    cache = getattr(request.config, "cache", None)
    return cache.mkdir("cuda_emulation") if cache else tmp_path_factory.mktemp("cuda_emulation")
