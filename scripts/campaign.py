"""Hurt run folders and kill runs, many times, and count what becomes of them.

    python scripts/campaign.py                      1,000 malformed files, 200 kills: some minutes on two cores
    python scripts/campaign.py --inputs 50 --kills 8

A malformed file must be read rightly or refused by an error of mlp.errors; a killed run must continue, and end with the
same numbers as one that was never killed. Everything is drawn from --seed. Needs a system with fork.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlp.commands.command_line import CommandLine, run_command, start
from mlp.errors import MlpError
from mlp.experiments import run
from mlp.experiments.comparison import read_run
from mlp.experiments.inference import evaluate_run
from mlp.files.stored import read_arrays

FILES = ("config.json", "metrics.csv", "gradient_flow.npz", "checkpoint-latest.npz", "checkpoint-best.npz", "test.json")
VALUES = (None, True, -1, 0, 10**400, 1e308, "", "x", [], {}, [[]], float("nan"), "\udcff", "$x_$", 2**63)
WHOLE = (b"", b"[]", b"null", b"[" * 50_000, b"\xff" * 100, b"PK\x03\x04", b"epoch\n", b"\xef\xbb\xbf", b"9" * 5_000)
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SETTINGS = {"filters": 2, "batch_size": 10, "epochs": 3, "limit_train": 40, "limit_valid": 10, "dataset": "synthetic"}


def make_run(folder: Path, **options: Any) -> None:
    """Train, or continue, without a word and without pictures."""
    from mlp.experiments.run import SaveFigures

    SaveFigures.draw = lambda self, history: None  # type: ignore[method-assign]  a second each
    with open(os.devnull, "w") as nowhere:
        out, sys.stdout = sys.stdout, nowhere
        try:
            run(folder, SETTINGS, resume=True, threads=1, **options)
        finally:
            sys.stdout = out


def replaced(value: Any, rng: np.random.Generator) -> Any:
    """Return a JSON value with one value in it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = list(value)[rng.integers(len(value))]
        return {**value, name: replaced(value[name], rng)}
    return VALUES[rng.integers(len(VALUES))]


def hurt(path: Path, rng: np.random.Generator) -> None:
    """Damage a file in one of five ways."""
    content = path.read_bytes() if path.exists() else b'{"test_loss": 1.0, "test_acc": 0.5}'
    kind = rng.integers(5)
    if kind == 0:
        content = content[: rng.integers(len(content) + 1)]
    elif kind == 1:
        array = bytearray(content)
        for _ in range(rng.integers(1, 9)):
            array[rng.integers(len(array))] = rng.integers(256)
        content = bytes(array)
    elif kind == 2:
        content = WHOLE[rng.integers(len(WHOLE))]
    elif path.suffix == ".json":
        content = json.dumps(replaced(json.loads(content), rng)).encode()
    elif kind == 3:
        content = content + content[: rng.integers(len(content))]
    else:
        content = b""
    path.write_bytes(content)


def outcome_of_reading(action: Callable[[], Any]) -> str:
    """Return "read", "refused", or what went wrong."""
    try:
        action()
    except (MlpError, OSError) as error:
        return "refused" if len(str(error)) < 1500 else "a message without end"
    except MemoryError:
        return "refused"
    except Exception as error:
        return f"WRONG {type(error).__name__}: {str(error)[:100]}"
    return "read"


def malformed_inputs(place: Path, base: Path, count: int, rng: np.random.Generator) -> Counter[str]:
    """Hurt a file of a run so many times; return how often what came of it when the run was read and continued."""
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        folder = place / "hurt"
        shutil.copytree(base, folder)
        hurt(folder / FILES[rng.integers(len(FILES))], rng)
        actions = {
            "compare": lambda folder=folder: read_run(folder),
            "evaluate": lambda folder=folder: evaluate_run(folder, "valid"),
            "resume": lambda folder=folder: make_run(folder, stop_after=2),
        }
        for name, action in actions.items():
            begin = time.monotonic()
            outcomes[f"{name}: {outcome_of_reading(action)}"] += 1
            if time.monotonic() - begin > 30:
                outcomes["WRONG took more than 30 s"] += 1
        shutil.rmtree(folder)
    return outcomes


def child(folder: Path, number: int | None, at_event: int) -> int:
    """Fork a process that continues a run, and sends itself a signal when it syncs or renames for the n-th time."""
    process = os.fork()
    if process:
        return process
    events = []

    def deadly(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            events.append(original)
            if number is not None and len(events) == at_event:
                os.kill(os.getpid(), number)
            return original(*arguments)

        return call

    os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os._exit(run_command(lambda: make_run(folder)))


def numbers_of(folder: Path) -> Any:
    """Return what two equal runs have in common."""
    arrays = read_arrays(folder / "checkpoint-latest.npz")
    weights = {name: array.tobytes() for name, array in arrays.items() if name.startswith(("model/", "rule/"))}
    return weights, (folder / "test.json").read_text()


def kills(place: Path, count: int, rng: np.random.Generator) -> Counter[str]:
    """Kill runs until there were so many kills; return the counts."""
    make_run(place / "whole")
    outcomes: Counter[str] = Counter()
    expected, number, done = numbers_of(place / "whole"), 0, 0
    while done < count:
        name, folder = SIGNALS[done % len(SIGNALS)], place / f"killed{number}"
        at_random = done % 2 == 0
        process = child(folder, None if at_random else name, int(rng.integers(1, 40)))
        if at_random:
            time.sleep(rng.uniform(0, 1.0))
            os.kill(process, name)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) > 128:
            done += 1
            outcomes[name.name] += 1
        elif os.WEXITSTATUS(status):
            outcomes[f"WRONG exit status {os.WEXITSTATUS(status)}"] += 1
            number += 1
        else:
            outcomes["finished and equal" if numbers_of(folder) == expected else "WRONG other numbers"] += 1
            number += 1
    make_run(place / f"killed{number}")
    outcomes["finished and equal" if numbers_of(place / f"killed{number}") == expected else "WRONG other numbers"] += 1
    return outcomes


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("--inputs", type=int, default=1000, metavar="N", help="malformed files (default: 1000)")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="kills (default: 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn (default: 0)")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        make_run(Path(place) / "base", stop_after=2)
        found = malformed_inputs(Path(place), Path(place) / "base", arguments.inputs, rng)
        found += kills(Path(place), arguments.kills, rng)
    for name, times in sorted(found.items()):
        print(f"{times:6,}  {name}")
    wrong = sum(times for name, times in found.items() if "WRONG" in name or "without end" in name)
    seconds = time.monotonic() - begin
    print(f"{arguments.inputs:,} malformed files, {arguments.kills} kills, {wrong} wrong, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    start(main)
