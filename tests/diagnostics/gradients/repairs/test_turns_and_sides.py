"""What loops keep and where their windows begin, both sides of a square matrix, names before numbers."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer
from mlp.layers import Layer, Parameter


def first(report):
    assert not report.passed
    return report.diagnoses[0].sentence


class Groups:
    """tanh of x W for each group of two features."""

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((3, 2, 2))

    def forward(self, x):
        outputs = []
        for g in range(3):
            part = x[:, 2 * g : 2 * g + 2]
            self.part = part
            outputs.append(part @ self.W[g])
        return np.concatenate(outputs, axis=1)

    def backward(self, d):
        self.dW = np.zeros_like(self.W)
        dx = np.zeros(d.shape)
        for g in range(3):
            part = slice(2 * g, 2 * g + 2)
            self.dW[g] = self.part.T @ d[:, part]
            dx[:, part] = d[:, part] @ self.W[g].T
        return dx


class AllGroups(Groups):
    """The same, right."""

    def forward(self, x):
        self.parts = []
        for g in range(3):
            self.part = x[:, 2 * g : 2 * g + 2]
            self.parts.append(self.part)
        return np.concatenate([part @ W for part, W in zip(self.parts, self.W, strict=True)], axis=1)

    def backward(self, d):
        self.dW = np.zeros_like(self.W)
        dx = np.zeros(d.shape)
        for g in reversed(range(3)):
            self.part = self.parts[g]
            self.dW[g] = self.part.T @ d[:, 2 * g : 2 * g + 2]
            dx[:, 2 * g : 2 * g + 2] = d[:, 2 * g : 2 * g + 2] @ self.W[g].T
        return dx


def test_what_each_turn_of_a_loop_overwrites():
    text = first(check_layer(Groups(), (4, 6)))
    assert "`self.part = part`: each turn of the loop overwrites" in text
    assert "`self.part[g]`" in text
    check_layer(AllGroups(), (4, 6)).raise_if_failed()


class Quadratic:
    """x A x for each row."""

    def __init__(self):
        self.A = np.random.default_rng(0).standard_normal((3, 3))

    def forward(self, x):
        self.x = x
        return np.sum(x @ self.A * x, axis=1, keepdims=True)

    def backward(self, d):
        self.dA = self.x.T @ (d * self.x)
        return 2 * d * (self.x @ self.A)


class Gram(Quadratic):
    """A x^T x A, of the products of all features."""

    def forward(self, x):
        self.y = x @ self.A
        self.x = x
        return self.y.T @ self.y

    def backward(self, d):
        dy = self.y @ d
        self.dA = self.x.T @ dy
        return dy @ self.A.T


@pytest.mark.slow
def test_both_sides_of_a_square_matrix():
    assert "`self.A + self.A.T` belongs here for `2 * self.A`" in first(check_layer(Quadratic(), (5, 3)))
    assert "`d + d.T` belongs here for `d`" in first(check_layer(Gram(), (5, 3)))


class Forms(Layer):
    """x M_o x for each o; backward takes M_o for symmetric."""

    def __init__(self):
        self.M = Parameter(np.random.default_rng(0).standard_normal((2, 3, 3)))

    def forward(self, x, training=False):
        self.keep(x)
        return np.einsum("ni,oij,nj->no", x, self.M.data, x)


class Doubled(Forms):
    def backward(self, d):
        x = self.take()
        self.M.grad = np.einsum("no,ni,nj->oij", d, x, x)
        both = self.M.data * 2
        return np.einsum("no,oij,nj->ni", d, both, x)


class Added(Forms):
    def backward(self, d):
        x = self.take()
        self.M.grad = np.einsum("no,ni,nj->oij", d, x, x)
        return np.einsum("no,oij,nj->ni", d, self.M.data + self.M.data, x)


class Half(Forms):
    """x M_o x / 2."""

    def forward(self, x, training=False):
        return 0.5 * super().forward(x)

    def backward(self, d):
        x = self.take()
        self.M.grad = 0.5 * np.einsum("no,ni,nj->oij", d, x, x)
        return np.einsum("no,oij,nj->ni", d, self.M.data, x)


@pytest.mark.parametrize(
    ("layer", "right", "wrong"),
    [
        (Doubled, "{}", "2 * self.M.data"),
        (Added, "{}", "self.M.data + self.M.data"),
        (Half, "0.5 * ({})", "self.M.data"),
    ],
)
def test_a_stack_of_matrices_is_not_symmetric(layer, right, wrong):
    text = first(check_layer(layer(), (4, 3)))
    assert f"`{right.format('self.M.data + np.swapaxes(self.M.data, -1, -2)')}` belongs here for `{wrong}`" in text


class AvgPool2d:
    """Means of k x k windows of (N, C, H, W), whose corners forget the stride."""

    def __init__(self, k=2, stride=2):
        self.k, self.stride = k, stride

    def forward(self, x):
        self.shape, k, s = x.shape, self.k, self.stride
        out = np.zeros((*x.shape[:2], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1))
        for i in range(out.shape[2]):
            top = i
            for j in range(out.shape[3]):
                left = j
                out[:, :, i, j] = x[:, :, top : top + k, left : left + k].mean(axis=(2, 3))
        return out

    def backward(self, d):
        dx, k = np.zeros(self.shape), self.k
        for i in range(d.shape[2]):
            for j in range(d.shape[3]):
                dx[:, :, i : i + k, j : j + k] += d[:, :, i : i + 1, j : j + 1] / k**2
        return dx


@pytest.mark.slow
def test_corners_of_windows_without_the_stride():
    text = first(check_layer(AvgPool2d(), (2, 1, 4, 5)))
    assert "`top = i * s` for `top = i` and `left = j * s` for `left = j`" in text


def embedding_forward(index, table):
    V, D = table.shape
    return table[index] * np.sqrt(D), (index, table.shape)


def embedding_backward(d, cache):
    index, (V, D) = cache
    dtable = np.zeros((V, D))
    np.add.at(dtable, index, d)
    return dtable


@pytest.mark.slow
def test_a_root_has_a_name_and_is_no_2():
    table = np.random.default_rng(0).standard_normal((5, 4))
    report = check_functions(embedding_forward, embedding_backward, np.array([[0, 3, 1], [2, 3, 3]]), table)
    assert "`(np.sqrt(D))` is missing" in first(report)


class Dropout:
    def __init__(self, *, p=0.4, twice=True):
        self.p, self.twice = p, twice
        self.rng = np.random.default_rng(0)

    def forward(self, x, training):
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p) if training else np.ones(x.shape)
        return x * self.mask if training or not self.twice else x * (1 - self.p)

    def backward(self, d):
        return d * self.mask


def test_a_dropout_that_scales_twice_in_evaluation():
    assert "evaluation must hand x on as it is" in first(check_layer(Dropout(), (6, 5)))
    check_layer(Dropout(twice=False), (6, 5)).raise_if_failed()


class InstanceNorm:
    def __init__(self, axes):
        self.gamma, self.beta = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
        self.axes = axes

    def forward(self, x):
        d = x - x.mean(axis=self.axes, keepdims=True)
        self.s = np.sqrt((d**2).mean(axis=self.axes, keepdims=True) + 1e-5)
        self.y = d / self.s
        return self.gamma * self.y + self.beta

    def backward(self, d):
        self.dgamma = (d * self.y).sum(axis=(0, 2, 3))[:, None, None]
        self.dbeta = d.sum(axis=(0, 2, 3))[:, None, None]
        d = d * self.gamma
        d = d - d.mean(axis=self.axes, keepdims=True) - self.y * (d * self.y).mean(axis=self.axes, keepdims=True)
        return d / self.s


def test_statistics_of_an_instance_norm_over_its_channels():
    assert "mean and variance run over the axes (1, 2), and must run over (2, 3)" in first(
        check_layer(InstanceNorm((1, 2)), (2, 3, 5, 4))
    )
    check_layer(InstanceNorm((2, 3)), (2, 3, 5, 4)).raise_if_failed()


def mean_of_words_forward(ids, table):
    mask = (ids != 0)[:, :, None]
    count = mask.sum(axis=1)
    return (table[ids] * mask).sum(axis=1) / count, (ids, table.shape, mask, count)


def mean_of_words_backward(d, cache):
    ids, shape, mask, count = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, ids, d[:, None, :] * mask / ids.shape[1])
    return dtable


@pytest.mark.slow
def test_words_that_count_are_counted_in_a_mean():
    table, ids = np.random.default_rng(0).standard_normal((5, 4)), np.array([[1, 3, 0], [2, 1, 0]])
    text = first(check_functions(mean_of_words_forward, mean_of_words_backward, ids, table))
    assert "`count[:, None]` belongs here" in text


class Gated:
    """tanh of (r x) U with the gate r = sigmoid(x V)."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.U, self.V = rng.standard_normal((2, 4, 4))

    def forward(self, x):
        self.x, self.r = x, 1 / (1 + np.exp(-x @ self.V))
        self.n = np.tanh((self.r * x) @ self.U)
        return self.n

    def backward(self, d):
        x, r = self.x, self.r
        dz = d * (1 - self.n**2)
        drx = dz @ self.U.T
        dr = drx * x * r * (1 - r)
        self.dU, self.dV = x.T @ dz, x.T @ dr
        return drx * r + dr @ self.V.T


@pytest.mark.slow
def test_a_gate_that_a_transposed_factor_lacks():
    assert "the factor `r` is missing in `x`" in first(check_layer(Gated(), (3, 4)))
