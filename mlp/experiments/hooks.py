"""The hooks of a run: what it records, writes and draws while it trains."""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from mlp import plotting
from mlp.checks import choose
from mlp.data.image_set import ImageSet
from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.diagnostics.statistics import all_statistics
from mlp.errors import MlpError, as_sentence
from mlp.experiments.build import run_title
from mlp.experiments.config import RunConfig
from mlp.experiments.page.write import RunPage
from mlp.experiments.run_folder import LOG_FILES, RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.files import write_arrays, write_figure
from mlp.training.history import History
from mlp.training.hooks import (
    Checkpoint,
    CompanionLog,
    CsvLog,
    EarlyStop,
    Hook,
    PeakMemory,
    Progress,
    StepLog,
    TensorBoardLog,
)
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike

LOGS = tuple(LOG_FILES)


def make_hooks(
    folder: RunFolder,
    config: RunConfig,
    facts: Facts,
    test: ImageSet,
    *,
    statistics: bool,
    page: bool,
    log: Collection[str],
    more: Sequence[Hook],
) -> list[Hook]:
    """Return the hooks of a run in their order: those that write into a row come before the checkpoint.

    Args:
        test: the test images, for the page. statistics, page, log: see `mlp.experiments.run.run`. more: further hooks.
    """
    return [
        *([CompanionLog()] if config.companions != "none" else []),
        GradientFlow(),
        *(all_statistics() if statistics else []),
        *more,
        PeakMemory(),
        *make_logs(log, folder, config),
        Progress(),
        Checkpoint(folder, facts.with_settings(config)),
        CsvLog(folder / "metrics.csv"),
        SaveFigures(folder, title=run_title(config)),
        *([RunPage(folder, config, facts, test)] if page else []),
        *([EarlyStop(config.early_stop)] if config.early_stop else []),
    ]


def make_logs(log: Collection[str], folder: RunFolder, config: RunConfig) -> list[Hook]:
    """Return the hooks for the records that were asked for."""
    for name in log:
        choose("log", name, LOGS, "--log")
    hooks: list[Hook] = [StepLog(folder / "steps.csv")] if "steps" in log else []
    if "tensorboard" in log:
        hooks.append(TensorBoardLog(folder.path, config.as_dict()))
    return hooks


def mention_logs(log: Collection[str], folder: RunFolder) -> None:
    """Print a note if a resumed run had logs that were not asked for again, so that their files would end here."""
    left_out = [name for name in folder.logs if name not in log]
    if left_out:
        what, flags = " and ".join(left_out), " ".join(left_out)
        print(f"note: this run was logged for {what}; add --log {flags} to continue the log")


def require_written(hooks: Sequence[Hook]) -> None:
    """Raise MlpError if tables or pictures could not be written, not even at the end."""
    unwritten = {p: error for hook in hooks if isinstance(hook, SideFiles) for p, error in hook.unwritten.items()}
    if unwritten:
        first = as_sentence(next(iter(unwritten.values())))
        are, them = ("is", "it") if len(unwritten) == 1 else ("are", "them")
        names = ", ".join(map(str, unwritten))
        raise MlpError(f"{first}: {names} {are} not up to date; the same command with --resume writes {them}")


class SaveFigures(SideFiles):
    """Keeps the tables (gradient_flow.npz and others) and the figures of a run's folder up to date.

    Drawing takes a second (five with statistics), so figures are renewed at most once a minute.
    """

    def __init__(self, folder: RunFolder, title: str) -> None:
        super().__init__()
        self.folder, self.title = folder, title
        self.drawn = time.monotonic()

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self.write_tables(trainer.history)
        if time.monotonic() - self.drawn > 60.0:
            self.draw(trainer.history)

    def after_training(self, trainer: TrainingState) -> None:
        if trainer.history.rows:
            self.write_tables(trainer.history)  # a kill after the last checkpoint may have left them out of date
            self.draw(trainer.history)

    def write_tables(self, history: History) -> None:
        """Write each table as .npz."""
        for name, table in history.tables.items():
            path = self.folder / f"{name}.npz"
            self.write(path, partial(write_arrays, path, table.arrays()))

    def draw(self, history: History) -> None:
        """Draw the curves, the gradient flow in its three forms, and each other table."""
        title, flow = self.title, history.gradient_flow
        figures: dict[str, Callable[[], plotting.Figure]] = {"curves": lambda: plotting.curves(history, title=title)}
        if flow is not None:
            figures["gradient_flow"] = lambda: plotting.gradient_flow(flow, title=title)
            figures["gradient_flow_map"] = lambda: plotting.gradient_flow_map(flow, title=title)
            figures["gradient_flow_linear"] = lambda: plotting.gradient_flow(
                flow, title=title, scale="linear", statistic="last_mean_abs"
            )
        for name in sorted(history.tables.keys() - {"gradient_flow"}):
            text = f"{title}: {name.replace('_', ' ')}"
            figures[name] = partial(plotting.layer_statistics, history.tables[name], title=text)
        for name, make in figures.items():
            path = self.folder / f"{name}.png"
            self.write(path, partial(draw_into, path, make))
        self.drawn = time.monotonic()


def draw_into(path: PathLike, make: "Callable[[], plotting.Figure]") -> None:
    """Draw a figure and write it."""
    write_figure(path, make())
