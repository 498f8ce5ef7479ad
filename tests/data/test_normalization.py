import numpy as np
import pytest

from mlp.data import NORMALIZATIONS, normalize
from mlp.errors import ConfigurationError

RAMP = np.arange(2 * 4 * 8 * 3, dtype=np.uint8).reshape(2, 4, 8, 3)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_agrees_with_the_formula(name, dtype, tolerance):
    mean, std = NORMALIZATIONS[name]
    x = normalize(RAMP, name, dtype)
    assert x.dtype == dtype
    np.testing.assert_allclose(x, (RAMP / 255.0 - mean) / std, rtol=0, atol=tolerance)


def test_values_by_hand():
    black, white = normalize(np.array([0, 255], np.uint8).repeat(3).reshape(2, 1, 1, 3))[:, 0, 0]
    np.testing.assert_allclose(black, [-2.429066, -2.418255, -2.221393], atol=1e-5)
    np.testing.assert_allclose(white, [2.514088, 2.596791, 2.753731], atol=1e-5)
    own = normalize(np.zeros((1, 1, 1, 3), np.uint8), "cifar100")[0, 0, 0]
    np.testing.assert_allclose(own, [-0.5071 / 0.2673, -0.4866 / 0.2564, -0.4409 / 0.2762], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channel_counts_use_the_mean_of_the_constants(channels):
    mean, std = (np.mean(constants) for constants in NORMALIZATIONS["reports"])
    images = np.resize(RAMP, (2, 5, 3, channels))
    np.testing.assert_allclose(normalize(images), (images / 255.0 - mean) / std, atol=1e-6)


def test_images_stay_as_they_were_and_may_be_a_view():
    before = RAMP.copy()
    mirrored = RAMP[:, :, ::-1]
    np.testing.assert_array_equal(normalize(mirrored), normalize(RAMP)[:, :, ::-1])
    np.testing.assert_array_equal(RAMP, before)


def test_unknown_name():
    with pytest.raises(ConfigurationError, match="reports, cifar100, got 'imagenet'"):
        normalize(RAMP, "imagenet")
