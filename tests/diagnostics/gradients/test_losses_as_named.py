"""A loss that is not what its name says is found, with its line; right ones in unusual forms pass."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_loss

ANOTHER = "another loss than its name says"


class HuberLoss:
    """Quadratic up to delta, linear beyond."""

    def __init__(self, delta=0.7):
        self.delta = delta

    def __call__(self, pred, target):
        d = pred - target
        small = np.abs(d) <= self.delta
        return np.mean(np.where(small, 0.5 * d**2, self.delta * (np.abs(d) - self.delta)))

    def grad(self, pred, target):
        d = pred - target
        return np.clip(d, -self.delta, self.delta) / d.size


class DiceLoss:
    """1 - dice of masks (N, H, W), mean over N; backward fits forward."""

    two = 1.0

    def forward(self, p, t):
        self.t, self.inter = t, (p * t).sum(axis=(1, 2), keepdims=True)
        self.total = (p + t).sum(axis=(1, 2), keepdims=True)
        return 1 - ((self.inter + 1.0) / (self.total + 1.0)).mean()

    def backward(self):
        return -(self.t * (self.total + 1.0) - self.inter - 1.0) / (self.total + 1.0) ** 2 / len(self.t)


class SequenceCrossEntropy:
    """Mean over the steps that are no padding (-1)."""

    def forward(self, x, y):
        p = np.exp(x - x.max(-1, keepdims=True))
        self.p = p / p.sum(-1, keepdims=True)
        self.mask = y != -1
        self.hot = np.eye(x.shape[2])[np.where(self.mask, y, 0)]
        return -(np.log((self.p * self.hot).sum(-1)) * self.mask).mean()

    def backward(self):
        return (self.p - self.hot) * self.mask[..., None] / self.mask.sum()


def test_the_line_of_forward_is_said():
    report = check_loss(HuberLoss(), (6, 3))
    assert report.diagnoses[0].name == ANOTHER
    assert "`0.5` is missing in `self.delta`" in report.diagnoses[0].sentence
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (3, 4, 5)).astype(float)
    report = check_loss(DiceLoss(), rng.uniform(0.1, 0.9, (3, 4, 5)), masks)
    assert report.diagnoses[0].name == ANOTHER
    assert "the factor `2` is missing in `(p * t).sum" in report.diagnoses[0].sentence


def test_a_mean_over_padding_is_said_to_be_wrong_in_the_loss():
    rng = np.random.default_rng(0)
    y = np.array([[1, 2, 0, -1], [4, -1, -1, -1], [3, 3, 2, 1]])
    report = check_loss(SequenceCrossEntropy(), rng.normal(size=(3, 4, 5)), y)
    assert report.diagnoses[0].name == "mean over all places"
    assert ".sum() / self.mask.sum()" in report.diagnoses[0].sentence


def gaussian_nll_of_halves(outputs, targets):
    """Outputs (N, 2 D): means, then logarithms of variances; the second half of the gradient forgets exp's slope."""
    n, d = targets.shape
    mu, log_var = outputs[:, :d], outputs[:, d:]
    var, err = np.exp(log_var), targets - mu
    loss = 0.5 * np.sum(log_var + err**2 / var + np.log(2 * np.pi)) / n
    return loss, np.concatenate([-err / var, 0.5 * (1 / var - err**2 / var**2)], axis=1) / n


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_targets_may_have_fewer_columns_than_outputs(columns):
    rng = np.random.default_rng(0)
    report = check_loss(gaussian_nll_of_halves, rng.normal(size=(5, 2 * columns)), rng.normal(size=(5, columns)))
    assert "var" in report.diagnoses[0].sentence and "is missing" in report.diagnoses[0].sentence


def margin_ranking_loss(x1, x2, y, margin):
    violation = y * (x1 - x2) + margin
    return np.mean(np.maximum(0, violation)), (y, violation)


def margin_ranking_backward(dout, cache):
    y, violation = cache
    dx1 = dout * y * (violation > 0) / len(y)
    return dx1, -dx1


def contrastive_loss(x1, x2, y, margin):
    """Y = 0 for similar pairs (Hadsell et al.), with halves."""
    diff = x1 - x2
    d = np.sqrt((diff**2).sum(1))
    h = np.maximum(0, margin - d)
    return np.mean(0.5 * (1 - y) * d**2 + 0.5 * y * h**2), (diff, d, h, y)


def contrastive_backward(dout, cache):
    diff, d, h, y = cache
    g = (dout * ((1 - y) - y * h / d) / len(d))[:, None] * diff
    return g, -g


def nt_xent(z1, z2, temperature):
    z = np.concatenate([z1, z2])
    n = np.linalg.norm(z, axis=1, keepdims=True)
    u = z / n
    s = u @ u.T / temperature
    p = np.exp(s)
    p = p / p.sum(1, keepdims=True)
    other = np.roll(np.arange(len(z)), len(z1))
    return -np.log(p[np.arange(len(z)), other]).mean(), (u, n, p, other, temperature)


def nt_xent_backward(dout, cache):
    u, n, p, other, T = cache
    ds = p.copy()
    ds[np.arange(len(u)), other] -= 1
    ds *= dout / len(u) / T
    du = ds @ u + ds.T @ u
    dz = (du - u * (u * du).sum(1, keepdims=True)) / n
    return dz[: len(u) // 2], dz[len(u) // 2 :]


def test_losses_of_several_arrays():
    rng = np.random.default_rng(0)
    y = np.array([1, -1, 1, 1, -1, -1, 1, -1])
    pairs = rng.normal(size=8), rng.normal(size=8)
    report = check_functions(margin_ranking_loss, margin_ranking_backward, *pairs, y=y, margin=0.5)
    assert report.diagnoses[0].name == ANOTHER
    assert "`x1 - x2` is the wrong way round" in report.diagnoses[0].sentence
    vectors = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    check_functions(contrastive_loss, contrastive_backward, *vectors, y=y[:7] > 0, margin=4.0).raise_if_failed()
    report = check_functions(nt_xent, nt_xent_backward, *vectors, temperature=0.5)
    assert "`np.fill_diagonal(s, -np.inf)` is missing" in report.diagnoses[0].sentence


class WeightedHuber(HuberLoss):
    """Huber with a weight for each output: more than the plain one."""

    weights = np.array([1.0, 2.0, 0.5])

    def __call__(self, pred, target):
        d = np.abs(pred - target)
        parts = np.where(d <= self.delta, 0.5 * d**2, self.delta * (d - 0.5 * self.delta))
        return np.mean(self.weights * parts)

    def grad(self, pred, target):
        return self.weights * super().grad(pred, target)


class SmoothL1Loss:
    def __init__(self, beta=0.6):
        self.beta = beta

    def __call__(self, y, t):
        d = np.abs(y - t)
        return np.mean(np.where(d < self.beta, d * d / (2 * self.beta), d - self.beta / 2))

    def grad(self, y, t):
        return np.clip((y - t) / self.beta, -1, 1) / y.size


class PoissonLoss:
    """With Stirling's approximation, which does not depend on the outputs."""

    def forward(self, y, t):
        self.y, self.t = y, t
        stirling = np.where(t > 1, t * np.log(np.maximum(t, 1)) - t, 0)
        return np.mean(np.exp(y) - t * y + stirling)

    def backward(self):
        return (np.exp(self.y) - self.t) / self.y.size


@pytest.mark.parametrize("loss", (WeightedHuber(), SmoothL1Loss(), SmoothL1Loss(1.0)))
def test_right_losses_of_more_than_one_form_pass(loss):
    check_loss(loss, (6, 3), np.random.default_rng(0).normal(size=(6, 3))).raise_if_failed()


def test_what_does_not_depend_on_the_outputs_is_free():
    rng = np.random.default_rng(0)
    check_loss(PoissonLoss(), rng.normal(size=(6, 2)), rng.poisson(3.0, (6, 2)).astype(float)).raise_if_failed()


class ColumnLoss:
    """(N, 1) minus (N,)."""

    def __call__(self, pred, target):
        return np.mean((pred - target) ** 2)

    def grad(self, pred, target):
        return 2 * (pred - target) / pred.size


def test_broadcast_targets_are_said_so():
    report = check_loss(ColumnLoss(), (5, 1), np.random.default_rng(0).normal(size=5))
    assert report.diagnoses[0].name == "broadcast"


def gaussian_nll_loss(out, y):
    """Outputs (N, 2) are mean and variance."""
    mu, var = out[:, 0], out[:, 1]
    d = mu - y
    loss = np.mean(0.5 * np.log(var) + d**2 / (2 * var))
    grad = np.stack([d / var, 0.5 / var - d**2 / (2 * var**2)], axis=1)
    return loss, grad / len(y)


def half_forgotten(out, y):
    mu, var = out[:, 0], out[:, 1]
    d = mu - y
    loss = np.mean(np.log(var) + d**2 / (2 * var))
    grad = np.stack([d / var, 1 / var - d**2 / (2 * var**2)], axis=1)
    return loss, grad / len(y)


def of_softplus(out, y):
    """The variance is log(1 + exp(s)) + 1e-6."""
    var = np.logaddexp(0.0, out[:, 1]) + 1e-6
    d = out[:, 0] - y
    loss = np.mean(0.5 * np.log(var) + d**2 / (2 * var))
    slope = 1 / (1 + np.exp(-out[:, 1]))
    return loss, np.stack([d / var, (0.5 / var - d**2 / (2 * var**2)) * slope], axis=1) / len(y)


def kl_div_of_logs(log_q, log_p):
    p = np.exp(log_p)
    return np.sum(p * (log_p - log_q)) / len(log_q), -p / len(log_q)


def poly1_cross_entropy(z, y, eps=2.0):
    """Cross-entropy + eps (1 - p_t)."""
    z, rows = z - z.max(axis=1, keepdims=True), np.arange(len(y))
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    d, p_t = np.exp(log_p), np.exp(log_p[rows, y])
    d[rows, y] -= 1
    return np.mean(eps * (1 - p_t) - log_p[rows, y]), d * (1 + eps * p_t)[:, None] / len(y)


def js_divergence(p, q):
    m = 0.5 * (p + q)
    loss = 0.5 * np.sum(p * np.log(p / m) + q * np.log(q / m)) / len(p)
    return loss, 0.5 * np.log(p / m) / len(p)


def tukey_biweight(y, t, c=4.685):
    """c^2/6 (1 - (1 - (d/c)^2)^3) up to c; the constant beyond does not meet it."""
    d = y - t
    u = 1 - (d / c) ** 2
    loss = np.where(np.abs(d) <= c, c**2 / 6 * (1 - u**3), c**2 / 2)
    return loss.mean(), np.where(np.abs(d) <= c, d * u**2, 0) / d.size


class MultiLabelSoftMargin:
    """The sign of the second term is that of the first."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return np.mean(y * np.log1p(np.exp(-x)) + (1 - y) * np.log1p(np.exp(-x)))

    def backward(self):
        return (1 / (1 + np.exp(-self.x)) - self.y) / self.x.size


def test_likelihoods_and_distances_of_distributions():
    rng = np.random.default_rng(0)
    y, spreads = rng.normal(size=6), rng.uniform(0.3, 2.0, (6, 2))
    p, q = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.ones(4), 5)
    check_loss(gaussian_nll_loss, spreads, y).raise_if_failed()
    check_loss(of_softplus, rng.normal(size=(6, 2)), y).raise_if_failed()
    check_loss(kl_div_of_logs, np.log(p), np.log(q)).raise_if_failed()
    check_loss(poly1_cross_entropy, (5, 4)).raise_if_failed()
    check_loss(js_divergence, p, q).raise_if_failed()
    first = check_loss(half_forgotten, spreads, y).diagnoses
    assert first == []  # its name speaks of no loss
    half_forgotten.__name__ = "gaussian_nll"
    (first, *_) = check_loss(half_forgotten, spreads, y).diagnoses
    assert first.name == ANOTHER and "the factor `0.5` is missing in `np.log(var)`" in first.sentence


def test_what_other_names_promise():
    rng = np.random.default_rng(0)
    (first, *_) = check_loss(MultiLabelSoftMargin(), (5, 4), rng.integers(0, 2, (5, 4)).astype(float)).diagnoses
    assert first.name == ANOTHER and "the minus before `x` is wrong" in first.sentence
    (first, *_) = check_loss(tukey_biweight, 3 * rng.normal(size=(6, 3)), rng.normal(size=(6, 3))).diagnoses
    assert first.name == "the loss jumps" or "c ** 2 / 2" in first.sentence


class CrossEntropy:
    """Of scores whose maximum is subtracted before exp."""

    def forward(self, x, t):
        shifted = x - np.max(x, axis=1, keepdims=True)
        log_z = np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        log_p = shifted - log_z
        self.t, self.p = t, np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        return -np.mean(log_p[np.arange(len(x)), t])

    def backward(self):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx / len(dx)


def cross_entropy_of_scores(scores, labels):
    z = scores - scores.max(axis=1, keepdims=True)
    total = np.exp(z).sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - scores[np.arange(len(labels)), labels])
    return loss, (np.exp(z) / total - np.eye(z.shape[1])[labels]) / len(labels)


class HuberOfKept:
    """The linear part takes d, and not |d|; d alone is kept."""

    delta = 0.7

    def forward(self, pred, target):
        self.d = pred - target
        a = np.abs(self.d)
        linear = self.delta * (self.d - 0.5 * self.delta)
        return np.where(a <= self.delta, 0.5 * self.d**2, linear).mean()

    def backward(self):
        return np.clip(self.d, -self.delta, self.delta) / self.d.size


def test_a_name_stands_where_one_made_of_it_belongs():
    check_loss(CrossEntropy(), (5, 4)).raise_if_failed()
    (first, *_) = check_loss(cross_entropy_of_scores, (5, 4)).diagnoses
    assert first.name == ANOTHER and "`scores` stands where `z` belongs" in first.sentence
    (first, *_) = check_loss(HuberOfKept(), (6, 4), np.random.default_rng(0).normal(size=(6, 4))).diagnoses
    assert first.name == ANOTHER and "`self.d` stands where `np.abs(self.d)` belongs" in first.sentence


def svm_loss_of_margins(scores, y, margins=None):
    n, k = scores.shape
    margins = np.linspace(1.0, 2.0, k) if margins is None else margins
    m = np.maximum(0, scores - scores[np.arange(n), y][:, None] + margins[y][:, None])
    m[np.arange(n), y] = 0
    grad = (m > 0).astype(float)
    grad[np.arange(n), y] -= grad.sum(axis=1)
    return m.sum() / n, grad / n


def svm_loss_of_two(scores, y, margin=1.0):
    return svm_loss_of_margins(scores, y, np.full(scores.shape[1], margin + scores.shape[1] / 10))


def test_a_margin_for_each_class_is_no_mistake():
    assert check_loss(svm_loss_of_margins, (6, 4)).passed
    assert not check_loss(svm_loss_of_two, (6, 4)).passed
