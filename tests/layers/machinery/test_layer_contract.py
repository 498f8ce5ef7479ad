"""What every layer promises: dtypes, strides, one backward per forward, buffers that only training moves."""

import numpy as np
import pytest

from mlp.diagnostics.gradients.layer_cases import CASES
from mlp.errors import BackwardError, ShapeError
from mlp.layers import Identity, Tap, frozen_buffers


def each(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.label)


every_layer = each(CASES)
every_layer_with_weights = each([case for case in CASES if case.make().parameters()])
every_layer_that_keeps = each([case for case in CASES if not isinstance(case.make(), (Identity, Tap))])


def layer_of(case):
    return case.make().initialize(0)


def run(layer, x, training):
    """Return the outputs, and by name all gradients of a random upstream gradient."""
    with frozen_buffers(layer):  # dropout draws the same mask again
        y = layer.forward(x, training)
    upstream = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    grad_inputs = layer.backward(upstream)
    return y, {"inputs": grad_inputs, **{name: p.grad.copy() for name, p in layer.named_parameters()}}


def inputs_of(case, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(case.input_shape).astype(dtype)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_changes_its_dtype_or_shape(case, dtype, training):
    layer, x = layer_of(case).astype(dtype), inputs_of(case, dtype)
    y, gradients = run(layer, x, training)
    assert y.dtype == dtype
    assert gradients["inputs"].shape == x.shape
    for name, array in {**gradients, **layer.state_dict(), **dict(layer.named_buffers())}.items():
        assert array.dtype == dtype or array.dtype.kind == "i", name
    for parameter in layer.parameters():
        assert parameter.grad.shape == parameter.data.shape


@every_layer
def test_float32_agrees_with_float64(case):
    layer, x = layer_of(case), inputs_of(case)
    y, gradients = run(layer, x, True)
    exact_y, exact = run(layer.astype(np.float64), x.astype(np.float64), True)
    np.testing.assert_allclose(y, exact_y, rtol=1e-4, atol=1e-4)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, exact[name], rtol=1e-3, atol=1e-3, err_msg=name)


@every_layer
def test_inputs_and_gradients_may_have_any_strides(case):
    """A view (every other sample, axes from a transposed array) gives what its contiguous copy gives."""
    layer, x = layer_of(case), inputs_of(case)
    doubled = np.repeat(x, 2, axis=0)[::2]
    fortran = np.asfortranarray(x)
    y, gradients = run(layer, x, True)
    for view in (doubled, fortran):
        with frozen_buffers(layer):
            y_of_view = layer.forward(view, training=True)
        np.testing.assert_allclose(y_of_view, y, rtol=1e-5, atol=1e-5)
        upstream = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
        grad_inputs = layer.backward(np.asfortranarray(upstream))
        np.testing.assert_allclose(grad_inputs, gradients["inputs"], rtol=1e-4, atol=1e-5)
        for name, parameter in layer.named_parameters():
            np.testing.assert_allclose(parameter.grad, gradients[name], rtol=1e-4, atol=1e-4, err_msg=name)


@every_layer
def test_inputs_and_gradients_are_not_changed_in_place(case):
    layer, x = layer_of(case), inputs_of(case)
    x.flags.writeable = False
    upstream = np.ones_like(layer.forward(x, training=True))
    upstream.flags.writeable = False
    layer.backward(upstream)


@every_layer_that_keeps
def test_backward_needs_a_forward_of_its_own(case):
    layer, x = layer_of(case), inputs_of(case)
    upstream = np.ones_like(layer.forward(x, training=True))
    layer.backward(upstream)
    with pytest.raises(BackwardError, match="forward must run once per backward"):
        layer.backward(upstream)
    with pytest.raises(BackwardError) as failure:
        case.make().backward(upstream)
    assert str(failure.value).startswith(tuple(type(part).__name__ for _, part in layer.named_layers()))


@every_layer
def test_gradients_are_overwritten_and_not_added_to(case):
    layer, x = layer_of(case), inputs_of(case)
    _, first = run(layer, x, True)
    _, second = run(layer, x, True)
    for name, gradient in first.items():
        np.testing.assert_array_equal(second[name], gradient, err_msg=name)


@every_layer
def test_buffers_stay_in_evaluation_and_in_a_probe(case):
    layer, x = layer_of(case), inputs_of(case)
    before = layer.state_dict()
    layer.forward(x, training=False)
    with frozen_buffers(layer):
        layer.forward(x, training=True)
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


@every_layer_with_weights
def test_the_wrong_dtype_is_an_error_that_names_the_call_which_mends_it(case):
    layer = layer_of(case)
    with pytest.raises(ShapeError, match=r"parameters are float32, the inputs are float64.*x\.astype\(np\.float32\)"):
        layer.forward(inputs_of(case, np.float64))
