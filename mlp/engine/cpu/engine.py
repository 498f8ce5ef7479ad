"""The CPU engine: the textbook's mathematics with planned memory, in blocks, on all cores.

It changes how the numbers are computed, not which: loss, gradients and weights agree with the textbook's up to
rounding, and they are found in the same places (`p.grad`, the rule's moments, the running statistics). How it is fast:

    plan             nothing is decided or allocated during a step, see `plan` and `memory`
    threads          each takes its share of the batch through the network, see `threads`; BLAS is held to
                     one thread meanwhile, for its own threads would compete for the same cores
    blocks           a few images at a time pass through all ops between two points where threads must meet
    half the work    3 x 3 convolutions need half the textbook's multiplications, see `winograd`
    fusing           normalization, shortcut and activation in one op, see `pointwise`, then `batch_norm` and
                     `normalization`; learning rules, see `rules`
"""

import math
from functools import partial

import numpy as np

from mlp.engine.cpu.blas import BlasThreads
from mlp.engine.cpu.lowering import checked_gradient
from mlp.engine.cpu.memory import Memory
from mlp.engine.cpu.ops import (  # noqa: F401  (they register their ops)
    batch_norm,
    dropout,
    normalization,
    pointwise,
    pooling,
    strided,
    textbook,
    winograd,
)
from mlp.engine.cpu.plan import Plan, execute
from mlp.engine.cpu.rules import FusedUpdate
from mlp.engine.cpu.threads import ThreadTeam, usable_cores
from mlp.engine.gradient_statistics import GradientStatistics
from mlp.engine.textbook import gather, mean_metrics
from mlp.errors import ConfigurationError, DeviceError, MlpError


class CpuEngine:
    """Blocked, threaded NumPy; the methods are those of `TextbookEngine`.

    Args:
        threads: how many; by default as many as the cores this process may use.

    Raises:
        ConfigurationError: fewer than one thread, or the package threadpoolctl is missing.
    """

    name = "cpu"

    def __init__(self, threads=None):
        if threads is not None and threads < 1:
            raise ConfigurationError(f"threads must be 1 or greater, got {threads}")
        self.threads = usable_cores() if threads is None else int(threads)
        self.blas = BlasThreads()
        self.team = None

    def bind(self, model, loss, rule, gradient_statistics=None):
        self.close()
        gather(model, rule)
        if not isinstance(rule.flat.data, np.ndarray):
            raise DeviceError("the cpu engine needs a model on the CPU: call model.to('cpu').")
        self.model, self.loss, self.rule = model, loss, rule
        self.statistics = GradientStatistics(rule.flat, gradient_statistics) if gradient_statistics else None
        self.metrics = []
        self.team = ThreadTeam(self.threads)
        self.update = FusedUpdate(rule, self.team)
        self.memories, self.plans = {}, {}

    def train_step(self, x, targets):
        with self.blas.held_to_one():
            plan, outputs, loss = self._forward(x, targets, training=True)
            if math.isfinite(loss):
                np.copyto(plan.result.grad.array, checked_gradient(self.loss, outputs))
                self._run(plan, plan.backward_program)
                if self.statistics:
                    self.statistics.accumulate()
                self.update()
        self.metrics.append((loss, float(self.loss.accuracy(outputs, targets))))
        return loss

    def evaluate(self, x, targets):
        with self.blas.held_to_one():
            _, outputs, loss = self._forward(x, targets, training=False)
        return loss, float(self.loss.accuracy(outputs, targets))

    def resident(self, batches):
        return batches

    def read_metrics(self):
        metrics, self.metrics = self.metrics, []
        return mean_metrics(metrics)

    def read_gradient_statistics(self):
        return self.statistics.read()

    def close(self):
        if self.team is not None:
            self.team.close()
        self.team = self.model = self.loss = self.rule = self.statistics = self.update = None
        self.memories, self.plans = {}, {}

    def _forward(self, x, targets, training):
        plan = self.plan(x.shape, x.dtype, training)
        plan.ops[0].x = x
        self._run(plan, plan.forward_program)
        plan.ops[0].x = None
        outputs = plan.result.data.array
        return plan, outputs, float(self.loss.forward(outputs, targets))

    def plan(self, shape, dtype, training):
        """Return the plan for batches of that shape; it is made at the first one."""
        if not self.rule.flat.whole:
            raise MlpError("the model was moved or converted since bind: bind the engine again.")
        key = (shape, np.dtype(dtype), training)
        if key not in self.plans:
            memory = self.memories.setdefault((shape[1:], key[1]), Memory(dtype, self.threads))
            if memory.reserve(shape[0]):
                self.plans = {k: p for k, p in self.plans.items() if p.memory is not memory}
            self.plans[key] = Plan(self.model, shape, dtype, training, memory, self.team)
        return self.plans[key]

    def _run(self, plan, program):
        self.team.run(partial(self._job, plan, program))

    def _job(self, plan, program, t):
        with np.errstate(all="ignore"):  # a diverging network shows in the loss
            execute(program, self.team, t, plan.images)
