"""Every way in which a GPU can be missing is one sentence that says what to type; nothing imports CuPy unless asked.

The states are made of fake packages: a folder with a package `cupy` and the metadata of one wheel or two, put on
sys.path in the place of what is installed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlp import backend
from mlp.commands.command_line import run_command
from mlp.errors import DeviceError
from mlp.layers import Affine
from mlp.machine import cuda_devices

ROOT = Path(__file__).resolve().parents[1]

# A package with as much of CuPy as is asked about; each state fills in what happens.
FAKE = """
{importing}
from types import SimpleNamespace

class CUDARuntimeError(RuntimeError):
    pass

class CompileException(Exception):
    pass

def count():
    {counting}

def arange(n):
    {kernel}
    import numpy
    return Numbers(numpy.arange(n))

class Numbers:
    def __init__(self, held):
        self.held = held
    def __add__(self, other):
        return Numbers(self.held + other)
    def sum(self):
        return self
    def get(self):
        return self.held

class Device:
    current = None
    def __init__(self, index):
        self.index = index
    def __enter__(self):
        return self
    def __exit__(self, *_):
        return False
    def use(self):
        Device.current = self.index

def properties(index):
    return {{"name": b"NVIDIA H200", "major": 9, "minor": 0}}

runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError, getDeviceCount=count, driverGetVersion=lambda: {driver},
    runtimeGetVersion=lambda: 13020, getDeviceProperties=properties, memGetInfo=lambda: (100 * 10**9, 150 * 10**9),
)
cuda = SimpleNamespace(runtime=runtime, Device=Device)
__version__ = "14.2.0"
"""

TOO_OLD = 'raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")'
NO_DEVICE = 'raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")'
NVRTC = 'raise RuntimeError("Failure finding libnvrtc.so.13: No such file: libnvrtc.so.13\\n")'
HEADERS = 'raise CompileException("error: cannot open source file cuda_fp16.h\\n1 error detected")'
LOADER = 'raise ImportError("\\n=====\\nFailed to import CuPy.\\n\\nOriginal error:\\n  libX.so is gone\\n=====\\n")'


def put_on_path(monkeypatch, folder, wheels=("cupy-cuda13x",), files=True, driver=13000, **lines):
    """Make `folder` the place where packages are found, with the metadata of `wheels` and perhaps a package cupy."""
    given = {"importing": "", "counting": "return 2", "kernel": "", "driver": driver, **lines}
    if files:
        (folder / "cupy").mkdir(parents=True)
        (folder / "cupy" / "__init__.py").write_text(FAKE.format(**given))
    for wheel in wheels:
        info = folder / f"{wheel.replace('-', '_')}-14.2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wheel}\nVersion: 14.2.0\n")
        (info / "top_level.txt").write_text("cupy\ncupyx\n")
        (info / "RECORD").write_text("cupy/__init__.py,,\n")
    own = [path for path in sys.path if "site-packages" not in path and "dist-packages" not in path]
    monkeypatch.setattr(sys, "path", [str(folder), *own])
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(cuda_devices, "driver_version", lambda: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A function that makes a state, with the arguments of `put_on_path`."""
    backend.check_gpu.cache_clear()
    yield lambda **state: put_on_path(monkeypatch, tmp_path / "packages", **state)
    backend.check_gpu.cache_clear()
    sys.modules.pop("cupy", None)


NOTHING = {"wheels": (), "files": False}
STATES = {
    "not installed": (NOTHING, "^CuPy is not installed: pip install cupy-cuda13x, which fits the driver .CUDA 13.0.*"),
    "not installed, CUDA 12": ({**NOTHING, "driver": 12040}, "pip install cupy-cuda12x, which fits .* .CUDA 12.4.*"),
    "not installed, CUDA 11": (
        {**NOTHING, "driver": 11080},
        "needs a newer driver than one for CUDA 11.8: run on 'cpu'",
    ),
    "nothing at all": ({**NOTHING, "driver": 0}, "^neither CuPy nor an NVIDIA driver is installed: run on 'cpu'; or "),
    "two wheels": (
        {"wheels": ("cupy-cuda13x", "cupy-cuda12x")},
        "^cupy-cuda12x and cupy-cuda13x are both installed .* files: pip uninstall -y cupy-cuda12x cupy-cuda13x, "
        "then pip install cupy-cuda13x.$",
    ),
    "one of two uninstalled": (
        {"files": False},
        "^cupy-cuda13x is registered but its files are gone.*: pip install --force-reinstall --no-deps cupy-cuda13x.$",
    ),
    "does not load": (
        {"importing": LOADER},
        "^cupy-cuda13x is installed but cannot be imported .ImportError: libX.so is gone.: pip install --force",
    ),
    "another package is missing": (
        {"importing": "import cuda_pathfinder_that_is_not_there"},
        "cannot be imported .ModuleNotFoundError: No module named 'cuda_pathfinder_that_is_not_there'.: pip install",
    ),
    "an empty folder is left": ({"importing": "raise AttributeError('no attribute cuda')"}, "cannot be imported"),
    "no driver": (
        {"driver": 0, "counting": TOO_OLD},
        "^cupy-cuda13x is installed but there is no NVIDIA driver .*'cpu'",
    ),
    "driver too old": (
        {"driver": 12040, "counting": TOO_OLD},
        "supports CUDA 12.4, which is too old for cupy-cuda13x .CUDA 13.2.: update the driver, or "
        "pip uninstall -y cupy-cuda13x and pip install cupy-cuda12x.$",
    ),
    "driver far too old": ({"driver": 11040, "counting": TOO_OLD}, "too old for .*: update the driver.$"),
    "no device": (
        {"counting": NO_DEVICE},
        "^there is a driver but no GPU to be seen: see whether nvidia-smi lists one",
    ),
    "no device, another way": ({"counting": "return 0"}, "^there is a driver but no GPU to be seen"),
    "a driver in trouble": (
        {"counting": 'raise CUDARuntimeError("cudaErrorUnknown: unknown error")'},
        "lists no devices .CUDARuntimeError: cudaErrorUnknown: unknown error.: see whether nvidia-smi works",
    ),
    "no compiler": (
        {"kernel": NVRTC},
        "^device 0 is there, but the CUDA toolkit .* missing .*libnvrtc.so.13.*: pip install 'cupy-cuda13x.ctk.'.$",
    ),
    "no headers": ({"kernel": HEADERS}, "the CUDA toolkit that compiles kernels is missing or incomplete"),
    "no compiler, CuPy of unknown origin": ({"kernel": NVRTC, "wheels": ()}, "pip install 'cupy-cuda13x.ctk.'"),
    "busy": (
        {"kernel": 'raise CUDARuntimeError("cudaErrorDevicesUnavailable: busy or unavailable")'},
        "^device 0 is there, but a first kernel fails .*DevicesUnavailable.*: see in nvidia-smi whether another",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_one_sentence_with_what_to_do(state, place):
    settings, sentence = STATES[state]
    place(**settings)
    problem = cuda_devices.gpu_problem()
    assert "\n" not in problem
    assert problem.endswith(".")
    with pytest.raises(DeviceError, match="device 'cuda:0' cannot be used: ") as failure:
        backend.require_device("cuda:0")
    assert str(failure.value).endswith(problem)
    assert re.search(sentence, problem), problem


def test_no_device_because_of_a_variable(place, monkeypatch):
    place(counting=NO_DEVICE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "no GPU to be seen (CUDA_VISIBLE_DEVICES is ''): unset it" in cuda_devices.gpu_problem()


def test_a_number_out_of_range(place, monkeypatch):
    place()
    assert cuda_devices.gpu_problem(1) is None
    assert cuda_devices.gpu_problem(2) == "there is no device 2, only cuda:0 to cuda:1: choose one of these."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert "only cuda:0 to cuda:1 (CUDA_VISIBLE_DEVICES is '3,5')" in cuda_devices.gpu_problem(2)


def test_a_device_that_works_is_asked_once_and_becomes_the_current_one(place, monkeypatch):
    place()
    backend.require_device("cuda:1")
    assert sys.modules["cupy"].cuda.Device.current == 1
    monkeypatch.setattr(backend, "gpu_problem", None)  # not called again
    backend.require_device("cuda:1")


def test_a_state_that_was_mended_is_seen(place, monkeypatch, tmp_path):
    place(**NOTHING)
    with pytest.raises(DeviceError):
        backend.require_device("cuda:0")
    put_on_path(monkeypatch, tmp_path / "others")
    backend.require_device("cuda:0")


def test_a_list_of_what_there_is(place):
    place()
    first, second = cuda_devices.list_gpus()
    assert (first.device, second.device, first.name, first.capability) == ("cuda:0", "cuda:1", "NVIDIA H200", "9.0")
    assert (first.free, first.total, first.driver, first.runtime) == (100 * 10**9, 150 * 10**9, "13.0", "13.2")


def test_the_driver_is_asked_without_cupy():
    version = cuda_devices.driver_version()
    assert version == 0 or 9000 < version < 30000


# --- where the sentence shows --------------------------------------------------------------------------------------


def test_moving_a_model_says_it(place):
    place(**NOTHING)
    model = Affine(2, 3)
    with pytest.raises(DeviceError, match="device 'cuda:0' cannot be used: CuPy is not installed"):
        model.to("cuda:0")
    assert isinstance(model.weight.data, np.ndarray)


def test_a_run_says_it_before_anything_is_written(place, monkeypatch, tmp_path, capsys):
    place(**NOTHING)
    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["train.py", "--device", "cuda:0", "--dataset", "synthetic", "--out", str(out)])
    assert run_command("train") == 2
    assert capsys.readouterr().err.startswith("train.py: device 'cuda:0' cannot be used: CuPy is not installed")
    assert not out.exists()


USE_THE_CPU = """
import sys
import mlp, mlp.experiments, mlp.engine
for engine in ("textbook", "cpu"):
    train, valid = mlp.data.synthetic(num_train=8, num_test=4, image_size=8, num_classes=3)
    model = mlp.models.vgg(depth=8, filters=2, num_classes=3, norm="batch")
    trainer = mlp.training.Trainer(
        model, mlp.losses.SoftmaxCrossEntropy(), mlp.learning_rules.Adam(), hooks=mlp.diagnostics.all_statistics(),
        engine=engine, threads=1,
    )
    trainer.fit(mlp.data.Batches(train, 4), mlp.data.Batches(valid, 4))
model.to("cpu").state_dict()
sys.exit(any(name in sys.modules for name in ("cupy", "torch")))
"""


def test_cupy_is_not_imported_unless_a_device_asks_for_it(tmp_path, monkeypatch):
    """Not by the package, and not by training on the CPU; a package that could be imported is there."""
    put_on_path(monkeypatch, tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    assert subprocess.run([sys.executable, "-c", USE_THE_CPU], check=False, env=environment).returncode == 0
