"""Arrays and devices: which library, where, and what a device's name may be."""

import numpy as np
import pytest

from mlp import backend
from mlp.errors import DeviceError


def test_numpy_arrays_live_on_the_cpu():
    x = np.zeros(3)
    assert backend.get_array_module(x) is np
    assert backend.device_of(x) == "cpu"
    assert backend.move(x, "cpu") is x
    assert backend.to_numpy(x) is x
    assert backend.require_device("cpu") is None


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:", "cuda:-1", "CUDA:0", ""])
def test_unknown_devices_are_named(device):
    with pytest.raises(DeviceError, match="write cpu, or cuda:N"):
        backend.require_device(device)


@pytest.mark.parametrize("starts", [[0], [0, 3], [0, 1, 2, 9]])
def test_segments_of_a_flat_array(starts):
    array = np.random.default_rng(0).standard_normal(10)
    pieces = np.split(array, starts[1:])
    sums = backend.reduce_segments("add", array, np.array(starts))
    np.testing.assert_allclose(sums, [piece.sum() for piece in pieces], rtol=1e-13)
    largest = backend.reduce_segments("maximum", array, np.array(starts))
    np.testing.assert_array_equal(largest, [piece.max() for piece in pieces])
