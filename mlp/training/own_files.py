"""The names of the files in a run's folder, so that nothing else is written under them."""

from fnmatch import fnmatch
from pathlib import Path, PurePath

from mlp.errors import CheckpointError, ConfigurationError

TABLE_FILES = ("gradient_flow*", "gradient_signal", "activations", "batch_norm", "update_ratio", "companions")
RUN_FILES = (
    *("config.json", "metrics.csv", "test.json", "steps.csv", "events.tfevents.*"),
    *("checkpoint-*.npz", "weights-best.safetensors"),
    *(f"{table}.{kind}" for table in TABLE_FILES for kind in ("npz", "png")),
    *("report.html", "curves.png", "smoothness.*", "shift.png", "class_map.*"),
)
BESIDE = ("attempts.tsv", "learning_rates.*", "log.txt")  # they may be there before the run begins
OF_COMMANDS = ("predictions.png", "confusion_*.png")  # their usual pictures


def is_run_file(path: Path) -> bool:
    """Return whether a path is, or may become, a file of the run whose folder it lies in."""
    in_run = (path.parent / "config.json").exists()
    return in_run and any(fnmatch(path.name.lower(), pattern) for pattern in (*RUN_FILES, *BESIDE))


def require_free_name(name: str) -> None:
    """Raise ConfigurationError if files of a run's folder are called `name`, whatever their suffix."""
    for pattern in (*RUN_FILES, *BESIDE, *OF_COMMANDS):
        if fnmatch(name.lower(), PurePath(pattern).stem):
            raise ConfigurationError(f"--name must not be that of other files of a run ({pattern}), got {name!r}")


def require_no_run_files(folder: Path) -> None:
    """Raise CheckpointError if a folder without a run has files that a run in it would write over."""
    there = [name for pattern in RUN_FILES for name in sorted(folder.glob(pattern))]
    if there:
        raise CheckpointError(
            f"{folder} holds no run (it has no config.json), but {there[0].name}, which a run would write over: choose "
            "another --out"
        )
