"""scripts/gpu_check.sh: whatever happens, the table has what was measured, and says why the rest was not.

First with a pretended Python that answers at once for the programs that the stages call; then, slowly, with the
programs themselves on the emulated device, to their end and interrupted at half of that time.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import gpu_check_tools
import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(not (BASH and os.name == "posix"), reason="bash and process groups are needed")

WITH_A_GPU = """#!/bin/sh
case "$*" in
*"-m pytest"*|*pytest.main*) echo "tests/a.py::test_a PASSED [ 50%]"; echo "tests/a.py::test_b FAILED [100%]"
    echo "FAILED tests/a.py::test_b"; echo "========= ERROR SUMMARY: 0 errors"; exit 1 ;;
*devices.py*) echo "cpu     Pretended, 16 threads"; echo "device  name"; echo "cuda:0  NVIDIA H200   9.0" ;;
*load_kernels*) echo "compiled in 5.0 s" ;;
*benchmark_gpu.py*)
    echo '[{"net": "n", "variant": "mlp cuda", "precision": "float32", "seconds": [0.002, 0.003, 0.0019], "ratio": null,
    "problem": null}, {"net": "n", "variant": "torch compile", "precision": "tf32", "seconds": [0.004], "ratio": 0.5,
    "problem": null}, {"net": "n", "variant": "torch graph", "precision": "tf32", "seconds": [], "ratio": null,
    "problem": "no | luck."}]' > "$(echo "$*" | sed 's/.*--json \\([^ ]*\\).*/\\1/')" ;;
*benchmark_gpu_kernels.py*)
    echo '{"step_ms": 2.5, "kernels": [{"kernel": "a", "in_a_step": 2, "us": 10.0},
    {"kernel": "b", "in_a_step": 1, "us": 700.0}, {"kernel": "a", "in_a_step": 1, "us": 30.0}]}' \\
    > "$(echo "$*" | sed 's/.*--json \\([^ ]*\\).*/\\1/')" ;;
*train.py*)
    for out; do :; done
    mkdir -p "$out"
    echo "epoch,train_loss,train_acc,val_loss,val_acc,learning_rate,seconds" > "$out/metrics.csv"
    echo "1,4.5,0.01,4.6,0.02,0.001,$$" >> "$out/metrics.csv"
    echo "2,4.25,0.01,4.6,0.1234,0.001,1.5" >> "$out/metrics.csv" ;;
esac
"""
WITHOUT = """#!/bin/sh
case "$*" in
*devices.py*) echo "cpu     Pretended, 2 threads"; echo "no GPU  there is none: buy one."; exit 1 ;;
*benchmark_gpu.py*) echo "Traceback"; echo "ModuleNotFoundError: No module named 'tqdm'"; exit 1 ;;
esac
"""


def environment(tmp_path, **more):
    kept = {name: value for name, value in os.environ.items() if name not in ("MLP_DATA_DIR", "PYTHONPATH")}
    return {**kept, "OUT": str(tmp_path / "out"), **more}


def check(tmp_path, python, *stages):
    """Run the stages with a pretended Python; return the exit status and {(stage, what): result}."""
    with started(tmp_path, python, *stages) as process:
        status = process.wait()
    return status, rows(tmp_path)


@contextmanager
def started(folder, python, *arguments, **more):
    """Start the check, with a pretended Python if one is given; what it says goes to the file `said`."""
    folder.mkdir(exist_ok=True)
    used = real = sys.executable
    if python:
        used = folder / "python"
        used.write_text(python.replace('case "$*" in', f'case "$*" in\n*gpu_check.py*) exec {real} "$@" ;;', 1))
        used.chmod(0o755)
    command = [BASH, str(ROOT / "scripts" / "gpu_check.sh"), *arguments]
    given = environment(folder, PYTHON=str(used), **more)
    with (folder / "said").open("w") as said, (folder / "errors").open("w") as errors:
        process = subprocess.Popen(command, env=given, stdout=said, stderr=errors)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # it ends what it has started
                process.wait(60)
    assert (folder / "errors").read_text() == ""


def wait_until(condition, process):
    """Wait until a condition holds; a process that ends before that is a failure."""
    while not condition():
        assert process.poll() is None, "it ended before"
        time.sleep(0.1)


def rows(tmp_path):
    lines = (tmp_path / "out" / "gpu_check.md").read_text().splitlines()
    assert lines[:2] == ["| stage | what | result |", "| --- | --- | --- |"]
    cells = [line.strip("| ").split(" | ") for line in lines[2:]]
    assert all(len(row) == 3 for row in cells), cells
    return {(stage, what): result for stage, what, result in cells}


def names_in_archive(tmp_path):
    with tarfile.open(tmp_path / "out" / "gpu_check.tar.gz") as archive:
        return archive.getnames()


def test_its_syntax_and_help():
    assert subprocess.run([BASH, "-n", str(ROOT / "scripts" / "gpu_check.sh")], check=False).returncode == 0
    shown = [BASH, str(ROOT / "scripts" / "gpu_check.sh"), "--help"]
    text = subprocess.run(
        shown, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=True
    ).stdout
    assert "gpu_check.sh sanitize" in text and "--small" in text and "set -u" not in text


def test_smoke_with_a_gpu(tmp_path):
    status, table = check(tmp_path, WITH_A_GPU, "smoke")
    assert status == 1  # a test failed
    assert table.pop(("smoke", "versions")).startswith("Python 3.")
    assert table == {
        ("smoke", "GPU"): "cuda:0 NVIDIA H200 9.0",
        ("smoke", "CPU"): "Pretended, 16 threads",
        ("smoke", "kernels"): "compiled in 5.0 s",
        ("smoke", "tests of kernels"): "1 passed, 1 failed, ERROR SUMMARY: 0 errors, tests/a.py::test_b",
        ("smoke", "vgg38_bn_rc, batch 100, float32: mlp cuda"): "2.000 [1.900..3.000] ms a step",
        ("smoke", "vgg38_bn_rc, batch 100, tf32: torch compile"): "4.000 [4.000..4.000] ms a step; "
        "mlp cuda takes 0.50 of it",
        ("smoke", "vgg38_bn_rc, batch 100, tf32: torch graph"): "not measured: no / luck.",
        **{("smoke", f"step, {p}"): "2.500 ms as a graph; kernels 0.750 ms" for p in ("float32", "tf32")},
        **{("smoke", f"b, {p}"): "700 us of a step" for p in ("float32", "tf32")},
        **{("smoke", f"a, {p}"): "50 us of a step" for p in ("float32", "tf32")},
    }
    assert {"gpu_check/smoke-tests.log", "gpu_check/smoke-benchmark.json"} <= set(names_in_archive(tmp_path))


def test_a_second_call_continues_table_and_archive(tmp_path):
    _, first = check(tmp_path, WITH_A_GPU, "torch")
    status, table = check(tmp_path, WITH_A_GPU, "train")
    assert status == 0
    assert first.items() <= table.items()
    assert table["train", "training, float32"] == "2 epochs, " + re.sub(
        "^2 epochs, ", "", table["train", "training, float32"]
    )
    assert table["train", "training, float32"].endswith("1.5 s; training loss 4.250, validation accuracy 12.3%")
    assert table["train", "two epochs again, all but their seconds"] == "the same to the last digit in 2 epochs"
    assert {"gpu_check/torch-benchmark.json", "gpu_check/run-tf32/metrics.csv"} <= set(names_in_archive(tmp_path))


def test_runs_that_differ_are_told(tmp_path):
    unsteady = WITH_A_GPU.replace("2,4.25,", "2,4.$$,")
    status, table = check(tmp_path, unsteady, "train")
    assert status == 1
    assert table["train", "two epochs again, all but their seconds"] == "DIFFERENT in epoch 2: train_loss"


def test_without_a_gpu_and_with_packages_missing(tmp_path):
    status, table = check(tmp_path, WITHOUT)
    assert status == 1
    for stage in ("smoke", "torch", "train", "sanitize"):
        assert table[stage, "GPU"] == "not measured: there is none: buy one."
    assert table["train", "training of VGG38 BN+RC"] == "not measured: there is none: buy one."
    assert table["sanitize", "compute-sanitizer memcheck"] == "not measured: there is none: buy one."
    assert table["torch", "benchmark"] == "not measured: ModuleNotFoundError: No module named 'tqdm'"


def test_a_stage_that_there_is_not(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "gpu_check.py"), "smok"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "there is no stage 'smok'" in done.stderr


def test_data_in_three_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_check_tools, "ROOT", tmp_path)
    source = tmp_path / "data" / "cifar-100-python"
    source.mkdir(parents=True)
    contents = {name: os.urandom(1000 + len(name)) for name in ("meta", "test", "train")}
    for name, content in contents.items():
        (source / name).write_bytes(content)
    paths = gpu_check_tools.write_pieces(tmp_path / "data")
    assert [path.name for path in paths] == ["cifar100.tar.gz.1", "cifar100.tar.gz.2", "cifar100.tar.gz.3"]
    assert gpu_check_tools.join_pieces(tmp_path / "there")
    for name, content in contents.items():
        assert (tmp_path / "there" / "cifar-100-python" / name).read_bytes() == content
    paths[1].unlink()
    assert not gpu_check_tools.join_pieces(tmp_path / "elsewhere")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_interrupt(tmp_path, sent):
    """More signals come while a program takes its time to end, and says what it has measured."""
    stubborn = WITH_A_GPU.replace("*load_kernels*)", "*load_kernels*) trap '' INT TERM; sleep 2;")
    with started(tmp_path, stubborn, "smoke") as process:
        log = tmp_path / "said"
        wait_until(lambda: "smoke, compile" in log.read_text(), process)
        time.sleep(0.3)
        for _ in range(3):
            process.send_signal(sent)
            time.sleep(0.2)
        assert process.wait(60) == 130
    table = rows(tmp_path)
    assert table["smoke", "kernels"] == "compiled in 5.0 s"
    assert table["smoke", "whatever came after"] == "not measured: the check was interrupted"
    assert {"gpu_check/smoke-compile.log", "gpu_check/table.json"} <= set(names_in_archive(tmp_path))


# --- the programs themselves, on the emulated device ------------------------------------------------------------------

SECONDS = {"smoke": 120, "torch": 240, "train": 180, "sanitize": 120}  # the limits that are promised
MACHINE = ("GPU", "CPU", "versions")


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "sent"), list(zip(SECONDS, 2 * [signal.SIGINT, signal.SIGTERM], strict=True)))
def test_a_stage_and_what_is_left_of_it_at_half_of_its_time(tmp_path, stage, sent, library_folder):
    """First to its end, which tells its time; then it is interrupted, by one of the signals, at half of that."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    emulated = emulated_device(tmp_path, library_folder)
    folder = tmp_path / "whole"
    with started(folder, None, "--small", stage, **emulated) as process:
        begin = time.monotonic()
        status = process.wait(SECONDS[stage] + 60)
        whole = time.monotonic() - begin
    assert status == 0, (folder / "said").read_text()
    assert whole < SECONDS[stage] + 10
    check_archive(folder, stage)
    if stage == "train":
        assert rows(folder)[stage, "two epochs again, all but their seconds"].startswith("the same to the last digit")
    folder = tmp_path / sent.name
    with started(folder, None, "--small", stage, **emulated) as process:
        time.sleep(whole / 2)
        wait_until(lambda: numbers(folder), process)  # the machine may be slower than before
        before = numbers(folder)
        process.send_signal(sent)
        status = process.wait(60)
    said = (folder / "said").read_text()
    print(f"{stage}: {whole:.0f} s, {sent.name} at {whole / 2:.0f} s: {len(before)} numbers")
    assert status == 130, said
    assert rows(folder)[stage, "whatever came after"] == "not measured: the check was interrupted"
    # Which kernels are the longest may change.
    lasting = {what for what, result in before.items() if not result.endswith("us of a step")}
    assert lasting <= numbers(folder).keys(), said
    assert said.rstrip().endswith("gpu_check.tar.gz")
    check_archive(folder, stage)


def emulated_device(tmp_path, library_folder):
    """Return the environment of a machine whose GPU is emulated, and whose compute-sanitizer only runs the program."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "compute-sanitizer").write_text('#!/bin/sh\nshift 4\nexec "$@"\n')
    (commands / "compute-sanitizer").chmod(0o755)
    pretended = str(ROOT / "tests" / "engine" / "pretended_gpu")
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return {"PYTHONPATH": pretended, "PATH": path, "EMULATION_FOLDER": str(library_folder)}


def numbers(folder):
    """Return the rows of the table that say what was measured, {(stage, what): result}."""
    if not (folder / "out" / "gpu_check.md").exists():
        return {}
    table = rows(folder)
    return {key: text for key, text in table.items() if key[1] not in MACHINE and not text.startswith("not measured")}


def check_archive(folder, stage):
    """Check that the archive has the table and a log of each program, and the table each number of these programs."""
    with tarfile.open(folder / "out" / "gpu_check.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    kept, table = folder / "gpu_check", rows(folder)
    assert {(s, what): text for s, _, what, text in json.loads((kept / "table.json").read_text())} == table
    begun = re.findall(r"^== (\w+), ([\w-]+): at most", (folder / "said").read_text(), re.M)
    assert begun and all((kept / f"{s}-{part}.log").exists() for s, part in begun)
    written = what_programs_wrote(kept, stage)
    assert written
    assert not {what: text for what, text in written.items() if not table.get((stage, what), "").startswith(text)}


def what_programs_wrote(kept, stage):
    """Return {what: the beginning of its result} for the numbers in the files of the programs themselves."""
    found = {}
    for log in kept.glob(f"{stage}-*.log"):
        text, part = log.read_text(), log.stem.removeprefix(f"{stage}-")
        compiled = re.search(r"^compiled in .*", text, re.M)
        found |= {"kernels": compiled[0]} if compiled else {}
        passed = len(re.findall(r"^tests/.* PASSED", text, re.M))
        found |= {f"{part} of kernels": f"{passed} passed"} if passed else {}
    for file in kept.glob(f"{stage}-benchmark.json"):
        for r in json.loads(file.read_text()):
            what = f"vgg08_bn_f8, batch 2, {r['precision']}: {r['variant']}"
            found |= {what: f"{1e3 * statistics.median(r['seconds']):.3f} ["} if r["seconds"] else {}
    for file in kept.glob(f"{stage}-kernels-*.json"):
        read = json.loads(file.read_text())
        ms = sum(k["us"] * k["in_a_step"] for k in read["kernels"]) / 1e3
        step = f"{read['step_ms']:.3f} ms as a graph; " if read["step_ms"] else ""
        found[f"step, {read['precision']}"] = f"{step}kernels {ms:.3f} ms"
    for file in kept.glob("run-*/metrics.csv"):
        epochs = len(file.read_text().splitlines()) - 1
        found |= {f"training, {file.parent.name.removeprefix('run-')}": f"{epochs} epochs"} if epochs else {}
    return found
