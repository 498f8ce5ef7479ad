"""Targets, labels and masks that two functions take are constants; a weight whose gradient is forgotten is not."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions

RNG = np.random.default_rng(0)


def softmax(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def contrastive_forward(x1, x2, same, margin=1.0):
    diff = x1 - x2
    dist = np.sqrt(np.sum(diff**2, axis=1) + 1e-12)
    gap = np.maximum(0, margin - dist)
    return np.sum(same * dist**2 + (1 - same) * gap**2) / (2 * len(x1)), (diff, dist, gap, same)


def contrastive_backward(dloss, cache):
    diff, dist, gap, same = cache
    coef = same - (1 - same) * gap / dist
    dx1 = dloss * coef[:, None] * diff / len(dist)
    return dx1, -dx1


def contrastive_backward_without_division(dloss, cache):
    diff, dist, gap, same = cache
    coef = same - (1 - same) * gap
    dx1 = dloss * coef[:, None] * diff / len(dist)
    return dx1, -dx1


def contrastive_backward_of_x1_alone(dloss, cache):
    return contrastive_backward(dloss, cache)[0]


@pytest.mark.sampled
@pytest.mark.parametrize("same", [np.array([1, 0, 0, 1, 0, 0]), np.array([1.0, 0, 0, 1, 0, 0]), RNG.random(6) > 0.5])
def test_same_or_not_of_a_contrastive_loss_has_no_gradient(same):
    pairs = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3)), same
    check_functions(contrastive_forward, contrastive_backward, *pairs, margin=4.0).raise_if_failed()
    wrong = check_functions(contrastive_forward, contrastive_backward_without_division, *pairs, margin=4.0)
    assert "division" in wrong.diagnoses[0].sentence and not any(row.array == "same" for row in wrong.rows)
    forgotten = check_functions(contrastive_forward, contrastive_backward_of_x1_alone, *pairs, margin=4.0)
    assert not forgotten.passed and forgotten.diagnoses[0].array == "x2"


def nll_forward(mu, log_var, y):
    var = np.exp(log_var)
    err = y - mu
    return np.mean(0.5 * (log_var + err**2 / var)), (err, var)


def nll_backward(dloss, cache):
    err, var = cache
    return -dloss * err / var / err.size, dloss * 0.5 * (1 - err**2 / var) / err.size


def nll_backward_with_none(dloss, cache):
    return *nll_backward(dloss, cache), None


def nll_backward_of_the_variance(dloss, cache):
    err, var = cache
    return -dloss * err / var / err.size, dloss * 0.5 * (1 / var - err**2 / var**2) / err.size


def nll_backward_of_mu_alone(dloss, cache):
    return nll_backward(dloss, cache)[0]


def test_targets_of_a_gaussian_likelihood_have_no_gradient():
    arrays = [RNG.normal(size=(5, 2)) for _ in range(3)]
    for backward in (nll_backward, nll_backward_with_none):
        report = check_functions(nll_forward, backward, *arrays)
        report.raise_if_failed()
        assert any("y is taken for a constant" in remark for remark in report.remarks)
    wrong = check_functions(nll_forward, nll_backward_of_the_variance, *arrays)
    assert wrong.diagnoses[0].array == "log_var" and "the factor `var` is missing" in wrong.diagnoses[0].sentence
    forgotten = check_functions(nll_forward, nll_backward_of_mu_alone, *arrays)
    assert not forgotten.passed and forgotten.diagnoses[0].array == "log_var"


def words_forward(x, y, mask):
    N, T, V = x.shape
    p = softmax(x).reshape(N * T, V)
    y, mask = y.reshape(N * T), mask.reshape(N * T)
    return -np.sum(mask * np.log(p[np.arange(N * T), y])) / N, (p, y, mask, x.shape)


def words_backward(dloss, cache):
    p, y, mask, shape = cache
    dx = p.copy()
    dx[np.arange(len(y)), y] -= 1
    dx *= mask[:, None] * dloss / shape[0]
    return dx.reshape(shape)


def words_backward_without_mask(dloss, cache):
    p, y, mask, shape = cache
    dx = p.copy()
    dx[np.arange(len(y)), y] -= 1
    dx *= dloss / shape[0]
    return dx.reshape(shape)


@pytest.mark.parametrize("kind", [int, bool, float])
def test_labels_and_masks_stay_what_they_are(kind):
    x, y = RNG.normal(size=(2, 4, 5)), RNG.integers(0, 5, size=(2, 4))
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]]).astype(kind)
    check_functions(words_forward, words_backward, x, y, mask).raise_if_failed()
    wrong = check_functions(words_forward, words_backward_without_mask, x, y, mask)
    assert not wrong.passed and wrong.diagnoses[0].array == "inputs" and "mask" in wrong.diagnoses[0].sentence


def linear_svm_forward(x, w, b, y):
    s = x @ w + b
    m = np.maximum(0, s - s[np.arange(len(y)), y][:, None] + 1)
    m[np.arange(len(y)), y] = 0
    return m.sum() / len(y), (x, w, m, y)


def linear_svm_backward(dloss, cache):
    x, w, m, y = cache
    ds = (m > 0).astype(float)
    ds[np.arange(len(y)), y] = -ds.sum(axis=1)
    ds *= dloss / len(y)
    return ds @ w.T, x.T @ ds, ds.sum(axis=0)


def linear_svm_backward_without_bias(dloss, cache):
    return linear_svm_backward(dloss, cache)[:2]


def test_a_forgotten_weight_of_a_loss_still_fails():
    arrays = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5)), RNG.normal(size=5), RNG.integers(0, 5, 4)
    check_functions(linear_svm_forward, linear_svm_backward, *arrays).raise_if_failed()
    report = check_functions(linear_svm_forward, linear_svm_backward_without_bias, *arrays)
    assert not report.passed and (report.diagnoses[0].name, report.diagnoses[0].array) == ("never written", "b")


def scale_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def scale_backward(g, cache):
    x, gamma = cache
    return g * gamma, (g * x).sum(axis=0), g.sum(axis=0)


def test_whole_numbers_of_a_weight_are_numbers_all_the_same():
    gamma, beta = np.array([1, 2, 3]), np.array([0, 1, 0])
    check_functions(scale_forward, scale_backward, (5, 3), gamma, beta).raise_if_failed()
    forgotten = check_functions(scale_forward, lambda g, cache: scale_backward(g, cache)[:2], (5, 3), gamma, beta)
    assert not forgotten.passed and forgotten.diagnoses[0].array == "beta"


def gate_forward(x, y):
    return x * y, (x, y)


def test_an_input_called_y_of_a_layer_has_a_gradient():
    shape = (4, 5)
    check_functions(gate_forward, lambda g, c: (g * c[1], g * c[0]), shape, shape).raise_if_failed()
    forgotten = check_functions(gate_forward, lambda g, c: g * c[1], shape, shape)
    assert not forgotten.passed and forgotten.diagnoses[0].array == "y"


def norm_forward(x, gamma, beta, running_mean, running_var):
    std = np.sqrt(running_var + 1e-5)
    normed = (x - running_mean) / std
    return gamma * normed + beta, (normed, std, gamma)


def norm_backward(g, cache):
    normed, std, gamma = cache
    return g * gamma / std, (g * normed).sum(axis=0), g.sum(axis=0)


def test_running_statistics_have_no_gradient():
    arrays = [RNG.uniform(0.5, 2.0, size=3) for _ in range(4)]
    check_functions(norm_forward, norm_backward, (5, 3), *arrays).raise_if_failed()
