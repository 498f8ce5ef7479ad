"""What was measured around runs, read from the runs' folders; the correlations have a folder of their own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlp.diagnostics.shattering import Profile
from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.errors import CheckpointError
from mlp.experiments.probes.stored import read_landscape
from mlp.files import write_arrays
from mlp.files.stored import damaged, read_arrays
from mlp.reproduction.index import RunIndex
from mlp.reproduction.plan import DATASETS, Result, settings_of
from mlp.reproduction.scale import Scale
from mlp.typing import Array

CORRELATION_FOLDER = "gradient_correlation"  # below that of the scale
LANDSCAPES = {"running": "landscape", "batch": "landscape_batch"}  # statistics -> name of the files


def folders_of(result: Result, index: RunIndex) -> list[Path]:
    """Return the folders of a result's runs, in the order of its seeds."""
    folders = []
    for seed in result.seeds:
        for dataset in DATASETS:
            folder = index.find(settings_of(result.run, seed, result.scale, dataset))
            if folder is not None:
                folders.append(folder.path)
                break
    return folders


def landscape_of_result(result: Result, index: RunIndex, statistics: str) -> dict[str, Array] | None:
    """Return the landscape around the first of a result's runs that has one, see `read_landscape`; None for none."""
    for folder in folders_of(result, index):
        with suppress(CheckpointError):
            return read_landscape(folder / f"{LANDSCAPES[statistics]}.npz")
    return None


def smoothness_of_result(result: Result, index: RunIndex) -> list[SmoothnessRecord]:
    """Return the smoothness that was measured while a result's runs trained: a record for each seed that has one."""
    records = []
    for folder in folders_of(result, index):
        with suppress(CheckpointError):
            record = SmoothnessRecord.read(folder)
            if record.rows:
                records.append(record)
    return records


def correlation_file(index_root: Path, scale: Scale, initializer: str) -> Path:
    """Return the path of the file for correlations of untrained networks: of an initializer, or "dense"."""
    return index_root / scale.name / CORRELATION_FOLDER / f"{initializer}.npz"


def write_profiles(path: Path, profiles: dict[tuple[str, int], Profile], more: dict[str, Any]) -> None:
    """Write profiles, {(name, depth): Profile}, and `more` arrays; `read_profiles` reads them."""
    arrays: dict[str, Any] = dict(more)
    for (name, depth), p in profiles.items():
        arrays |= {f"{name}/{depth}/{column}": values for column, values in p.arrays().items()}
        arrays["images"] = np.array(p.images)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)


def read_profiles(path: Path) -> dict[tuple[str, int], Profile]:
    """Return the profiles of a file, {(name, depth): Profile}; {} without the file."""
    arrays, found = arrays_of(path), {}
    with no_damage(path):
        for key in arrays:
            if key.endswith("/cosine"):
                name, depth, _ = key.split("/")
                cosine, spread, size = (arrays[f"{name}/{depth}/{column}"] for column in ("cosine", "spread", "size"))
                names = [str(unit) for unit in arrays[f"{name}/{depth}/names"]]
                found[name, int(depth)] = Profile(names, cosine, spread, size, int(arrays["images"]))
    return found


def read_dense(path: Path) -> dict[str, tuple[Array, Array, Array]]:
    """Return the measurements of dense networks, {kind: (layers, mean, standard error)}; {} without a file."""
    arrays = arrays_of(path)
    with no_damage(path):
        kinds = dict.fromkeys(name.partition("/")[0] for name in arrays)
        return {k: (arrays[f"{k}/layers"], arrays[f"{k}/mean"], arrays[f"{k}/error"]) for k in kinds}


def arrays_of(path: Path) -> dict[str, Array]:
    """Return the arrays of a file; {} without the file."""
    try:
        return read_arrays(path)
    except FileNotFoundError:
        return {}


@contextmanager
def no_damage(path: Path) -> Iterator[None]:
    """Within this context, whatever is wrong with the arrays of a file becomes a DamagedError."""
    try:
        yield
    except Exception as error:  # what wrong arrays lead to can be of any kind
        raise damaged(path, error) from None
