"""Each kernel computes what the textbook's layer computes in float64, on a real GPU and emulated on the CPU."""

import numpy as np
import pytest

from mlp.backend import to_numpy
from mlp.diagnostics import compare_gradients
from mlp.engine.cuda.convolution import ConvolutionOp, tiling
from mlp.engine.cuda.lowering import TextbookOp
from mlp.engine.cuda.ops import AveragePoolOp, ConcatOp, PointwiseOp
from mlp.engine.cuda.outputs import HeadOp
from mlp.engine.cuda.plan import CudaPlan
from mlp.engine.cuda.update import STATE
from mlp.layers import (
    Affine,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
)
from mlp.layers.parameter import FlatParameters, Parameter
from mlp.losses import SoftmaxCrossEntropy

TOLERANCE = {"float32": 1e-5, "tf32": 5e-4}


class Tap(Layer):
    """y = x; keeps the gradient that it gets. It has a weight that does nothing, because a model needs one."""

    def __init__(self):
        self.weight = Parameter(np.zeros(1, np.float32))

    def forward(self, x, training=False):
        return x

    def backward(self, grad_outputs):
        self.seen = grad_outputs.copy()
        return grad_outputs


def rng():
    return np.random.default_rng(3)


def conv(C, F, bias=False):
    return Conv2d(C, F, 3, padding=1, bias=bias, rng=rng())


def random(shape, seed=0):
    """Numbers that are the same in float32 and float64, away from mean zero."""
    return (np.random.default_rng(seed).standard_normal(shape) + 0.3).astype(np.float32)


def prepared(layers, tap=True):
    """Return (model, its tap) with norms off their first values."""
    model = Sequential(*([Tap()] if tap else []), *layers())
    generator = rng()
    for name, p in model.named_parameters():
        if name.endswith(("gamma", "beta")):
            p.data += generator.standard_normal(p.data.shape).astype(np.float32)
    for _, layer in model.named_layers():
        if isinstance(layer, BatchNorm):
            layer.running_mean += generator.standard_normal(layer.num_features).astype(np.float32)
            layer.running_var *= 1.0 + generator.random(layer.num_features, np.float32)
    return model.set_paths()


def plan_of(gpu, model, x, training, loss=None):
    """Return the plan of a model for inputs like x; the model moves to the device."""
    model.to("cpu" if gpu.cuda is None else gpu.device)
    flat = FlatParameters.gather(model.parameters())
    state, log = (gpu.xp.zeros(shape, np.float32) for shape in (STATE, (3, 3)))
    return CudaPlan(gpu, model, loss, flat, x.shape, x.dtype, training=training, state=state, log=log)


def by_kernels(gpu, layers, x, upstream, training, tap, ops):
    model = prepared(layers, tap)
    with gpu.working():
        plan = plan_of(gpu, model, x, training)
        plan.state[0] = 1.0  # the loss is finite
        assert [type(op) for op in plan.ops] == [*([TextbookOp] if tap else []), *ops]
        gpu.copy(plan.source.data, x)
        for step in plan.forward:
            step()
        results = {"outputs": to_numpy(plan.result.data)}
        if training:
            gpu.copy(plan.result.grad, upstream)
            for step in plan.backward:
                step()
    return results | leftovers(model, training, tap)


def by_the_textbook(layers, x, upstream, training, tap):
    model = prepared(layers, tap).astype(np.float64)
    results = {"outputs": model.forward(x.astype(np.float64), training)}
    if training:
        model.backward(upstream.astype(np.float64))
    return results | leftovers(model, training, tap)


def leftovers(model, training, tap):
    results = {f"running {name}": to_numpy(array) for name, array in model.named_buffers()}
    if training:
        results |= {f"gradient of {name}": to_numpy(p.grad) for name, p in model.named_parameters()}
        results |= {"gradient of inputs": to_numpy(model.layers["0"].seen)} if tap else {}
    return results


def check(gpu, layers, shape, ops, training=True, tap=True, tolerance=None):
    """Assert that outputs, gradients and running statistics agree; ops: what the layers must have become."""
    x = random(shape)
    plain = prepared(layers, tap).astype(np.float64)
    upstream = random(plain.forward(x.astype(np.float64), training).shape, seed=1) - np.float32(0.3)
    expected = by_the_textbook(layers, x, upstream, training, tap)
    found = by_kernels(gpu, layers, x, upstream, training, tap, ops)
    errors = compare_gradients({name: array.astype(np.float64) for name, array in found.items()}, expected)
    assert max(errors.values()) < (tolerance or TOLERANCE[gpu.precision]), errors


# images, height, width, channels in and out: every instance of the kernels, chunks of channels, tiles that are cut off
CONVOLUTIONS = [
    (3, 8, 8, 8, 8),
    (2, 5, 7, 24, 16),  # three chunks of input channels, two of output channels
    (1, 1, 1, 8, 8),
    (2, 1, 9, 16, 16),
    (3, 20, 2, 16, 48),
    (1, 32, 32, 32, 32),
    (3, 16, 16, 32, 32),
    (5, 4, 4, 32, 64),
    (2, 6, 6, 64, 32),
    (2, 8, 8, 8, 32),
    (2, 3, 65, 8, 8),  # rows longer than a small tile
    (1, 2, 128, 8, 8),
]


@pytest.mark.sampled
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(make_gpu, precision, case):
    *images, C, F = case
    check(make_gpu(precision), lambda: [conv(C, F)], (*images, C), [ConvolutionOp])


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("size", [32, 16, 8, 4])
@pytest.mark.parametrize("make_gpu", [pytest.param("cupy", marks=pytest.mark.gpu)], indirect=True)
def test_convolutions_of_vgg(make_gpu, precision, size):
    """These sizes are for a real GPU."""
    check(
        make_gpu(precision), lambda: [conv(32, 32), BatchNorm(32)], (100, size, size, 32), [ConvolutionOp, PointwiseOp]
    )


@pytest.mark.parametrize("C", [1, 3, 12])
@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_first_convolution_may_have_any_number_of_channels(make_gpu, precision, C):
    check(make_gpu(precision), lambda: [conv(C, 32, bias=True)], (2, 6, 5, C), [ConvolutionOp], tap=False)


def test_convolution_with_bias(make_gpu):
    check(make_gpu(), lambda: [conv(8, 16, bias=True)], (3, 5, 5, 8), [ConvolutionOp])


def test_large_tiles_are_used_where_there_are_enough_of_them(make_gpu):
    gpu = make_gpu()
    gpu.multiprocessors = 1
    check(gpu, lambda: [conv(8, 8), BatchNorm(8)], (5, 12, 12, 8), [ConvolutionOp, PointwiseOp])
    check(gpu, lambda: [conv(32, 32)], (5, 8, 8, 32), [ConvolutionOp])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("C", [8, 24])
def test_normalization_of_a_convolution(make_gpu, C, training):
    layers = lambda: [conv(8, C), BatchNorm(C), LeakyReLU(0.2)]  # noqa: E731
    check(make_gpu(), layers, (3, 7, 6, 8), [ConvolutionOp, PointwiseOp], training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 7, 5, 12), (50, 4), (2, 40), (5, 1024), (40, 9, 9, 4)], ids=str)
def test_normalization_alone(make_gpu, shape, training):
    check(make_gpu(), lambda: [BatchNorm(shape[-1], eps=1e-3, momentum=0.3)], shape, [PointwiseOp], training)


def test_normalization_far_from_zero(make_gpu):
    """The mean is a thousand times the standard deviation: the sum of squares would have lost all digits."""

    class Far(Tap):
        def forward(self, x, training=False):
            return x + 1000.0

    ops = [TextbookOp, PointwiseOp]
    check(make_gpu(), lambda: [Far(), BatchNorm(8)], (4, 8, 8, 8), ops, tolerance=1e-3)
    ops.insert(1, ConvolutionOp)
    check(make_gpu(), lambda: [Far(), conv(8, 8), BatchNorm(8)], (4, 8, 8, 8), ops, tolerance=1e-2)


@pytest.mark.parametrize("activation", [LeakyReLU(0.1), ReLU(), LeakyReLU(1.0)], ids=repr)
@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (7, 12)], ids=str)
def test_activations(make_gpu, activation, shape):
    check(make_gpu(), lambda: [activation], shape, [PointwiseOp])


def test_shortcuts(make_gpu):
    """The gradient of the block's input is a sum: of the shortcut, which is there first, and of the convolution."""
    body = lambda: Sequential(conv(8, 8), BatchNorm(8), LeakyReLU(0.1), conv(8, 8), BatchNorm(8))  # noqa: E731
    ops = [ConvolutionOp, PointwiseOp]
    check(make_gpu(), lambda: [Residual(body()), LeakyReLU(0.1)], (2, 6, 6, 8), ops + ops)
    check(make_gpu(), lambda: [Residual(body())], (2, 6, 6, 8), ops + ops)
    blocks = lambda: [Residual(Residual(body())), LeakyReLU(0.3), Residual(body()), LeakyReLU(0.1)]  # noqa: E731
    check(make_gpu(), blocks, (2, 6, 6, 8), [*ops, *ops, PointwiseOp, *ops, *ops])


def test_shortcuts_that_compute(make_gpu):
    ops = [ConvolutionOp, AveragePoolOp, AveragePoolOp, PointwiseOp]
    body = lambda: Sequential(conv(8, 8), AvgPool2d(2))  # noqa: E731
    check(make_gpu(), lambda: [Residual(body(), AvgPool2d(2)), ReLU()], (2, 6, 6, 8), ops)
    check(
        make_gpu(),
        lambda: [Residual(conv(8, 16), conv(8, 16)), ReLU()],
        (2, 6, 6, 8),
        [ConvolutionOp] * 2 + [PointwiseOp],
    )
    check(make_gpu(), lambda: [Residual(Identity())], (2, 4, 4, 8), [PointwiseOp])


@pytest.mark.parametrize("shape", [(2, 4, 6, 8), (3, 5, 7, 4), (1, 2, 2, 12)], ids=str)
def test_average_pooling(make_gpu, shape):
    check(make_gpu(), lambda: [AvgPool2d(2)], shape, [AveragePoolOp])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("N, H, W, C, K", [(5, 3, 4, 8, 10), (3, 1, 1, 6, 200), (130, 2, 2, 33, 7)])
def test_head(make_gpu, smoothing, N, H, W, C, K):
    gpu, loss = make_gpu(), SoftmaxCrossEntropy(smoothing)
    layers = lambda: [GlobalAvgPool(), Affine(C, K, rng=rng())]  # noqa: E731
    x, targets = 5 * random((N, H, W, C)), rng().integers(0, K, N)
    expected = prepared(layers).astype(np.float64)
    value = loss.forward(expected.forward(x.astype(np.float64), True), targets)
    accuracy = loss.accuracy(expected.forward(x.astype(np.float64), True), targets)
    expected.backward(loss.backward())
    model = prepared(layers)
    with gpu.working():
        plan = plan_of(gpu, model, x, True, loss)
        plan.state[1] = 2.0  # the slot
        assert type(plan.head) is HeadOp
        gpu.copy(plan.source.data, x)
        gpu.copy(plan.targets, targets)
        for step in plan.forward + plan.backward:
            step()
        row, finite = to_numpy(plan.log)[2], float(plan.state[0])
    assert finite == 1.0
    np.testing.assert_allclose(row, [value, accuracy * N, N], rtol=1e-5)
    found, wanted = leftovers(model, True, True), leftovers(expected, True, True)
    errors = compare_gradients({name: array.astype(np.float64) for name, array in found.items()}, wanted)
    assert max(errors.values()) < 1e-5, errors


CONCATENATIONS = [
    (lambda: Concat(Identity(), conv(8, 16)), (3, 5, 4, 8), [ConvolutionOp, ConcatOp]),
    (lambda: Concat(conv(8, 8), Identity(), LeakyReLU(0.1)), (2, 4, 4, 8), [ConvolutionOp, PointwiseOp, ConcatOp]),
    (lambda: Concat(Identity(), Identity()), (2, 1, 3, 4), [ConcatOp]),
    (lambda: Concat(Identity(), LeakyReLU(0.1)), (5, 12), [PointwiseOp, ConcatOp]),
]


@pytest.mark.parametrize("tap", [True, False], ids=["inner", "first"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("case", range(len(CONCATENATIONS)))
def test_concatenation(make_gpu, case, training, tap):
    layer, shape, ops = CONCATENATIONS[case]
    if not tap and not layer().parameters():
        pytest.skip("a model needs a weight")
    check(make_gpu(), lambda: [layer()], shape, ops, training, tap)


def test_a_gradient_is_added_to_one_that_others_have_begun(make_gpu):
    def layers():
        return [Concat(Identity(), Concat(Identity(), conv(8, 8)))]

    check(make_gpu(), layers, (2, 4, 4, 8), [ConvolutionOp, ConcatOp, ConcatOp])


def test_shapes_without_kernels_are_left_to_the_textbook(make_gpu):
    for layers, shape in [
        (lambda: [Conv2d(8, 8, 5, padding=2, rng=rng())], (2, 6, 6, 8)),
        (lambda: [Conv2d(8, 8, 3, stride=2, padding=1, rng=rng())], (2, 6, 6, 8)),
        (lambda: [conv(8, 6)], (2, 6, 6, 8)),
        (lambda: [conv(6, 8)], (2, 6, 6, 6)),
        (lambda: [conv(8, 8)], (1, 2, 129, 8)),
        (lambda: [BatchNorm(6)], (2, 6, 6, 6)),
        (lambda: [BatchNorm(1028)], (4, 1028)),
        (lambda: [AvgPool2d(3)], (2, 6, 6, 8)),
        (lambda: [Residual(LeakyReLU())], (2, 6, 6, 6)),
        (lambda: [Concat(LeakyReLU(), Identity())], (2, 6, 6, 6)),
        (lambda: [GlobalAvgPool(), Affine(8, 4, rng=rng())], (2, 6, 6, 8)),  # without a loss
    ]:
        count = 2 if len(layers()) == 2 else 1
        check(make_gpu(), layers, shape, [TextbookOp] * count)


@pytest.mark.parametrize("H, W", [(1, 1), (4, 4), (5, 7), (32, 32), (30, 27), (100, 64), (3, 300)])
@pytest.mark.parametrize("pixels", [64, 128, 256])
def test_tiles_cover_every_image(pixels, H, W):
    rows, images = tiling(pixels, H, W)
    if pixels < W:
        assert (rows, images) == (0, 0)
    else:
        assert 1 <= rows <= H and images >= 1 and rows * images * W <= pixels
        assert rows == H or images == 1
