"""Writes report.html, the page of a run: while it trains, at its end, and later from its folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.data.image_set import ImageSet
from mlp.errors import MlpError, as_sentence
from mlp.experiments.config import RunConfig
from mlp.experiments.loading import load_run, load_splits
from mlp.experiments.page.content import TABLES, RunReport
from mlp.experiments.page.hardest import HardImage, hardest_images
from mlp.experiments.record import read_history, read_table
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.files import write_text
from mlp.pages import render
from mlp.pages.png import thumbnail
from mlp.training.history import History
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike

PAGE = "report.html"
SHARE = 0.02  # of the time that training takes, at most, goes into the page


def write_page(report: RunReport, path: Path | None = None) -> Path:
    """Write the page of a run, into its folder if no other path is given; return its path."""
    charts = report.layer_charts()
    text = render(
        "run.html",
        report=report,
        charts=charts,
        data=[chart.data() for chart in charts],
        settings=report.settings(),
        hardest=[(one, thumbnail(one.pixels)) for one in report.hardest],
    )
    path = path or report.folder / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path


class RunPage(SideFiles):
    """Keeps report.html up to date: after epochs, as long as that takes less than 2 % of the time, and at the end.

    After the last epoch the page is written only when the test is done, with its numbers.

    Args:
        folder, config, facts: of the run. test: the test images, for those that the model finds hardest.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, facts: Facts, test: ImageSet) -> None:
        super().__init__()
        self.folder, self.config, self.facts, self.test = folder, config, facts, test
        self.seconds, self.written = 0.0, -1.0  # what a page took to write, and when the last one was written
        self.shown = 0  # epochs on that page

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        if trainer.epoch < trainer.epochs and time.monotonic() - self.written > self.seconds / SHARE:
            self.write_for(trainer.history)

    def after_training(self, trainer: TrainingState) -> None:
        test_follows = trainer.epoch >= trainer.epochs or trainer.stopping
        if not test_follows and self.shown < len(trainer.history.rows):
            self.write_for(trainer.history)

    def after_test(self, trainer: TrainingState, results: Mapping[str, Any]) -> None:
        def write() -> None:
            threads = getattr(trainer.engine, "threads", None)
            hardest, count = hardest_images(self.config, trainer.model, self.test, threads)
            write_page(RunReport(self.folder, self.config, self.facts, trainer.history, results, hardest, count))

        self.write(self.folder / PAGE, write)

    def write_for(self, history: History) -> None:
        """Write the page for the epochs so far."""
        start = time.monotonic()
        report = RunReport(self.folder, self.config, self.facts, history)
        self.write(self.folder / PAGE, lambda: write_page(report))
        self.written = time.monotonic()
        self.seconds, self.shown = self.written - start, len(history.rows)


def report_run(
    path: PathLike, data_dir: PathLike | None = None, *, out: Path | None = None, trust_code: bool = False
) -> tuple[Path, str]:
    """Write the page of a run from its folder: of kept results too, and of runs of an older version.

    Args:
        path: the folder. data_dir: where data sets are, for the hardest images.
        out: the file to write; None for report.html in the folder.
        trust_code: run the Python file that defines the run's model, if there is one.

    Returns:
        (the path of the page, why it shows no hardest images: "" if it does).

    Raises:
        CheckpointError: there is no run, or one of its files is damaged.
    """
    folder = RunFolder(path)
    config, facts = folder.load()
    history, test = read_history(folder), folder.test_results()
    for name in TABLES.keys() - history.tables.keys():
        table = read_table(folder / f"{name}.npz")
        if table is not None:
            history.tables[name] = table
    hardest, count, reason = list[HardImage](), 0, ""
    try:
        run = load_run(path, data_dir=data_dir, trust_code=trust_code)
        hardest, count = hardest_images(run.config, run.model, load_splits(config, data_dir, run)["test"])
    except MlpError as error:
        reason = as_sentence(error)
    return write_page(RunReport(folder, config, facts, history, test, hardest, count), out), reason
