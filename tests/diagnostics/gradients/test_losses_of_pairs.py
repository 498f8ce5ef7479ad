"""Losses of pairs and triplets, of means and variances, of two branches: right ones pass, wrong lines are named."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_loss


def triplet_forward(anchor, positive, negative, margin=1.0):
    """Triplet loss, averaged over the triplets that still have a loss."""
    d_pos, d_neg = np.sum((anchor - positive) ** 2, axis=1), np.sum((anchor - negative) ** 2, axis=1)
    losses = np.maximum(d_pos - d_neg + margin, 0.0)
    active = (losses > 0).astype(anchor.dtype)
    num_active = max(active.sum(), 1.0)
    return losses.sum() / num_active, (anchor, positive, negative, active)


def triplet_backward(dout, cache):
    anchor, positive, negative, active = cache
    scale = dout * active[:, None] / max(active.sum(), 1.0)
    return 2 * (negative - positive) * scale, 2 * (positive - anchor) * scale, 2 * (anchor - negative) * scale


def of_the_whole_batch(dout, cache):
    anchor, positive, negative, active = cache
    scale = dout * active[:, None] / anchor.shape[0]
    return 2 * (negative - positive) * scale, 2 * (positive - anchor) * scale, 2 * (anchor - negative) * scale


def arrays(*shapes):
    return [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes)]


def test_a_triplet_loss_may_be_the_mean_of_those_that_count():
    given = arrays((7, 4), (7, 4), (7, 4))
    check_functions(triplet_forward, triplet_backward, *given).raise_if_failed()
    (first, *_) = check_functions(triplet_forward, of_the_whole_batch, *given).diagnoses
    assert "divided by `anchor.shape[0]`, and must be by `max(active.sum(), 1.0)`" in first.sentence


def gaussian_nll_forward(mu, log_var, y):
    var, sq = np.exp(log_var), (y - mu) ** 2
    return 0.5 * np.mean(log_var + sq / var), (mu, y, var, sq)


def with_respect_to_the_variance(cache):
    mu, y, var, sq = cache
    return (mu - y) / var / y.size, 0.5 * (1 / var - sq / var**2) / y.size


def test_a_chain_rule_is_missing_in_a_loss_that_takes_its_cache_alone():
    given = arrays((6, 2), (6, 2), (6, 2))
    (first, *_) = check_functions(gaussian_nll_forward, with_respect_to_the_variance, *given).diagnoses
    assert "the factor `var` is missing" in first.sentence


class FocalLoss:
    """Focal loss of logits, mean over all values."""

    gamma = 2.0

    def forward(self, logits, targets):
        p = 1.0 / (1.0 + np.exp(-logits))
        pt = np.where(targets == 1, p, 1 - p)
        self.cache = p, pt, targets
        return np.mean(-((1 - pt) ** self.gamma) * np.log(pt))

    def backward(self):
        p, pt, targets = self.cache
        dpt = self.gamma * (1 - pt) ** (self.gamma - 1) * np.log(pt) - (1 - pt) ** self.gamma / pt
        dlogits = dpt * p * (1 - p)
        return dlogits / dlogits.size


def test_a_sign_of_one_branch():
    targets = np.random.default_rng(1).integers(0, 2, size=(6, 4)).astype(float)
    (first, *_) = check_loss(FocalLoss(), *arrays((6, 4)), targets).diagnoses
    assert "`dlogits = dpt * p * (1 - p)`: the sign of" in first.sentence
    assert "the factor `np.where(targets == 1, 1, -1)` is missing" in first.sentence


def cosine_forward(x1, x2, y, margin=0.0):
    n1, n2 = np.linalg.norm(x1, axis=1, keepdims=True), np.linalg.norm(x2, axis=1, keepdims=True)
    cos, y = np.sum(x1 * x2, axis=1, keepdims=True) / (n1 * n2), y.reshape(-1, 1)
    loss = np.where(y == 1, 1 - cos, np.maximum(0, cos - margin))
    return loss.mean(), (x1, x2, y, n1, n2, cos, margin)


def with_the_norm_of_the_other(cache):
    x1, x2, y, n1, n2, cos, margin = cache
    dcos = np.where(y == 1, -1.0, (cos > margin).astype(float)) / len(y)
    return dcos * (x2 / (n1 * n2) - cos * x1 / n2**2), dcos * (x1 / (n1 * n2) - cos * x2 / n2**2)


@pytest.mark.slow
def test_a_line_says_more_than_a_path_through_a_norm():
    labels = np.array([1, -1, -1, 1, -1, 1])
    (first, *_) = check_functions(cosine_forward, with_the_norm_of_the_other, *arrays((6, 4), (6, 4)), labels).diagnoses
    assert "`n2` stands where `n1` belongs" in first.sentence


class PinballLoss:
    """Column i is the quantile quantiles[i] of the target."""

    def __init__(self, quantiles=(0.1, 0.4, 0.9)):
        self.q = np.array(quantiles)

    def difference(self, y, t):
        return t[:, None] - y

    def forward(self, y, t):
        error = self.difference(y, t)
        self.slope = np.where(error > 0, -self.q, 1 - self.q) / error.size
        return np.maximum(self.q * error, (self.q - 1) * error).mean()

    def backward(self):
        return self.slope


class TurnedPinballLoss(PinballLoss):
    def difference(self, y, t):
        return y - t[:, None]

    def backward(self):
        return -self.slope


def test_one_target_has_several_quantiles():
    y, t = arrays((6, 3), (6,))
    check_loss(PinballLoss(), y, t).raise_if_failed()
    (first, *_) = check_loss(TurnedPinballLoss(), y, t).diagnoses
    assert "the difference `y - t[:, None]` is the wrong way round" in first.sentence


class SequenceCrossEntropy:
    """Cross-entropy of logits (N, T, V) and ids (N, T): the mean over the real tokens, those that are not 0."""

    def forward(self, logits, ids):
        V = logits.shape[-1]
        flat, y = logits.reshape(-1, V), ids.reshape(-1)
        mask = (y != 0).astype(float)
        z = flat - flat.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        nll = -log_p[np.arange(len(y)), y]
        self.gradient = ((np.exp(log_p) - np.eye(V)[y]) * mask[:, None] / len(y)).reshape(logits.shape)
        return np.mean(nll * mask)

    def backward(self):
        return self.gradient


@pytest.mark.slow
def test_the_mean_of_the_documentation_is_that_over_the_tokens_that_count():
    ids = np.array([[3, 1, 6, 0, 0], [2, 5, 4, 1, 3]])
    (first, *_) = check_loss(SequenceCrossEntropy(), *arrays((2, 5, 7)), ids).diagnoses
    assert "`(nll * mask).sum() / mask.sum()`" in first.sentence


class HingeLoss:
    """Multi-class hinge loss, averaged over the margins that are violated."""

    def forward(self, scores, y):
        rows = np.arange(len(y))
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
        margins[rows, y] = 0
        self.count, self.gradient = max(1, (margins > 0).sum()), (margins > 0).astype(float)
        self.gradient[rows, y] = -self.gradient.sum(axis=1)
        return margins.sum() / self.count

    def backward(self):
        return self.gradient / self.count


def test_a_hinge_loss_may_be_the_mean_of_the_margins_that_are_violated():
    check_loss(HingeLoss(), *arrays((6, 4)), np.array([0, 1, 2, 3, 1, 0])).raise_if_failed()
