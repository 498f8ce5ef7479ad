"""What is compared with PyTorch, and the half of each comparison that `mlp` computes. Needs no PyTorch itself.

A case has a method `draw`, which makes the numbers that are given (inputs, weights, gradients from above), and a method
`run`, in which mlp computes from them what is to be compared; both give a dict of float64 arrays. PyTorch's half is
`oracle/torch_reference.py`. The comparison is made twice:

    tests/oracle             mlp beside PyTorch, where PyTorch is installed
    tests/test_golden.py     mlp beside what PyTorch gave when tests/golden was made, everywhere

Given numbers are rounded to float32, and computed with in float64: that halves the space in which they are stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlp.diagnostics import compare_gradients, relative_error
from mlp.layers import (
    ELU,
    Affine,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2d,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    StridedIdentity,
    Tanh,
)
from mlp.learning_rules import AdaGrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp
from mlp.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.rng import generator
from mlp.schedulers import constant, cosine, exponential, join, per_epoch, step, warm_restarts, warm_up


@dataclass
class LayerCase:
    """A layer in float64: outputs and all gradients for the last of several batches, running statistics after it."""

    make: Callable
    shape: tuple  # of the inputs
    training: bool = True
    batches: int = 1
    golden: bool = True  # small enough to be stored
    tolerance = 1e-12

    def draw(self, rng):
        layer = self.make().astype(np.float64)
        x = rng.normal(size=(self.batches, *self.shape))
        x[0].flat[::5] = 0.0  # the kink of the activations
        upstream = rng.normal(size=layer.forward(x[0], training=self.training).shape)
        return {"x": x, "upstream": upstream, **draw_state(layer, rng)}

    def run(self, given):
        layer = load(self.make(), given)
        for x in given["x"]:
            outputs = layer.forward(x, training=self.training)
        grad_x = layer.backward(given["upstream"])
        return {"outputs": outputs, "grad.x": grad_x, **gradients(layer), **dict(layer.named_buffers())}


@dataclass
class LossCase:
    """A loss: value and gradient."""

    scale: float  # of the logits
    make: Callable = SoftmaxCrossEntropy
    golden: bool = True
    tolerance = 1e-12

    def draw(self, rng):
        logits = self.scale * rng.normal(size=(6, 5))
        if type(self.make()) is SoftmaxCrossEntropy:
            return {"logits": logits, "targets": rng.integers(0, 5, size=6)}
        return {"logits": logits, "wanted": rng.random(size=(6, 5))}

    def run(self, given):
        loss = self.make()
        logits, targets = given.values()
        value = loss.forward(logits, targets)
        return {"loss": np.array(value), "grad.logits": loss.backward()}


@dataclass
class RuleCase:
    """A learning rule: the weights after each of 50 steps, the learning rate being another in each.

    There are two tensors, "a.weight" of three weights and "a.bias" of two, so that a mask can tell them apart.
    """

    make: Callable
    golden: bool = True
    tolerance = 1e-10

    def draw(self, rng):
        sizes = np.array([1.0, 1e-3, 1e-9, 100.0, 1.0])  # gradients far above and below Adam's eps
        grads = sizes * rng.normal(0.5, 1.0, size=(50, 5))
        return {"weights": rng.normal(size=5), "grads": grads, "rates": rng.uniform(0.001, 0.05, size=50)}

    def run(self, given):
        weight, bias = given["weights"][:3].copy(), given["weights"][3:].copy()
        parameters = [Parameter(weight, "a.weight"), Parameter(bias, "a.bias")]
        rule = self.make()
        rule.initialize(parameters)
        path = []
        for grad, rate in zip(given["grads"], given["rates"], strict=True):
            parameters[0].grad, parameters[1].grad = grad[:3], grad[3:]
            rule.learning_rate = float(rate)
            rule.update()
            path.append(np.concatenate([p.data for p in parameters]))
        return {f"weight_{i}": np.array(path)[:, i] for i in range(5)}  # 50 values each


@dataclass
class ScheduleCase:
    """A schedule: the learning rate of every step."""

    make: Callable  # learning rate -> schedule, counting epochs where there are several steps in one
    torch: tuple  # the name of PyTorch's scheduler, and its settings; several of them for a sequence
    learning_rate: float
    steps: int
    steps_per_epoch: int = 1
    golden: bool = True
    tolerance = 1e-10

    def draw(self, rng):
        return {}

    def run(self, given):
        schedule = per_epoch(self.make(self.learning_rate), self.steps_per_epoch)
        return {"rates": np.array([schedule(step) for step in range(self.steps)])}


@dataclass
class NetCase:
    """A whole network: losses of five steps, all gradients of the first; running statistics and logits at the end.

    The steps are momentum's. Adam divides a gradient by its size, and so turns the rounding that is all there is to
    the gradient of a bias before batch norm into steps of 1e-10, another in each framework.
    """

    settings: dict  # keywords of mlp.models.vgg
    samples: int
    pixels: int
    golden: bool = False
    tolerance = 1e-9
    learning_rate = 1e-2
    steps = 5

    def draw(self, rng):
        model = vgg(**self.settings, dtype=np.float64)
        shape = (self.steps, self.samples)
        targets = rng.integers(0, self.settings.get("num_classes", 100), size=shape)
        return {
            "x": rng.normal(size=(*shape, self.pixels, self.pixels, 3)),
            "targets": targets,
            **draw_state(model, rng),
        }

    def run(self, given):
        model = load(vgg(**self.settings), given)
        loss, rule = SoftmaxCrossEntropy(), Momentum(self.learning_rate)
        rule.initialize(model.parameters())
        losses, first = [], {}
        for x, targets in zip(given["x"], given["targets"], strict=True):
            losses.append(loss.forward(model.forward(x, training=True), targets))
            grad_x = model.backward(loss.backward())
            first = first or {"grad.x": grad_x, **gradients(model)}
            rule.update()
        logits = model.forward(given["x"][0], training=False)
        return {"losses": np.array(losses), **first, **dict(model.named_buffers()), "logits": logits}


def body(first, last=None):
    """A convolution, given, with batch norm and activation, for residual blocks of 4 channels."""
    layers = {"conv_0": first, "norm_0": BatchNorm(4), "activation_0": LeakyReLU(0.1)}
    return Sequential(layers if last is None else {**layers, "conv_1": last})


def conv(channels=4, filters=4, kernel_size=3, **keywords):
    return Conv2d(channels, filters, kernel_size, **keywords)


LAYERS = {
    "affine": LayerCase(lambda: Affine(5, 4), (6, 5)),
    "affine without bias": LayerCase(lambda: Affine(3, 7, bias=False), (1, 3)),
    "conv 3x3": LayerCase(lambda: conv(3, 4, padding=1), (2, 5, 5, 3)),
    "conv 3x3 without bias, odd size": LayerCase(lambda: conv(2, 3, padding=1, bias=False), (2, 3, 5, 2)),
    "conv 3x3 without padding": LayerCase(lambda: conv(2, 3), (2, 6, 5, 2)),
    "conv 3x3, stride 2": LayerCase(lambda: conv(2, 3, stride=2, padding=1), (2, 7, 6, 2)),
    "conv 1x1, stride 2": LayerCase(lambda: conv(3, 2, 1, stride=2, bias=False), (2, 5, 6, 3)),
    "conv 2x4, oblong": LayerCase(lambda: conv(2, 3, (2, 4), stride=(1, 3), padding=(0, 2)), (2, 5, 8, 2)),
    "conv 5x5, stride 3, one image": LayerCase(lambda: conv(1, 2, 5, stride=3, padding=2), (1, 9, 8, 1)),
    "conv 2x2, padding beyond": LayerCase(lambda: conv(2, 2, 2, padding=3), (1, 3, 2, 2)),
    "conv 3x3 in blocks": LayerCase(lambda: conv(3, 5, padding=1), (37, 16, 16, 3), golden=False),
    "batch norm, vectors": LayerCase(lambda: BatchNorm(3), (7, 3), batches=5),
    "batch norm, images": LayerCase(lambda: BatchNorm(3), (3, 2, 4, 3), batches=5),
    "batch norm, two rows": LayerCase(lambda: BatchNorm(4), (2, 4)),
    "batch norm, other settings": LayerCase(lambda: BatchNorm(3, eps=0.01, momentum=0.4), (5, 2, 2, 3), batches=5),
    "batch norm, vectors, evaluation": LayerCase(lambda: BatchNorm(3), (7, 3), training=False),
    "batch norm, images, evaluation": LayerCase(lambda: BatchNorm(3), (3, 2, 4, 3), training=False),
    "layer norm, vectors": LayerCase(lambda: LayerNorm(6), (4, 6)),
    "layer norm, images": LayerCase(lambda: LayerNorm(3), (3, 2, 4, 3)),
    "layer norm, evaluation": LayerCase(lambda: LayerNorm(3, eps=0.01), (2, 3, 2, 3), training=False),
    "instance norm": LayerCase(lambda: InstanceNorm(3), (3, 2, 4, 3)),
    "instance norm, evaluation": LayerCase(lambda: InstanceNorm(4), (2, 3, 2, 4), training=False),
    "group norm, vectors": LayerCase(lambda: GroupNorm(2, 6), (4, 6)),
    "group norm, images": LayerCase(lambda: GroupNorm(2, 4, eps=0.01), (3, 2, 3, 4)),
    "group norm, evaluation": LayerCase(lambda: GroupNorm(3, 6), (2, 2, 1, 6), training=False),
    "leaky relu": LayerCase(lambda: LeakyReLU(0.01), (3, 4, 3, 2)),
    "leaky relu, steep": LayerCase(lambda: LeakyReLU(0.3), (5, 6)),
    "relu": LayerCase(lambda: ReLU(), (5, 6)),
    "sigmoid": LayerCase(lambda: Sigmoid(), (3, 4, 3, 2)),
    "tanh": LayerCase(lambda: Tanh(), (5, 6)),
    "elu": LayerCase(lambda: ELU(), (5, 6)),
    "elu, other alpha": LayerCase(lambda: ELU(0.3), (3, 4, 3, 2)),
    "max pooling": LayerCase(lambda: MaxPool2d(2), (2, 5, 6, 3)),
    "max pooling, overlapping": LayerCase(lambda: MaxPool2d(3, stride=2), (2, 7, 6, 2)),
    "average pooling": LayerCase(lambda: AvgPool2d(2), (2, 6, 4, 3)),
    "average pooling, odd size": LayerCase(lambda: AvgPool2d(2), (2, 5, 7, 2)),
    "average pooling, overlapping": LayerCase(lambda: AvgPool2d(3, stride=2), (2, 7, 6, 2)),
    "average pooling, stride 1": LayerCase(lambda: AvgPool2d(2, stride=1), (2, 4, 5, 2)),
    "average pooling, gaps": LayerCase(lambda: AvgPool2d(1, stride=2), (2, 5, 4, 2)),
    "global average pooling": LayerCase(lambda: GlobalAvgPool(), (3, 4, 5, 2)),
    "strided identity": LayerCase(lambda: StridedIdentity(2, 2), (2, 5, 4, 2)),
    "strided identity, new channels": LayerCase(lambda: StridedIdentity(2, 5, stride=3), (2, 7, 6, 2)),
    "flatten": LayerCase(lambda: Flatten(), (3, 2, 4, 3)),
    "residual": LayerCase(lambda: Residual(body(conv(padding=1, bias=False))), (2, 3, 4, 4)),
    "residual, evaluation": LayerCase(
        lambda: Residual(body(conv(padding=1, bias=False))), (2, 3, 4, 4), training=False
    ),
    "residual, pooled shortcut": LayerCase(
        lambda: Residual(body(conv(padding=1, bias=False), AvgPool2d(2)), AvgPool2d(2)), (2, 4, 4, 4)
    ),
    "residual, projected shortcut": LayerCase(
        lambda: Residual(body(conv(3, padding=1, stride=2, bias=False)), conv(3, 4, 1, stride=2)), (2, 5, 4, 3)
    ),
    "sequential": LayerCase(
        lambda: Sequential(
            {"conv": conv(2, 3, padding=1), "pool": AvgPool2d(2), "flat": Flatten(), "out": Affine(12, 4)}
        ),
        (2, 4, 4, 2),
    ),
}

LOSSES = {
    "cross-entropy": LossCase(1.0),
    "cross-entropy, sure": LossCase(30.0),
    "cross-entropy, flat": LossCase(1e-6),
    "cross-entropy, smoothed": LossCase(3.0, lambda: SoftmaxCrossEntropy(label_smoothing=0.2)),
    "mean squared error": LossCase(2.0, MeanSquaredError),
    "binary cross-entropy": LossCase(5.0, BinaryCrossEntropy),
}

RULES = {
    "gradient descent": RuleCase(lambda: GradientDescent()),
    "gradient descent, decay": RuleCase(lambda: GradientDescent(weight_decay=0.1)),
    "momentum": RuleCase(lambda: Momentum()),
    "momentum, decay": RuleCase(lambda: Momentum(momentum=0.6, weight_decay=0.1)),
    "gradient descent, clipped by norm": RuleCase(lambda: GradientDescent(clip_norm=50.0)),
    "gradient descent, clipped by value": RuleCase(lambda: GradientDescent(clip_value=0.5, weight_decay=0.1)),
    "gradient descent, mask": RuleCase(lambda: GradientDescent(weight_decay=0.1, no_decay="bias$")),
    "nesterov": RuleCase(lambda: Nesterov()),
    "nesterov, decay": RuleCase(lambda: Nesterov(momentum=0.6, weight_decay=0.1)),
    "adagrad": RuleCase(lambda: AdaGrad()),
    "adagrad, decay": RuleCase(lambda: AdaGrad(eps=1e-3, weight_decay=0.1)),
    "rmsprop": RuleCase(lambda: RMSProp()),
    "rmsprop, decay": RuleCase(lambda: RMSProp(decay=0.8, eps=1e-3, weight_decay=0.1)),
    "adamw": RuleCase(lambda: AdamW()),
    "adamw, mask": RuleCase(lambda: AdamW(decoupled_weight_decay=0.3, no_decay="bias$")),
    "adamw, clipped": RuleCase(lambda: AdamW(beta1=0.8, clip_norm=5.0)),
    "adam, mask": RuleCase(lambda: Adam(weight_decay=0.1, no_decay="bias$")),
    "adam": RuleCase(lambda: Adam()),
    "adam, decay": RuleCase(lambda: Adam(weight_decay=0.1)),
    "adam, other settings": RuleCase(lambda: Adam(beta1=0.7, beta2=0.95, eps=1e-3, weight_decay=1e-3)),
}


def cosine_case(rate, minimum, horizon, steps, steps_per_epoch=1):
    torch = (("CosineAnnealingLR", {"T_max": horizon, "eta_min": minimum}),)
    return ScheduleCase(lambda h: cosine(h, minimum, steps=horizon), torch, rate, steps, steps_per_epoch)


SCHEDULES = {
    "cosine": cosine_case(1e-3, 2e-5, horizon=100, steps=100),
    "cosine, four horizons": cosine_case(1e-3, 2e-5, horizon=100, steps=401),
    "cosine, short horizon": cosine_case(0.1, 0.0, horizon=3, steps=60),
    "cosine, rising": cosine_case(1e-5, 2e-5, horizon=50, steps=120),
    "cosine, once an epoch": cosine_case(1e-3, 2e-5, horizon=20, steps=125, steps_per_epoch=5),
    "cosine, once an epoch, beyond": cosine_case(1e-3, 2e-5, horizon=5, steps=60, steps_per_epoch=4),
    "constant": ScheduleCase(constant, (("ConstantLR", {"factor": 1.0}),), 0.1, steps=50),
    "steps": ScheduleCase(
        lambda h: step(h, 0.3, steps=7), (("StepLR", {"step_size": 7, "gamma": 0.3}),), 0.1, steps=60
    ),
    "exponential, once an epoch": ScheduleCase(
        lambda h: exponential(h, 0.96), (("ExponentialLR", {"gamma": 0.96}),), 1e-3, steps=300, steps_per_epoch=3
    ),
    "warm restarts": ScheduleCase(
        lambda h: warm_restarts(h, 1e-4, steps=10),
        (("CosineAnnealingWarmRestarts", {"T_0": 10, "eta_min": 1e-4}),),
        0.1,
        steps=75,
    ),
    "warm restarts, longer": ScheduleCase(
        lambda h: warm_restarts(h, 0.0, steps=5, multiply=2),
        (("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2}),),
        0.1,
        steps=160,
    ),
    "warm-up": ScheduleCase(
        lambda h: warm_up(h, steps=8, start=0.25), (("LinearLR", {"start_factor": 0.25, "total_iters": 8}),), 0.1, 60
    ),
    "warm-up, then exponential": ScheduleCase(
        lambda h: join(warm_up(h, steps=8, start=0.25), exponential(h, 0.9), at=[8]),
        (("LinearLR", {"start_factor": 0.25, "total_iters": 8}), ("ExponentialLR", {"gamma": 0.9}), 8),
        0.1,
        steps=60,
    ),
}

BN_RC = {"norm": "batch", "residual": True}
SMALL = {"filters": 4, "num_classes": 5}
NETS = {
    "vgg08": NetCase({"depth": 8}, samples=4, pixels=32),
    "vgg08 bn": NetCase({"depth": 8, "norm": "batch"}, samples=4, pixels=32),
    "vgg14 rc in reductions, bn after": NetCase(
        {"depth": 14, **BN_RC, "reduction_shortcut": "avgpool", "norm_position": "after"}, samples=4, pixels=32
    ),
    "vgg14 layer norm after": NetCase({"depth": 14, "norm": "layer", "norm_position": "after"}, samples=3, pixels=16),
    "vgg14 instance norm, strided": NetCase(
        {"depth": 14, "norm": "instance", "residual": True, "reduction_shortcut": "strided"}, samples=3, pixels=16
    ),
    "vgg14 group norm, projection": NetCase(
        {"depth": 14, "norm": "group", "residual": True, "reduction_shortcut": "projection"}, samples=3, pixels=16
    ),
    "vgg14 bn, all projected": NetCase(
        {"depth": 14, **BN_RC, "reduction_shortcut": "projection_everywhere"}, samples=4, pixels=16
    ),
    "vgg38 bn rc": NetCase({"depth": 38, **BN_RC}, samples=4, pixels=32),
    "small vgg08 bn": NetCase({"depth": 8, "norm": "batch", **SMALL}, samples=4, pixels=8, golden=True),
    "small vgg38 bn rc": NetCase({"depth": 38, **BN_RC, **SMALL}, samples=4, pixels=8, golden=True),
}

GROUPS = {"layers": LAYERS, "losses": LOSSES, "rules": RULES, "schedules": SCHEDULES, "nets": NETS}
CASES = {name: case for group in GROUPS.values() for name, case in group.items()}


# --- given numbers ----------------------------------------------------------------------------------------------------


def draw(name):
    """Return what is given in a case: float64 arrays of numbers that float32 can hold, and integer targets."""
    given = CASES[name].draw(generator(0, "probe", name))
    return {key: a if a.dtype.kind == "i" else a.astype(np.float32).astype(np.float64) for key, a in given.items()}


def draw_state(model, rng):
    """Return the model's initial weights, with batch norms that are not just 1 and 0, by name."""
    state = model.initialize(seed=0).state_dict()
    for name, array in state.items():
        if name.endswith(("gamma", "running_var")):
            state[name] = rng.uniform(0.5, 2.5, size=array.shape)
        elif name.endswith(("beta", "running_mean")):
            state[name] = 0.3 * rng.normal(size=array.shape)
    return state


def state_of(given):
    """Return the weights and running statistics among what is given."""
    return {name: array for name, array in given.items() if name not in ("x", "upstream", "targets")}


def load(model, given):
    """Return the model in float64, with the given weights and running statistics."""
    model.astype(np.float64).load_state_dict(state_of(given))
    return model


def gradients(model):
    """Return copies of all parameter gradients by name."""
    return {f"grad.{name}": p.grad.copy() for name, p in model.named_parameters()}


# --- the measure ------------------------------------------------------------------------------------------------------


def differences(mine, reference, tolerance):
    """Return one line of text for every array that differs by more than the tolerance: an empty list is good.

    Gradients are measured together, because some of them are zero but for rounding (that of a bias before batch norm):
    see `mlp.diagnostics.relative_error`. Every other array is measured by its own norm.
    """
    if mine.keys() != reference.keys():
        return [f"arrays in only one of the two: {sorted(mine.keys() ^ reference.keys())}"]
    for name, expected in reference.items():
        if mine[name].shape != expected.shape or mine[name].dtype != expected.dtype:
            return [f"{name}: {mine[name].shape} {mine[name].dtype}, expected {expected.shape} {expected.dtype}"]
    errors = compare_gradients(mine, {name: array for name, array in reference.items() if name.startswith("grad.")})
    for name in reference.keys() - errors.keys():
        errors[name] = relative_error(mine[name], reference[name], largest_norm=0.0)
    return [f"{name}: error {e:.1e}, allowed {tolerance:.0e}" for name, e in errors.items() if not e <= tolerance]
