"""Nothing silently becomes float64: outputs, gradients, buffers, moments and metrics' inputs stay float32."""

import numpy as np
import pytest

from mlp.data import Batches, synthetic
from mlp.diagnostics.gradients.layer_cases import CASES
from mlp.initializers import (
    constant,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    normal,
    orthogonal,
    pytorch_default,
    uniform,
)
from mlp.layers import Affine, Conv2d, observed
from mlp.learning_rules import RULES
from mlp.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.training import Trainer


def assert_float32(arrays):
    wide = {
        name: array.dtype for name, array in arrays.items() if array.dtype.kind == "f" and array.dtype != np.float32
    }
    assert not wide


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_layers(case, training):
    layer, outputs = case.make(), {}
    x = np.random.default_rng(0).standard_normal(case.input_shape).astype(np.float32)
    with observed(layer, lambda inner, x, y: outputs.update({f"output of {inner!r}": y})):
        y = layer.forward(x, training)
    assert_float32({**outputs, "outputs": y, "grad_inputs": layer.backward(np.ones_like(y))})
    assert_float32({name: p.grad for name, p in layer.named_parameters()})
    assert_float32({name: p.data for name, p in layer.named_parameters()})
    assert_float32(dict(layer.named_buffers()))


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (SoftmaxCrossEntropy(), np.array([0, 1, 3])),
        (SoftmaxCrossEntropy(label_smoothing=0.1), np.array([0, 1, 3])),
        (MeanSquaredError(), np.ones((3, 4), np.float32)),
        (BinaryCrossEntropy(), np.ones((3, 4), np.float32)),
    ],
)
def test_losses(loss, targets):
    value = loss.forward(np.full((3, 4), 0.5, np.float32), targets)
    assert type(value) is float
    assert loss.backward().dtype == np.float32


@pytest.mark.parametrize(
    "initializer",
    [
        pytorch_default,
        glorot_uniform,
        glorot_normal,
        orthogonal,
        constant(0.1),
        uniform(-1, 1),
        normal(),
        he_uniform(0.1),
        he_normal(0.1),
    ],
)
def test_initializers(initializer):
    for layer in (Affine(3, 4, initializer=initializer), Conv2d(3, 4, 3, initializer=initializer)):
        assert_float32(layer.state_dict())


@pytest.mark.parametrize("engine", ("textbook", "cpu"))
@pytest.mark.parametrize("rule", RULES)
def test_a_whole_training(rule, engine):
    train, valid = synthetic(num_train=12, num_test=6, image_size=8, num_classes=5)
    model = vgg(8, "batch", True, num_classes=5, filters=3, reduction_shortcut="avgpool")
    batches = Batches(train, 5, augment=True, shuffle=True)
    trainer = Trainer(model, SoftmaxCrossEntropy(), RULES[rule](1e-3, weight_decay=1e-4), engine=engine)
    trainer.fit(batches, Batches(valid, 6), epochs=2)
    assert {x.dtype for x, _ in batches.epoch(0)} == {np.dtype(np.float32)}
    assert_float32(model.state_dict())
    assert_float32({name: p.grad for name, p in model.named_parameters()})
    assert_float32({"data": trainer.rule.flat.data, "grad": trainer.rule.flat.grad, **trainer.rule.moments})
