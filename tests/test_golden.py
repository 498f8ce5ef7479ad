"""mlp beside numbers that PyTorch gave in float64 (tests/golden, which make_golden.py writes), without PyTorch.

The cases, and what mlp computes in them, are those of tests/oracle.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from golden_files import read_numbers
from torch_cases import GROUPS, differences

GOLDEN = Path(__file__).resolve().parent / "golden"
STORED = [(group, name) for group, cases in GROUPS.items() for name, case in cases.items() if case.golden]


@cache
def golden(group):
    """Return the numbers of all cases of a group: {case: {"given": arrays by name, "expected": arrays by name}}."""
    return read_numbers(GOLDEN / f"{group}.npz")


def ids(group_and_name):
    return group_and_name[1]


@pytest.mark.parametrize("group_and_name", STORED, ids=ids)
def test_same_as_stored(group_and_name):
    group, name = group_and_name
    case, numbers = GROUPS[group][name], golden(group)[name]
    assert not differences(case.run(numbers["given"]), numbers["expected"], case.tolerance)


@pytest.mark.parametrize("group", GROUPS)
def test_every_stored_case_is_tested(group):
    assert golden(group).keys() == {name for kind, name in STORED if kind == group}


@pytest.mark.parametrize("group_and_name", STORED, ids=ids)
def test_small_errors_are_noticed(group_and_name):
    """An error of twenty times the tolerance, in one array at a time."""
    group, name = group_and_name
    expected, tolerance = golden(group)[name]["expected"], GROUPS[group][name].tolerance
    assert not differences(expected, expected, tolerance)
    for key, array in expected.items():
        if np.linalg.norm(array) > 1e-9:  # a gradient that is zero has no error relative to itself
            wrong = {**expected, key: array * (1 + 20 * tolerance)}
            assert len(differences(wrong, expected, tolerance)) == 1
