"""The line that is blamed is the wrong one, where another change makes the numbers agree as well."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer, check_loss

RNG = np.random.default_rng(0)
MARGIN = 2.0


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def clip_forward(img, txt, temperature=0.5):
    """Symmetric InfoNCE of image and text features."""
    logits = img @ txt.T / temperature
    by_row, by_column = log_softmax(logits), log_softmax(logits.T)
    loss = -0.5 * (np.mean(np.diag(by_row)) + np.mean(np.diag(by_column)))
    return loss, (img, txt, by_row, by_column, temperature)


def clip_backward(dout, cache):
    img, txt, by_row, by_column, temperature = cache
    d_row = (np.exp(by_row) - np.eye(len(img))) / len(img)
    d_column = (np.exp(by_column) - np.eye(len(img))) / len(img)
    dlogits = dout * 0.5 * (d_row + d_column) / temperature
    return dlogits @ txt, dlogits.T @ img


def clip_backward_right(dout, cache):
    img, txt, by_row, by_column, temperature = cache
    d_row = (np.exp(by_row) - np.eye(len(img))) / len(img)
    d_column = (np.exp(by_column) - np.eye(len(img))) / len(img)
    dlogits = dout * 0.5 * (d_row + d_column.T) / temperature
    return dlogits @ txt, dlogits.T @ img


def distillation_forward(student_logits, teacher_logits, labels, T=4.0, alpha=0.7):
    n = len(labels)
    log_s, log_t, log_p = log_softmax(student_logits / T), log_softmax(teacher_logits / T), log_softmax(student_logits)
    soft = np.sum(np.exp(log_t) * (log_t - log_s)) / n
    hard = -np.mean(log_p[np.arange(n), labels])
    return alpha * T**2 * soft + (1 - alpha) * hard, (log_s, np.exp(log_t), log_p, labels, T, alpha)


def distillation_backward_right(dout, cache):
    log_s, p_t, log_p, labels, T, alpha = cache
    d_hard = np.exp(log_p)
    d_hard[np.arange(len(labels)), labels] -= 1
    return dout * (alpha * T * (np.exp(log_s) - p_t) + (1 - alpha) * d_hard) / len(labels)


def distillation_backward(dout, cache):
    log_s, p_t, log_p, labels, T, alpha = cache
    d_soft = T**2 * (np.exp(log_s) - p_t)
    d_hard = np.exp(log_p)
    d_hard[np.arange(len(labels)), labels] -= 1
    return dout * (alpha * d_soft + (1 - alpha) * d_hard) / len(labels)


def contrastive_forward(x1, x2, y):
    """y = 1 for a pair of the same class, 0 for a pair of different classes."""
    diff = x1 - x2
    dist = np.sqrt(np.sum(diff**2, axis=1) + 1e-12)
    hinge = np.maximum(MARGIN - dist, 0)
    return np.mean(0.5 * y * dist**2 + 0.5 * (1 - y) * hinge**2), (diff, dist, hinge, y)


def contrastive_backward_right(dloss, cache):
    diff, dist, hinge, y = (a if a.ndim > 1 else a[:, None] for a in cache)
    dx1 = (y * diff - (1 - y) * hinge * diff / dist) * dloss / len(diff)
    return dx1, -dx1


def contrastive_backward(dloss, cache):
    diff, dist, hinge, y = (a if a.ndim > 1 else a[:, None] for a in cache)
    dx1 = y * diff - (1 - y) * hinge * diff
    dx1 *= dloss / len(diff)
    return dx1, -dx1


def ridge_forward(w, X, y, l2=0.3):
    """Least squares with a penalty, l2/2 |w|^2."""
    rest = X @ w - y
    return 0.5 * np.sum(rest**2) / len(y) + 0.5 * l2 * np.linalg.norm(w), (w, X, rest, l2)


def ridge_backward(dout, cache):
    w, X, rest, l2 = cache
    return dout * (X.T @ rest / len(rest) + l2 * w)


def pairs(n=5, d=4):
    return RNG.normal(size=(n, d)), RNG.normal(size=(n, d))


@pytest.mark.parametrize(
    ("forward", "backward", "more"),
    [
        (clip_forward, clip_backward_right, ()),
        (distillation_forward, distillation_backward_right, (np.array([0, 3, 1, 1, 2]),)),
        (contrastive_forward, contrastive_backward_right, (np.array([1.0, 0.0, 1.0, 0.0, 0.0]),)),
    ],
)
def test_right_losses_of_several_arrays_pass(forward, backward, more):
    check_functions(forward, backward, *pairs(), *more).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forward", "backward", "arrays", "told"),
    [
        (clip_forward, clip_backward, pairs(), "`d_column` must be transposed here"),
        (distillation_forward, distillation_backward, (*pairs(), np.array([0, 3, 1, 1, 2])), "power in `T ** 2`"),
        (contrastive_forward, contrastive_backward, (*pairs(), np.array([1.0, 0, 1, 0, 0])), "division by `dist`"),
        (ridge_forward, ridge_backward, (RNG.normal(size=4), *pairs()[:1], RNG.normal(size=5)), "must be squared"),
    ],
)
def test_the_wrong_line_of_two_functions(forward, backward, arrays, told):
    (first, *_) = check_functions(forward, backward, *arrays).diagnoses
    assert told in first.sentence


def gaussian_nll(outputs, targets):
    """The first half of the outputs are means, the others log variances."""
    D = targets.shape[1]
    mu, log_var = outputs[:, :D], outputs[:, D:]
    precision = np.exp(-log_var)
    sq = (targets - mu) ** 2
    loss = np.mean(0.5 * (log_var + sq * precision))
    grad = np.concatenate([(mu - targets) * precision, 0.5 * (1 - sq) * precision], axis=1)
    return loss, grad / targets.size


class SmoothedCrossEntropy:
    """The true class gets 1 - s, and s is shared equally by the K - 1 others."""

    def __init__(self, smoothing=0.1):
        self.smoothing = smoothing

    def forward(self, logits, target):
        n, k = logits.shape
        self.log_p = log_softmax(logits)
        self.q = np.full((n, k), self.smoothing / (k - 1))
        self.q[np.arange(n), target] += 1 - self.smoothing
        return -(self.q * self.log_p).sum() / n

    def backward(self):
        return (np.exp(self.log_p) - self.q) / len(self.q)


class CosineLoss:
    def forward(self, outputs, targets):
        self.y, self.t = outputs, targets
        return np.mean(1 - np.sum(outputs * targets, axis=1) / (self.norm(outputs) * self.norm(targets))[:, 0])

    def norm(self, x):
        return np.linalg.norm(x, axis=1, keepdims=True)

    def backward(self):
        n_y, n_t = self.norm(self.y), self.norm(self.t)
        cos = (self.y * self.t).sum(axis=1, keepdims=True) / (n_y * n_t)
        d_cos = self.t / (n_y * n_t) - cos * self.y / (n_y * n_t)
        return -d_cos / len(self.y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "arrays", "told"),
    [
        (gaussian_nll, (RNG.normal(size=(5, 6)), RNG.normal(size=(5, 3))), "`0.5 * (1 - sq * precision)` belongs here"),
        (SmoothedCrossEntropy(), ((6, 4),), "+= 1 - self.smoothing`: = belongs"),
        (CosineLoss(), pairs(), "(the second `n_t` of the line)"),
    ],
)
def test_the_wrong_line_of_a_loss(loss, arrays, told):
    (first, *_) = check_loss(loss, *arrays).diagnoses
    assert told in first.sentence


class ProbabilitiesNotTaken(CosineLoss):
    """A weighted cross-entropy, whose gradient takes the logarithms of the probabilities for these."""

    def forward(self, outputs, targets):
        self.log_p, self.t = log_softmax(outputs), targets
        return -np.mean(np.sum(targets * self.log_p, axis=1) * (1 + targets[:, 0]))

    def backward(self):
        w = (1 + self.t[:, :1]) / len(self.t)
        p = self.log_p
        return w * (p - self.t)


def hinge_forward(scores, y):
    margins = y * scores
    return np.mean(np.maximum(0, 1 + margins)), (margins, y)


def hinge_backward(dout, cache):
    margins, y = cache
    return dout * np.where(margins < 1, -y, 0.0) / len(y)


@pytest.mark.slow
def test_a_function_that_is_missing_and_a_sign_of_forward():
    (first, *_) = check_loss(ProbabilitiesNotTaken(), RNG.normal(size=(6, 4)), np.eye(4)[[0, 3, 1, 1, 2, 0]]).diagnoses
    assert "`np.exp(p)` belongs" in first.sentence
    y = np.array([1, -1, 1, 1, -1, -1, 1, -1])
    (first, *_) = check_functions(hinge_forward, hinge_backward, RNG.normal(size=8), y).diagnoses
    assert "a plus stands before `margins` where a minus belongs" in first.sentence


def states_forward(x, h0, U):
    h, before = np.zeros((*x.shape[:2], 4)), h0
    for t in range(x.shape[1]):
        h[:, t] = before = np.tanh(x[:, t] + before @ U)
    return h, (x, h0, U, h)


def states_backward(dh, cache):
    x, h0, U, h = cache
    dx, dU, after = np.zeros_like(x), np.zeros_like(U), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        dx[:, t] = da = (dh[:, t] + after) * (1 - h[:, t] ** 2)
        dU += h[:, t - 1].T @ da
        after = da @ U.T
    return dx, after, dU


class States:
    """The state before the first one is zero."""

    def __init__(self):
        self.U = np.random.default_rng(0).normal(size=(4, 4))

    def forward(self, x):
        self.h, self.given = states_forward(x, np.zeros((len(x), 4)), self.U)
        return self.h

    def backward(self, dh):
        h, dx, self.dU, after = self.h, np.zeros_like(dh), np.zeros_like(self.U), 0.0
        for t in reversed(range(dh.shape[1])):
            dx[:, t] = da = (dh[:, t] + after) * (1 - h[:, t] ** 2)
            self.dU += h[:, t - 1].T @ da
            after = da @ self.U.T
        return dx


def test_the_index_before_the_first_is_the_last():
    first = check_functions(states_forward, states_backward, (2, 3, 4), (2, 4), (4, 4)).diagnoses[0]
    assert "`h[:, t - 1] if t > 0 else h0` belongs here" in first.sentence, first
    first = check_layer(States(), (2, 3, 4)).diagnoses[0]
    assert "nothing comes before the first" in first.sentence, first
