"""Inputs and gradients that are changed in place: the line that does it is named, wherever it stands."""

import numpy as np

from mlp.diagnostics import check_functions, check_layer


def relu(x):
    out = x
    out[out < 0] = 0
    return out


def relu_of_a_copy(x):
    out = x.copy()
    out[out < 0] = 0
    return out


class Shortcut:
    def forward(self, x):
        self.mask = x > 0
        return x + relu(x)

    def backward(self, dout):
        return dout + dout * self.mask


class ShortcutOfACopy(Shortcut):
    def forward(self, x):
        self.mask = x > 0
        return x + relu_of_a_copy(x)


class Scale:
    def forward(self, x):
        x *= 2.0
        return x

    def backward(self, dout):
        return 2.0 * dout


class ThroughOut:
    def forward(self, x):
        self.mask = x > 0
        return np.maximum(x, 0, out=x)

    def backward(self, dout):
        return dout * self.mask


class OfAView:
    def forward(self, x):
        rows = x.reshape(len(x), -1)
        self.mask = rows > 0
        rows[~self.mask] = 0.0
        return rows

    def backward(self, dout):
        return (dout * self.mask).reshape(-1, 2, 2)


class Gradient:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        dx = dout
        dx[~self.mask] = 0.0
        return dx


def forward(x):
    return x * (x > 0), x


def backward(dout, cache):
    x = cache
    mask = x > 0
    x[mask] = 1.0
    return dout * mask


def said(report):
    assert not report.passed
    return report.diagnoses[0].sentence


def test_the_line_of_a_helper_and_the_name_without_a_copy_are_named():
    text = said(check_layer(Shortcut(), (3, 4)))
    assert "`out[out < 0] = 0` of `relu`" in text
    assert "`out = x` makes no new array" in text and "write `out = x.copy()`" in text


def test_a_copy_may_be_changed():
    assert check_layer(ShortcutOfACopy(), (3, 4)).passed


def test_the_line_of_forward_is_named():
    text = said(check_layer(Scale(), (3, 4)))
    assert "`x *= 2.0`: work on a copy" in text
    assert "`return np.maximum(x, 0, out=x)`" in said(check_layer(ThroughOut(), (3, 4)))


def test_a_view_is_no_copy():
    text = said(check_layer(OfAView(), (3, 2, 2)))
    assert "`rows[~self.mask] = 0.0`" in text and "write `rows = x.reshape(len(x), -1).copy()`" in text


def test_the_line_of_backward_is_named():
    report = check_layer(Gradient(), (3, 4))
    text = said(report)
    assert report.diagnoses[0].name == "grad_outputs changed"
    assert "`dx[~self.mask] = 0.0`" in text and "write `dx = dout.copy()`" in text
    text = said(check_functions(forward, backward, (3, 4)))
    assert "`x[mask] = 1.0` of `backward`" not in text and "`x[mask] = 1.0`" in text
