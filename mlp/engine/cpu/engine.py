"""The CPU engine: the textbook's mathematics with planned memory, in blocks, on all cores.

It changes how the numbers are computed, not which: loss, gradients and weights agree with the textbook's up to
rounding, and they are found in the same places (`p.grad`, the rule's moments, the running statistics). They are the
same bits at any number of threads, see `block_sum`. How it is fast:

    plan             nothing is decided or allocated during a step, see `plan` and `memory`
    threads          each takes blocks of images through the network, see `program`; BLAS is held to
                     one thread meanwhile, because its own threads would compete for the same cores
    blocks           a few images at a time pass through all ops between two points where threads must meet
    half the work    3 x 3 convolutions need about half the textbook's multiplications, see `winograd`
    fusing           normalization, shortcut and activation are one op, see `pointwise`, then `batch_norm` and
                     `normalization`; a learning rule is one pass over the weights, see `rules`
"""

import math
from contextlib import nullcontext
from typing import Any

import numpy as np

from mlp.engine.base import Binding, checked_gradient, gather, loss_and_accuracy
from mlp.engine.cpu.blas import BlasThreads
from mlp.engine.cpu.memory import Memory
from mlp.engine.cpu.ops import (  # noqa: F401  (they register their ops)
    affine,
    batch_norm,
    concat,
    convolution,
    dropout,
    normalization,
    pointwise,
    pooling,
    strided,
    tap,
    textbook,
)
from mlp.engine.cpu.plan import Plan
from mlp.engine.cpu.program import Segment, execute
from mlp.engine.cpu.rules import FusedUpdate
from mlp.engine.cpu.threads import ThreadTeam, at_once, usable_cores
from mlp.errors import DeviceError
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.probing import frozen_buffers
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.typing import Array, DType, Shape


class CpuEngine(Binding):
    """Blocked, threaded NumPy.

    Args:
        threads: how many; by default as many as the cores this process may use.

    Raises:
        ConfigurationError: fewer than one thread, or far more than there are cores (see `at_once`), or the package
            threadpoolctl is missing.
    """

    name = "cpu"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = usable_cores() if threads is None else at_once("threads", threads)
        self.blas = BlasThreads()
        self._team: ThreadTeam | None = None
        self.plans: dict[Any, Plan] = {}  # by the shape of a batch, the dtype and training

    def __reduce__(self) -> tuple[Any, ...]:
        return CpuEngine, (self.threads,)

    def bind(self, model: Layer, loss: Loss, rule: LearningRule, gradient_statistics: str | None = None) -> None:
        self.close()
        gather(model, rule)
        if not isinstance(rule.flat.data, np.ndarray):
            raise DeviceError("the cpu engine needs a model on the CPU: call model.to('cpu').")
        self.hold(model, loss, rule, gradient_statistics)
        team = self._team = ThreadTeam(self.threads)
        self.update = FusedUpdate(rule, team)

    def train_step(self, x: Array, targets: Array) -> float:
        with self.blas.held_to_one():
            loss, accuracy = self._forward_and_backward(x, targets)
            if math.isfinite(loss):
                if self.statistics:
                    self.statistics.accumulate()
                self.update()
        self.metrics.append((loss, accuracy, len(targets)))
        return loss

    def gradients(self, x: Array, targets: Array) -> float:
        with self.blas.held_to_one(), frozen_buffers(self.model):
            loss, _ = self._forward_and_backward(x, targets)
        return loss

    def evaluate(self, x: Array, targets: Array, *, training: bool = False) -> tuple[float, float]:
        with self.blas.held_to_one(), frozen_buffers(self.model) if training else nullcontext():
            loss, accuracy, _ = self._forward(x, targets, training=training)
        return loss, accuracy

    def memory_needed(self, shape: Shape) -> int:
        for training in (True, False):  # plans have their arrays; the system gives memory when these are written to
            self.plan(shape, self.rule.flat.data.dtype, training=training)
        return sum(memory.nbytes for memory in self.memories.values())

    def close(self) -> None:
        if self._team is not None:
            self._team.close()
        super().close()
        self._team = None
        for plan in self.plans.values():
            plan.release()
        self.memories: dict[Any, Memory] = {}  # by the shape of an image and the dtype
        self.plans = {}

    def _forward(self, x: Array, targets: Array, *, training: bool) -> tuple[float, float, Plan]:
        """Return loss and accuracy of a batch, and the plan that ran."""
        self.check_batch(x)
        plan = self.plan(x.shape, x.dtype, training=training)
        plan.ops[0].x = x
        self._run(plan, plan.forward_program)
        plan.ops[0].x = None
        return *loss_and_accuracy(self.loss, plan.result.data.array, targets), plan

    def _forward_and_backward(self, x: Array, targets: Array) -> tuple[float, float]:
        """Return loss and accuracy of a training batch; its gradients are in `p.grad` if the loss is finite."""
        loss, accuracy, plan = self._forward(x, targets, training=True)
        if math.isfinite(loss):
            np.copyto(plan.result.grad.array, checked_gradient(self.loss, plan.result.data.array))
            self._run(plan, plan.backward_program)
        return loss, accuracy

    def plan(self, shape: Shape, dtype: DType, *, training: bool) -> Plan:
        """Return the plan for batches of that shape, made when the first one comes."""
        self.check_arrays()
        key = (shape, np.dtype(dtype), training)
        if key not in self.plans:
            memory = self.memories.setdefault((shape[1:], key[1]), Memory(dtype, self.threads))
            if memory.reserve(shape[0]):
                for old in [k for k, p in self.plans.items() if p.memory is memory]:
                    self.plans.pop(old).release()
            self.plans[key] = Plan(self.model, shape, dtype, memory, self.update.team, training=training)
        return self.plans[key]

    def _run(self, plan: Plan, program: list[Segment]) -> None:
        def job(t: int) -> None:
            with np.errstate(all="ignore"):  # each thread has its own; a diverging network shows in the loss
                execute(program, plan.team, t, plan.images)

        plan.team.run(job)
