"""Writes layers.npz, losses.npz, rules.npz, schedules.npz and nets.npz of this folder: what PyTorch gives, in float64.

    pip install -e .[oracle]
    python tests/golden/make_golden.py

Each file holds one group of cases of tests/torch_cases.py: what is given, and PyTorch's results. tests/test_golden.py
compares mlp with them where there is no PyTorch. Run this again when a case was added or changed; the same PyTorch
writes the same files.
"""

import sys
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent
TESTS = GOLDEN.parent
sys.path[:0] = [str(TESTS), str(TESTS / "oracle"), str(TESTS.parent / "scripts"), str(TESTS.parent)]

from golden_files import write_numbers  # noqa: E402
from torch_cases import GROUPS, draw  # noqa: E402
from torch_reference import reference  # noqa: E402


def main():
    for group, cases in GROUPS.items():
        numbers = {}
        for name, case in cases.items():
            if case.golden:
                given = draw(name)
                numbers[name] = {"given": given, "expected": reference(case, given)}
        path = GOLDEN / f"{group}.npz"
        write_numbers(path, numbers)
        print(f"{path.name:15} {len(numbers):3} cases {path.stat().st_size / 1000:6.1f} kB")


if __name__ == "__main__":
    main()
