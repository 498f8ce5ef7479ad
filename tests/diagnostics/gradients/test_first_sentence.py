"""The first sentence of a report is the cause, and not one of its consequences."""

import numpy as np

from mlp.diagnostics import check_functions, check_layer


def first_sentence(report):
    assert not report.passed
    return report.diagnoses[0].sentence


class BatchNorm1d:
    """The running variance is made of the running mean, so it is negative at times, and evaluation gives NaN."""

    def __init__(self, dim=4):
        self.gamma, self.beta = np.ones(dim), np.zeros(dim)
        self.running_mean, self.running_var = np.zeros(dim), np.ones(dim)

    def forward(self, x, training=True):
        self.training = training
        mean, var = self.running_mean, self.running_var
        if training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_mean + 0.1 * var
        with np.errstate(invalid="ignore"):
            self.s = np.sqrt(var + 1e-5)
        self.n = (x - mean) / self.s
        return self.gamma * self.n + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.n).sum(axis=0), g.sum(axis=0)
        g = g * self.gamma / self.s
        return g - (g.mean(axis=0) + self.n * (g * self.n).mean(axis=0) if self.training else 0.0)


def test_a_running_variance_of_means_is_named_before_its_nan():
    assert "running_var is updated from the old running_mean" in first_sentence(check_layer(BatchNorm1d(), (6, 4)))


class Recurrent:
    def __init__(self):
        self.U, self.h = np.eye(3) * 0.5, None

    def forward(self, x):
        self.before = np.zeros(x.shape) if self.h is None else self.h
        self.h = np.tanh(x + self.before @ self.U)
        return self.h

    def backward(self, g):
        a = g * (1.0 - self.h**2)
        self.dU = self.before.T @ a
        return a


def test_the_state_that_a_call_leaves_is_named():
    assert "left in self.h" in first_sentence(check_layer(Recurrent(), (2, 3)))


def embedding_forward(ids, table):
    mask = (ids != 0)[..., None]
    return table[ids] * mask, (ids, table.shape)


def embedding_backward(g, cache):
    ids, shape = cache
    d = np.zeros(shape)
    np.add.at(d, ids, g)
    return d


def test_padding_of_an_embedding_is_named():
    ids = np.array([[1, 0, 3, 3], [2, 5, 0, 0]])
    assert "the factor `(ids != 0)[..., None]` is missing in `g`" in first_sentence(
        check_functions(embedding_forward, embedding_backward, ids, (6, 4))
    )


class Maxout:
    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((2, 4, 5))

    def forward(self, x):
        self.x, best = x, np.zeros((len(x), 5))
        self.winner = np.zeros(best.shape, dtype=int)
        for i, w in enumerate(self.W):
            z = x @ w
            self.winner[z > best] = i
            best = np.maximum(best, z)
        return best

    def backward(self, g):
        parts = [g * (self.winner == i) for i in range(2)]
        self.dW = np.stack([self.x.T @ part for part in parts])
        return sum(part @ w.T for part, w in zip(parts, self.W, strict=True))


def test_a_maximum_that_begins_at_zero_is_named():
    assert "must begin at -inf" in first_sentence(check_layer(Maxout(), (8, 4)))


class AvgPool:
    """(N, H, W, C); the height and the width of the window are exchanged in forward and backward."""

    def __init__(self):
        self.pool_height, self.pool_width = 2, 3

    def forward(self, x):
        n, h, w, c = x.shape
        a, b = self.pool_width, self.pool_height
        return x.reshape(n, h // a, a, w // b, b, c).mean(axis=(2, 4))

    def backward(self, g):
        return g.repeat(self.pool_width, axis=1).repeat(self.pool_height, axis=2) / 6.0


def test_height_and_width_are_exchanged():
    text = first_sentence(check_layer(AvgPool(), (2, 6, 6, 3)))
    assert "`self.pool_width` and `self.pool_height` are exchanged" in text


class InstanceNorm:
    """(N, C, H, W), but gamma is multiplied along W."""

    def __init__(self):
        self.gamma = np.ones(4)

    def forward(self, x):
        self.s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + 1e-5)
        self.n = (x - x.mean(axis=(2, 3), keepdims=True)) / self.s
        return self.gamma * self.n

    def backward(self, g):
        self.dgamma = (g * self.n).sum(axis=(0, 2, 3))
        g, over = g * self.gamma, {"axis": (2, 3), "keepdims": True}
        return (g - g.mean(**over) - self.n * (g * self.n).mean(**over)) / self.s


def test_a_gamma_along_the_width_is_named():
    assert "forward takes gamma along axis 3, and the channels" in first_sentence(
        check_layer(InstanceNorm(), (2, 4, 3, 4))
    )


class ReflectionPad1d:
    def forward(self, x):
        return np.pad(x, ((0, 0), (0, 0), (2, 2)), mode="reflect")

    def backward(self, g):
        return g[:, :, 2:-2].copy()


def test_a_mirrored_border_is_named():
    assert "made of copies of inputs" in first_sentence(check_layer(ReflectionPad1d(), (2, 3, 6)))


def concat_forward(a, b, c):
    return np.concatenate([a, b, c], axis=1), (a.shape[1], b.shape[1])


def concat_backward(g, cache):
    return tuple(np.split(g, list(cache), axis=1))


def test_a_split_at_sizes_is_named():
    report = check_functions(concat_forward, concat_backward, (2, 3, 2), (2, 4, 2), (2, 2, 2))
    assert "np.split takes the places where it cuts" in first_sentence(report)


def gelu_forward(x):
    t = np.tanh(np.sqrt(2.0) / np.pi * (x + 0.044715 * x**3))
    return 0.5 * x * (1.0 + t), (x, t)


def gelu_backward(g, cache):
    x, t = cache
    return g * 0.5 * (1.0 + t + x * (1.0 - t**2) * np.sqrt(2.0) / np.pi * (1.0 + 3 * 0.044715 * x**2))


def test_the_constant_of_gelu_is_named():
    assert "must be sqrt(2 / pi) = 0.79788" in first_sentence(check_functions(gelu_forward, gelu_backward, (4, 5)))


class LogSoftmax:
    """With or without the largest number subtracted; the logarithm of the softmax at the end in the first case."""

    subtracted = False

    def forward(self, x):
        z = x - x.max(axis=1, keepdims=True) if self.subtracted else x
        with np.errstate(all="ignore"):
            e = np.exp(z)
            total = e.sum(axis=1, keepdims=True)
            self.out = np.log(e / total) if self.subtracted else z - np.log(total)
        return self.out

    def backward(self, g):
        return g - np.exp(self.out) * g.sum(axis=1, keepdims=True)


def test_an_infinite_exponential_and_the_logarithm_of_zero_are_told_apart(monkeypatch):
    assert "exp(x) is infinite for large x" in first_sentence(check_layer(LogSoftmax(), (4, 5)))
    monkeypatch.setattr(LogSoftmax, "subtracted", True)
    assert "it is log(0)" in first_sentence(check_layer(LogSoftmax(), (4, 5)))
