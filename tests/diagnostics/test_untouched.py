"""Probes leave no trace, also after an error; and ways to get that wrong would be seen."""

from contextlib import contextmanager

import numpy as np
import pytest

import mlp
from mlp.diagnostics.landscape import landscape, plane
from mlp.diagnostics.shattering import gradient_correlation
from mlp.diagnostics.smoothness import smoothness
from mlp.diagnostics.untouched import adopted_statistics, untouched
from mlp.layers import BatchNorm
from mlp.losses import SoftmaxCrossEntropy


def net():
    """A small network with running statistics, a dropout step and gradients that are not those of its start."""
    model = mlp.models.vgg(8, "batch", filters=4, num_classes=5, dropout=0.2)
    x, targets = images()
    loss = SoftmaxCrossEntropy()
    loss.forward(model.forward(x, training=True), targets)
    model.backward(loss.backward())
    return model


def images():
    rng = np.random.default_rng(1)
    return rng.normal(size=(6, 8, 8, 3)).astype(np.float32), rng.integers(0, 5, 6)


def state(model):
    """Everything that a probe could leave a trace in."""
    arrays = model.state_dict() | {f"{p.name} grad": p.grad.copy() for p in model.parameters()}
    momenta = [layer.momentum for _, layer in model.named_layers() if isinstance(layer, BatchNorm)]
    return arrays | {"momenta": np.array(momenta)}


def traces(before, after):
    return [name for name in before if not np.array_equal(before[name], after[name])]


PROBES = {
    "landscape": lambda m: landscape(m, SoftmaxCrossEntropy(), *images(), points=3, engine="textbook"),
    "landscape in training": lambda m: landscape(
        m, SoftmaxCrossEntropy(), *images(), points=3, statistics="batch", engine="cpu", threads=1
    ),
    "smoothness": lambda m: smoothness(m, SoftmaxCrossEntropy(), *images(), engine="cpu", threads=1),
    "gradient correlation": lambda m: gradient_correlation(m, images()[0]),
}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_leaves_no_trace(name):
    model = net()
    before = state(model)
    PROBES[name](model)
    assert traces(before, state(model)) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_after_an_error(error):
    model = net()
    before, visits = state(model), []

    def stop(found):
        visits.append(found)
        if len(visits) == 3:
            raise error

    with pytest.raises(error):
        landscape(model, SoftmaxCrossEntropy(), *images(), points=5, engine="textbook", tell=stop)
    assert traces(before, state(model)) == []


@contextmanager
def forgets_weights(model):
    yield model


@contextmanager
def takes_back_what_it_added(model):
    steps = [(p, p.data * np.float32(0.1)) for p in model.parameters()]
    for p, step in steps:
        p.data += step
    yield model
    for p, step in steps:
        p.data -= step


@contextmanager
def only_without_an_error(model):
    saved = [(p, p.data.copy()) for p in model.parameters()]
    yield model
    for p, data in saved:
        p.data = data


def stopped_landscape(model):
    def stop(found):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        landscape(model, SoftmaxCrossEntropy(), *images(), points=3, engine="textbook", tell=stop)


BUGS = {
    "weights are forgotten": (forgets_weights, PROBES["landscape"]),
    "what was added is subtracted": (takes_back_what_it_added, PROBES["landscape"]),
    "not after Ctrl-C": (only_without_an_error, stopped_landscape),
}


@pytest.mark.parametrize("bug", BUGS)
def test_careless_ways_of_restoring_would_be_seen(bug, monkeypatch):
    careless, probe = BUGS[bug]
    model = net()
    before = state(model)
    monkeypatch.setattr(plane, "untouched", careless)
    at_last = plane.point
    if bug == "not after Ctrl-C":  # the first point is the middle: go elsewhere
        monkeypatch.setattr(
            plane, "point", lambda start, name, directions, t: at_last(start, name, directions, (1.0, 1.0))
        )
    probe(model)
    assert traces(before, state(model)) != []


@pytest.mark.parametrize("forgotten", ["gradients", "buffers", "momenta"])
def test_each_part_of_the_state_is_looked_at(forgotten):
    model = net()
    before = state(model)
    if forgotten == "gradients":
        model.parameters()[0].grad += np.float32(1e-3)
    elif forgotten == "buffers":
        dict(model.named_buffers())["input.dropout_0.step"] += 1
    else:
        next(layer for _, layer in model.named_layers() if isinstance(layer, BatchNorm)).momentum = 1.0
    assert traces(before, state(model)) != []


def test_adopted_statistics_are_those_of_the_images():
    model = net()
    x = images()[0]
    before = state(model)
    with adopted_statistics(model, x):
        norm = model.layers["input"].layers["norm_0"]
        y = model.layers["input"].layers["conv_0"].forward(x).reshape(-1, 4)
        np.testing.assert_allclose(norm.running_mean, y.mean(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(norm.running_var, y.var(axis=0, ddof=1), rtol=1e-4)
        one, all_of_them = model.forward(x[:1]), model.forward(x)
        np.testing.assert_allclose(one[0], all_of_them[0], rtol=1e-4, atol=1e-6)
    assert traces(before, state(model)) == []


def test_untouched_gives_back_arrays_that_were_replaced():
    model = net()
    before = state(model)
    with untouched(model):
        for p in model.parameters():
            p.data = np.zeros_like(p.data)
        model.forward(images()[0], training=True)
    assert traces(before, state(model)) == []
