"""Measure what rows need, after their runs; the results go to the runs' folders, and what is there is skipped."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mlp.errors import MlpError
from mlp.experiments.probes.gradient_correlation import (
    INITIALIZERS,
    NETS,
    dense_arrays,
    measure_dense,
    profile_at_start,
)
from mlp.experiments.probes.landscape import compute
from mlp.experiments.probes.places import LandscapeSettings
from mlp.experiments.run_folder import RunFolder
from mlp.files import write_arrays
from mlp.reproduction.index import PlannedRun, RunIndex, is_finished
from mlp.reproduction.probes.found import LANDSCAPES, correlation_file, write_profiles
from mlp.reproduction.reports.row import Row
from mlp.reproduction.scale import FULL, Scale
from mlp.typing import PathLike

DENSE_NETWORKS = {"full": 40, "quick": 8}  # of each kind


def measure_rows(
    rows: Sequence[Row],
    planned: Sequence[PlannedRun],
    root: Path,
    scale: Scale,
    *,
    dataset: str = "cifar100",
    data_dir: PathLike | None = None,
    jobs: int = 1,
) -> list[str]:
    """Measure what rows need; return a line for each measurement that failed.

    Args:
        planned: the runs of the rows. root: the folder of the scale, with the runs below.
        jobs: processes that share the points of a landscape.
    """
    failed: list[str] = []

    def attempt(what: str, function: Callable[[], object]) -> None:
        try:
            function()
        except (MlpError, OSError) as error:
            failed.append(f"{what}: {error}")

    if any("gradient_correlation" in row.probes for row in rows):
        attempt("gradient correlation", lambda: measure_correlations(root, scale, dataset, data_dir))
    around = {row.id for row in rows if "landscape" in row.probes}
    index = RunIndex(root)
    for run in planned:
        folder = index.find(run.settings)
        if around.isdisjoint(run.wanted_by) or folder is None or not is_finished(folder):
            continue
        for statistics in LANDSCAPES:
            measure = partial(measure_landscape, folder, statistics, scale, data_dir, jobs)
            attempt(f"landscape of {folder.path}", measure)
    return failed


def measure_landscape(folder: RunFolder, statistics: str, scale: Scale, data_dir: PathLike | None, jobs: int) -> None:
    """Compute the landscape around a run, unless it is there."""
    points, images = scale.landscape
    settings = LandscapeSettings(points=points, images=images, statistics=statistics)
    for _ in compute(folder.path, settings, LANDSCAPES[statistics], jobs, data_dir=data_dir):
        pass


def measure_correlations(root: Path, scale: Scale, dataset: str, data_dir: PathLike | None) -> None:
    """Measure the correlation of gradients in untrained networks and in dense ones, unless it is there."""
    parent = root.parent
    small = {name: scale.settings[name] for name in ("filters", "limit_classes") if name in scale.settings}
    for initializer in INITIALIZERS:
        path = correlation_file(parent, scale, initializer)
        if path.exists():
            continue
        print(f"gradient correlation, {initializer} initialization, depths {scale.depths}", flush=True)
        profiles = {}
        for depth in scale.depths:
            for name, differences in NETS.items():
                settings = {"model": f"vgg{depth:02d}", "dataset": dataset, **small, **differences}
                profiles[name, depth] = profile_at_start(settings, 64 if scale is FULL else 32, initializer, data_dir)
        write_profiles(path, profiles, {"dataset": np.array(dataset), "seed": np.array(0)})
    path = correlation_file(parent, scale, "dense")
    if not path.exists():
        print(f"gradient correlation of dense networks, {DENSE_NETWORKS[scale.name]} of each kind", flush=True)
        write_arrays(path, dense_arrays(measure_dense(DENSE_NETWORKS[scale.name])))
