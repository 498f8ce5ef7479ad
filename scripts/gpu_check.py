"""The stages of scripts/gpu_check.sh, which describes them."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from statistics import median

from gpu_check_tools import ROOT, Check, join_pieces, last_line, metrics, remark, said, versions, write_pieces

SECONDS = {"smoke": 120, "torch": 240, "train": 180, "sanitize": 120}  # limits of the stages
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAYERS, ENGINE = "tests/engine/test_cuda_layers.py", "tests/engine/test_cuda_engine.py"
TESTS = "test_convolution or test_normalization or test_head or recorded or same_bits"
SAFE = "import cupy; cupy.cuda.set_allocator(None)"  # without CuPy's pool each array has bounds of its own
COMPILE = "import time; from mlp.engine.cuda.gpu import load_kernels; start = time.time()"
COMPILE += '; load_kernels().get_function("pointwise"); print(f"compiled in {time.time() - start:.1f} s")'


def main(arguments=None):
    sh = (ROOT / "scripts" / "gpu_check.sh").read_text().split("\nset -u")[0]
    about = "\n".join(line.removeprefix("#").removeprefix(" ") for line in sh.splitlines()[1:])
    parser = ArgumentParser("gpu_check.sh", description=about, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(SECONDS)} (default: all), or pack")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the check itself on any device")
    options = parser.parse_args(arguments)
    wrong = [stage for stage in options.stages if stage not in (*SECONDS, "pack")]
    if wrong:
        parser.error(f"there is no stage {wrong[0]!r}: take {', '.join(SECONDS)} or pack")
    if "pack" in options.stages:
        print(*write_pieces(os.environ.get("MLP_DATA_DIR") or ROOT / "data"), sep="\n")
        return 0
    for number in SIGNALS:  # also if it was started in the background
        signal.signal(number, interrupted)
    out = Path(os.environ.get("OUT") or tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    check = Check(out, options.small)
    try:
        for stage in options.stages or SECONDS:
            check.begin(stage, SECONDS[stage])
            reason = devices(check)
            globals()[f"stage_{stage}"](check, reason)
    except KeyboardInterrupt:
        check.note("rest", [("whatever came after", "not measured: the check was interrupted")])
        return 130
    finally:
        check.write_table()
        check.pack()
        print(f"\n{check.table.read_text()}\n{check.table}\n{check.archive}")
    return 1 if check.failed else 0


def interrupted(*_):
    """End the check, once: while table and archive are written, more signals change nothing."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


# --- the stages -------------------------------------------------------------------------------------------------------


def devices(check):
    """Note what machine this is; return why no GPU can be used, or None if one can."""
    reasons = []

    def read(log, ended):
        gpus = [" ".join(line.split()) for line in log.splitlines() if line.startswith("cuda:0")]
        if ended and not gpus:
            reasons.append(last_line(log).removeprefix("no GPU").strip() or ended)
        cpu = [line.removeprefix("cpu").strip() for line in log.splitlines() if line.startswith("cpu")]
        found = [("GPU", gpus[0])] if gpus else [("GPU", f"not measured: {reasons[0]}")] if reasons else []
        return found + [("CPU", text) for text in cpu[:1]] + ([("versions", versions())] if ended else [])

    check.run("devices", 30, ["scripts/devices.py", "--require-gpu"], read)
    check.failed = check.failed or bool(reasons)
    return reasons[0] if reasons else None


def stage_smoke(check, reason):
    """One compilation, the most telling tests, a step of ours, and the time of every kernel."""
    if reason:
        return check.note("tests", [("kernels, tests, times", f"not measured: {reason}")])
    check.run("compile", 30, ["-c", COMPILE], lambda log, ended: said("kernels", log, ended, r"compiled in .*"))
    which = "two_runs_have_the_same_bits" if check.small else TESTS
    tests(check, "tests", 45, ["-m", "pytest"], which, [LAYERS, ENGINE])
    benchmark(check, 30, ["--against", "none"])
    for precision in ("float32", "tf32"):
        kernel_times(check, precision)
    return None


def stage_torch(check, _reason):
    """A step beside PyTorch; the benchmark itself says what it cannot measure."""
    if check.small:
        return benchmark(check, 205, ["--against", "eager", "--torch-device", "cpu"])
    return benchmark(check, 205, ["--against", "torch"])


def stage_train(check, reason):
    """Five epochs; two of them again, which must give the same numbers; two in TF32."""
    what = "training of VGG38 BN+RC"
    if reason:
        return check.note("train", [(what, f"not measured: {reason}")])
    with tempfile.TemporaryDirectory() as folder:
        data = os.environ.get("MLP_DATA_DIR") or (folder if not check.small and join_pieces(folder) else None)
        command = ["scripts/train.py", "--device", "cuda:0", "--epochs", "5", "--overwrite"]
        if check.small:
            command += ["--dataset", "synthetic", "--limit-train", "10", "--limit-valid", "5", "--batch-size", "5"]
            command += ["--model", "vgg08", "--norm", "batch", "--filters", "8"]
        else:
            command += ["--model", "vgg38", "--norm", "batch", "--residual"]
            command += ["--dataset", "cifar100", "--data-dir", data] if data else ["--dataset", "synthetic"]
        first = train(check, "float32", 100, command)
        again = train(check, "float32-again", 45, [*command, "--stop-after", "2"])
        check.note("same", [("two epochs again, all but their seconds", same(check, first, again))])
        train(check, "tf32", 45, [*command, "--stop-after", "2", "--precision", "tf32"])
    return None


def stage_sanitize(check, reason):
    """Small convolutions under compute-sanitizer: accesses beyond an array, and races in shared memory."""
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    for which in ("memcheck", "racecheck"):
        if reason or not tool:
            missing = "compute-sanitizer is not installed (it comes with the CUDA toolkit)"
            check.note(which, [(f"compute-sanitizer {which}", f"not measured: {reason or missing}")])
            continue
        program = f"{SAFE}; import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
        start = [tool, "--tool", which, "--error-exitcode", "1", check.python, "-c", program]
        tests(check, which, 50, start, "any_number_of_channels" if check.small else "test_convolution", [LAYERS])


# --- the parts --------------------------------------------------------------------------------------------------------


def tests(check, part, seconds, start, which, files):
    """Run tests; the row counts those that have ended, and names what failed and what a sanitizer found."""

    def read(log, ended):
        words = re.findall(r"^tests/.* (PASSED|FAILED|ERROR)\b", log, re.M)
        counts = [f"{words.count(word)} {word.lower()}" for word in dict.fromkeys(words)]
        failed = re.findall(r"^FAILED (\S+)", log, re.M)
        found = re.findall(r"ERROR SUMMARY: .*|RACECHECK SUMMARY: .*", log)[-1:]
        found += re.findall(r"========= (Invalid [^\n]*|Error: [^\n]*)", log)[:3]
        text = ", ".join([*counts, *found, *failed]) or f"not measured: {last_line(log) or ended}"
        if ended is None and not counts:
            return []
        return [(f"{part} of kernels", text + remark(ended))]

    options = ["-vv", "-m", "gpu", "-k", which, "-W", "default", "-p", "no:cacheprovider", *files]
    status = check.run(part, seconds, ["/usr/bin/env", "CUPY_ACCELERATORS=", *absolute(check, start), *options], read)
    check.failed = check.failed or status not in (0, None)


def absolute(check, start):
    """Return the beginning of a command, with Python in front unless it names a program itself."""
    return start if start[0].startswith("/") else [check.python, *start]


def benchmark(check, seconds, options):
    """Run benchmark_gpu.py; there is a row for each number that it has written."""
    numbers = check.logs / f"{check.stage}-benchmark.json"
    net, batch = ("vgg08_bn_f8", 2) if check.small else ("vgg38_bn_rc", 100)
    numbers.unlink(missing_ok=True)

    def read(log, ended):
        records = json.loads(numbers.read_text()) if numbers.exists() else []
        rows = []
        for r in records:
            ms = [1e3 * s for s in r["seconds"]]
            if not ms and not ended:
                continue
            text = (
                f"{median(ms):.3f} [{min(ms):.3f}..{max(ms):.3f}] ms a step"
                if ms
                else f"not measured: {r['problem'] or ended}"
            )
            text += "" if r["ratio"] is None else f"; mlp cuda takes {r['ratio']:.2f} of it"
            rows.append((f"{net}, batch {batch}, {r['precision']}: {r['variant']}", text))
        return rows if rows or not ended else [("benchmark", f"not measured: {last_line(log) or ended}")]

    command = ["scripts/benchmark_gpu.py", "--nets", net, "--batch-size", batch, "--json", numbers, *options]
    rounds = ["--rounds", "2"] if check.small else []
    status = check.run("benchmark", seconds, [*command, *rounds, "--time-limit", seconds - 5], read)
    check.failed = check.failed or status not in (0, None)


def kernel_times(check, precision):
    """Run benchmark_gpu_kernels.py; there are rows for the whole step and the five kernels that take most of it."""
    numbers = check.logs / f"{check.stage}-kernels-{precision}.json"
    numbers.unlink(missing_ok=True)

    def read(log, ended):
        if not numbers.exists():
            return [(f"kernels, {precision}", f"not measured: {last_line(log) or ended}")] if ended else []
        found = json.loads(numbers.read_text())
        names = {}
        for k in found["kernels"]:
            names[k["kernel"]] = names.get(k["kernel"], 0.0) + k["us"] * k["in_a_step"]
        step = f"{found['step_ms']:.3f} ms as a graph; " if found["step_ms"] else ""
        rows = [(f"step, {precision}", f"{step}kernels {sum(names.values()) / 1e3:.3f} ms{remark(ended)}")]
        largest = sorted(names, key=names.get, reverse=True)[:5]
        return rows + [(f"{name}, {precision}", f"{names[name]:.0f} us of a step") for name in largest]

    command = ["scripts/benchmark_gpu_kernels.py", "--precision", precision, "--json", numbers]
    command += ["--net", "vgg08_bn_f8", "--batch-size", "2", "--repeats", "1"] if check.small else []
    check.run(f"kernels-{precision}", 20, command, read)


def train(check, part, seconds, command):
    """Train; return the path of the metrics."""
    folder = check.logs / f"run-{part}"

    def read(log, ended):
        epochs = metrics(folder / "metrics.csv")
        if not epochs:
            return [(f"training, {part}", f"not measured: {last_line(log) or ended}")] if ended else []
        times = " ".join(f"{float(epoch['seconds']):.1f}" for epoch in epochs)
        loss, accuracy = (float(epochs[-1][name]) for name in ("train_loss", "val_acc"))
        last = f"training loss {loss:.3f}, validation accuracy {100 * accuracy:.1f}%"
        return [(f"training, {part}", f"{len(epochs)} epochs, {times} s; {last}{remark(ended)}")]

    status = check.run(f"train-{part}", seconds, [*command, "--out", folder], read)
    for weights in folder.glob("*.npz"):  # too large for the archive
        weights.unlink()
    check.failed = check.failed or status not in (0, None)
    return folder / "metrics.csv"


def same(check, first, again):
    """Say whether two runs have the same numbers in the epochs that both have."""
    both = list(zip(metrics(first), metrics(again), strict=False))
    if not both:
        return "not measured: one of the runs has no epoch"
    for number, (a, b) in enumerate(both, 1):
        different = [name for name in a if name != "seconds" and a[name] != b[name]]
        if different:
            check.failed = True
            return f"DIFFERENT in epoch {number}: {', '.join(different)}"
    return f"the same to the last digit in {len(both)} epochs"


if __name__ == "__main__":
    sys.exit(main())
