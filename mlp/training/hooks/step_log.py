"""A CSV file with a line for each step, for questions that a line for each epoch does not answer."""

import os
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np

from mlp.backend import get_array_module
from mlp.files import remove_stranger
from mlp.files.locks import check_lock
from mlp.files.stored import open_file
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike

HEADER = b"step,epoch,loss,learning_rate,gradient_norm\n"


class StepLog(SideFiles):
    """Writes step and epoch (from 1), loss, learning rate and the norm of the whole gradient to a CSV file.

    The norm is taken before clipping. Lines are written every so many steps; those of an epoch are on the disk before
    its checkpoint is. A resumed run first cuts off the lines of the epoch that was interrupted, so that no line is
    there twice and none is missing; a new run replaces the file.

    Args:
        path: of the file. every: steps between two writes; only a write waits for a GPU.
    """

    def __init__(self, path: PathLike, every: int = 20) -> None:
        super().__init__()
        self.path, self.every = Path(path), every
        self.waiting: list[tuple[int, int, SupportsFloat, float, SupportsFloat]] = []
        self.end: int | None = None  # bytes of the file that are right; None before that is known

    def before_training(self, trainer: TrainingState) -> None:
        self.waiting, self.end = [], None
        if trainer.step == 0:
            self.write(self.path, lambda: remove_stranger(self.path))
        self.end = end_of_step(self.path, trainer.epoch * len(trainer.train_batches))
        self.write(self.path, self.append)

    def after_step(self, trainer: TrainingState) -> None:
        gradient = trainer.rule.flat.grad
        with np.errstate(over="ignore"):
            norm = get_array_module(gradient).linalg.norm(gradient)
        rate = trainer.rule.learning_rate
        self.waiting.append((trainer.step + 1, trainer.epoch + 1, trainer.batch_loss, rate, norm))
        if len(self.waiting) >= self.every:
            self.write(self.path, self.append)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self.write(self.path, lambda: self.append(to_disk=True))

    def after_training(self, trainer: TrainingState) -> None:
        self.write(self.path, self.append)

    def append(self, *, to_disk: bool = False) -> None:
        """Write the waiting lines after the complete ones; what a failed write left behind is cut off first.

        Args:
            to_disk: whether to wait until the disk has them, so that a power cut loses none.
        """
        if self.end is None:  # training never began
            return
        check_lock(self.path.parent)
        text = "".join(
            f"{step},{epoch},{float(loss)!r},{rate!r},{float(norm):.7g}\n"
            for step, epoch, loss, rate, norm in self.waiting
        ).encode()
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.truncate(self.end)
            file.seek(self.end)
            file.write(text if self.end else HEADER + text)
            file.flush()
            if to_disk:
                os.fsync(file.fileno())
            self.end, self.waiting = file.tell(), []


def end_of_step(path: PathLike, last: int) -> int:
    """Return the length in bytes of a file up to the line of step `last`; 0 for a file without any such line.

    Raises:
        DamagedError: the file is not a step log.
    """
    if last == 0:
        return 0
    try:
        with open_file(path) as file:
            if file.readline(1000) != HEADER:
                raise ValueError(f"its first line is not {HEADER.decode().strip()}")
            end = len(HEADER)
            for line in file:
                step = line.partition(b",")[0]
                if not (line.endswith(b"\n") and step.isdigit() and int(step) <= last):
                    break
                end += len(line)
            return end
    except FileNotFoundError:
        return 0
