"""Statistics beyond the gradients of the weights: what flows through a network, forward and backward, epoch by epoch.

Each hook keeps a LayerTable in `history.tables`, one row per epoch, saved with the checkpoints:

    hook                   table              for each          statistics
    Activations            activations        layer             mean, std, dead
    GradientSignal         gradient_signal    layer             mean_abs, l2
    BatchNormStatistics    batch_norm         BatchNorm         batch_mean, batch_var, gamma, and *_spread of each
    UpdateRatio            update_ratio       weight tensor     update_ratio

The first three are measured on a probe at the end of an epoch: the textbook runs the newest training batch through the
layers once more, with the weights after the epoch, whichever engine trains. A probe is not a training step: running
statistics, dropout's step and p.grad are put back, so the weights of a run are the same, bit for bit, with and without
these hooks. Each probe costs about the time and the memory of one textbook step.

Layers are those without children, Identity and Tap left out. A table that begins in a later epoch has NaN in the
earlier ones.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from mlp.backend import device_of, move, reduce_segments, to_numpy
from mlp.diagnostics.untouched import batch_norms
from mlp.engine.gradient_statistics import rows_of
from mlp.layers import Identity, Tap, frozen_buffers, frozen_gradients, leaf_layers, observed, observed_backward
from mlp.layers.machinery.base import Layer
from mlp.training.hooks import Hook
from mlp.training.state import TrainingState
from mlp.typing import Array


class LayerProbe(Hook):
    """Base class: at the end of an epoch, fills a row of a table with what `see` returns for each layer."""

    table = ""  # its name in history.tables
    statistics: tuple[str, ...] = ()
    backward = False  # whether to look at the backward pass

    def layers(self, model: Layer) -> list[Layer]:
        """Return the layers that make the columns of the table."""
        return [layer for layer in leaf_layers(model) if not isinstance(layer, Identity | Tap)]

    def see(self, layer: Layer, given: Array, result: Array) -> dict[str, float]:
        """Return {statistic: number} for a layer, from inputs and outputs, or with `backward` from dL/dy and dL/dx."""
        raise NotImplementedError

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        columns = {id(layer): column for column, layer in enumerate(self.layers(trainer.model))}
        if not columns:
            return
        values = {statistic: np.full(len(columns), np.nan) for statistic in self.statistics}

        def see(layer: Layer, given: Array, result: Array) -> None:
            if id(layer) in columns:
                for statistic, value in self.see(layer, given, result).items():
                    values[statistic][columns[id(layer)]] = value

        run_probe(trainer, see, backward=self.backward)
        names = [layer.path or type(layer).__name__ for layer in self.layers(trainer.model)]
        trainer.history.add_row(self.table, names, values)


def run_probe(trainer: TrainingState, see: Callable[[Layer, Array, Array], object], *, backward: bool) -> None:
    """Run the newest batch through the model, forward or forward and backward, and leave everything as it was.

    Args:
        see: called for each layer without children, see `mlp.layers.observed` and `observed_backward`.
        backward: whether `see` looks at the backward pass.
    """
    model = trainer.model
    device = device_of(model.parameters()[0].data)
    x, targets = (move(array, device) for array in trainer.batch)
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # an overflow shows in the table
        stack.enter_context(frozen_buffers(model))
        stack.enter_context(frozen_gradients(model))
        stack.enter_context((observed_backward if backward else observed)(model, see))
        outputs = model.forward(x, training=True)
        if backward:
            trainer.loss.forward(outputs, targets)
            model.backward(trainer.loss.backward())


class Activations(LayerProbe):
    """Records how large the outputs of each layer are, and how many of its units are dead.

    mean and std are taken over all numbers of the batch. A unit is a feature of vectors, or a channel of images. It is
    dead if it lies below the kink of its activation for every sample (and pixel): ReLU then passes no gradient, and the
    unit cannot come back; LeakyReLU passes its slope. `dead` is a fraction of the units, and NaN for layers without a
    kink. (In smooth activations a small std shows units that are saturated.)
    """

    table = "activations"
    statistics = ("mean", "std", "dead")

    def see(self, layer: Layer, x: Array, y: Array) -> dict[str, float]:
        above = layer.branches(x)  # for an activation: whether each input is above the kink
        values = {"mean": float(y.mean(dtype=np.float64)), "std": float(y.std(dtype=np.float64))}
        if above is not None and above.dtype == bool:
            lives = above.reshape(-1, above.shape[-1]).any(axis=0)  # (C,)
            values["dead"] = 1.0 - float(lives.mean())
        return values


class GradientSignal(LayerProbe):
    """Records the gradient that arrives at the outputs of each layer, dL/dy: mean |dL/dy| and the L2 norm.

    The gradients of weights are computed from it, so this is where a vanishing gradient vanishes. L is the mean loss of
    the batch, so the gradient of one sample's own loss is N times as large.
    """

    table = "gradient_signal"
    statistics = ("mean_abs", "l2")
    backward = True

    def see(self, layer: Layer, grad_outputs: Array, grad_inputs: Array) -> dict[str, float]:
        size = abs(grad_outputs).astype(np.float64)  # squares of vanishing gradients underflow in float32
        return {"mean_abs": float(size.mean()), "l2": float((size * size).sum()) ** 0.5}


class BatchNormStatistics(LayerProbe):
    """Records what each batch norm finds and does: mean and variance of its inputs, and gamma.

    All three have a number per channel; the table holds their mean over the channels, and as *_spread their standard
    deviation over the channels. Nothing is recorded for a model without BatchNorm.
    """

    table = "batch_norm"
    statistics = ("batch_mean", "batch_mean_spread", "batch_var", "batch_var_spread", "gamma", "gamma_spread")

    def layers(self, model: Layer) -> list[Layer]:
        return [*batch_norms(model)]

    def see(self, layer: Any, x: Array, y: Array) -> dict[str, float]:
        rows = x.reshape(-1, layer.num_features)  # (m, C)
        channels = {  # (C,) each
            "batch_mean": rows.mean(axis=0, dtype=np.float64),
            "batch_var": rows.var(axis=0, dtype=np.float64),
            "gamma": layer.gamma.data.astype(np.float64),
        }
        means = {name: float(values.mean()) for name, values in channels.items()}
        return means | {f"{name}_spread": float(values.std()) for name, values in channels.items()}


class UpdateRatio(Hook):
    """Records how far the last step of each epoch moved every weight tensor, against its size: |w' - w| / |w|.

    L2 norms; w before and w' after the step. About 1e-3 is usual. Far more means that the learning rate is too large,
    far less that it is too small. A tensor of zeros gives NaN or infinity.

    Args:
        biases: whether to include biases and BN's beta.
    """

    table = "update_ratio"

    def __init__(self, *, biases: bool = False) -> None:
        self.which = "weights and biases" if biases else "weights"
        self.before: Any = None  # weights before the last step of the epoch, (P,)

    def before_step(self, trainer: TrainingState) -> None:
        if trainer.step + 1 == (trainer.epoch + 1) * len(trainer.train_batches):
            self.before = trainer.rule.flat.data.copy()

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        flat = trainer.rule.flat
        change, before = flat.data.astype(np.float64) - self.before, self.before.astype(np.float64)
        changes = reduce_segments("add", change * change, flat.offsets)  # one number per tensor
        sizes = reduce_segments("add", before * before, flat.offsets)
        with np.errstate(all="ignore"):
            ratio = (changes / sizes) ** 0.5
        rows = rows_of(flat, self.which)
        names = [flat.parameters[i].name for i in rows]
        trainer.history.add_row(self.table, names, {"update_ratio": to_numpy(ratio)[rows]})
        self.before = None


def all_statistics() -> list[Hook]:
    """Return one of each of these hooks."""
    return [Activations(), GradientSignal(), BatchNormStatistics(), UpdateRatio()]
