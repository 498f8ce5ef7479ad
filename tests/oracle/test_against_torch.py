"""mlp beside PyTorch, both in float64: layers, loss, learning rules, schedules, whole networks, initial weights."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import CASES, differences, draw  # noqa: E402
from torch_reference import reference, to_torch  # noqa: E402
from torch_vgg import VGG, state_by_name  # noqa: E402

from mlp import initializers  # noqa: E402
from mlp.layers import Affine, Conv2d  # noqa: E402
from mlp.models import vgg  # noqa: E402
from mlp.rng import generator  # noqa: E402

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("name", CASES)
def test_same_as_torch(name):
    case, given = CASES[name], draw(name)
    assert not differences(case.run(given), reference(case, given), case.tolerance)


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 8},
        {"depth": 38, "norm": "batch", "residual": True},
        {"depth": 14, "norm": "batch", "norm_position": "after", "residual": True, "reduction_shortcut": "avgpool"},
        {"depth": 14, "norm": "layer", "norm_position": "after"},
        {"depth": 14, "norm": "instance", "residual": True, "reduction_shortcut": "strided"},
        {"depth": 14, "norm": "group", "norm_groups": 4, "residual": True, "reduction_shortcut": "projection"},
        {"depth": 14, "residual": True, "reduction_shortcut": "projection_everywhere"},
        {"depth": 20, "filters": 6, "num_classes": 10, "image_channels": 1},
    ],
)
def test_load_from_copies_every_array(settings):
    mlp_model = vgg(**settings)
    torch_model = VGG(**settings).load_from(mlp_model)
    copied = state_by_name(torch_model)
    for name, array in mlp_model.state_dict().items():
        np.testing.assert_array_equal(copied.pop(name), array)
    assert not copied
    assert sum(p.numel() for p in torch_model.parameters()) == mlp_model.num_parameters


@pytest.mark.parametrize(
    ("layer", "fan_in", "images"),
    [(Affine(7, 4000), 7, False), (Conv2d(3, 5000, (2, 1)), 6, True)],
    ids=["affine", "conv"],
)
def test_initial_weights_are_drawn_alike(layer, fan_in, images):
    layer.initialize(seed=0)
    torch.manual_seed(0)
    theirs = state_by_name(to_torch(layer, images))
    bound = 1.0 / math.sqrt(fan_in)
    for name, p in layer.named_parameters():
        samples = p.data.ravel(), theirs[name].ravel()
        for values in samples:
            assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
        assert largest_gap(*samples) < 2.0 * math.sqrt(2.0 / p.data.size)  # exceeded by chance once in 1500


def largest_gap(a, b):
    """Return the largest distance of the distribution functions of two samples (Kolmogorov and Smirnov)."""
    at = np.sort(np.concatenate([a, b]))
    return np.abs(
        np.searchsorted(np.sort(a), at, "right") / a.size - np.searchsorted(np.sort(b), at, "right") / b.size
    ).max()


@pytest.mark.parametrize(
    ("initializer", "torch_initializer"),
    [
        (initializers.uniform(-0.2, 0.3), lambda w: torch.nn.init.uniform_(w, -0.2, 0.3)),
        (initializers.normal(0.1, 0.3), lambda w: torch.nn.init.normal_(w, 0.1, 0.3)),
        (initializers.glorot_uniform, torch.nn.init.xavier_uniform_),
        (initializers.glorot_normal, torch.nn.init.xavier_normal_),
        (initializers.he_uniform(0.3), lambda w: torch.nn.init.kaiming_uniform_(w, a=0.3)),
        (initializers.he_normal(0.3), lambda w: torch.nn.init.kaiming_normal_(w, a=0.3)),
        (initializers.orthogonal, torch.nn.init.orthogonal_),
    ],
)
def test_initializers_draw_from_the_same_distribution(initializer, torch_initializer):
    fan_in, fan_out = 90, 120
    ours = initializer((fan_in, fan_out), fan_in, fan_out, generator(0, "init"))
    torch.manual_seed(0)
    theirs = torch_initializer(torch.empty(fan_out, fan_in, dtype=torch.float64)).numpy()
    assert largest_gap(ours.ravel(), theirs.ravel()) < 2.0 * math.sqrt(2.0 / ours.size)
