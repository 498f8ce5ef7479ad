"""One run, one folder.

config.json              every setting, and what the network and the data are; nothing about the machine
attempts.tsv             when and where it ran, with what, and how that ended, see `mlp.training.attempts`
metrics.csv              one row per epoch
gradient_flow.npz        gradient statistics per epoch and layer
checkpoint-latest.npz    to resume from           checkpoint-best.npz    highest validation accuracy
test.json                loss and accuracy on the test images, with the best weights
curves.png, gradient_flow*.png
report.html              all of it on one page
steps.csv, events.tfevents.*, learning_rates.*  on request: one line per step, TensorBoard, a search for a learning rate
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError, MlpError
from mlp.experiments.config import RunConfig, with_dataset_settings
from mlp.experiments.own_model import digest_of_file
from mlp.experiments.settings.facts import Facts
from mlp.experiments.settings.fields import check_names
from mlp.files import named_path, write_json
from mlp.files.stored import as_number, as_object, damaged, read_object, read_text
from mlp.training.own_files import require_no_run_files
from mlp.typing import PathLike

MAY_GROW = ("epochs", "early_stop")  # settings that say how long a run trains: a resume may make it longer
LOG_FILES = {"steps": "steps.csv", "tensorboard": "events.tfevents.*"}  # --log NAME -> its files


class RunFolder:
    """The folder of a run; making one writes nothing."""

    def __init__(self, path: PathLike) -> None:
        self.path = named_path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def latest(self) -> Path:
        """Path of the checkpoint to resume from."""
        return self / "checkpoint-latest.npz"

    @property
    def best(self) -> Path:
        """Path of the checkpoint with the highest validation accuracy."""
        return self / "checkpoint-best.npz"

    @property
    def logs(self) -> list[str]:
        """The logs that the run in this folder has, as --log names them."""
        return [name for name, files in LOG_FILES.items() if any(self.path.glob(files))]

    @property
    def has_epochs(self) -> bool:
        """Whether a run finished an epoch here, so that there is something to lose.

        (One row of metrics.csv is not enough: an older version may have written it for an epoch that did not end.)
        """
        return self.latest.exists() or (self / "test.json").exists() or self.rows_written > 1

    @property
    def rows_written(self) -> int:
        """The number of epochs in metrics.csv; 0 without one."""
        try:
            return max(0, len(read_text(self / "metrics.csv").splitlines()) - 1)
        except FileNotFoundError:
            return 0

    def stored_settings(self) -> dict[str, Any] | None:
        """Return the settings in config.json; None if there is no such file.

        Raises:
            CheckpointError: the file is not a configuration of a run.
        """
        stored = self.stored()
        return None if stored is None else stored[0].as_dict()

    def stored(self) -> tuple[RunConfig, Facts] | None:
        """Return what config.json holds, (RunConfig, Facts); None if there is no such file.

        Raises:
            CheckpointError: the file is damaged, or not a configuration of a run.
        """
        try:
            content = read_object(self / "config.json")
        except FileNotFoundError:
            return None
        try:
            settings = as_object(content["settings"])
            check_names(settings, RunConfig)
            return RunConfig(**settings), Facts(**as_object(content.get("facts", {})))
        except (ValueError, KeyError, TypeError, MlpError) as error:
            raise damaged(self / "config.json", error) from None

    def load(self) -> tuple[RunConfig, Facts]:
        """Return (RunConfig, Facts) of the run in this folder.

        Raises:
            CheckpointError: there is none, or config.json is damaged.
        """
        stored = self.stored()
        if not self.path.exists():
            raise CheckpointError(f"there is no folder {self.path}")
        if not self.path.is_dir():
            raise CheckpointError(f"{self.path} is a file, and a run is a folder: name {self.path.parent}")
        if stored is None:
            inside = runs_inside(self.path)
            hint = f"; its folders hold runs, {inside[0]} for example" if inside else ""
            raise CheckpointError(f"{self.path} holds no run: there is no config.json in it{hint}")
        return stored

    @property
    def first_weights(self) -> str | None:
        """The digest of the weights of another run that this one began with; None if it began with its own."""
        stored = self.stored()
        return None if stored is None else stored[1].first_weights

    def mention_changed_code(self) -> None:
        """Print a note if the run's model is a Python file that has changed since the run began."""
        config, facts = self.load()
        if facts.model_file not in (None, digest_of_file(config.model)):
            file = config.model.rpartition(":")[0]
            print(f"note: {file} has changed since the run in {self.path} began: is it the same model?")

    def test_results(self) -> dict[str, Any]:
        """Return what test.json holds, a dict; an empty one for a run that is not finished.

        Raises:
            CheckpointError: the file is damaged, or does not hold results.
        """
        try:
            content = read_object(self / "test.json")
            loss = as_number("test_loss", content["test_loss"], 0.0)
            accuracy = as_number("test_acc", content["test_acc"], 0.0, 1.0)
            whole = [content[name] for name in ("best_epoch", "images") if content.get(name) is not None]
            if not all(isinstance(value, int) and value > 0 for value in whole):
                raise ValueError("best_epoch and images must be whole numbers of at least 1")
            return {**content, "test_loss": loss, "test_acc": accuracy}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError) as error:
            raise damaged(self / "test.json", error) from None

    def open(self, given: dict[str, Any], *, resume: bool, overwrite: bool = False) -> RunConfig:
        """Prepare the folder for a run and return the run's RunConfig.

        Args:
            given: the settings that were asked for, a dict; all others have their defaults, or, in a resume,
                the values of the run that is resumed.
            resume: whether to continue the run in the folder. In a folder without one, or where no epoch was
                finished, a new run starts.
            overwrite: whether a run in the folder will be moved away; then its settings do not matter.

        Raises:
            CheckpointError: there is a run already and resume is not set, or it has other settings or no checkpoint.
                (A resume may train for more epochs than the run had, see `mlp.experiments.resume`.)
        """
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path} is a file: --out must name a folder")
        if overwrite:
            self.require_own_folder()
            return RunConfig(**with_dataset_settings(given))
        stored: Any = self.stored_settings()
        if self.has_epochs and not self.latest.exists():
            result = next(name for name in ("test.json", "metrics.csv") if (self / name).exists())
            raise CheckpointError(
                f"{self.path} has a {result}, but no {self.latest.name} to continue from: choose another --out"
            )
        different = {name: value for name, value in given.items() if stored is not None and stored[name] != value}
        longer = resume and all(name in MAY_GROW and is_more(value, stored[name]) for name, value in different.items())
        if different and self.has_epochs and not longer:
            lines = [f"  {name}: {stored[name]!r} there, {value!r} here" for name, value in different.items()]
            raise CheckpointError(
                f"{self.path} holds a run with another configuration ({self.progress(stored)}); leave these settings "
                "out, or choose another --out:\n" + "\n".join(lines)
            )
        if stored is not None and not resume and self.has_epochs:
            raise CheckpointError(
                f"{self.path} holds a run already ({self.progress(stored)}): add --resume"
                f"{' and more --epochs' if self.rows_written >= stored['epochs'] else ''} to continue it, or choose "
                "another --out, or --overwrite it"
            )
        if stored is None:
            require_no_run_files(self.path)
        return RunConfig(**with_dataset_settings(self.asked_for(given, resume=resume)))

    def asked_for(self, given: dict[str, Any], *, resume: bool) -> dict[str, Any]:
        """Return the settings that were asked for: now, and in a resume also when the run in this folder began."""
        check_names(given, RunConfig)
        return {**((resume and self.stored_settings()) or {}), **given}

    def require_own_folder(self) -> None:
        """Raise CheckpointError unless the folder may be moved away: it holds a run, or nothing."""
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        if self.stored_settings() is None:
            raise CheckpointError(
                f"{self.path} holds no run, but other files: --overwrite puts only runs away; choose another --out"
            )
        if Path.cwd().is_relative_to(self.path.resolve()):
            raise CheckpointError(f"--overwrite cannot move {self.path} away while you are in it: go to another folder")

    def progress(self, stored: Mapping[str, Any]) -> str:
        """Return what the run is and how far it got: "vgg08 on cifar100, after epoch 3 of 100"."""
        return f"{stored['model']} on {stored['dataset']}, after epoch {self.rows_written} of {stored['epochs']}"

    def write_longer(self, config: RunConfig) -> None:
        """Write config.json of a run that will train for more epochs, and remove the results of the finished one."""
        facts = self.load()[1]
        (self / "test.json").unlink(missing_ok=True)
        write_json(self / "config.json", {"settings": config.as_dict(), "facts": dataclasses.asdict(facts)})

    def write_config(self, config: RunConfig, facts: Facts) -> None:
        """Write config.json, settings and facts, unless there is one that belongs to finished epochs."""
        if not (self.has_epochs and (self / "config.json").exists()):
            write_json(self / "config.json", {"settings": config.as_dict(), "facts": dataclasses.asdict(facts)})


def unfolded(paths: Sequence[PathLike]) -> tuple[list[PathLike], list[str]]:
    """Return the folders of runs among `paths` and directly inside them, and a sentence for each that is not a run.

    The folder of a sweep is replaced by the runs in it. A folder without a run is left out if there are runs elsewhere.
    A missing folder stays, so that reading it raises the error that names it.
    """
    found, notes = list[PathLike](), list[str]()
    for path in paths:
        inside = runs_inside(path)
        if (Path(path) / "config.json").exists() or not Path(path).exists():
            found.append(path)
        elif inside:
            found.extend(inside)
            notes.append(f"{path}: {len(inside)} runs in it")
        else:
            notes.append(f"{path} holds no run: left out")
    return found or list(paths), notes if found else []


def runs_inside(path: PathLike) -> list[Path]:
    """Return the folders in a folder that hold a run, sorted by name."""
    return sorted(config.parent for config in Path(path).glob("*/config.json"))


def is_more(value: Any, than: Any) -> bool:
    """Return whether both settings are whole numbers, and the first is the greater one."""
    return isinstance(value, int) and isinstance(than, int) and value > than
