"""A learning rate for the settings of a run, found before the run: a table, a figure and a suggestion."""

from pathlib import Path
from typing import Any

from mlp import plotting
from mlp.diagnostics.learning_rate_range import RANGE_STEPS, SEARCH_COLUMNS, RateSearch, find_learning_rate
from mlp.experiments.build import run_title
from mlp.experiments.config import RunConfig, with_dataset_settings
from mlp.experiments.fine_tuning import first_weights
from mlp.experiments.settings.prepare import prepare_run
from mlp.files import named_path, write_figure, write_text
from mlp.files.own import require_replaceable
from mlp.typing import PathLike

NAME = "learning_rates"  # of the files


def search_for_run(
    out: PathLike,
    given: dict[str, Any],
    data_dir: PathLike | None = None,
    *,
    steps: int = RANGE_STEPS,
    download: bool = False,
    threads: int | None = None,
) -> tuple[RateSearch, list[Path]]:
    """Test learning rates for a run with these settings, and write learning_rates.csv and .png to its folder.

    The model is thrown away. This is not the beginning of a run: a later one in that folder starts at its first epoch.

    Args:
        out: the folder. given: settings that differ from RunConfig's defaults.
        steps: of the test. data_dir, download, threads: as for `mlp.experiments.run`.

    Returns:
        (what was found, the paths written).
    """
    folder = named_path(out)
    written = [folder / f"{NAME}.csv", folder / f"{NAME}.png"]
    require_replaceable(written[0], first_line=",".join(SEARCH_COLUMNS))
    require_replaceable(written[1])
    source, settings = first_weights(given)
    config = RunConfig(**with_dataset_settings(settings))
    # the user named the model just now, so its code may run
    made = prepare_run(config, given, source, data_dir, download=download, trust_code=True)
    search = find_learning_rate(made.trainer([], threads), made.batches[0], steps=steps)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(written[0], search.csv())
    title = f"{run_title(config)}, {config.learning_rule}"
    figure = plotting.rate_search(search.rates, search.losses, search.smoothed, search.suggestion, title=title)
    write_figure(written[1], figure)
    return search, written
