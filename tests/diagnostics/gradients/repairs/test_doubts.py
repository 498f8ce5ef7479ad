"""Changes that make all right and are hardly meant: half of a derivative, another power, names that are in order."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

rng = np.random.default_rng(0)


class Gated:
    """Each channel times a gate, the sigmoid of W mean(x)."""

    def __init__(self):
        self.W = rng.normal(size=(3, 3))

    def forward(self, x):
        self.x = x
        self.m = x.mean(axis=2)
        self.s = 1 / (1 + np.exp(-self.m @ self.W))
        self.y = x * self.s[:, :, None]
        return self.y

    def backward(self, dout):
        ds = (dout * self.y).sum(axis=2)
        dz = ds * self.s * (1 - self.s)
        self.dW = self.m.T @ dz
        return dout * self.s[:, :, None] + (dz @ self.W.T)[:, :, None] / self.x.shape[2]


def product_forward(a, b):
    s = 1 / (1 + np.exp(-b))
    y = a * s
    return y, (a, s, y)


def product_backward(dout, cache):
    a, s, y = cache
    return dout * s, dout * y * s * (1 - s)


class LogSigmoid:
    def forward(self, x):
        self.s = 1 / (1 + np.exp(-x))
        return np.log(self.s)

    def backward(self, dout):
        d = 1.0 * dout
        return d * self.s * (1 - self.s)


def test_the_derivative_of_a_sigmoid_stays_whole_where_another_name_explains_all():
    first = check_layer(Gated(), (3, 3, 4)).diagnoses[0]
    assert "ds = (dout" in first.sentence and "`self.y` stands where `self.x` belongs" in first.sentence, first
    first = check_functions(product_forward, product_backward, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    assert "`y` stands where `a` belongs" in first.diagnoses[0].sentence, first
    first = check_layer(LogSigmoid(), (3, 4)).diagnoses[0]
    assert "the factor `self.s` is one too many" in first.sentence, first  # nothing else explains it


def norm_forward(x, gamma):
    xc = x - x.mean(axis=0)
    inv = 1 / np.sqrt((xc**2).mean(axis=0) + 1e-5)
    xhat = xc * inv
    return gamma * xhat, (xc, xhat, inv, gamma)


def norm_backward(dout, cache):
    xc, xhat, inv, gamma = cache
    g = dout * gamma
    dvar = np.sum(g * xhat, axis=0) * -0.5 * inv**3
    dx = g * inv - (g * inv).mean(axis=0) + dvar * 2 * xc / len(xc)
    return dx, (dout * xhat).sum(axis=0)


def norm_backward_with_a_power(dout, cache):
    xc, xhat, inv, gamma = cache
    g = dout * gamma
    dvar = np.sum(g * xc, axis=0) * -0.5 * inv**2
    dx = g * inv - (g * inv).mean(axis=0) + dvar * 2 * xc / len(xc)
    return dx, (dout * xhat).sum(axis=0)


def test_the_power_of_the_derivative_of_a_root_is_right():
    inputs = rng.normal(size=(5, 3)), rng.uniform(0.5, 1.5, 3)
    first = check_functions(norm_forward, norm_backward, *inputs).diagnoses[0]
    assert "`xhat` stands where `xc` belongs" in first.sentence, first
    first = check_functions(norm_forward, norm_backward_with_a_power, *inputs).diagnoses[0]
    assert "the power in `inv ** 2` is wrong: it should be 3" in first.sentence, first


class Pool:
    """The largest value of each window of k x k."""

    def __init__(self, k=2):
        self.k = k

    def forward(self, x):
        self.x, k = x, self.k
        N, C, H, W = x.shape
        return x.reshape(N, C, H // k, k, W // k, k).max(axis=(3, 5))

    def backward(self, dout):
        self.dx = np.zeros_like(self.x)
        for n, c, i, j in np.ndindex(dout.shape):
            corner = i * self.k, j * self.k
            window = self.x[n, c, corner[0] : corner[0] + self.k, corner[1] : corner[1] + self.k]
            self.put(n, c, *corner, window, dout[n, c, i, j])
        return self.dx


class UsedTheWrongWay(Pool):
    def put(self, n, c, i, j, window, g):
        row, col = np.unravel_index(window.argmax(), window.shape)
        self.dx[n, c, i + col, j + row] += g


class NamedTheWrongWay(Pool):
    def put(self, n, c, i, j, window, g):
        col, row = np.unravel_index(window.argmax(), window.shape)
        self.dx[n, c, i + row, j + col] += g


class UsedInTwoLines(Pool):
    def put(self, n, c, i, j, window, g):
        a, b = divmod(window.argmax(), self.k)
        i += b
        j += a
        self.dx[n, c, i, j] = g


@pytest.mark.parametrize(
    ("layer", "line", "text"),
    [
        (UsedTheWrongWay(), "self.dx[", "`col` and `row` are exchanged"),
        (NamedTheWrongWay(), "col, row = ", "the names `(col, row)` are in the wrong order"),
        (UsedInTwoLines(), "a, b = ", "the names `(a, b)` are in the wrong order, here or where they are used"),
    ],
)
def test_row_and_column_by_the_line_that_exchanges_them(layer, line, text):
    first = check_layer(layer, (2, 2, 4, 6)).diagnoses[0]
    assert line in first.sentence and text in first.sentence, first


def layer_norm_forward(x, g):
    c = x - x.mean(axis=1, keepdims=True)
    sigma = np.sqrt((c * c).mean(axis=1, keepdims=True) + 1e-5)
    xhat = c / sigma
    return g * xhat, (c, sigma, xhat, g)


def layer_norm_backward(dy, cache):
    c, sigma, xhat, g = cache
    dh = dy * g
    dsigma = -(dh * xhat / sigma**2).sum(axis=1, keepdims=True)
    dv = dsigma / (2 * sigma)
    dc = dh / sigma + dv * 2 * c / c.shape[1]
    return dc - dc.mean(axis=1, keepdims=True), (dy * xhat).sum(axis=0)


class UnitLength:
    def forward(self, x):
        self.x = x
        self.n = np.linalg.norm(x, axis=1, keepdims=True)
        self.y = x / self.n
        return self.y

    def backward(self, dout):
        dn = -np.sum(dout * self.y, axis=1, keepdims=True) / self.n**2
        return dout / self.n + dn * self.x / self.n


def test_the_divisions_of_a_derivative_are_right_where_another_name_explains_all():
    first = check_functions(layer_norm_forward, layer_norm_backward, (4, 5), (5,)).diagnoses[0]
    assert "dsigma = " in first.sentence and "`xhat` stands where `c` belongs" in first.sentence, first
    first = check_layer(UnitLength(), (4, 5)).diagnoses[0]
    assert "dn = " in first.sentence and "`self.y` stands where `self.x` belongs" in first.sentence, first


class WeightNorm:
    def __init__(self):
        self.v, self.g = rng.normal(size=(5, 3)), rng.uniform(0.5, 1.5, 3)

    def forward(self, x):
        self.x, self.norm = x, np.sqrt((self.v**2).sum(axis=0))
        self.w = self.g * self.v / self.norm
        return x @ self.w

    def backward(self, dout):
        dw = self.x.T @ dout
        dot = (dw * self.v).sum(axis=0)
        self.grads = {"v": self.g / self.norm * (dw - dot * self.v / self.norm), "g": dot / self.norm}
        return dout @ self.w.T


def test_a_path_through_the_norm_that_is_there_is_not_missing():
    first = check_layer(WeightNorm(), (4, 5)).diagnoses[0]
    assert first.name == "wrong path through the norm", first
    assert first.sentence.endswith("`dot * self.v / self.norm ** 2` for `dot * self.v / self.norm`"), first


class Softplus:
    """log(1 + exp(beta x)) / beta, whose derivative forgets beta."""

    def __init__(self, beta=2.0):
        self.beta = beta

    def forward(self, x):
        self.saved = x
        return np.logaddexp(0.0, self.beta * x) / self.beta

    def backward(self, dout):
        x = self.saved
        return dout / (1.0 + np.exp(-x))


def test_a_factor_is_missing_where_the_derivative_is_made_and_not_where_inputs_are_read():
    first = check_layer(Softplus(), (4, 5)).diagnoses[0]
    assert "in line" in first.sentence and "the factor `self.beta` is missing in `-x`" in first.sentence, first
    assert "the derivative of forward is sigmoid(2 x)" in first.sentence, first
