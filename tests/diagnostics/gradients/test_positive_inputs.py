"""Functions of positive numbers are checked at positive inputs, if such ones are given; forgotten paths are named."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions

RNG = np.random.default_rng(0)


def gem_forward(x, p):
    """Generalized-mean pooling over the last axes, with a learned power."""
    m = np.mean(x**p, axis=(2, 3))
    return m ** (1.0 / p), (x, p, m)


def gem_backward(dy, cache):
    x, p, m = cache
    y = m ** (1.0 / p)
    dm = dy * y / (p * m)
    dx = dm[:, :, None, None] * p * x ** (p - 1) / (x.shape[2] * x.shape[3])
    dp = np.sum(dm * np.mean(x**p * np.log(x), axis=(2, 3)) - dy * y * np.log(m) / p**2)
    return dx, dp.reshape(1)


def gem_backward_of_one_path(dy, cache):
    x, p, m = cache
    dm = dy * m ** (1.0 / p) / (p * m)
    dx, _ = gem_backward(dy, cache)
    return dx, np.sum(dm * np.mean(x**p * np.log(x), axis=(2, 3))).reshape(1)


def kl_forward(p, q):
    return np.sum(p * np.log(p / q)) / len(p), (p, q)


def kl_backward(dout, cache):
    p, q = cache
    return dout * (np.log(p / q) + 1) / len(p), -dout * p / q / len(p)


IMAGES, POWER = RNG.uniform(0.3, 2.0, (2, 3, 3, 4)), np.array([3.0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_right_functions_of_positive_numbers_pass():
    check_functions(gem_forward, gem_backward, IMAGES, POWER).raise_if_failed()
    check_functions(kl_forward, kl_backward, *RNG.dirichlet(np.ones(4), (2, 3))).raise_if_failed()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_path_that_is_forgotten():
    (first, *_) = check_functions(gem_forward, gem_backward_of_one_path, IMAGES, POWER).diagnoses
    assert first.array == "p" and "1.0 / p" in first.sentence


def test_both_branches_are_seen_where_negative_inputs_are_no_problem():
    forward, backward = (lambda x: (np.where(x > 0, x, 0.1 * x), x)), (lambda dout, x: dout)
    assert not check_functions(forward, backward, IMAGES).passed
