"""BLAS' threads, with and without the package that can ask for them."""

import sys

import pytest

from mlp.engine import CpuEngine, TextbookEngine, make_engine
from mlp.engine.cpu.blas import BlasThreads, blas_kernels
from mlp.errors import ConfigurationError


@pytest.fixture
def without_threadpoolctl(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)  # makes the import fail
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)


def test_threads_are_held_to_one():
    from threadpoolctl import threadpool_info

    with BlasThreads().held_to_one():
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} <= {1}
    assert blas_kernels()


def test_the_cpu_engine_says_what_is_missing(without_threadpoolctl):
    with pytest.raises(ConfigurationError, match="needs the package threadpoolctl.*or choose the engine 'textbook'"):
        make_engine("cpu")
    assert isinstance(make_engine("textbook"), TextbookEngine)
    assert blas_kernels() == "unknown BLAS"


def test_one_thread_from_the_start_will_do(without_threadpoolctl, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    with CpuEngine(1).blas.held_to_one():
        pass
