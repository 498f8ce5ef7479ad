"""Learning rules against their formulas written as plain loops, and what surrounds them."""

import math

import numpy as np
import pytest

from mlp.errors import CheckpointError, ConfigurationError, MlpError
from mlp.layers import Affine, Parameter
from mlp.learning_rules import RULES, AdaGrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp


def run(rule, steps=20, dtype=np.float64):
    """Steps on the loss sum(w^4)/4 from fixed weights; returns the weights after each step."""
    p = Parameter(np.array([1.0, -0.5, 0.25, 2.0], dtype))
    rule.initialize([p])
    path = []
    for _ in range(steps):
        p.grad = p.data**3
        rule.update()
        path.append(p.data.tolist())
    return path


def by_hand(step, steps=20, weight_decay=0.0):
    """The same with `step(g, memory, t) -> change` for a single weight at a time, in plain Python."""
    columns = []
    for w in (1.0, -0.5, 0.25, 2.0):
        memory, column = {}, []
        for t in range(1, steps + 1):
            w -= step(w**3 + weight_decay * w, memory, t)
            column.append(w)
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)]


def momentum_step(g, memory, t):
    memory["v"] = 0.9 * memory.get("v", 0.0) + g
    return 0.05 * memory["v"]


def nesterov_step(g, memory, t):
    memory["v"] = 0.9 * memory.get("v", 0.0) + g
    return 0.05 * (g + 0.9 * memory["v"])


def adagrad_step(g, memory, t):
    memory["s"] = memory.get("s", 0.0) + g * g
    return 0.05 * g / (math.sqrt(memory["s"]) + 1e-10)


def rmsprop_step(g, memory, t):
    memory["v"] = 0.99 * memory.get("v", 0.0) + 0.01 * g * g
    return 0.01 * g / (math.sqrt(memory["v"]) + 1e-8)


def adam_step(g, memory, t):
    memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    memory["v"] = 0.999 * memory.get("v", 0.0) + 0.001 * g * g
    m, v = memory["m"] / (1 - 0.9**t), memory["v"] / (1 - 0.999**t)
    return 0.01 * m / (math.sqrt(v) + 1e-8)


CASES = [
    (GradientDescent, 0.05, lambda g, memory, t: 0.05 * g),
    (Momentum, 0.05, momentum_step),
    (Nesterov, 0.05, nesterov_step),
    (AdaGrad, 0.05, adagrad_step),
    (RMSProp, 0.01, rmsprop_step),
    (Adam, 0.01, adam_step),
]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("rule", "learning_rate", "step"), CASES)
def test_the_vector_formula_equals_the_formula_by_hand(rule, learning_rate, step, weight_decay):
    ours = run(rule(learning_rate, weight_decay=weight_decay))
    np.testing.assert_allclose(ours, by_hand(step, weight_decay=weight_decay), rtol=1e-10)


def two_tensors():
    return [Parameter(np.array([3.0, -4.0]), "conv.weight"), Parameter(np.array([12.0]), "conv.bias")]


def one_update(rule, parameters):
    """One step of gradient descent at rate 1 with gradient = weights; returns the change of all weights."""
    rule.initialize(parameters)
    before = rule.flat.data.copy()
    rule.flat.grad[:] = before
    rule.update()
    assert (rule.flat.grad == before).all()  # p.grad stays as backward wrote it
    return before - rule.flat.data


def test_clipping_by_norm_keeps_the_direction():
    change = one_update(GradientDescent(1.0, clip_norm=6.5), two_tensors())
    np.testing.assert_allclose(change, np.array([3.0, -4.0, 12.0]) * 6.5 / (13.0 + 1e-6), rtol=1e-12)
    unclipped = one_update(GradientDescent(1.0, clip_norm=14.0), two_tensors())
    assert unclipped.tolist() == [3.0, -4.0, 12.0]


def test_clipping_by_value_bounds_each_number():
    assert one_update(GradientDescent(1.0, clip_value=3.5), two_tensors()).tolist() == [3.0, -3.5, 3.5]


def test_coupled_decay_comes_after_clipping_and_decoupled_decay_goes_around_the_rule():
    coupled = one_update(GradientDescent(0.5, weight_decay=0.1, clip_value=1.0), two_tensors())
    np.testing.assert_allclose(coupled, 0.5 * (np.array([1.0, -1.0, 1.0]) + 0.1 * np.array([3.0, -4.0, 12.0])))
    decoupled = one_update(GradientDescent(0.5, decoupled_weight_decay=0.1, clip_value=1.0), two_tensors())
    np.testing.assert_allclose(decoupled, 0.5 * np.array([1.0, -1.0, 1.0]) + 0.5 * 0.1 * np.array([3.0, -4.0, 12.0]))


@pytest.mark.parametrize("kind", ["weight_decay", "decoupled_weight_decay"])
def test_no_decay_spares_parameters_by_name(kind):
    rule = GradientDescent(1.0, **{kind: 0.1}, no_decay=r"(gamma|beta|bias)$")
    rule.initialize(two_tensors())
    rule.flat.grad[:] = 0.0
    rule.update()
    np.testing.assert_allclose(rule.flat.data, [3.0 * 0.9, -4.0 * 0.9, 12.0])


def test_adamw_decays_by_default():
    rule = AdamW(0.1)
    rule.initialize([Parameter(np.array([2.0]))])
    rule.update()
    np.testing.assert_allclose(rule.flat.data, [2.0 * (1 - 0.1 * 0.01)])


@pytest.mark.parametrize("rule", RULES.values())
def test_float32_stays_float32(rule):
    p = Parameter(np.ones(3, np.float32), "weight")
    r = rule(1e-3, weight_decay=1e-2, no_decay="bias", clip_norm=0.1, clip_value=0.1)
    r.initialize([p])
    p.grad = np.ones(3, np.float32)
    r.update()
    assert p.data.dtype == p.grad.dtype == np.float32
    assert all(moment.dtype == np.float32 for moment in r.moments.values())


@pytest.mark.parametrize("rule", RULES.values())
def test_a_restored_rule_goes_on_exactly(rule):
    whole = run(rule(0.01), steps=20)
    first = rule(0.01)
    half = run(first, steps=10)
    p = Parameter(np.array(half[-1]))
    second = rule(0.01)
    second.initialize([p])
    second.load_state_dict(first.state_dict())
    for _ in range(10):
        p.grad = p.data**3
        second.update()
    assert p.data.tolist() == whole[-1]


def test_update_needs_initialize_and_notices_a_converted_model():
    layer, rule = Affine(2, 2), Adam()
    with pytest.raises(MlpError, match="call rule.initialize"):
        rule.update()
    rule.initialize(layer.parameters())
    rule.update()
    layer.astype(np.float64)
    with pytest.raises(MlpError, match=r"after model.to\(\) or model.astype\(\)"):
        rule.update()


@pytest.mark.parametrize("value", [0, -1e-3, float("nan"), float("inf")])
def test_learning_rates_must_be_positive(value):
    for rule in RULES.values():
        with pytest.raises(ConfigurationError, match="learning_rate must be greater than 0"):
            rule(value)


def test_other_settings_are_checked():
    with pytest.raises(ConfigurationError, match="momentum must lie in 0 <= momentum < 1, got 1.0"):
        Momentum(0.1, momentum=1.0)
    with pytest.raises(ConfigurationError, match="beta2"):
        Adam(beta2=1.0)
    with pytest.raises(ConfigurationError, match="eps"):
        Adam(eps=0)
    with pytest.raises(ConfigurationError, match="weight_decay must be 0 or greater"):
        GradientDescent(0.1, weight_decay=-1)


def test_a_foreign_state_is_refused():
    adam = Adam()
    adam.initialize([Parameter(np.zeros(2))])
    with pytest.raises(CheckpointError, match="Adam needs"):
        adam.load_state_dict({"steps": 3, "velocity": np.zeros(2)})


def test_no_decay_needs_names():
    rule = AdamW(1e-3, no_decay="bias")
    with pytest.raises(ConfigurationError, match=r"call model.set_paths\(\) before initialize"):
        rule.initialize([Parameter(np.ones(3, np.float32))])


@pytest.mark.parametrize("size", [1e22, 1e38])
def test_gradients_whose_squares_overflow_are_clipped(size):
    p = Parameter(np.zeros(4, np.float32))
    rule = GradientDescent(1.0, clip_norm=2.0)
    rule.initialize([p])
    p.grad = np.full(4, size, np.float32)
    rule.update()
    np.testing.assert_allclose(p.data, -1.0, rtol=1e-5)


def test_an_infinite_gradient_is_seen_in_all_weights():
    p = Parameter(np.zeros(3, np.float32))
    rule = GradientDescent(1.0, clip_norm=2.0)
    rule.initialize([p])
    p.grad = np.array([np.inf, 1.0, 1.0], np.float32)
    with np.errstate(invalid="ignore"):
        rule.update()
    np.testing.assert_array_equal(p.data, [np.nan, 0.0, 0.0])
