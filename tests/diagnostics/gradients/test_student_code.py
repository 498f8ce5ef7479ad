"""Mistakes and right forms as students write them: how many are named at first, and no false alarm."""

import importlib
import re

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss, check_rule

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the code under test overflows on purpose
NAMED = 0.9  # the share whose first diagnosis says what a teacher would say


def cases_of(collection):
    """Return the cases that one file of tests/student_code adds to the common list."""
    module = importlib.import_module(f"student_code.{collection}")
    return [case for case in module.CASES if case["cls"].__module__ == module.__name__]


def checked(case):
    """Return the report about one case."""
    rng = np.random.default_rng(7)
    if case["loss"]:
        kind = case["kw"].get("targets")
        numbers = {"numbers": rng.standard_normal(case["loss"]), "bits": rng.integers(0, 2, case["loss"]).astype(float)}
        return check_loss(case["cls"](), case["loss"], targets=numbers.get(kind))
    if case["formula"]:
        return check_rule(case["cls"], formula=case["formula"])
    return check_layer(case["cls"](), case["shape"])


@pytest.mark.parametrize(("collection", "misses"), [("first", 2), ("second", 1), ("third", 1)])
def test_mistakes_are_caught_and_named(collection, misses):
    cases = cases_of(collection)
    passed, table = [], []
    for case in cases:
        report = checked(case)
        first = report.diagnoses[0] if report.diagnoses else ""
        said = f"{first.name}: {first.sentence}" if first else ""
        if report.passed:
            passed.append(case["name"])
        if report.passed or not re.search(case["regex"], said, re.IGNORECASE):
            table.append(f"{case['name']}\n    a teacher: {case['sentence']}\n    the check: {said or 'passed'}")
    assert len(cases) >= 60
    assert len(passed) <= misses, passed
    assert len(table) <= (1.0 - NAMED) * len(cases), "\n".join(table)


def test_right_forms_raise_no_alarm():
    cases = cases_of("right_forms")
    assert len(cases) >= 60
    alarms = [f"{case['name']}\n{report}" for case in cases if not (report := checked(case)).passed]
    assert not alarms, "\n".join(alarms)
