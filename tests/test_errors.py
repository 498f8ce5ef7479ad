"""How an error is told, whatever it is: where memory is short, too."""

import sysconfig

import numpy as np
import pytest

from mlp.errors import as_sentence, out_of_memory


def raised(error):
    """The error with the traceback of somebody who held a large array."""
    held = np.zeros(1000)
    try:
        raise error
    except BaseException as caught:
        assert held.size == 1000
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libjpeg-6dc8d115.so: failed to map segment from shared object"),
        ImportError("libx.so: cannot allocate memory in static TLS block"),
        SystemError("<built-in function compile> returned NULL without setting an exception"),
        MemoryError("Unable to allocate 34.3 MiB"),
        MemoryError(),
    ],
)
def test_missing_memory_is_called_so_whatever_was_being_done(error):
    assert out_of_memory(error)
    assert as_sentence(raised(error)).startswith("not enough memory")


@pytest.mark.parametrize("error", [ImportError("No module named 'nowhere'"), SystemError("bad call"), OSError("x")])
def test_other_errors_are_not_about_memory(error):
    assert not out_of_memory(error)
    assert "memory" not in as_sentence(raised(error))


def test_the_sentence_needs_no_memory_and_gives_back_what_the_failed_call_held(monkeypatch):
    error = raised(MemoryError("Unable to allocate 34.3 MiB"))

    def none_left():
        raise MemoryError

    monkeypatch.setattr(sysconfig, "get_paths", none_left)
    assert as_sentence(error) == "not enough memory: Unable to allocate 34.3 MiB"
    assert "held" not in error.__traceback__.tb_frame.f_locals
