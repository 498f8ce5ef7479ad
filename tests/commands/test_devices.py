"""What scripts/devices.py says with and without a GPU."""

import pytest

from mlp.commands import devices
from mlp.machine.cuda_devices import GpuCard

TWO = [
    GpuCard("cuda:0", "NVIDIA H200", 140_000_000_000, 150_000_000_000, "9.0", "13.0", "13.2"),
    GpuCard("cuda:1", "NVIDIA T4", 1_000_000_000, 16_000_000_000, "7.5", "13.0", "13.2"),
]


@pytest.mark.parametrize(("flags", "status"), [([], 0), (["--require-gpu"], 1)])
def test_without_a_gpu(flags, status, monkeypatch, capsys):
    monkeypatch.setattr(devices, "gpu_problem", lambda index=0: "there is none: buy one.")
    assert devices.main(flags) == status
    cpu, blas, gpu = capsys.readouterr().out.splitlines()
    assert cpu.startswith("cpu ")
    assert "for this process" in cpu
    assert "NumPy" in blas
    assert gpu == "no GPU  there is none: buy one."


def test_with_two_gpus_of_which_one_is_busy(monkeypatch, capsys):
    monkeypatch.setattr(devices, "gpu_problem", lambda index=0: "busy." if index else None)
    monkeypatch.setattr(devices, "list_gpus", lambda: TWO)
    assert devices.main(["--require-gpu"]) == 0
    *_, header, first, second, _, hint = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["device", "name"]
    assert " ".join(first.split()) == "cuda:0 NVIDIA H200 140.0 of 150.0 GB 9.0 CUDA 13.0 13.2"
    assert second.endswith("busy.")
    assert "--device cuda:0" in hint


@pytest.mark.gpu
def test_the_gpu_that_is_here(capsys):
    assert devices.main(["--require-gpu"]) == 0
    assert "cuda:0" in capsys.readouterr().out
