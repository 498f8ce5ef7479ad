"""Loss and accuracy of the steps, which stay on the device until somebody reads them."""

import numpy as np

from mlp.backend import get_array_module, to_numpy
from mlp.typing import Array


class MetricsLog:
    """Loss and accuracy of every step since they were last read, kept on the device.

    Args:
        rows: device array (steps, 3) of zeros, for mean loss, images that are right, and images of each step.
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self.fetched: list[Array] = []  # rows that had to make room for others, as NumPy arrays
        self._begin_page()

    def _begin_page(self) -> None:
        self.page, self.used = Page(self.rows), 0

    def next_loss(self) -> "PendingLoss":
        """Return the `PendingLoss` of the step that begins now."""
        if self.used == len(self.rows):
            self._fetch()
        self.used += 1
        return PendingLoss(self.page, self.used - 1)

    def write(self, slot: int, *row: float) -> None:
        """Fill a row from the host."""
        self.rows[slot] = get_array_module(self.rows).asarray(row, dtype=np.float32)

    def _fetch(self) -> None:
        self.page.fetched = to_numpy(self.rows[: self.used]).copy()
        self.fetched.append(self.page.fetched)
        self._begin_page()

    def read(self) -> list[tuple[float, float, int]]:
        """Return [(loss, accuracy, images), ...] of all steps since the last call."""
        self._fetch()
        rows, self.fetched = np.concatenate(self.fetched).tolist(), []
        return [(loss, right / images, int(images)) for loss, right, images in rows]


class Page:
    """The rows of the log between two times that it is fetched: first on the device, then on the host."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self.fetched: Array | None = None


class PendingLoss:
    """The loss of a step that the GPU may not have finished yet; float() and printing wait for it."""

    def __init__(self, page: Page, slot: int) -> None:
        self.page, self.slot = page, slot

    def __float__(self) -> float:
        rows = self.page.rows if self.page.fetched is None else self.page.fetched
        return float(rows[self.slot, 0])

    def __format__(self, form: str) -> str:
        return format(float(self), form)

    def __repr__(self) -> str:
        return repr(float(self))
