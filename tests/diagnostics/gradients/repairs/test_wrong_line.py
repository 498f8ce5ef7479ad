"""Where no hypothesis fits, the wrong line of backward is found by changing one place at a time."""

import ast
from itertools import chain

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer, check_loss, check_rule
from mlp.diagnostics.gradients.repairs.edits import edits, repeated_edits
from mlp.diagnostics.gradients.repairs.search.scope import Scope
from mlp.diagnostics.gradients.repairs.search.slots import slots_of


class Recurrent:
    """h_t = tanh(x_t W + h_{t-1} U); the outputs are all h_t."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.W, self.U = 0.5 * rng.standard_normal((3, 3)), 0.5 * rng.standard_normal((3, 3))

    def forward(self, x):
        h = np.zeros((len(x), 3))
        self.x, self.h = x, [h]
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ self.W + h @ self.U)
            self.h.append(h)
        return np.stack(self.h[1:], axis=1)

    def before(self, t):
        return self.h[t]

    def backward(self, g):
        dx, later = np.zeros_like(self.x), 0.0
        self.dW, self.dU = np.zeros_like(self.W), np.zeros_like(self.U)
        for t in reversed(range(self.x.shape[1])):
            d = (g[:, t] + later) * (1.0 - self.h[t + 1] ** 2)
            dx[:, t] = d @ self.W.T
            self.dW += self.x[:, t].T @ d
            self.dU += self.before(t).T @ d
            later = d @ self.U.T
        return dx


def test_the_right_layer_passes():
    check_layer(Recurrent, (2, 4, 3)).raise_if_failed()


def test_a_wrong_index_in_a_helper_is_found():
    class Late(Recurrent):
        def before(self, t):
            return self.h[t + 1]

    first = check_layer(Late, (2, 3, 3)).diagnoses[0]
    assert "self.h[t + 1]" in first.sentence
    assert first.array == "U"
    assert "all is right" in first.evidence


@pytest.mark.slow
def test_a_path_through_time_that_is_missing_has_a_name():
    class NoTime(Recurrent):
        def backward(self, g):
            dx = np.zeros_like(self.x)
            self.dW, self.dU = np.zeros_like(self.W), np.zeros_like(self.U)
            for t in range(self.x.shape[1]):
                d = g[:, t] * (1.0 - self.h[t + 1] ** 2)
                dx[:, t] = d @ self.W.T
                self.dW += self.x[:, t].T @ d
                self.dU += self.h[t].T @ d
            return dx

    assert check_layer(NoTime, (2, 4, 3)).diagnoses[0].name == "path through time"


def test_lines_of_losses_and_rules_are_found_too():
    class Cosine:
        """1 - cos of the angle between outputs and targets, for each sample."""

        def forward(self, y, t):
            self.y, self.t = y, t
            self.a, self.b = np.sqrt((y * y).sum(1, keepdims=True)), np.sqrt((t * t).sum(1, keepdims=True))
            self.c = (y * t).sum(1, keepdims=True) / (self.a * self.b)
            return float((1.0 - self.c).mean())

        def backward(self):
            return (self.c * self.y / self.a**2 + self.t / (self.a * self.b)) / len(self.y)

    numbers = np.random.default_rng(0).standard_normal((4, 3))
    first = check_loss(Cosine(), (4, 3), numbers).diagnoses[0]
    assert "sign" in first.name

    class Wave:
        learning_rate = 0.1

        def update(self, params, grads):
            for name, g in grads.items():
                params[name] -= self.learning_rate * np.sin(g)

    first = check_rule(Wave(), formula="gradient_descent").diagnoses[0]
    assert "`sin` is one too many" in first.sentence


def test_a_tree_is_put_back_after_each_edit():
    tree = ast.parse("def backward(self, g):\n    return -(g * self.x).sum(axis=0) / len(g) + g[1:]").body[0]
    before = ast.unparse(tree)
    texts = set()
    slots, scope = list(slots_of(tree)), Scope(["g", "self.x"], ["2"])
    for edit in chain(edits(slots, scope), repeated_edits(slots, scope)):
        assert ast.unparse(tree) != before or "one too many" in edit.text
        texts.add(edit.text)
    assert ast.unparse(tree) == before
    assert len(texts) > 30


@pytest.mark.parametrize("seed", range(3))
def test_what_fits_at_one_shape_alone_is_not_said(seed):
    """A factor that is 1/N for four samples and 1/4 for all other numbers of them is no mean over the batch."""

    class Quarter:
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, g):
            return 0.25 * 2.0 * self.x * g

    report = check_layer(Quarter, (4, 5), seed=seed)
    assert report.diagnoses[0].name != "mean over the batch"


class GELUWithoutThree:
    c = 0.8  # of the class: a change that gives the object a `c` of its own must not outlive its try

    def forward(self, x):
        self.x = x
        self.t = np.tanh(self.c * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        x, t = self.x, self.t
        du = self.c * (1 + 0.044715 * x**2)
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


def test_nothing_is_left_of_a_change_that_was_tried():
    first = check_layer(GELUWithoutThree(), (4, 6)).diagnoses[0]
    assert "the factor `3` is missing in `0.044715 * x ** 2`" in first.sentence, first
    assert "right except where" not in first.sentence  # a symptom


class HalfTooMany:
    """y = (exp(x) - x) / 2, with a second 0.5 in backward."""

    def forward(self, x):
        self.x = x
        return 0.5 * (np.exp(x) - x)

    def backward(self, dout):
        return dout * 0.5 * (np.exp(0.5 * self.x) - 1)


class SquareForgotten:
    """y = (x w)^2 - (x^2) (w^2), for one column of weights."""

    def __init__(self):
        self.w = np.array([[0.5], [-1.2], [0.7]])

    def forward(self, x):
        self.x = x
        return (x @ self.w) ** 2 - x**2 @ self.w**2

    def backward(self, dout):
        x = self.x
        self.dw = 2 * (x.T @ (dout * (x @ self.w))) - 2 * self.w * (x.T @ dout)
        return 2 * dout * (x @ self.w) @ self.w.T - 2 * x * (dout @ self.w.T**2)


@pytest.mark.parametrize(
    ("layer", "shape", "sentence"),
    [
        (HalfTooMany, (4, 3), "the factor `0.5` is one too many: `self.x` for `0.5 * self.x`"),
        (SquareForgotten, (4, 3), "is missing in `x` (the third `x` of the line)"),
    ],
)
def test_which_of_several_equal_names_of_a_line_is_meant(layer, shape, sentence):
    first = check_layer(layer(), shape).diagnoses[0]
    assert sentence in first.sentence, first


class ScaledEmbedding:
    """sqrt(D) times the vectors of the words; backward forgets the root."""

    def __init__(self):
        self.dim = 5
        self.W = np.random.default_rng(0).standard_normal((7, 5))

    def forward(self, ids):
        self.ids = ids
        return self.W[ids] * np.sqrt(self.dim)

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.ids, dout)


def test_what_is_added_at_indices_may_lack_a_factor():
    first = check_layer(ScaledEmbedding(), np.random.default_rng(0).integers(0, 7, size=(3, 4))).diagnoses[0]
    assert "np.sqrt(self.dim))` is missing in `dout`" in first.sentence, first


def pool(x, sizes):
    k, m, stride = sizes["height"], sizes["width"], sizes["stride"]
    H, W = 1 + (x.shape[2] - k) // stride, 1 + (x.shape[3] - m) // stride
    out = np.zeros((*x.shape[:2], H, W))
    for i in range(H):
        for j in range(W):
            window = x[:, :, i * stride : i * stride + k, j * stride : j * stride + m]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, (x, sizes)


def pool_backward(dout, cache):
    """Backward looks into windows of stride x stride."""
    x, sizes = cache
    k, m, stride = sizes["height"], sizes["width"], sizes["stride"]  # noqa: F841
    N, C, H, W = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    top, left = i * stride, j * stride
                    window = x[n, c, top : top + stride, left : left + stride]
                    a, b = np.unravel_index(window.argmax(), window.shape)
                    dx[n, c, top + a, left + b] += dout[n, c, i, j]
    return dx


@pytest.mark.slow
def test_another_size_in_all_places_of_a_line_is_tried_early():
    x = np.random.default_rng(0).standard_normal((2, 2, 5, 7))
    first = check_functions(pool, pool_backward, x, {"height": 3, "width": 3, "stride": 2}).diagnoses[0]
    assert "belongs, in all places of this line (right with these settings only" in first.sentence, first


def test_a_pool_whose_window_has_names_that_nobody_knows_promises_no_size():
    x = np.random.default_rng(0).standard_normal((2, 2, 5, 7))
    report = check_functions(pool, pool_backward, x, {"height": 2, "width": 2, "stride": 2})  # windows of the stride
    assert report.passed, report


def test_another_size_may_be_right_by_accident():
    tree = ast.parse("def backward(self, d):\n    return x[p + p :] * d").body[0]
    scope = Scope(["p", "s", "x", "y"], values={"p": 2, "s": 1, "x": np.zeros(3), "y": np.zeros(3)})
    swaps = {edit.text: edit.of_size for edit in edits(list(slots_of(tree)), scope) if " belongs" in edit.text}
    assert swaps["`p` stands where `s` belongs, in all places of this line"]
    assert swaps["`p` stands where `s` belongs: `p + s` for `p + p`"]
    assert not swaps["`x` stands where `y` belongs"]
