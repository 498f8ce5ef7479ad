"""The numbers of a run for TensorBoard: `tensorboard --logdir runs` shows all runs in `runs` side by side.

    loss/train, loss/validation, accuracy/...   learning_rate, seconds, ...   all that the history's rows have
    gradient_norm/LAYER.weight                  L2 norm, mean over the steps of the epoch
    weight_norm/LAYER.weight                    L2 norm, at the end of the epoch
    loss/test, accuracy/test                    of a finished run
    HPARAMS                                     the settings, and these results for each of them

The step of TensorBoard's charts is the epoch.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp.backend import reduce_segments, to_numpy
from mlp.engine.gradient_statistics import rows_of
from mlp.errors import ConfigurationError
from mlp.files.locks import check_lock
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike

PARTS = {"train": "train", "val": "validation"}
KINDS = {"loss": "loss", "acc": "accuracy"}
BEST = "accuracy/validation_best"
RESULTS = ("loss/validation", "accuracy/validation", BEST, "loss/test", "accuracy/test")  # beside the settings


class TensorBoardLog(SideFiles):
    """Writes losses, accuracies, learning rate and the norms of gradients and weights as TensorBoard's event files.

    An epoch is on the disk before its checkpoint is. A resumed run tells TensorBoard to drop the points of an epoch
    that was interrupted, so no point is there twice; a new run removes the event files in the folder.

    Args:
        folder: for the event files; TensorBoard calls the run by its name.
        settings: hyper-parameters, {name: number, text or bool}; None is left out.

    Raises:
        ConfigurationError: the package tensorboardX is missing.
    """

    def __init__(self, folder: PathLike, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.folder, self.settings = Path(folder), dict(settings or {})
        import_tensorboardx()  # if it is missing, this is said at once
        self.file: Any = None

    def before_training(self, trainer: TrainingState) -> None:
        trainer.record_gradients()
        self.write(self.folder, lambda: self.start(trainer.epoch))

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        scalars = scalars_of(row) | norms_of(trainer)
        best = trainer.history.best_epoch
        if best is not None:
            scalars[BEST] = trainer.history.rows[best - 1]["val_acc"]
        self.write(self.folder, lambda: self.add(trainer.epoch, scalars))

    def after_training(self, trainer: TrainingState) -> None:
        self.close()

    def after_test(self, trainer: TrainingState, results: Mapping[str, Any]) -> None:
        """Add the results of the test images one step after the last epoch, where a resumed run drops them."""
        scalars = {"loss/test": results["test_loss"], "accuracy/test": results["test_acc"]}
        self.write(self.folder, lambda: self.add(trainer.epoch + 1, scalars))
        self.close()

    def start(self, epochs_done: int) -> None:
        """Begin a file with the order to drop later epochs of earlier files, and with the settings."""
        if epochs_done == 0:
            for path in self.folder.glob("events.tfevents.*"):
                path.unlink()
        self.open()
        proto = import_tensorboardx().proto.event_pb2
        again = proto.SessionLog(status=proto.SessionLog.START)
        self.put(step=epochs_done + 1, session_log=again)
        if self.settings:
            known = {name: value for name, value in self.settings.items() if value is not None}
            experiment, settings, _ = import_tensorboardx().summary.hparams(known, dict.fromkeys(RESULTS))
            self.put(summary=experiment)
            self.put(summary=settings)
        self.file.flush()

    def open(self) -> None:
        """Open the next file; TensorBoard reads them in the order of their names."""
        check_lock(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.suffix[1:]) for path in self.folder.glob("events.tfevents.[0-9]*")]
        path = self.folder / f"events.tfevents.{max(numbers, default=0) + 1:04d}"
        self.file = import_tensorboardx().record_writer.RecordWriter(str(path))
        self.put(file_version="brain.Event:2")

    def put(self, **content: Any) -> None:
        """Write an event."""
        event = import_tensorboardx().proto.event_pb2.Event(wall_time=time.time(), **content)
        self.file.write(event.SerializeToString())

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write numbers, and wait until they are on the disk; after a failure the next ones go to another file."""
        check_lock(self.folder)
        summary = import_tensorboardx().proto.summary_pb2.Summary
        values = [summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items() if not math.isnan(value)]
        if self.file is None:
            self.open()
        try:
            self.put(step=step, summary=summary(value=values))
            self.file.flush()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, if one is open."""
        file, self.file = self.file, None
        if file is not None:
            file.close()


def import_tensorboardx() -> Any:
    """Return the package tensorboardX, which takes a while to load; a hook that kept it could not be copied."""
    try:
        import tensorboardX  # with its parts record_writer, summary and proto
    except ImportError as error:
        raise ConfigurationError(
            "TensorBoardLog (--log tensorboard) needs tensorboardX, which is not installed: python -m pip install "
            'tensorboardX tensorboard (in a clone: -e ".[tensorboard]"), then look at it with tensorboard --logdir runs'
        ) from error
    return tensorboardX


def scalars_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Return {tag: number} for the row of an epoch: "val_acc" becomes accuracy/validation, others keep their names."""
    scalars = {}
    for name, value in row.items():
        part, _, metric = name.partition("_")
        tag = f"{KINDS[metric]}/{PARTS[part]}" if part in PARTS and metric in KINDS else name
        if name != "epoch":
            scalars[tag] = float(value)
    return scalars


def norms_of(trainer: TrainingState) -> dict[str, float]:
    """Return {tag: L2 norm} of the gradient and the weights of each weight tensor, biases left out."""
    flat = trainer.rule.flat
    squares = flat.data.astype(np.float64) ** 2  # (P,)
    sizes = to_numpy(reduce_segments("add", squares, flat.offsets)) ** 0.5  # one number per tensor
    gradients = (trainer.gradient_statistics or {})["l2"]
    norms = {}
    for i in rows_of(flat, "weights"):
        name = flat.parameters[i].name
        norms[f"gradient_norm/{name}"], norms[f"weight_norm/{name}"] = float(gradients[i]), float(sizes[i])
    return norms
