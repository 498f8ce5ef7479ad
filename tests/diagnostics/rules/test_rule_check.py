"""The formulas that rules are checked against: right by hand, and no fault is mistaken for another."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule
from mlp.diagnostics.rules.faults import faults_of
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.learning_rules import Adam, AdamW, Momentum, Nesterov

SETTINGS = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "decay": 0.99, "eps": 1e-2}
SETTINGS |= {"weight_decay": 0.1, "decoupled_weight_decay": 0.2}


# --- the formulas, written plainly and apart from those of the checker ----------------------------------------------


def gradient_descent(w, g, t, h, m, s):
    """w <- w - h g."""
    return w - h * g


def momentum(w, g, t, h, m, s):
    """v <- mu v + g, w <- w - h v."""
    m["v"] = s["momentum"] * m.get("v", 0.0) + g
    return w - h * m["v"]


def nesterov(w, g, t, h, m, s):
    """v <- mu v + g, w <- w - h (g + mu v)."""
    m["v"] = s["momentum"] * m.get("v", 0.0) + g
    return w - h * (g + s["momentum"] * m["v"])


def adagrad(w, g, t, h, m, s):
    """s <- s + g^2, w <- w - h g / (sqrt(s) + eps)."""
    m["v"] = m.get("v", 0.0) + g * g
    return w - h * g / (np.sqrt(m["v"]) + s["eps"])


def rmsprop(w, g, t, h, m, s):
    """v <- a v + (1 - a) g^2, w <- w - h g / (sqrt(v) + eps)."""
    m["v"] = s["decay"] * m.get("v", 0.0) + (1.0 - s["decay"]) * g * g
    return w - h * g / (np.sqrt(m["v"]) + s["eps"])


def adam(w, g, t, h, m, s):
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - h m' / (sqrt(v') + eps)."""
    mean, square = moments(g, m, s)
    return w - h * unbiased(mean, s["beta1"], t) / (np.sqrt(unbiased(square, s["beta2"], t)) + s["eps"])


def nadam(w, g, t, h, m, s):
    """As Adam, with b1 m' + (1 - b1) g / (1 - b1^t) in place of m'."""
    mean, square = moments(g, m, s)
    ahead = s["beta1"] * unbiased(mean, s["beta1"], t) + (1.0 - s["beta1"]) * unbiased(g, s["beta1"], t)
    return w - h * ahead / (np.sqrt(unbiased(square, s["beta2"], t)) + s["eps"])


def adadelta(w, g, t, h, m, s):
    """v <- a v + (1 - a) g^2, d = g sqrt(u + eps) / sqrt(v + eps), u <- a u + (1 - a) d^2, w <- w - h d."""
    a, eps = s["decay"], s["eps"]
    m["v"] = a * m.get("v", 0.0) + (1.0 - a) * g * g
    d = g * np.sqrt(m.get("u", 0.0) + eps) / np.sqrt(m["v"] + eps)
    m["u"] = a * m.get("u", 0.0) + (1.0 - a) * d * d
    return w - h * d


def adamax(w, g, t, h, m, s):
    """m <- b1 m + (1 - b1) g, u <- max(b2 u, |g|), w <- w - h m' / (u + eps)."""
    m["m"] = s["beta1"] * m.get("m", 0.0) + (1.0 - s["beta1"]) * g
    m["u"] = np.maximum(s["beta2"] * m.get("u", 0.0), np.abs(g))
    return w - h * unbiased(m["m"], s["beta1"], t) / (m["u"] + s["eps"])


def amsgrad(w, g, t, h, m, s):
    """As Adam, with the largest v' so far in place of v'."""
    mean, square = moments(g, m, s)
    m["largest"] = np.maximum(m.get("largest", 0.0), unbiased(square, s["beta2"], t))
    return w - h * unbiased(mean, s["beta1"], t) / (np.sqrt(m["largest"]) + s["eps"])


def lion(w, g, t, h, m, s):
    """c = b1 m + (1 - b1) g, w <- w - h sign(c), m <- b2 m + (1 - b2) g."""
    old = m.get("m", 0.0)
    m["m"] = s["beta2"] * old + (1.0 - s["beta2"]) * g
    return w - h * np.sign(s["beta1"] * old + (1.0 - s["beta1"]) * g)


FORMULAS = {
    "gradient_descent": gradient_descent,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "nadam": nadam,
    "adadelta": adadelta,
    "adamax": adamax,
    "amsgrad": amsgrad,
    "lion": lion,
}


def moments(g, m, s):
    """Return Adam's two means, brought up to date."""
    m["m"] = s["beta1"] * m.get("m", 0.0) + (1.0 - s["beta1"]) * g
    m["v"] = s["beta2"] * m.get("v", 0.0) + (1.0 - s["beta2"]) * g * g
    return m["m"], m["v"]


def unbiased(mean, b, t):
    """Return a running mean without its bias towards the zero it started from."""
    return mean / (1.0 - b**t)


# --------------------------------------------------------------------------------------------------------------------


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
