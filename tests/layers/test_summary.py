"""The summary: counts that can be done by hand."""

import numpy as np
import pytest

from mlp.layers import Affine, BatchNorm, Conv2d, GlobalAvgPool, ReLU, Residual, Sequential
from mlp.layers.summary import format_bytes


def model():
    body = Sequential({"conv_1": Conv2d(4, 4, 1, bias=False), "norm_1": BatchNorm(4), "act": ReLU()})
    return Sequential(
        {"conv_0": Conv2d(3, 4, 3, padding=1), "": Residual(body), "pool": GlobalAvgPool(), "head": Affine(4, 2)}
    )


def test_the_table_has_a_row_for_each_layer_and_totals():
    lines = model().summary((6, 5, 3), batch_size=10).splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert lines[0].split() == ["layer", "type", "output", "parameters", "multiply-adds", "kept"]
    assert "Conv2d" in rows["conv_0"]
    assert "6 x 5 x 4" in rows["conv_0"]
    assert rows["conv_0"].split()[-4:-2] == [str(3 * 3 * 3 * 4 + 4), f"{30 * 108:,}"]
    assert rows["conv_1"].split()[-4:-2] == ["16", f"{30 * 16}"]
    assert rows["total"].split()[1] == str(112 + 16 + 8 + 10)
    assert "10 images" in lines[-1]


def test_a_summary_leaves_nothing_behind():
    layer = model()
    before = layer.state_dict()
    layer.summary((6, 5, 3))
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])
    assert all(leaf._kept is None for _, leaf in layer.named_layers())


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (13.1e6, "13.1 MB")])
def test_bytes_for_people(count, text):
    assert format_bytes(count) == text
    assert format_bytes(2.5e9) == "2.50 GB"
