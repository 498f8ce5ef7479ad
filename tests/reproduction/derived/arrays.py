"""Plain code for the tests of derived rows: what a report writes in formulas, on arrays and without layers."""

import numpy as np

EPS = 1e-5
SLOPE = 0.01


def leaky_relu(x):
    return np.where(x > 0, x, SLOPE * x)


def convolve(x, kernel, bias=0.0):
    """A 3 x 3 convolution with stride 1 and padding 1 as nine shifted products, (N, H, W, C) -> (N, H, W, F)."""
    _, H, W, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = (padded[:, u : u + H, v : v + W] @ kernel[u, v] for u in range(3) for v in range(3))
    return sum(shifted) + bias


def average_pool(x):
    """Means of 2 x 2 pixels, (N, H, W, C) -> (N, H / 2, W / 2, C)."""
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4.0


def jacobian_by_differences(function, x, h=1e-6):
    """d function(x) / dx as a matrix (outputs, inputs), column by column, by central differences."""
    columns = []
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        step = step.reshape(x.shape)
        columns.append((function(x + step) - function(x - step)).ravel() / (2 * h))
    return np.stack(columns, axis=1)


def jacobian_by_backward(layer, x):
    """The same matrix row by row: backward of the gradient that is 1 at one output and 0 at all others."""
    outputs = layer.forward(x, training=True).shape
    rows = []
    for i in range(int(np.prod(outputs))):
        upstream = np.zeros(outputs)
        upstream.flat[i] = 1.0
        layer.forward(x, training=True)
        rows.append(layer.backward(upstream).ravel())
    return np.stack(rows)


def residuals(model):
    """The Residual layers of a model, in forward order."""
    return [layer for _, layer in model.named_layers() if type(layer).__name__ == "Residual"]
