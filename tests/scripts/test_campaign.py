"""scripts/campaign.py: all follows from the seed, what goes wrong is counted, and a small one finds nothing."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import campaign
import pytest
from campaign_damage import damage
from campaign_workers import run_cases

from mlp.errors import DataError

SCRIPT = Path(campaign.__file__)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_damage_follows_from_the_seed(tmp_path):
    def drawn(name, content, seed):
        path = Path(tempfile.mkdtemp(dir=tmp_path)) / name
        path.write_bytes(content)
        damage(path, random.Random(seed))
        return path.read_bytes() if path.is_file() else path.lstat().st_mode

    files = {
        "a.json": b'{"a": [1, {"b": 2}]}',
        "a.csv": b"a,b\n1,2\n",
        "a.py": b"def f():\n    return 1\n",
        "a": b"abc" * 99,
    }
    for name, content in files.items():
        found = [drawn(name, content, seed) for seed in range(40)]
        assert found == [drawn(name, content, seed) for seed in range(40)]
        assert len(set(found)) > 20


def do(case, place):
    kind, number = case
    if kind == "hangs":
        time.sleep(60)
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "memory":
        bytearray(2**34)
    return f"{kind} {number}"


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_case_that_hangs_or_kills_its_process_is_counted_and_the_next_one_follows(tmp_path, jobs):
    kinds = ("good", "hangs", "dies", "also good", "dies", "good")
    cases = [(kind, number) for number, kind in enumerate(kinds)]
    outcomes = run_cases(cases, do, tmp_path, jobs=jobs, patience=4.0, title="t")  # on a busy machine, too
    assert set(outcomes) == set(cases)
    for (kind, number), outcome in outcomes.items():
        expected = {"hangs": "WRONG: hangs", "dies": "WRONG: the process ended with 9"}
        assert outcome == expected.get(kind, f"{kind} {number}")


def test_outcomes_of_reading():
    def fails(error):
        def action():
            raise error

        return action

    assert campaign.outcome_of(lambda: 3) == "read"
    assert campaign.outcome_of(fails(DataError("no"))) == "refused"
    assert campaign.outcome_of(fails(DataError("x" * 2000))) == "WRONG: a message of 2,000 characters"
    assert campaign.outcome_of(fails(KeyError("gradient_flow"))).startswith("WRONG: KeyError at test_campaign.py:")
    assert campaign.outcome_of(fails(MemoryError())).startswith("WRONG: MemoryError")
    assert campaign.outcome_of(fails(SystemExit(3))).startswith("WRONG: SystemExit")


def test_the_report_counts_and_shows_examples(capsys):
    outcomes = {("a", n): "read" for n in range(3)} | {("b", n): f"WRONG: KeyError at x.py:{n} (k)" for n in range(5)}
    assert campaign.report(outcomes) == 5
    out = capsys.readouterr().out
    assert "     3  a                     read" in out
    assert out.count("b:") == campaign.EXAMPLES


@pytest.mark.slow
def test_a_small_campaign_finds_nothing_and_is_the_same_again():
    found = []
    for jobs in ("1", "2"):
        command = [sys.executable, SCRIPT, "--inputs", "90", "--kills", "8", "--seed", "5", "--jobs", jobs]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        lines = result.stdout.splitlines()
        found.append([line for line in lines if line.endswith(("  read", "  refused"))])
        assert "0 wrong, seed 5" in lines[-1]
    assert found[0] == found[1]
