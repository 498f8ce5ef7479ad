"""Blocks that use one object at two places: it keeps only what its last forward needs. Those that may are right."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_model


class Linear:
    def __init__(self, n_in, n_out, seed):
        rng = np.random.default_rng(seed)
        self.W, self.b = 0.5 * rng.normal(size=(n_in, n_out)), 0.1 * rng.normal(size=n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW, self.db = self.x.T @ g, g.sum(axis=0)
        return g @ self.W.T


class ReLU:
    def forward(self, x):
        self.cache = {"mask": x > 0}
        return np.maximum(x, 0.0)

    def backward(self, g):
        return g * self.cache["mask"]


class Tanh:
    def __call__(self, x):
        self.y = np.tanh(x)
        return self.y

    def forward(self, x):
        return self(x)

    def backward(self, g):
        return g * (1.0 - self.y**2)


class TanhWithList:
    def __init__(self):
        self.ys = []

    def forward(self, x):
        self.ys.append(np.tanh(x))
        return self.ys[-1]

    def backward(self, g):
        return g * (1.0 - self.ys.pop() ** 2)


class Dropout:
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=True):
        self.mask = (self.rng.random(x.shape) > 0.4) / 0.6 if training else np.ones(x.shape)
        return x * self.mask

    def backward(self, g):
        return g * self.mask


class BatchNorm:
    def __init__(self, width):
        self.gamma, self.beta = np.ones(width), np.zeros(width)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.normal = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.normal + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.normal).sum(axis=0), g.sum(axis=0)
        g = g * self.gamma
        return (g - g.mean(axis=0) - self.normal * (g * self.normal).mean(axis=0)) / self.std


class Block:
    """x + second(fc2(first(fc1(x))))"""

    def __init__(self, first, second, width=6):
        self.fc1, self.fc2 = Linear(6, width, 0), Linear(width, 6, 1)
        self.path = [self.fc1, first, self.fc2, second]

    def forward(self, x):
        out = x
        for step in self.path:
            out = step.forward(out)
        return x + out

    def backward(self, g):
        out = g
        for step in reversed(self.path):
            out = step.backward(out)
        return g + out


class Branches:
    def __init__(self):
        self.fc1, self.fc2, self.act = Linear(6, 6, 0), Linear(6, 6, 1), Tanh()

    def forward(self, x):
        return self.act(self.fc1.forward(x)) + self.act(self.fc2.forward(x))

    def backward(self, g):
        return self.fc1.backward(self.act.backward(g)) + self.fc2.backward(self.act.backward(g))


class DropoutBlock:
    def __init__(self, first, second):
        self.fc1, self.fc2, self.first, self.second = Linear(6, 6, 0), Linear(6, 6, 1), first, second

    def forward(self, x, training=True):
        h = self.first.forward(self.fc1.forward(x), training)
        return self.second.forward(self.fc2.forward(h), training)

    def backward(self, g):
        return self.fc1.backward(self.first.backward(self.fc2.backward(self.second.backward(g))))


def twice(kind, make, *given, **named):
    one = make()
    return kind(one, one, *given, **named)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: twice(Block, ReLU), "`self.path[1]` and `self.path[3]` are one and the same ReLU"),
        (lambda: twice(Block, Tanh, width=8), "(`self.y`)"),  # backward raises an exception
        (lambda: twice(Block, lambda: BatchNorm(6)), "or add up the gradients if its weights shall be shared"),
        (lambda: twice(DropoutBlock, Dropout), "make a new Dropout for each place"),
        (Branches, "`self.act` is one Tanh, which forward calls 2 times"),
    ],
)
def test_one_object_at_two_places_is_named(make, said):
    report = check_layer(make(), (7, 6))
    assert not report.passed
    assert report.diagnoses[0].name == "one object used twice" and said in report.diagnoses[0].sentence, str(report)


def test_a_sample_of_a_model_is_enough():
    assert check_model(twice(Block, ReLU), (5, 6)).diagnoses[0].name == "one object used twice"


@pytest.mark.parametrize(
    "layer",
    [Block(ReLU(), ReLU()), Block(Tanh(), BatchNorm(6)), DropoutBlock(Dropout(), Dropout())],
)
def test_an_object_for_each_place_is_right(layer):
    assert check_layer(layer, (7, 6)).passed


def test_an_object_that_keeps_each_call_is_right_and_not_blamed():
    class Wrong(Block):
        def backward(self, g):
            return 2.0 * super().backward(g)

    assert check_layer(twice(Block, TanhWithList), (7, 6)).passed
    diagnoses = check_layer(twice(Wrong, TanhWithList), (7, 6)).diagnoses
    assert diagnoses and all(one.name != "one object used twice" for one in diagnoses)
