"""Losses and rules that are called in other ways than most."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_rule
from mlp.diagnostics.gradients.own_file import check_file
from mlp.errors import ConfigurationError


def bce_forward(p, t):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p)) / len(t), (p, t)


def right_backward(cache):
    p, t = cache
    return (-t / p + (1 - t) / (1 - p)) / len(t)


def wrong_backward(cache):
    p, t = cache
    return (-t / p - (1 - t) / (1 - p)) / len(t)


def test_backward_of_a_loss_that_takes_the_cache_alone():
    p, t = np.random.default_rng(0).uniform(0.1, 0.9, (6, 1)), np.array([[1.0], [0.0], [0.0], [1.0], [1.0], [0.0]])
    check_functions(bce_forward, right_backward, p, t).raise_if_failed()
    report = check_functions(bce_forward, wrong_backward, p, t)
    assert "where a plus belongs" in " ".join(str(report).split())


def sgd_of_all(params, grads, lr=0.1):
    return {name: w - lr * grads[name] for name, w in params.items()}


def sgd_of_all_in_place(params, grads, lr=0.1):
    for name in params:
        params[name] -= lr * grads[name]


@pytest.mark.parametrize("rule", [sgd_of_all, sgd_of_all_in_place])
def test_rules_that_take_all_arrays_in_dictionaries(rule):
    check_rule(rule).raise_if_failed()


def test_settings_of_a_rule_that_is_a_function(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("def sgd(w, dw, lr=0.1, weight_decay=0.0):\n    return w - lr * (dw + weight_decay * w)\n")
    check_file(f"{path}:sgd", "lr=0.2, weight_decay=0.01").raise_if_failed()
    with pytest.raises(ConfigurationError, match="has no setting 'momentum' for --args: its settings are lr, weight"):
        check_file(f"{path}:sgd", "momentum=0.9")
    path.write_text("def sgd(w, dw, lr=0.1, weight_decay=0.0):\n    return w - lr * (dw - weight_decay * w)\n")
    assert check_file(f"{path}:sgd").passed
    assert not check_file(f"{path}:sgd", "weight_decay=0.01").passed
    path.write_text("def sgd(w, dw, lr, weight_decay):\n    return w - lr * (dw + weight_decay * w)\n")
    with pytest.raises(ConfigurationError, match="needs values for all its settings"):
        check_file(f"{path}:sgd", "lr=0.1")


def squares_forward(y, t):
    return np.mean((y - t) ** 2), y - t


def squares_backward(diff):
    return 2 * diff / diff.size


def test_backward_of_a_loss_that_takes_what_forward_returned_whatever_its_name():
    y, t = np.random.default_rng(0).standard_normal((2, 4, 3))
    check_functions(squares_forward, squares_backward, y, t).raise_if_failed()
    report = check_functions(squares_forward, lambda diff: 2 * diff / len(diff), y, t)
    assert "`diff.size`" in str(report) or "3 times" in str(report), report
