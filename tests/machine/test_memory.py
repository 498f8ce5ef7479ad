"""Memory of freed arrays stays with the process, where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

from mlp.machine.memory import keep_freed_memory

CODE = """
import resource
import numpy as np
from mlp.machine.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    arrays = [np.ones(3_000_000, np.float32) for _ in range(4)]
step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pages_are_not_asked_for_again():
    assert keep_freed_memory()
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", CODE.format(keep=keep)], text=True))
        for keep in (True, False)
    )
    assert kept < 100 < given_back
