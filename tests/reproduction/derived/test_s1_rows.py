"""Report s1: batch norm backward, its indifference to the scale of the weights, and residual networks unrolled."""

import numpy as np
import pytest
from reproduction.derived.arrays import EPS, jacobian_by_backward, jacobian_by_differences

from mlp.layers import BatchNorm, Conv2d, LeakyReLU, Residual, Sequential


def norm_with_values(C=4, **keywords):
    rng = np.random.default_rng(1)
    norm = BatchNorm(C, dtype=np.float64, **keywords)
    norm.gamma.data, norm.beta.data = rng.uniform(0.5, 2.0, C), rng.standard_normal(C)
    return norm


def backward_step_by_step(x, gamma, g):
    """The report's equation 3: from dL/dy to the gradients by way of those of x_hat, the variance and the mean."""
    m, mu, variance = len(x), x.mean(axis=0), x.var(axis=0)
    grad_x_hat = g * gamma
    grad_variance = (grad_x_hat * (x - mu) * -0.5 * (variance + EPS) ** -1.5).sum(axis=0)
    grad_mu = (grad_x_hat * -1.0 / np.sqrt(variance + EPS)).sum(axis=0) + grad_variance * (-2.0 * (x - mu)).mean(axis=0)
    grad_x = grad_x_hat / np.sqrt(variance + EPS) + grad_variance * 2.0 * (x - mu) / m + grad_mu / m
    x_hat = (x - mu) / np.sqrt(variance + EPS)
    return grad_x, (g * x_hat).sum(axis=0), g.sum(axis=0)


@pytest.mark.parametrize("shape", [(7, 4), (3, 2, 5, 4)])
def test_s1_19_backward_is_the_reports_chain_through_variance_and_mean(shape):
    """s1-19: dL/dx_hat, dL/dvar, dL/dmu, then dL/dx, dL/dgamma, dL/dbeta, against the layer's one-line formula."""
    rng = np.random.default_rng(0)
    norm, x, g = norm_with_values(), 2.0 + 3.0 * rng.standard_normal(shape), rng.standard_normal(shape)
    grad_x, grad_gamma, grad_beta = backward_step_by_step(x.reshape(-1, 4), norm.gamma.data, g.reshape(-1, 4))
    norm.forward(x, training=True)
    np.testing.assert_allclose(norm.backward(g).reshape(-1, 4), grad_x, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(norm.gamma.grad, grad_gamma, rtol=1e-12)
    np.testing.assert_allclose(norm.beta.grad, grad_beta, rtol=1e-12)


def conv_and_norm(scale, eps):
    conv = Conv2d(3, 4, 3, padding=1, bias=False, rng=np.random.default_rng(2), dtype=np.float64)
    conv.weight.data = conv.weight.data * scale
    return conv, Sequential(conv, norm_with_values(eps=eps))


@pytest.mark.parametrize("a", [1e-3, 0.5, 3.0, 1e3])
def test_s1_19_the_scale_of_the_weights_changes_nothing_but_their_gradient(a):
    """s1-19: BN(aWx) = BN(Wx), and the gradient of x is the same; that of the weights aW is 1/a of that of W.

    Exactly so for eps = 0; eps breaks it by about eps / variance.
    """
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((5, 4, 4, 3)), rng.standard_normal((5, 4, 4, 4))
    conv, model = conv_and_norm(1.0, eps=0.0)
    scaled_conv, scaled_model = conv_and_norm(a, eps=0.0)
    np.testing.assert_allclose(
        scaled_model.forward(x, training=True), model.forward(x, training=True), rtol=1e-11, atol=1e-12
    )
    grad_x, scaled_grad_x = model.backward(g), scaled_model.backward(g)
    np.testing.assert_allclose(scaled_grad_x, grad_x, rtol=1e-10, atol=1e-12 * np.abs(grad_x).max())
    largest = np.abs(conv.weight.grad).max()
    np.testing.assert_allclose(a * scaled_conv.weight.grad, conv.weight.grad, rtol=1e-10, atol=1e-12 * largest)
    along = (conv.weight.data * conv.weight.grad).sum()  # so the step is at right angles to W, and |W| only grows
    assert abs(along) < 1e-12 * np.linalg.norm(conv.weight.data) * np.linalg.norm(conv.weight.grad)


def test_s1_19_without_batch_norm_the_scale_matters():
    """s1-19, the other side: a plain convolution hands a times the gradient on, and W's does not change at all."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((5, 4, 4, 3)), rng.standard_normal((5, 4, 4, 4))
    (conv, _), (scaled_conv, _) = conv_and_norm(1.0, 0.0), conv_and_norm(3.0, 0.0)
    for layer in (conv, scaled_conv):
        layer.forward(x, training=True)
    np.testing.assert_allclose(scaled_conv.backward(g), 3.0 * conv.backward(g), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(scaled_conv.weight.grad, conv.weight.grad, rtol=1e-13)


def bodies(L=4, C=2):
    """The bodies F_0 .. F_(L-1) of residual blocks with identity shortcuts and nothing after the sum."""
    rng = np.random.default_rng(3)

    def conv():
        return Conv2d(C, C, 3, padding=1, bias=False, rng=rng, dtype=np.float64)

    def norm():
        return BatchNorm(C, dtype=np.float64)

    return [Sequential(conv(), norm(), LeakyReLU(0.01), conv(), norm()) for _ in range(L)]


def test_s1_20_the_outputs_are_the_inputs_plus_the_sum_of_all_bodies():
    """s1-20, forward: x_L = x_l + sum over i from l to L - 1 of F(x_i), for every l."""
    blocks = [Residual(body) for body in bodies()]
    x = [np.random.default_rng(0).standard_normal((2, 3, 3, 2))]
    for block in blocks:
        x.append(block.forward(x[-1], training=True))
    network = Sequential(*blocks)
    np.testing.assert_allclose(network.forward(x[0], training=True), x[-1], rtol=1e-13)
    changes = [block.body.forward(x_i, training=True) for block, x_i in zip(blocks, x, strict=False)]
    for start in range(len(blocks)):
        np.testing.assert_allclose(x[-1], x[start] + sum(changes[start:]), rtol=1e-12, atol=1e-13)


def test_s1_20_the_gradient_is_that_of_the_outputs_plus_the_sum_of_what_the_bodies_add():
    """s1-20, backward: dL/dx_l = dL/dx_L + sum over i of what body i hands back of dL/dx_(i+1)."""
    blocks, rng = [Residual(body) for body in bodies()], np.random.default_rng(0)
    x, g = [rng.standard_normal((2, 3, 3, 2))], rng.standard_normal((2, 3, 3, 2))
    for block in blocks:
        x.append(block.forward(x[-1], training=True))
    network = Sequential(*blocks)
    network.forward(x[0], training=True)
    whole = network.backward(g)

    arriving, added = g, []
    for block, x_i in zip(reversed(blocks), reversed(x[:-1]), strict=True):
        block.body.forward(x_i, training=True)
        added.append(block.body.backward(arriving))
        arriving = arriving + added[-1]
    np.testing.assert_allclose(whole, g + sum(added), rtol=1e-12, atol=1e-13)
    assert np.abs(sum(added)).max() > 0.1


def test_s1_20_the_jacobian_is_1_plus_the_derivative_of_the_sum():
    """s1-20: dx_L / dx_l = 1 + d/dx_l sum F(x_i), measured by finite differences of the sum alone."""
    blocks = [Residual(body) for body in bodies(L=3)]
    network, x = Sequential(*blocks), np.random.default_rng(0).standard_normal((2, 2, 2, 2))

    def sum_of_bodies(point):
        total = np.zeros_like(point)
        for block in blocks:
            total += block.body.forward(point + total, training=True)
        return total

    expected = np.eye(x.size) + jacobian_by_differences(sum_of_bodies, x)
    np.testing.assert_allclose(jacobian_by_backward(network, x), expected, rtol=1e-6, atol=1e-6)


def test_s1_20_the_sum_carries_a_gradient_that_the_product_loses():
    """s1-20, why it matters: with small weights a plain chain of L bodies multiplies L small numbers, the sum does not.

    Plain: dL/dx_0 = product of the bodies' derivatives; residual: 1 + small. Ten bodies with a tenth of the weights.
    """
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 4, 4, 2)), rng.standard_normal((2, 4, 4, 2))
    parts = [Conv2d(2, 2, 3, padding=1, rng=rng, dtype=np.float64) for _ in range(10)]
    for part in parts:
        part.weight.data = part.weight.data * 0.1
    plain, residual = Sequential(*parts), Sequential(*[Residual(part) for part in parts])
    norms = []
    for network in (plain, residual):
        network.forward(x, training=True)
        norms.append(np.linalg.norm(network.backward(g)) / np.linalg.norm(g))
    assert norms[0] < 1e-8
    assert 0.5 < norms[1] < 3.0
