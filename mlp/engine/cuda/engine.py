"""The CUDA engine: the textbook's mathematics as hand-written kernels, a whole step launched at once.

Loss, gradients and weights agree with the textbook's up to rounding, and are found in the same places. Read the files
in this order:

    kernels/, source    what is computed, and how a GPU does it; a file for each family of kernels
    gpu                 how kernels are launched; a list of launches, recorded as a CUDA graph
    ops, convolution    which kernels an op launches, forward and backward
    lowering, plan      from layers to ops, from a model to the launches of a step
    update, batches     learning rules and gradient statistics; batches made on the device
    metrics             loss and accuracy of the steps, fetched when somebody reads them

A step copies nothing back to the host: the loss that `train_step` returns is fetched when somebody reads it, and the
metrics of all steps are fetched at once, by `read_metrics`. If the loss is not finite, gradients and weights stay as
they were, as with every engine; the kernels check that themselves. (The step counts as a step of the rule, though.)

Layers and shapes without kernels run the textbook's code on CuPy; a step with such a layer is not recorded.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np

from mlp.backend import device_of, to_numpy
from mlp.data.batches import Batches
from mlp.engine.base import Binding, checked_gradient, gather, loss_and_accuracy, mean_metrics
from mlp.engine.cuda.batches import DeviceBatches
from mlp.engine.cuda.gpu import Gpu, Program
from mlp.engine.cuda.metrics import MetricsLog, PendingLoss
from mlp.engine.cuda.plan import CudaPlan
from mlp.engine.cuda.update import STATE, CudaGradientStatistics, CudaUpdate
from mlp.errors import DeviceError
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.probing import frozen_buffers
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss, check_targets
from mlp.typing import Array, BatchSource, DType, Shape

LOG_STEPS = 4096  # rows of the log on the device; when it is full, it is fetched


class CudaEngine(Binding):
    """Kernels on a CUDA device.

    Args:
        device: "cuda:N".
        precision: of the convolutions, "float32" (as exact as float32, although they run on tensor cores) or "tf32"
            (a third of the work, with factors of 11 bits, as PyTorch does by default).
        record: whether to record steps as CUDA graphs.
        xp, module: see `Gpu`.

    Raises:
        ConfigurationError: an unknown precision, or no CUDA device. DeviceError: it cannot be used.
    """

    name = "cuda"

    def __init__(
        self,
        device: str = "cuda:0",
        precision: str = "float32",
        *,
        record: bool = True,
        xp: Any = None,
        module: Any = None,
    ) -> None:
        self.gpu, self.record = Gpu(device, precision, xp, module), record
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return CudaEngine, (self.gpu.device, self.gpu.precision)

    def bind(self, model: Layer, loss: Loss, rule: LearningRule, gradient_statistics: str | None = None) -> None:
        self.close()
        gather(model, rule)
        where = device_of(rule.flat.data)
        if where != (self.gpu.device if self.gpu.cuda is not None else "cpu"):
            raise DeviceError(
                f"the cuda engine works on {self.gpu.device}, the model is on {where}: "
                f"call model.to({self.gpu.device!r})."
            )
        with self.gpu.working():
            zeros = self.gpu.xp.zeros
            self.state, self.evaluation_state = zeros(STATE, np.float32), zeros(STATE, np.float32)
            self.rows, self.evaluation_rows = zeros((LOG_STEPS + 1, 3), np.float32), zeros((1, 3), np.float32)
            self.log = MetricsLog(self.rows[:LOG_STEPS])  # the last row is for what is not a training step
            self.update = CudaUpdate(self.gpu, rule, self.state)
            on_device = partial(CudaGradientStatistics, gpu=self.gpu, state=self.state)
            self.hold(model, loss, rule, gradient_statistics, on_device)

    def train_step(self, x: Array, targets: Array) -> PendingLoss:
        with self.gpu.working():
            plan = self._load(x, targets, training=True)
            pending = self.log.next_loss()
            self.update.begin_step(pending.slot)
            if plan.by_kernels and self.update.known:
                self._run(plan, "step")
            else:
                self._run(plan, "forward")
                if plan.head is None:
                    loss, accuracy = self._textbook_loss(plan)
                    self.log.write(pending.slot, loss, accuracy * plan.images, plan.images)
                if not math.isfinite(pending):
                    return pending
                self._run(plan, "rest")
            if self.update.known:
                self.rule.steps += 1
            else:
                self.rule.update()
            if isinstance(self.statistics, CudaGradientStatistics):
                self.statistics.count_step()
        return pending

    def gradients(self, x: Array, targets: Array) -> float:
        with self.gpu.working():
            plan = self._load(x, targets, training=True)
            with self._frozen(plan):
                if plan.by_kernels:
                    self._run(plan, "gradients")
                    return self._read(self.rows, LOG_STEPS)[0]
                self._run(plan, "forward")
                loss, _ = self._textbook_loss(plan) if plan.head is None else self._read(self.rows, LOG_STEPS)
                if math.isfinite(loss):
                    self._run(plan, "backward")
        return loss

    def evaluate(self, x: Array, targets: Array, *, training: bool = False) -> tuple[float, float]:
        with self.gpu.working():
            plan = self._load(x, targets, training=training)
            with self._frozen(plan):
                self._run(plan, "forward")
                if plan.head is None:
                    return loss_and_accuracy(self.loss, plan.result.data, plan.given_targets)
                return self._read(self.rows, LOG_STEPS) if training else self._read(self.evaluation_rows, 0)

    def resident(self, batches: BatchSource) -> BatchSource:
        """Return the same batches, made on the device if that is possible, otherwise those given.

        The images stay on the device until `close`; a second call with the same batches returns the same object.
        """
        if not isinstance(batches, Batches) or type(batches) is not Batches or batches.dtype != np.float32:
            return batches
        if batches.image_set.images.dtype != np.uint8:  # patches of a scene are not bytes
            return batches
        if id(batches) not in self.residents:
            self.residents[id(batches)] = DeviceBatches(batches, self.gpu)
        return self.residents[id(batches)]

    def read_metrics(self, mean_over: str = "batches") -> tuple[float, float]:
        with self.gpu.working():
            return mean_metrics(self.log.read(), mean_over)

    def read_gradient_statistics(self) -> dict[str, Array]:
        with self.gpu.working():
            return super().read_gradient_statistics()

    def close(self) -> None:
        super().close()
        self.plans: dict[Any, CudaPlan] = {}
        self.programs: dict[Any, Program] = {}
        self.residents: dict[int, DeviceBatches] = {}

    def plan(self, shape: Shape, dtype: DType, *, training: bool) -> CudaPlan:
        """Return the plan for batches of that shape, made when the first one comes."""
        self.check_arrays()
        key = (shape, np.dtype(dtype), training)
        if key not in self.plans:
            state, log = (self.state, self.rows) if training else (self.evaluation_state, self.evaluation_rows)
            self.plans[key] = CudaPlan(
                self.gpu, self.model, self.loss, self.rule.flat, shape, dtype, training=training, state=state, log=log
            )
        return self.plans[key]

    def _load(self, x: Array, targets: Array, *, training: bool) -> CudaPlan:
        self.check_batch(x)
        plan = self.plan(x.shape, x.dtype, training=training)
        if plan.head is None:
            plan.given_targets = self.gpu.xp.asarray(targets)
        else:
            if isinstance(targets, np.ndarray):  # targets on the device are checked by the kernel
                check_targets(np.broadcast_to(np.float32(0), plan.result.data.shape), targets)
            self.gpu.copy(plan.targets, targets)
        self.gpu.copy(plan.source.data, x)
        return plan

    @contextmanager
    def _frozen(self, plan: CudaPlan) -> Iterator[None]:
        """Within this context a training plan runs, but buffers stay as they are; the loss goes to the last row."""
        with ExitStack() as frozen:
            if plan.training:
                self.update.begin_step(LOG_STEPS, frozen=True)
                for layer in plan.textbook:
                    frozen.enter_context(frozen_buffers(layer))
            yield

    def _run(self, plan: CudaPlan, part: str) -> None:
        """Run a part of a step: forward, backward, both (gradients), all (step), all but forward (rest)."""
        key = (id(plan), part, self.update.form)
        if key not in self.programs:
            steps = [] if part in ("backward", "rest") else list(plan.forward)
            steps += [] if part == "forward" else plan.backward
            if part in ("step", "rest"):
                steps += [self.statistics.step] if isinstance(self.statistics, CudaGradientStatistics) else []
                steps += self.update.launches() if self.update.known else []
            self.programs[key] = Program(self.gpu, steps, record=self.record)
        self.programs[key]()

    def _textbook_loss(self, plan: CudaPlan) -> tuple[float, float]:
        """Return loss and accuracy of a network whose head has no kernel; the loss's gradient goes to the plan."""
        outputs = plan.result.data
        loss, accuracy = loss_and_accuracy(self.loss, outputs, plan.given_targets)
        if math.isfinite(loss):
            plan.result.grad[...] = checked_gradient(self.loss, outputs)
        self.state[0] = 1.0  # finite: the engine continues only then
        return loss, accuracy

    def _read(self, rows: Array, row: int) -> tuple[float, float]:
        """Return (loss, accuracy) from a row of the log."""
        loss, right, images = to_numpy(rows[row]).tolist()
        return loss, right / images
