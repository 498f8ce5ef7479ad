"""scripts/gpu_check.sh: the table is always printed, last, and says of each part its result or why there is none.

A pretended Python answers for the programs that the script calls.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(not (BASH and shutil.which("timeout")), reason="bash and timeout are needed")

WITH_A_GPU = """#!/bin/sh
case "$*" in
*"-m pytest"*) echo "....F"; echo "1 failed, 4 passed in 2.00s"; exit 1 ;;
*devices.py*) echo "cpu     Pretended, 16 threads"; echo "device  name"; echo "cuda:0  NVIDIA H200   9.0" ;;
*benchmark_gpu.py*)
    echo "| net | variant | precision | ms a step | images/s | mlp cuda / it |"
    echo "| vgg08_bn | mlp cuda | float32 | 2.000 [1.900..2.100] | 50,000 |  |"
    echo "| vgg08_bn | torch eager channels_last | tf32 | 5.000 [5.000..5.000] | 20,000 | 0.40 |"
    echo "| vgg08_bn | torch graph | tf32 | not measured: the time was up. |  |  |" ;;
*train.py*)
    for out; do :; done
    mkdir -p "$out"
    echo "epoch,train_loss,train_acc,val_loss,val_acc,learning_rate,seconds" > "$out/metrics.csv"
    echo "1,4.5,0.01,4.6,0.02,0.001,3.04" >> "$out/metrics.csv"
    echo "2,4.25,0.01,4.6,0.1234,0.001,1.5" >> "$out/metrics.csv" ;;
*benchmark.py*)
    echo "| net | batch | ours, s | ours / torch NCHW | peak MB |"
    echo "| vgg38_bn_rc | 100 | 0.100 [0.1..0.1] | 0.70 [0.6..0.8] | 500 |" ;;
*) echo "Python 3.12" ;;
esac
"""
WITHOUT = """#!/bin/sh
case "$*" in
*devices.py*) echo "cpu     Pretended, 2 threads"; echo "no GPU  there is none: buy one."; exit 1 ;;
*benchmark_gpu.py*) echo "Traceback"; echo "ModuleNotFoundError: No module named 'tqdm'"; exit 1 ;;
*) echo "Python 3.12" ;;
esac
"""


def check(tmp_path, python, cores):
    """Run the script; return its exit status, what it printed, and the table it wrote."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in {"python": python, "nproc": f"#!/bin/sh\necho {cores}\n"}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    out = tmp_path / "out"
    environment = {**os.environ, "OUT": str(out), "PYTHON": str(commands / "python")}
    environment["PATH"] = f"{commands}{os.pathsep}{environment['PATH']}"
    environment.pop("MLP_DATA_DIR", None)
    command = [BASH, str(ROOT / "scripts" / "gpu_check.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    table = (out / "gpu_check.md").read_text()
    assert done.stdout.endswith(table)
    assert done.stderr == ""
    return done.returncode, table.splitlines()


def test_its_syntax():
    assert subprocess.run([BASH, "-n", str(ROOT / "scripts" / "gpu_check.sh")], check=False).returncode == 0


def test_with_a_gpu(tmp_path):
    status, table = check(tmp_path, WITH_A_GPU, cores=16)
    assert status == 1  # a test failed
    assert table == [
        "| what | result |",
        "| --- | --- |",
        "| GPU | cuda:0 NVIDIA H200 9.0 |",
        "| CPU | Pretended, 16 threads |",
        "| versions | Python 3.12 |",
        "| GPU tests | 1 failed, 4 passed in 2.00s |",
        "| vgg08_bn, batch 100, float32: mlp cuda | 2.000 [1.900..2.100] ms a step |",
        "| vgg08_bn, batch 100, tf32: torch eager channels_last | 5.000 [5.000..5.000] ms a step; "
        "mlp cuda takes 0.40 of it |",
        "| vgg08_bn, batch 100, tf32: torch graph | not measured: the time was up. |",
        "| training of VGG38 BN+RC, synthetic | 2 epochs, 3.0 1.5 s; training loss 4.250, validation accuracy 12.3% |",
        "| CPU, VGG38 BN+RC, batch 100, 16 threads | ours, s 0.100 [0.1..0.1]; ours / torch NCHW 0.70 [0.6..0.8]; "
        "peak MB 500 |",
    ]


def test_without_one_and_with_packages_missing(tmp_path):
    status, table = check(tmp_path, WITHOUT, cores=2)
    assert status == 1
    results = dict(line.strip("| ").split(" | ") for line in table[2:])
    for what in ("GPU", "GPU tests", "training of VGG38 BN+RC, synthetic"):
        assert results[what] == "not measured: there is none: buy one."
    assert results["GPU benchmark"] == "not measured: ModuleNotFoundError: No module named 'tqdm'"
    assert results["CPU, VGG38 BN+RC, batch 100, 2 threads"].startswith("not measured: ")
