"""What is wrong with this network? A short training run, its statistics, and the mistake that they point to.

    examination = examine(trainer, train_batches, valid_batches)
    print(examination)                # the findings, the likely cause first, each with its evidence

A network that does not train looks the same from outside whatever the reason: the loss stays where it was. Inside, the
reasons look different; `mlp.diagnostics.symptoms` finds them one by one.

One mistake causes others: a step that is too large leaves dead units, a batch norm that does not normalize lets
gradients vanish. What is there before the first step cannot be a consequence of training. So the hooks of
`mlp.diagnostics.statistics` watch two copies of the network:

    start      before any step: signals and gradients; then the size of the first step
    course     over 180 steps or so, in six chapters: losses, gradient flow, dead units, size of the steps

The network itself stays as it is.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any

import numpy as np

from mlp.backend import to_numpy
from mlp.checks import at_least_one, shown
from mlp.data import pairs
from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.diagnostics.statistics import Activations, GradientSignal, UpdateRatio
from mlp.diagnostics.symptoms import (
    Finding,
    Observations,
    batch_statistics_in_evaluation,
    dead_units,
    exploding_gradients,
    labels_off_by_one,
    learning_rate_too_large,
    no_learning,
    running_statistics_in_training,
    unrelated_labels,
    vanishing_gradients,
)
from mlp.diagnostics.symptoms.findings import on_device_of
from mlp.errors import ConfigurationError, DataError, NonFiniteLossError
from mlp.layers import frozen_buffers
from mlp.layers.machinery.base import Layer
from mlp.progress import announced_bar
from mlp.training.arguments import check_batches
from mlp.training.hooks import Hook
from mlp.training.state import TrainingState
from mlp.training.trainer import Trainer
from mlp.typing import Array, BatchSource

CHAPTERS = 6

# Each symptom, and the findings that it can be a consequence of: it counts only if none of those was made.
SYMPTOMS: list[tuple[Callable[[Observations], Finding | None], tuple[str, ...]]] = [
    (running_statistics_in_training, ()),
    (batch_statistics_in_evaluation, ()),
    (exploding_gradients, ()),
    (vanishing_gradients, ()),
    (learning_rate_too_large, ("exploding gradients",)),
    (dead_units, ("exploding gradients", "vanishing gradients", "learning rate too large")),
    (unrelated_labels, ()),
    (labels_off_by_one, ()),
]


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        findings: a list of `Finding`, the likely cause first; empty if nothing is wrong.
        observations: the `Observations` behind them: tables of the start, history of the short training.
    """

    findings: list[Finding]
    observations: Observations

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        if not self.healthy:
            return "\nalso: ".join(str(finding) for finding in self.findings)
        seen = self.observations
        return f"healthy: the loss went from {seen.losses[0]:.3f} to {seen.last_loss:.3f} in {len(seen.losses)} steps."


def examine(
    trainer: Trainer, train_batches: BatchSource, valid_batches: BatchSource | None = None, steps: int = 180
) -> Examination:
    """Train a copy of a classifier for 180 steps, and say what is wrong with it.

    Args:
        trainer: with model, loss, rule and schedule; it is not trained, and stays as it is.
        train_batches, valid_batches: as for `Trainer.fit`. Without validation, labels off by one cannot be seen.
        steps: how many, rounded up to a multiple of six. A sound network whose loss needs longer to fall is reported as
            one that does not learn.

    Raises:
        ConfigurationError: no Trainer, or no batches.
        DataError: inputs that are infinite or NaN, or targets that are no class numbers.
    """
    if not isinstance(trainer, Trainer):
        raise ConfigurationError(f"examine takes a Trainer: examine(trainer, train_batches); got {shown(trainer)}")
    check_batches("train_batches", train_batches)
    if valid_batches is not None:
        check_batches("valid_batches", valid_batches)
    with np.errstate(all="ignore"):  # an overflow becomes a finding, not a warning
        return diagnose(observe(trainer, train_batches, valid_batches, steps))


def diagnose(observations: Observations) -> Examination:
    """Look for the symptoms one by one."""
    findings: list[Finding] = []
    for symptom, causes in SYMPTOMS:
        found = None if {finding.name for finding in findings} & set(causes) else symptom(observations)
        if found is not None:
            findings.append(found)
    if not findings and not observations.learns:
        findings.append(no_learning(observations))
    return Examination(findings, observations)


def observe(
    trainer: Trainer, train_batches: BatchSource, valid_batches: BatchSource | None, steps: int
) -> Observations:
    """Train two copies, one for a step and one for `steps`; return what was seen."""
    start = twin(trainer, [UpdateRatio()])
    start.batch = next(pairs(train_batches, 0))
    if not np.isfinite(to_numpy(start.batch[0])).all():
        raise DataError("the first training batch holds inputs that are infinite or NaN: mend the data first")
    if start.batch[1].ndim != 1 or start.batch[1].dtype.kind not in "iu":
        raise DataError("examine is for classifiers: the targets must be class numbers (N,), one for each image")
    untrained = copy.deepcopy(start.model)
    for probe in (Activations(), GradientSignal()):
        probe.after_epoch(start, {})
    failure = fit(start, Chapters(train_batches, length=1), epochs=1)

    length = -(-at_least_one("steps", steps) // CHAPTERS)  # rounded up
    with announced_bar(total=CHAPTERS * length, desc="examination", unit="step", leave=False) as bar:
        losses = StepLosses(bar)
        course = twin(trainer, [losses, GradientFlow(), Activations(), UpdateRatio()])
        failure = failure or fit(course, Chapters(train_batches, length), epochs=CHAPTERS)
    return Observations(
        untrained=untrained,
        trained=course.model,
        start=start.history.tables,
        history=course.history,
        losses=losses.values,
        failure=failure,
        classes=count_classes(untrained, start.batch[0]),
        train_batches=train_batches,
        valid_batches=valid_batches,
    )


def twin(trainer: Trainer, hooks: Iterable[Hook]) -> Trainer:
    """Return a Trainer with copies of model and rule, at step 0."""
    # Together: a loss may hold parts of the model, and a rule that has some of the parameters keeps to these.
    model, loss, rule = copy.deepcopy((trainer.model, trainer.loss, trainer.rule))
    if rule.flat is not None:
        rule.initialize(rule.flat.parameters)
    return Trainer(
        model,
        loss,
        rule,
        trainer.schedule,
        hooks,
        engine=trainer.engine.name,
        threads=getattr(trainer.engine, "threads", None),
    )


def fit(trainer: Trainer, batches: "Chapters", epochs: int) -> str | None:
    """Train; return None, or why it ended early."""
    try:
        trainer.fit(batches, epochs=epochs)
    except NonFiniteLossError as error:
        return str(error)
    return None


class Chapters:
    """The same batches in the same order, but cut into epochs of `length` batches: a BatchSource."""

    def __init__(self, batches: BatchSource, length: int) -> None:
        self.batches, self.length = batches, length

    def __len__(self) -> int:
        return self.length

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of a chapter."""
        first, skip = divmod(epoch * self.length, len(self.batches))
        endless = chain.from_iterable(pairs(self.batches, e) for e in count(first))
        yield from islice(endless, skip, skip + self.length)


class StepLosses(Hook):
    """Keeps the loss of every step in `values`, and moves a bar."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.values: list[float] = []

    def after_step(self, trainer: TrainingState) -> None:
        self.values.append(trainer.batch_loss)
        self.bar.update()


def count_classes(model: Layer, x: Array) -> int:
    """Return the number of logits that a model gives."""
    with frozen_buffers(model):
        return int(model.forward(on_device_of(model, x[:2])).shape[-1])
