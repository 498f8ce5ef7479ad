"""The formulas that rules are checked against: right by hand, and no fault is mistaken for another."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule
from mlp.diagnostics.rules.faults import FAMILIES, faults_of
from mlp.diagnostics.rules.formulas import FORMULAS, Walk
from mlp.learning_rules import Adam, AdamW, Momentum, Nesterov

SETTINGS = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "decay": 0.99, "eps": 1e-2}
SETTINGS |= {"weight_decay": 0.1, "decoupled_weight_decay": 0.2}


def test_two_steps_by_hand():
    none = {**SETTINGS, "weight_decay": 0.0, "decoupled_weight_decay": 0.0}
    first, second = Walk(FORMULAS["momentum"]).weights(1.0, [2.0, 3.0], [0.1, 0.1], none)
    assert first == pytest.approx(1.0 - 0.1 * 2.0)
    assert second == pytest.approx(first - 0.1 * (0.9 * 2.0 + 3.0))
    (step,) = Walk(FORMULAS["adam"]).weights(1.0, [2.0], [0.1], none)
    assert step == pytest.approx(1.0 - 0.1 * 2.0 / (2.0 + 1e-2))  # both means corrected are those of one gradient
    (step,) = Walk(FORMULAS["gradient_descent"]).weights(1.0, [2.0], [0.1], SETTINGS)
    assert step == pytest.approx(1.0 - 0.1 * 0.2 - 0.1 * (2.0 + 0.1))


@pytest.mark.parametrize("name", FORMULAS)
def test_a_family_is_its_formula_and_faults_lead_elsewhere(name):
    rng = np.random.default_rng(0)
    gradients, rates, w = list(rng.standard_normal((6, 5))), [0.1, 0.1, 0.05, 0.05, 0.05, 0.05], rng.standard_normal(5)
    right = np.stack(Walk(FORMULAS[name]).weights(w, gradients, rates, SETTINGS))
    family = Walk(FAMILIES[name])
    np.testing.assert_allclose(np.stack(family.weights(w, gradients, rates, SETTINGS)), right, rtol=1e-12)
    elsewhere = [
        fault.name
        for fault in faults_of(name)
        if not np.allclose(np.stack(fault.of(family).weights(w, gradients, rates, SETTINGS)), right, rtol=1e-9)
    ]
    assert len(elsewhere) >= 12
    assert {"sign", "learning rate twice", "schedule ignored"} <= set(elsewhere)


def test_a_rule_with_clipping_is_checked_without_it_and_stays_as_it_is():
    rule = Momentum(0.1, clip_norm=1e-3)
    report = check_rule(rule)
    report.raise_if_failed()
    assert "checked without clip_norm" in report.remarks[0]
    assert rule.clip_norm == 1e-3
    assert rule.flat is None


def test_the_report_has_a_row_for_each_step():
    report = check_rule(Adam())
    assert [row.array for row in report.rows] == [f"step {t}" for t in range(1, 7)]
    assert str(report).startswith("Rule check of Adam against adam\n")
    assert check_rule(AdamW()).title == "AdamW against adam"
    assert check_rule(Nesterov).passed
    assert not check_rule(Nesterov(), formula="momentum").passed


def test_an_unknown_fault_says_where_it_begins():
    class Odd(Momentum):
        def change(self, gradient):
            change = super().change(gradient) * (1.0 + 0.1 * float(self.steps == 3) * np.sin(gradient))
            return change + 0.01 * float(self.steps == 3) * np.cos(gradient)

    report = check_rule(Odd())
    assert [row.passed for row in report.rows] == [True, True, False, False, False, False]
    assert report.diagnoses[0].name == "unknown"
    assert "from step 3 on" in report.diagnoses[0].array
    assert "(1, 1) and (1,) from step 3 on" in report.diagnoses[0].evidence
