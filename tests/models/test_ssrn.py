"""SSRN (section 7 of the definitions): shapes, sizes, and that its convolutions are those of the paper."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import observed
from mlp.models import ssrn


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 364_168),
        ({"spectral_blocks": 1, "spatial_blocks": 1}, 345_448),
        ({"num_classes": 9, "bands": 103}, 216_537),
    ],
)
def test_parameters(settings, parameters):
    assert ssrn(**settings).num_parameters == parameters


def test_shapes():
    shapes = {}
    model, x = ssrn(), np.zeros((2, 7, 7, 200), np.float32)
    with observed(model, lambda layer, _, y: shapes.update({layer.path: y.shape})):
        assert model.forward(x).shape == (2, 16)
    assert shapes["spectra"] == (2, 49, 200, 1)
    assert shapes["input.activation_0"] == shapes["spectral_1.activation_1"] == (2, 49, 97, 24)
    assert shapes["collapse.activation_0"] == (2, 49, 1, 128)
    assert shapes["pixels"] == (2, 7, 7, 128)
    assert shapes["spatial_input.activation_0"] == shapes["spatial_1.activation_1"] == (2, 5, 5, 24)


def test_the_collapse_is_an_affine_layer_of_a_pixel():
    conv = ssrn(dtype=np.float64).layers["collapse"].layers["conv_0"]
    x = np.random.default_rng(0).standard_normal((1, 1, 97, 24))
    expected = x.reshape(1, 97 * 24) @ conv.weight.data.reshape(97 * 24, 128)
    np.testing.assert_allclose(conv.forward(x).reshape(1, 128), expected, rtol=0, atol=1e-12)


def test_first_weights():
    for name, p in ssrn().named_parameters():
        if name.endswith("bias"):
            assert not p.data.any()
        if name.endswith("conv_0.weight") and p.data.size > 1000:
            assert p.data.var() == pytest.approx(2 / (p.data.size / p.data.shape[-1]), rel=0.15)


@pytest.mark.parametrize(
    "settings", [{"bands": 3, "side": 32}, {"side": 1}, {"num_classes": 0}, {"spectral_blocks": -1}]
)
def test_what_is_no_scene(settings):
    with pytest.raises(ConfigurationError):
        ssrn(**settings)
