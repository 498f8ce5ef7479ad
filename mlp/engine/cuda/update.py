"""Learning rules and gradient statistics on the GPU: each is one pass over all weights.

The kernels read the settings of a step (learning rate, decay, ...) from the device array `state`, where `begin_step`
puts them first; so a recorded step uses the current settings. Rules are found by their exact type: any other rule, a
student's for example, runs its own `update` on the device's arrays.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.engine.cuda.gpu import Gpu, Launch
from mlp.engine.gradient_statistics import STATISTICS, GradientStatistics
from mlp.layers.parameter import FlatParameters
from mlp.learning_rules import AdaGrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array

STATE = 15  # numbers in `state`, see kernels/basics.cuh
SQUARES = 64  # blocks that compute the norm of the gradient

# Exact type of a rule: its kernel, and a function that gives the kernel's settings a and b.
RULES: dict[type[LearningRule], tuple[str, Callable[[Any], tuple[float, float]]]] = {
    GradientDescent: ("update_gradient_descent", lambda rule: (0.0, 0.0)),
    Momentum: ("update_momentum", lambda rule: (rule.momentum, 0.0)),
    Nesterov: ("update_nesterov", lambda rule: (rule.momentum, 0.0)),
    AdaGrad: ("update_adagrad", lambda rule: (0.0, 0.0)),
    RMSProp: ("update_rmsprop", lambda rule: (rule.decay, 0.0)),
    Adam: ("update_adam", lambda rule: (rule.beta1, rule.beta2)),
    AdamW: ("update_adam", lambda rule: (rule.beta1, rule.beta2)),
}


class CudaUpdate:
    """A learning rule as launches.

    Args:
        gpu: a `Gpu`. rule: initialized. state: device array of `STATE` numbers.
    """

    def __init__(self, gpu: Gpu, rule: LearningRule, state: Array) -> None:
        self.gpu, self.rule, self.state = gpu, rule, state
        self.known = type(rule) in RULES and rule.flat.data.dtype == np.float32
        self.squares = gpu.empty((SQUARES,))

    def begin_step(self, slot: int, *, frozen: bool = False) -> None:
        """Put the settings of the step that begins into `state`.

        Args:
            slot: the row of the log for its loss. frozen: whether running statistics stay as they are.
        """
        rule, a, b = self.rule, 0.0, 0.0
        if self.known:
            a, b = RULES[type(rule)][1](rule)
        t = rule.steps + 1
        decays = rule.weight_decay, rule.decoupled_weight_decay
        bounds = rule.clip_value or 0.0, rule.clip_norm or 0.0
        own = a, 1.0 - a, b, 1.0 - b, getattr(rule, "eps", 0.0), 1.0 - a**t, math.sqrt(1.0 - b**t)
        settings = slot, rule.learning_rate, *decays, *bounds, *own, frozen
        self.gpu.launch("begin_step", (1,), 1, (self.state, *map(float, settings)))()

    @property
    def form(self) -> bool:
        """What decides which kernels of the rule a step launches."""
        return self.rule.clip_norm is not None

    def launches(self) -> list[Launch]:
        """Return the launches that change the weights."""
        gpu, rule, flat = self.gpu, self.rule, self.rule.flat
        size, blocks = flat.data.size, min(SQUARES, -(-flat.data.size // 256))
        moments = [*rule.moments.values(), None, None][:2]
        decays = None if isinstance(rule.decays, float) else rule.decays
        squares, steps = None, []
        if rule.clip_norm is not None:
            squares = self.squares
            steps = [gpu.launch("gradient_squares", (blocks,), 256, (flat.grad, self.state, squares, size), 128)]
        args = (flat.data, flat.grad, *moments, decays, squares, self.state, size, blocks)
        return [*steps, gpu.launch(RULES[type(rule)][0], (-(-size // 256),), 256, args, 128)]


class CudaGradientStatistics(GradientStatistics):
    """`GradientStatistics` whose sums stay on the device, taken by one launch in each step.

    Attributes:
        step: the launch; for weights that are not float32 the method of the base class.
    """

    def __init__(self, flat: FlatParameters, which: str, gpu: Gpu, state: Array) -> None:
        tensors = len(flat.parameters)
        self.tables = gpu.xp.zeros((2, len(STATISTICS), tensors), np.float64)  # sums over the steps, the last step
        super().__init__(flat, which)
        self.step = self.accumulate
        if flat.grad.dtype == np.float32:
            offsets = gpu.xp.asarray(np.array([*flat.offsets, flat.grad.size], np.int32))
            args = (flat.grad, offsets, state, *self.tables, tensors)
            self.step = gpu.launch("gradient_statistics", (tensors,), 256, args, 256)

    def _start(self) -> None:
        super()._start()
        self.tables[...] = 0.0

    def count_step(self) -> None:
        """Count a step whose program contained `step`."""
        if self.step != self.accumulate:
            self.steps += 1
            self.sums, self.last = (dict(zip(STATISTICS, table, strict=True)) for table in self.tables)
