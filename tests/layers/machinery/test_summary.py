"""The summary: counts that can be done by hand."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import (
    Affine,
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    Layer,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    convolution,
)
from mlp.layers.machinery.summary import format_bytes


def model():
    body = Sequential({"conv_1": Conv2d(4, 4, 1, bias=False), "norm_1": BatchNorm(4), "act": ReLU()})
    return Sequential(
        {"conv_0": Conv2d(3, 4, 3, padding=1), "": Residual(body), "pool": GlobalAvgPool(), "head": Affine(4, 2)}
    )


def test_the_table_has_a_row_for_each_layer_and_totals():
    lines = model().summary((6, 5, 3), batch_size=10).splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert lines[0].split() == ["layer", "type", "output", "parameters", "multiply-adds", "kept", "columns"]
    assert "Conv2d" in rows["conv_0"]
    assert "6 x 5 x 4" in rows["conv_0"]
    assert rows["conv_0"].split()[-6:-4] == [str(3 * 3 * 3 * 4 + 4), f"{30 * 108:,}"]
    assert rows["conv_1"].split()[-6:-4] == ["16", f"{30 * 16}"]
    assert rows["total"].split()[1] == str(112 + 16 + 8 + 10)
    assert "10 images" in lines[-1]


def test_kept_bytes_are_the_inputs_of_the_convolution_for_the_whole_batch():
    cards = {card.path: card for card in model().cards(np.zeros((1, 6, 5, 3), np.float32), 10)}
    assert cards["conv_0"].kept_bytes == 6 * 5 * 3 * 4
    line = next(line for line in model().summary((6, 5, 3), batch_size=10).splitlines() if line.startswith("conv_0"))
    assert line.split()[-4:-2] == ["3.6", "kB"]  # 10 images


@pytest.mark.parametrize("batch_size", [1, 7, 300])
@pytest.mark.parametrize(("C", "F", "stride"), [(3, 4, 1), (4, 3, 1), (3, 4, 2)])
def test_column_bytes_are_those_of_the_largest_matrix_that_im2col_makes(monkeypatch, batch_size, C, F, stride):
    made = []

    def blocks(*arguments):
        for block, columns in plain(*arguments):
            made.append(columns)
            yield block, columns

    plain = convolution.blocks_of_columns
    monkeypatch.setattr(convolution, "blocks_of_columns", blocks)
    layer, x = Conv2d(C, F, 3, stride, padding=1), np.zeros((batch_size, 6, 5, C), np.float32)
    layer.backward(layer.forward(x, training=True))
    assert layer.column_bytes(x[:1], batch_size) == max(columns.nbytes for columns in made)


def test_the_total_of_columns_is_the_largest():
    cards = model().cards(np.zeros((1, 6, 5, 3), np.float32), 10)
    columns = [card.column_bytes for card in cards]
    assert columns[:2] == [10 * 30 * 9 * 4 * 4, 10 * 30 * 4 * 4]  # backward of conv_0 has 4 channels, forward 3
    assert not any(columns[2:])
    total = model().summary((6, 5, 3), batch_size=10).splitlines()[-2]
    assert total.endswith(format_bytes(max(columns)))


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


class Block(Layer):
    """A block of one's own: layers, and a parameter beside them."""

    def __init__(self):
        self.conv, self.scale = Conv2d(3, 8, 3, padding=1), Parameter(np.ones(8, np.float32))

    def forward(self, x, training=False):
        return self.conv.forward(x, training) * self.scale.data


def test_a_block_of_ones_own_is_counted_with_its_parts():
    model = Sequential(Block(), GlobalAvgPool(), Affine(8, 3))
    text = model.summary((8, 8, 3))
    assert [line.split()[1] for line in text.splitlines()[2:6]] == ["Conv2d", "GlobalAvgPool", "Affine", "Block"]
    assert f" {model.num_parameters:,} " in text.splitlines()[7]
    assert model.layers["0"].conv._kept is None


@pytest.mark.parametrize("shape", ["6x5x3", ("6", "5", "3"), (6.0, 5, 3), 90, None])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(ShapeError, match=r"expected the shape of one image, \(32, 32, 3\), or vector"):
        model().summary(shape)


@pytest.mark.parametrize("batch_size", ["100", 0, 1.5])
def test_what_is_no_batch_size_is_refused(batch_size):
    with pytest.raises(ConfigurationError, match="batch_size must be a whole number of at least 1"):
        model().summary((6, 5, 3), batch_size)


def test_a_model_without_parameters_has_a_summary():
    assert "ReLU" in Sequential(ReLU()).summary((5,))


class Shifted(Sequential):
    """A container with a parameter of its own."""

    def __init__(self, *layers):
        self.shift = Parameter(np.zeros(4, np.float32))
        super().__init__(*layers)

    def forward(self, x, training=False):
        return super().forward(x, training) + self.shift.data


def test_parameters_beside_layers_are_counted_however_deep():
    model = Sequential(Affine(3, 4), Residual(Shifted(Affine(4, 4), Shifted(ReLU()))))
    cards = model.cards(np.zeros((1, 3), np.float32), 10)
    assert sum(card.parameters for card in cards) == model.num_parameters == 44


def test_a_layer_under_two_names_is_said():
    block = Block()
    block.same = block.conv
    with pytest.raises(ConfigurationError, match="the same Conv2d is used twice"):
        block.summary((8, 8, 3))
