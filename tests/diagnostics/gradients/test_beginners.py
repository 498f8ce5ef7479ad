"""What beginners write, and what they are told: one layer with a weight, broken in many ways."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer
from mlp.layers import Layer, Parameter


class Scale(Layer):
    """y = x gamma."""

    def __init__(self):
        self.gamma = Parameter(np.ones(3))

    def forward(self, x, training=False):
        self.keep(x)
        return x * self.gamma.data

    def backward(self, grad_outputs):
        x = self.take()
        self.gamma.grad = self.reduced(grad_outputs * x)
        return grad_outputs * self.gamma.data

    def reduced(self, products):
        return products.sum(axis=(0, 1, 2))


class Mean(Scale):
    def reduced(self, products):
        return products.mean(axis=(0, 1, 2))


class KeepDims(Scale):
    def reduced(self, products):
        return products.sum(axis=(0, 1, 2), keepdims=True)


class NotCallable(Scale):
    def reduced(self, products):
        nothing = None
        return nothing(products)


class Unaligned(Scale):
    def reduced(self, products):
        return products + np.ones(7)


class NoReturn(Scale):
    def forward(self, x, training=False):
        self.keep(x)


class Cast(Scale):
    def forward(self, x, training=False):
        return super().forward(x.astype(np.float32))


class KeptTwice(Scale):
    def forward(self, x, training=False):
        self.keep(x)
        self.keep(2.0 * x)
        return x * self.gamma.data

    def backward(self, grad_outputs):
        x, _ = self.take()
        return grad_outputs * x


class TupleTaken(Scale):
    def forward(self, x, training=False):
        self.keep(x, 2.0 * x)
        return x * self.gamma.data

    def backward(self, grad_outputs):
        x = self.take()
        self.gamma.grad = (grad_outputs * x).sum(axis=(0, 1, 2, 3))
        return grad_outputs * x


class OtherTuple(TupleTaken):
    def backward(self, grad_outputs):
        return self.take() / grad_outputs


class DataChanged(Scale):
    def backward(self, grad_outputs):
        self.gamma.data -= 0.1
        return super().backward(grad_outputs)


class Once:
    """fprop and bprop."""

    def __init__(self):
        self.params = [np.ones(3)]

    def fprop(self, inputs):
        return inputs * self.params[0]

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return grads_wrt_outputs * self.params[0]

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        return (grads_wrt_outputs * inputs).sum(axis=(0, 1, 2))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Mean, "multiplied by 100 = N H W: a mean over n, h, w instead of the sum"),
        (KeepDims, "drop keepdims"),
        (NotCallable, "TypeError: 'NoneType' object is not callable"),
        (Unaligned, "compare the shapes in this line"),
        (NoReturn, "forward returned None: is `return` missing?"),
        (KeptTwice, "keep all that backward needs in one call"),
        (TupleTaken, "x, s = self.take()"),
        (OtherTuple, "x, s = self.take()"),
        (DataChanged, "backward changed the data of gamma"),
        (Once, "return a list, [grad]"),
    ],
)
def test_what_a_beginner_is_told(kind, told):
    report = check_layer(kind(), (4, 5, 5, 3))
    assert not report.passed
    text = " ".join(str(report).split())
    assert told in text
    assert ("compare the shapes" in text) == (kind is Unaligned)


def test_a_forward_without_self():
    class NoSelf(Scale):
        def forward(x, training=False):  # noqa: N805
            return x

    report = check_layer(NoSelf(), (4, 3))
    assert not report.passed
    assert "NoSelf.forward has no self" in report.remarks[0]
    assert "takes no `training`" not in str(report)


def test_float32_inside_is_no_mistake():
    report = check_layer(Cast(), (4, 5, 5, 3))
    report.raise_if_failed()
    assert "something inside is float32" in report.remarks[0]


def test_the_layer_they_meant():
    check_layer(Scale(), (4, 5, 5, 3)).raise_if_failed()


def pool_forward(x, size, pool_param):
    stride = pool_param["stride"]
    y = x[:, ::stride] * size
    return y, (x.shape, size, pool_param)


def pool_backward(dout, cache):
    shape, size, pool_param = cache
    dx = np.zeros(shape)
    dx[:, :: pool_param["stride"]] = size * dout
    return dx


def pool_backward_without_stride(dout, cache):
    shape, size, pool_param = cache
    dx = np.zeros(shape)
    dx[:, : dout.shape[1]] = size * dout
    return dx


def test_settings_in_their_places_are_used():
    """Not the usual ones: at a stride of 1 the mistake would not show."""
    check_functions(pool_forward, pool_backward, (3, 6), 3.0, {"stride": 2}).raise_if_failed()
    assert not check_functions(pool_forward, pool_backward_without_stride, (3, 6), 3.0, {"stride": 2}).passed
    assert check_functions(pool_forward, pool_backward_without_stride, (3, 6), 3.0, {"stride": 1}).passed
