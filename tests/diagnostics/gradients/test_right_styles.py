"""Right solutions in styles that were once taken for wrong ones."""

from dataclasses import dataclass, field

import numpy as np

from mlp.diagnostics import check_layer, check_loss, check_rule


class SometimesDropped:
    """In most forwards nothing is dropped, so two masks are often the same."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x, training=True):
        self.keep = (self.rng.random((len(x), 1)) < 0.8) / 0.8 if training else 1.0
        return x + self.keep * np.tanh(x)

    def backward(self, dout):
        x = self.x
        return dout * (1 + self.keep / np.cosh(x) ** 2)


class SometimesDroppedPaths(SometimesDropped):
    def forward(self, x, training=True):
        self.x = x
        return super().forward(x, training)


def test_two_masks_that_are_the_same_by_chance_hide_no_randomness():
    for batch in range(3, 6):
        report = check_layer(SometimesDroppedPaths(), (batch, 4))
        assert report.passed, report


@dataclass
class Doubled:
    much: np.ndarray = field(default_factory=lambda: np.full(60, 0.5))

    def forward(self, x):
        self.x = x
        return 2.0 * x

    def backward(self, dout):
        return 2.0 * dout


def test_a_long_repr_is_replaced_by_the_name_of_the_class():
    assert check_layer(Doubled(), (4, 3)).title == "Doubled, inputs (4, 3)"


class Tensor:
    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class SlottedAffine:
    __slots__ = ("params", "x")
    factor = 1.0

    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = [Tensor(rng.standard_normal((3, 2))), Tensor(rng.standard_normal(2))]

    def forward(self, x):
        self.x = x
        return x @ self.params[0].data + self.params[1].data

    def backward(self, dout):
        self.params[0].grad = self.x.T @ dout
        self.params[1].grad = self.factor * dout.sum(axis=0)
        return dout @ self.params[0].data.T


class WrongSlottedAffine(SlottedAffine):
    __slots__ = ()
    factor = 2.0


@dataclass(slots=True)
class RMSNorm:
    """The gain stands in a slot."""

    g: np.ndarray = field(default_factory=lambda: np.linspace(0.5, 2.0, 5))
    dg: np.ndarray | None = None
    kept: tuple = ()

    def forward(self, x):
        r = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-8)
        self.kept = x, r
        return x / r * self.g

    def backward(self, dout):
        x, r = self.kept
        self.dg = (dout * x / r).sum(axis=0)
        d = dout * self.g
        return d / r - x * (d * x).mean(axis=-1, keepdims=True) / r**3


@dataclass(slots=True)
class Huber:
    delta: float = 0.8
    e: np.ndarray | None = None

    def forward(self, outputs, targets):
        self.e = outputs - targets
        small = np.minimum(np.abs(self.e), self.delta)
        return float((0.5 * small**2 + self.delta * (np.abs(self.e) - small)).mean())

    def backward(self):
        return np.clip(self.e, -self.delta, self.delta) / self.e.size


class SlottedAdam:
    __slots__ = ("beta1", "beta2", "eps", "lr", "m", "params", "t", "v")

    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.params, self.lr, self.beta1, self.beta2, self.eps, self.t = params, lr, beta1, beta2, eps, 0
        self.m, self.v = ([np.zeros_like(p) for p in params] for _ in range(2))

    def step(self, grads):
        self.t += 1
        for i, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
            self.v[i] = self.beta2 * self.v[i] + (1 - self.beta2) * g * g
            root = np.sqrt(self.v[i] / (1 - self.beta2**self.t))
            p -= self.lr * self.m[i] / (1 - self.beta1**self.t) / (root + self.eps)


def test_objects_with_slots_are_checked():
    report = check_layer(SlottedAffine(), (4, 3))
    assert report.passed and {row.array for row in report.rows} == {"inputs", "params[0]", "params[1]"}, report
    assert [row.array for row in check_layer(WrongSlottedAffine(), (4, 3)).rows if not row.passed] == ["params[1]"] * 2
    report = check_layer(RMSNorm(), (3, 5))
    assert report.passed and {row.array for row in report.rows} == {"inputs", "g"}, report
    assert check_loss(Huber(), (5, 3)).passed
    report = check_rule(SlottedAdam)
    assert report.passed and not report.remarks, report


class Weight:
    def __init__(self, data):
        self.data, self.grad = data, None


class OfWeights:
    """params() hands out objects, not arrays."""

    def __init__(self):
        self.W = Weight(np.random.default_rng(0).standard_normal((3, 2)))

    def params(self):
        return [self.W]

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, dout):
        self.W.grad = self.x.T @ dout
        return dout @ self.W.data.T


def test_params_may_give_objects():
    report = check_layer(OfWeights(), (4, 3))
    assert report.passed and "W" in {row.array for row in report.rows}, report


class MovesItsWeights:
    """backward(output_gradient, learning_rate) makes the step, too."""

    factor = 1.0

    def __init__(self):
        self.weights, self.bias = np.random.default_rng(0).standard_normal((3, 2)), np.zeros((1, 2))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, output_gradient, learning_rate):
        input_gradient = output_gradient @ self.weights.T
        self.weights -= learning_rate * self.x.T @ output_gradient
        self.bias = self.bias - learning_rate * self.factor * output_gradient.sum(axis=0, keepdims=True)
        return input_gradient


class MovesItsBiasTooFar(MovesItsWeights):
    factor = 2.0


class MovesFirst(MovesItsWeights):
    """The gradient of the inputs is made with the new weights: a usual mistake."""

    def backward(self, output_gradient, learning_rate):
        super().backward(output_gradient, learning_rate)
        return output_gradient @ self.weights.T


def wrong_arrays(layer):
    return {row.array for row in check_layer(layer, (4, 3)).rows if not row.passed}


def test_a_backward_that_moves_the_weights_is_checked():
    report = check_layer(MovesItsWeights(), (4, 3))
    assert report.passed and {row.array for row in report.rows} == {"inputs", "weights", "bias"}, report
    assert wrong_arrays(MovesItsBiasTooFar()) == {"bias"}
    assert wrong_arrays(MovesFirst()) == {"inputs"}
