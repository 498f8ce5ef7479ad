"""Terms that a gradient lacks are named with their line; lines and helpers of forward are not blamed."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


def first_sentence(report):
    assert not report.passed
    return report.diagnoses[0].sentence


class StandardizedWeights:
    """x times weights of mean 0 and variance 1 over the inputs of each output."""

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((5, 4))

    def forward(self, x):
        self.x = x
        self.s = np.sqrt(self.W.var(axis=0) + 1e-5)
        self.normed = (self.W - self.W.mean(axis=0)) / self.s
        return x @ self.normed

    def backward(self, d):
        dn = self.x.T @ d
        self.dW = dn / self.s
        return d @ self.normed.T


def test_statistics_that_are_taken_for_constants():
    text = first_sentence(check_layer(StandardizedWeights(), (3, 5)))
    assert "`self.dW = dn / self.s`: mean and standard deviation are taken for constants" in text
    assert "dn - dn.mean(axis=0, keepdims=True) - self.normed * (dn * self.normed).mean(axis=0" in text


class Dense:
    """[x, tanh(x W)], twice."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {f"W{i}": rng.standard_normal((3 + 2 * i, 2)) for i in range(2)}
        self.grads = {}

    def forward(self, x):
        self.inputs = []
        for i in range(2):
            self.inputs.append(x)
            x = np.concatenate([x, np.tanh(x @ self.params[f"W{i}"])], axis=1)
        self.x = x
        return x

    def backward(self, d):
        for i in (1, 0):
            n = self.inputs[i].shape[1]
            dz = d[:, n:] * (1 - self.x[:, n : n + 2] ** 2)
            self.grads[f"W{i}"] = self.inputs[i].T @ dz
            d = dz @ self.params[f"W{i}"].T
        return d


def test_the_other_part_of_a_gradient():
    text = first_sentence(check_layer(Dense(), (4, 3)))
    assert "`d[:, :n]`, the other part of `d`, is thrown away here" in text


def neighbours(a, n):
    wide = np.pad(a, ((0, 0), (n, n)))
    return sum(wide[:, i : i + a.shape[1]] for i in range(2 * n + 1))


def divided_forward(x, n):
    total = 1.0 + neighbours(x * x, n)
    return x / total, (x, total, n)


def divided_backward(d, cache):
    x, total, n = cache
    ratio = d * x / total**2
    return d / total - 2 * x * ratio


def test_a_function_of_forward_that_backward_lacks():
    text = first_sentence(check_functions(divided_forward, divided_backward, (2, 6), 1))
    assert "`ratio` stands where `neighbours(ratio, n)` belongs" in text


class BlockNorm:
    """Roots of sums of |x|^3 of pairs; what backward needs is kept under another name."""

    def forward(self, x):
        pairs = x.reshape(len(x), -1, 2)
        self.kept, self.y = pairs, (np.abs(pairs) ** 3).sum(axis=2) ** (1 / 3)
        return self.y

    def backward(self, d):
        dx = (d / self.y**2)[:, :, None] * self.kept**2
        return dx.reshape(len(dx), -1)


def test_a_derivative_of_what_forward_calls_by_another_name():
    assert "the factor `np.sign(self.kept)` is missing" in first_sentence(check_layer(BlockNorm(), (3, 4)))


class Cut:
    """Every second one of padded rows; both passes share the helper."""

    def ends(self, n):
        return n % 3, 2 - n % 3

    def forward(self, x):
        first, last = self.ends(x.shape[1])
        self.shape = x.shape
        self.x = np.pad(x, ((0, 0), (first, last)))
        return self.x**2

    def backward(self, d):
        first, last = self.ends(self.shape[1])
        return (2 * d * self.x)[:, last : last + self.shape[1]]


def test_a_helper_that_forward_calls_is_not_blamed():
    assert "n % 3, 2 - n % 3" not in first_sentence(check_layer(Cut(), (3, 6)))


def windows_forward(x, sizes):
    a, b = sizes["a"], sizes["b"]
    blocks = x.reshape(len(x), -1, a * b)
    return blocks.max(axis=2), (x.shape, blocks.argmax(axis=2), sizes)


def windows_backward(d, cache):
    shape, where, sizes = cache
    a, b = sizes["a"], sizes["b"]
    dx = np.zeros((*d.shape, a, b))
    for n, i in np.ndindex(*d.shape):
        dx[n, i, where[n, i] // a % a, where[n, i] % b] = d[n, i]
    return dx.reshape(shape)


@pytest.mark.slow
def test_a_line_that_stands_in_forward_too_is_not_blamed():
    text = first_sentence(
        check_functions(windows_forward, windows_backward, np.arange(36.0).reshape(3, 12), {"a": 2, "b": 3})
    )
    assert "a, b = (sizes" not in text


def cells_forward(x, n):
    ends = [(i * x.shape[1] // n, -(-(i + 1) * x.shape[1] // n)) for i in range(n)]
    return np.stack([x[:, a:b].mean(axis=1) for a, b in ends], axis=1), (x.shape, ends)


def cells_backward(d, cache):
    shape, ends = cache
    dx = np.zeros(shape)
    size = shape[1] // len(ends)
    for i, (a, b) in enumerate(ends):
        dx[:, a:b] += d[:, i : i + 1] / size
    return dx


def test_the_number_of_values_in_a_part_is_the_divisor():
    text = first_sentence(check_functions(cells_forward, cells_backward, (2, 7), 3))
    assert "divided by `size`, and must be by `(b - a)`" in text or "must be by `b - a`" in text


class CenterCrop:
    """(N, L) -> (N, 3), from the middle."""

    def forward(self, x):
        self.shape = x.shape
        start = (x.shape[1] - 3) // 2
        return x[:, start : start + 3]

    def backward(self, d):
        start = -(-(self.shape[1] - 3) // 2)
        dx = np.zeros(self.shape)
        dx[:, start : start + 3] = d
        return dx


def test_a_quotient_that_is_rounded_to_the_other_side():
    text = first_sentence(check_layer(CenterCrop(), (2, 6)))
    assert "rounds up, and must round down: `(self.shape[1] - 3) // 2` belongs here" in text


class Blocks:
    """(N, 2 H, 2 W): the mean of each block is taken off from its four values."""

    def forward(self, x):
        N, H, W = x.shape
        b = x.reshape(N, H // 2, 2, W // 2, 2).transpose(0, 1, 3, 2, 4)
        return (b - b.mean(axis=(3, 4), keepdims=True)).transpose(0, 1, 3, 2, 4).reshape(N, H, W)

    def backward(self, d):
        N, H, W = d.shape
        b = d.reshape(N, H // 2, 2, W // 2, 2).transpose(0, 1, 3, 2, 4)
        return (b - b.mean(axis=(3, 4), keepdims=True)).reshape(N, H, W)


def test_a_transpose_that_is_missing_before_a_reshape():
    assert "`.transpose(0, 1, 3, 2, 4)`" in first_sentence(check_layer(Blocks(), (2, 4, 6)))


class GroupMeans:
    """(N, C, L): the mean of each of G groups of channels is taken off."""

    def __init__(self, groups=2):
        self.G = groups

    def forward(self, x):
        N, C, L = x.shape
        self.C = C
        b = x.reshape(N, self.G, C // self.G, L)
        return (b - b.mean(axis=(2, 3), keepdims=True)).reshape(N, C, L)

    def backward(self, d):
        N, C, L = d.shape
        b = d.reshape(N, self.G, C // self.G, L)
        m = L
        return (b - b.sum(axis=(2, 3), keepdims=True) / m).reshape(N, C, L)


def test_a_count_that_lacks_the_channels_of_a_group():
    text = first_sentence(check_layer(GroupMeans(), (2, 6, 4)))
    assert "C // self.G" in text or "(b.shape[-2] * b.shape[-1])" in text


class Dropped:
    """Inverted dropout in training, nothing in evaluation."""

    def __init__(self):
        self.keep, self.rng = 0.7, np.random.default_rng(0)

    def forward(self, x, training=False):
        self.mask = (self.rng.random(x.shape) < self.keep) / self.keep if training else np.ones(x.shape)
        self.scale = 1.0 + training
        return self.scale * x * self.mask

    def backward(self, d):
        return d * self.mask


def test_a_line_that_is_wrong_in_training_alone():
    assert "`self.scale` is missing" in first_sentence(check_layer(Dropped(), (4, 5)))
