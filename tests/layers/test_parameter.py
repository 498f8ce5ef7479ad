"""Parameters: assignment copies, shape and dtype stay, and all of them live in one flat array once gathered."""

import copy
import pickle

import numpy as np
import pytest

from mlp.errors import ConfigurationError, MlpError, ShapeError
from mlp.layers import Affine, FlatParameters, Parameter, Sequential
from mlp.learning_rules import Adam


def two_parameters():
    return [Parameter(np.arange(6.0).reshape(2, 3), "a"), Parameter(np.arange(4.0), "b")]


def test_assigning_copies_and_keeps_the_array():
    p = Parameter(np.zeros((2, 3), np.float32), "w")
    array, values = p.data, np.ones((2, 3), np.float32)
    p.data = values
    values[0, 0] = 7
    assert p.data is array
    assert p.data[0, 0] == 1
    p.grad += 2.0
    assert (p.grad == 2).all()


@pytest.mark.parametrize("what", ["data", "grad"])
def test_assigning_another_shape_or_dtype_is_an_error(what):
    p = Parameter(np.zeros((2, 3), np.float32), "stage_0.weight")
    with pytest.raises(ShapeError, match=r"'stage_0.weight'.*shape \(2, 3\), got values of shape \(3,\)"):
        setattr(p, what, np.zeros(3, np.float32))
    with pytest.raises(ShapeError, match=r"is float32, got float64 values.*\.astype"):
        setattr(p, what, np.zeros((2, 3)))
    assert not getattr(p, what).any()


def test_gathered_parameters_are_views_of_one_array():
    a, b = parameters = two_parameters()
    a.grad = np.full((2, 3), 5.0)
    flat = FlatParameters.gather(parameters)
    assert flat.data.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    assert flat.grad.tolist() == [5] * 6 + [0] * 4
    assert flat.offsets.tolist() == [0, 6]
    flat.data[6] = 9
    b.grad = np.ones(4)
    assert b.data[0] == 9
    assert flat.grad[6:].tolist() == [1] * 4
    assert FlatParameters.gather(parameters) is flat


def test_a_replaced_parameter_leaves_the_flat_array():
    a, b = parameters = two_parameters()
    flat = FlatParameters.gather(parameters)
    a.replace(np.zeros((2, 3), np.float32))
    assert not flat.whole
    assert not np.shares_memory(a.data, flat.data)
    b.replace(np.zeros(4, np.float32))
    assert FlatParameters.gather(parameters) is not flat


def test_a_copy_shares_nothing():
    parameters = two_parameters()
    flat = FlatParameters.gather(parameters)
    twin = copy.deepcopy(parameters[0])
    twin.data[...] = -1
    assert flat.data[0] == 0
    assert twin.flat is None


def test_parameters_of_two_dtypes_cannot_be_gathered():
    own, others = Parameter(np.zeros(2), "act.slope"), [Parameter(np.zeros(2, np.float32), name) for name in "ab"]
    message = r"'float64'\]: 'act.slope' is float64, all others are float32: .*model.astype\(np.float32\)"
    with pytest.raises(ShapeError, match=message):
        FlatParameters.gather([own, *others])
    with pytest.raises(ShapeError, match="no parameters"):
        FlatParameters.gather([])


@pytest.mark.parametrize("data", [[1.0] * 3, 1.0, np.float64(1.0), None])
def test_a_parameter_needs_an_array(data):
    with pytest.raises(ConfigurationError, match=r"Parameter needs an array, got a \w+: write Parameter\(np.array"):
        Parameter(data)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_rule_refuses_to_update_until_it_is_initialized(copied):
    """Views do not survive a copy: without the refusal the copy's update would change nothing."""
    model, rule = Sequential(Affine(3, 2)).initialize(0), Adam()
    rule.initialize(model.parameters())
    twin, twin_rule = copied((model, rule))
    with pytest.raises(MlpError, match="call rule.initialize"):
        twin_rule.update()
    twin_rule.initialize(twin.parameters())
    for parameter in twin.parameters():
        parameter.grad = np.ones_like(parameter.data)
    before = twin.state_dict()
    twin_rule.update()
    assert all((before[name] != array).all() for name, array in twin.state_dict().items())
    assert all((before[name] == array).all() for name, array in model.state_dict().items())


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, complex])
def test_a_parameter_of_other_numbers_than_floats_is_refused(dtype):
    with pytest.raises(ConfigurationError, match=f"needs floating-point numbers, got {np.dtype(dtype)}"):
        Parameter(np.ones(3, dtype))
