"""The GPU benchmark: what it measures, what it says where it cannot, and that one failure spoils nothing else."""

import json
import os
import signal
import subprocess
import sys
import time

import benchmark_gpu
import benchmark_gpu_worker
import numpy as np
import pytest

from mlp.machine.cuda_devices import GpuCard

NETS = ["--nets", "vgg08_bn", "--rounds", "3"]

# A worker that needs no GPU: what it does depends on its variant.
PRETENDER = """
import json, sys, time
variant, precision, batch, torch_device, *nets = sys.argv[1:]
if variant == "torch compile":
    sys.exit("no compiler was found")
if variant == "torch compile graph":
    time.sleep(60)
problem = "OutOfMemoryError: too large" if variant == "mlp textbook" else None
print(json.dumps({"ready": {net: problem for net in nets}}), flush=True)
for turn, line in enumerate(sys.stdin):
    if variant == "torch graph channels_last" and turn == 3:  # the second round that counts
        print(json.dumps({"problem": "RuntimeError: lost"}), flush=True)
        continue
    print(json.dumps({"seconds": {"mlp cuda": 0.002, "torch eager": 0.005}.get(variant, 0.004)}), flush=True)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The processes that it starts find mlp, whether it is installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(benchmark_gpu.WORKER.parents[1]))


def cells(out):
    """Return {(variant, precision): [time, images/s, ratio]} of a printed table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| vgg")]
    return {(row[1], row[2]): row[3:] for row in rows}


def test_every_line_is_there_without_a_gpu(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(benchmark_gpu, "gpu_problem", lambda: "there is none.")
    monkeypatch.setattr(benchmark_gpu, "torch_problem", lambda options: "PyTorch is not installed.")
    assert benchmark_gpu.main([*NETS, "--json", str(tmp_path / "times.json")]) == 0
    table = cells(capsys.readouterr().out)
    assert set(table) == set(benchmark_gpu.VARIANTS)
    for (variant, _), (text, speed, ratio) in table.items():
        reason = "there is none." if variant.startswith("mlp") else "PyTorch is not installed."
        assert (text, speed, ratio) == (f"not measured: {reason}", "", "")
    assert len(json.loads((tmp_path / "times.json").read_text())) == len(benchmark_gpu.VARIANTS)


def test_numbers_ratios_and_failures_beside_each_other(monkeypatch, capsys, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(PRETENDER)
    monkeypatch.setattr(benchmark_gpu, "WORKER", worker)
    monkeypatch.setattr(benchmark_gpu, "gpu_problem", lambda: None)
    monkeypatch.setattr(benchmark_gpu, "torch_problem", lambda options: None)
    monkeypatch.setattr(benchmark_gpu, "list_gpus", lambda: [pretended_card()])
    get_ready, waits = benchmark_gpu.PunctualWorker.get_ready, {}

    def all_but_one(worker, deadline):
        """However busy the machine is, only one variant is not waited for: the one that sleeps."""
        waits[worker.variant, worker.precision] = deadline - time.monotonic()
        get_ready(worker, 0.0 if worker.variant == "torch compile graph" else deadline)

    monkeypatch.setattr(benchmark_gpu.PunctualWorker, "get_ready", all_but_one)
    assert benchmark_gpu.main([*NETS, "--time-limit", "300"]) == 0
    out = capsys.readouterr().out
    assert "NVIDIA H200" in out
    table = cells(out)
    assert table["mlp cuda", "float32"] == ["2.000 [2.000..2.000]", "50,000", ""]
    assert table["torch eager", "tf32"] == ["5.000 [5.000..5.000]", "20,000", "0.40"]
    assert table["mlp textbook", "float32"][0] == "not measured: OutOfMemoryError: too large"
    assert table["torch compile", "tf32"][0] == "not measured: its process ended: no compiler was found"
    assert table["torch compile graph", "tf32"][0] == "not measured: it was not ready in time."
    assert table["torch graph channels_last", "tf32"][0].startswith("4.000")  # of the rounds before it was lost
    assert waits["torch eager", "float32"] <= 150 < waits["torch compile", "float32"]  # nothing comes after it


SLOW = PRETENDER.replace("for turn, line", "time.sleep(0.3)\nfor turn, line").replace(
    "    print(", "    time.sleep(0.2); print("
)


def start_slowly(tmp_path, *flags):
    """Start the program with workers that take 0.2 seconds a turn."""
    (tmp_path / "worker.py").write_text(SLOW)
    lines = [
        "import pathlib, sys, benchmark_gpu",
        f"benchmark_gpu.WORKER = pathlib.Path({str(tmp_path / 'worker.py')!r})",
        "benchmark_gpu.gpu_problem = lambda: 'none, but pretended'",
        "benchmark_gpu.torch_problem = lambda options: None",
        "from mlp.commands.shared.begin import start",
        "start(lambda: benchmark_gpu.main(sys.argv[1:]))",
    ]
    (tmp_path / "slow.py").write_text("\n".join(lines))
    path = os.pathsep.join(map(str, (benchmark_gpu.WORKER.parent, benchmark_gpu.WORKER.parents[1])))
    command = [sys.executable, str(tmp_path / "slow.py"), *NETS, "--against", "eager", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_what_was_measured_stands_in_the_table_after_an_interrupt(tmp_path, sent):
    numbers = tmp_path / "numbers.json"
    process = start_slowly(tmp_path, "--rounds", "500", "--json", str(numbers))
    lines = []
    for line in process.stdout:
        lines.append(line)
        if ", round 2," in line:
            break
    process.send_signal(sent)
    lines += process.communicate()[0].splitlines()
    assert process.returncode == 128 + sent
    table = cells("\n".join(lines))
    assert table["torch eager", "float32"][0].startswith("5.000")
    assert table["torch eager", "tf32"][0] == "not measured: it was interrupted before."
    assert table["mlp cuda", "float32"][0] == "not measured: none, but pretended"
    records = {(r["variant"], r["precision"]): r["seconds"] for r in json.loads(numbers.read_text())}
    assert len(records["torch eager", "float32"]) >= 2 and records["torch eager", "tf32"] == []


def test_the_clock_starts_with_the_program(monkeypatch, capsys):
    """A slow import is part of the time limit."""
    monkeypatch.setattr(benchmark_gpu, "gpu_problem", lambda: None)
    monkeypatch.setattr(benchmark_gpu, "list_gpus", lambda: [pretended_card()])
    seen = []
    monkeypatch.setattr(
        benchmark_gpu, "measure", lambda group, results, reasons, options, last: seen.append(options.deadline)
    )
    assert benchmark_gpu.main([*NETS, "--against", "none", "--time-limit", "7"], started=100.0) == 0
    assert seen == [107.0]
    assert "not measured: it was interrupted before." in capsys.readouterr().out


def pretended_card():
    return GpuCard("cuda:0", "NVIDIA H200", 1, 2, "9.0", "13.0", "13.2")


def test_the_real_worker_says_why_it_cannot(monkeypatch, capsys):
    monkeypatch.setattr(benchmark_gpu, "gpu_problem", lambda: None)
    monkeypatch.setattr(benchmark_gpu, "torch_problem", lambda options: "not wanted.")
    monkeypatch.setattr(benchmark_gpu, "list_gpus", lambda: [pretended_card()])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert benchmark_gpu.main([*NETS, "--against", "none"]) == 0
    table = cells(capsys.readouterr().out)
    assert set(table) == set(benchmark_gpu.MINE)
    for text, _, _ in table.values():
        assert text.startswith("not measured: DeviceError: device 'cuda:0' cannot be used: ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nets", "resnet18"], "unknown net 'resnet18'"),
        (["--rounds", "0"], "--rounds must be whole numbers of at least 1"),
        (["--time-limit", "-5"], "--time-limit must be whole numbers"),
        (["--json", "/dev/null/all.json"], "/dev/null/all.json cannot be made, because /dev/null is a file"),
    ],
)
def test_wrong_flags(flags, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmark_gpu.main(flags)
    assert message in capsys.readouterr().err


def test_a_turn_is_long_enough_to_be_timed(monkeypatch):
    class Net:
        """Its steps take a millisecond of its own clock."""

        steps, steps_in_a_turn, waited_after = 0, 3, 0

        def step(self):
            self.steps += 1

        def wait(self):
            self.waited_after = self.steps

    net = Net()
    monkeypatch.setattr(benchmark_gpu_worker.time, "perf_counter", lambda: net.steps / 1000)
    for _ in range(2):
        before = net.steps
        assert benchmark_gpu_worker.turn(net) == pytest.approx(0.001)
        assert net.steps - before >= 1000 * benchmark_gpu_worker.TURN / 2
        assert net.steps_in_a_turn >= 3
        assert net.waited_after == net.steps > 3  # the clock stops when all is done


@pytest.mark.oracle
@pytest.mark.parametrize("variant", ["torch eager", "torch eager channels_last"])
def test_the_networks_of_pytorch(variant):
    pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((4, 32, 32, 3), dtype=np.float32)
    net = benchmark_gpu_worker.TorchNet("cpu", variant, "float32", "vgg08_bn", x, np.arange(4))
    before = float(net.total)
    net.step()
    assert 0 < before < float(net.total)
