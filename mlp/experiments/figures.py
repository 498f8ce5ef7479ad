"""The figures of a run's folder, kept up to date while it trains."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mlp import plotting
from mlp.experiments.run_folder import RunFolder
from mlp.files import write_arrays, write_figure
from mlp.training.history import History
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SaveFigures(SideFiles):
    """Keeps the tables (gradient_flow.npz and others) and the figures of a run's folder up to date.

    Drawing takes a second (five with statistics), so figures are renewed at most once in `every` seconds of training.
    """

    def __init__(self, folder: RunFolder, title: str, every: float = 60.0) -> None:
        super().__init__()
        self.folder, self.title, self.every = folder, title, every
        self.drawn = time.monotonic()

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self.write_tables(trainer.history)
        if time.monotonic() - self.drawn > self.every:
            self.draw(trainer.history)

    def after_training(self, trainer: TrainingState) -> None:
        if trainer.history.rows:
            self.write_tables(trainer.history)  # a kill after the last checkpoint leaves no epoch to do it
            self.draw(trainer.history)

    def write_tables(self, history: History) -> None:
        """Write each table as .npz."""
        for name, table in history.tables.items():
            path = self.folder / f"{name}.npz"
            self.write(path, partial(write_arrays, path, table.arrays()))

    def draw(self, history: History) -> None:
        """Draw the curves, the gradient flow in its three forms, and each other table."""
        title, flow = self.title, history.gradient_flow
        figures: dict[str, Callable[[], Figure]] = {"curves": lambda: plotting.curves(history, title=title)}
        if flow is not None:
            figures["gradient_flow"] = lambda: plotting.gradient_flow(flow, title=title)
            figures["gradient_flow_map"] = lambda: plotting.gradient_flow_map(flow, title=title)
            figures["gradient_flow_linear"] = lambda: plotting.gradient_flow(
                flow, title="Gradient flow", scale="linear", statistic="last_mean_abs"
            )
        for name in sorted(history.tables.keys() - {"gradient_flow"}):
            text = f"{title}: {name.replace('_', ' ')}"
            figures[name] = partial(plotting.layer_statistics, history.tables[name], title=text)
        for name, make in figures.items():
            path = self.folder / f"{name}.png"
            self.write(path, partial(draw_into, path, make))
        self.drawn = time.monotonic()


def draw_into(path: PathLike, make: "Callable[[], Figure]") -> None:
    """Draw a figure and write it."""
    write_figure(path, make())
