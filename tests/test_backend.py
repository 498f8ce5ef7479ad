"""Devices: every way a GPU can be missing is one clear sentence, and nothing imports CuPy unless asked."""

import importlib.metadata
import subprocess
import sys
import types

import numpy as np
import pytest

from mlp import backend
from mlp.errors import DeviceError


def pretend_wheels(monkeypatch, *wheels):
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"cupy": list(wheels)} if wheels else {})


class FakeRuntimeError(RuntimeError):
    pass


def fake_cupy(count=0, error=None):
    """A stand-in for CuPy on a machine with `count` devices, or with a runtime that raises."""

    def get_device_count():
        if error is not None:
            raise FakeRuntimeError(error)
        return count

    def arange(n):
        raise ImportError("libnvrtc.so.13 not found")

    class Device:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    cupy = types.ModuleType("cupy")
    runtime = types.SimpleNamespace(getDeviceCount=get_device_count, CUDARuntimeError=FakeRuntimeError)
    cupy.cuda = types.SimpleNamespace(runtime=runtime, Device=Device)
    cupy.arange = arange
    return cupy


def test_numpy_arrays_live_on_the_cpu():
    x = np.zeros(3)
    assert backend.get_array_module(x) is np
    assert backend.device_of(x) == "cpu"
    assert backend.move(x, "cpu") is x
    assert backend.to_numpy(x) is x
    assert backend.require_device("cpu") is None


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:", "cuda:-1", "CUDA:0", ""])
def test_unknown_devices_are_named(device):
    with pytest.raises(DeviceError, match="write cpu, or cuda:N"):
        backend.require_device(device)


def test_cupy_not_installed(monkeypatch):
    pretend_wheels(monkeypatch)
    with pytest.raises(DeviceError, match=r"CuPy is not installed; .*mlp\[cuda13x\].*'cpu'"):
        backend.require_device("cuda:0")


def test_two_cupy_wheels(monkeypatch):
    pretend_wheels(monkeypatch, "cupy-cuda13x", "cupy-cuda12x")
    assert "cupy-cuda12x and cupy-cuda13x overwrite each other" in backend.gpu_problem()


def test_broken_wheel(monkeypatch):
    pretend_wheels(monkeypatch, "cupy-cuda13x")
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes `import cupy` fail
    assert "does not import" in backend.gpu_problem()


@pytest.mark.parametrize(
    ("cupy", "index", "sentence"),
    [
        (fake_cupy(error="driver too old"), 0, "no usable NVIDIA driver"),
        (fake_cupy(count=1), 1, "there is no device 1"),
        (fake_cupy(count=1), 0, "no kernel runs"),
    ],
)
def test_cupy_without_a_usable_device(monkeypatch, cupy, index, sentence):
    pretend_wheels(monkeypatch, "cupy-cuda13x")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    problem = backend.gpu_problem(index)
    assert sentence in problem
    assert "\n" not in problem


def test_import_mlp_does_not_import_cupy():
    code = "import sys, mlp; sys.exit('cupy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
