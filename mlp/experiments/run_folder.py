"""One run, one folder.

config.json              every setting, and what the network and the data are; nothing about the machine
attempts.tsv             who ran it, when, where, with what, and how that ended, see `mlp.training.attempts`
metrics.csv              a row an epoch
gradient_flow.npz        gradient statistics per epoch and layer
checkpoint-latest.npz    to resume from           checkpoint-best.npz    highest validation accuracy
test.json                loss and accuracy on the test images, with the best weights
curves.png, gradient_flow*.png
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.data.image_set import ImageSet
from mlp.errors import CheckpointError, MlpError
from mlp.experiments.config import RunConfig, with_dataset_settings
from mlp.experiments.own_model import digest_of_file
from mlp.files import write_json
from mlp.layers.machinery.base import Layer
from mlp.models.deep_supervision import without_companions
from mlp.typing import PathLike


@dataclass(frozen=True)
class Facts:
    """What follows from the settings and the data, kept so that nobody needs the data to know it; or None.

    Attributes:
        parameters: the number of weights, without those of companions. image_shape: [H, W, C].
        class_names: a list of K names. num_images: [for training, for validation].
        model_file: SHA-256 of the file of your own model.
    """

    parameters: int | None = None
    image_shape: list[int] | None = None
    class_names: list[str] | None = None
    num_images: list[int] | None = None
    model_file: str | None = None

    def __post_init__(self) -> None:
        shape, names = self.image_shape or [1, 1, 1], self.class_names or [""]
        images = self.num_images or [1, 1]
        lists = all(isinstance(value, list) for value in (shape, names, images)) and (len(shape), len(images)) == (3, 2)
        sizes = [self.parameters or 1, *shape, *images] if lists else []
        if not (lists and all(isinstance(n, int) and n > 0 for n in sizes) and all(isinstance(t, str) for t in names)):
            raise CheckpointError("its facts are no numbers of parameters and images, image shape and names of classes")


class RunFolder:
    """The folder of a run; making one writes nothing."""

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)

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
    def has_epochs(self) -> bool:
        """Whether a run got as far as the end of an epoch here."""
        return any(path.exists() for path in (self.latest, self.best, self / "metrics.csv", self / "test.json"))

    def stored_settings(self) -> dict[str, Any] | None:
        """Return the settings in config.json; None if there is no such file.

        Raises:
            CheckpointError: the file is no configuration of a run.
        """
        stored = self.stored()
        return None if stored is None else stored[0].as_dict()

    def stored(self) -> tuple[RunConfig, Facts] | None:
        """Return what config.json holds, (RunConfig, Facts); None if there is no such file."""
        try:
            content = json.loads((self / "config.json").read_text(encoding="utf-8"))
            return RunConfig(**content["settings"]), Facts(**content.get("facts", {}))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, MlpError) as error:
            raise CheckpointError(f"{self / 'config.json'} is damaged: {error}") from None

    def load(self) -> tuple[RunConfig, Facts]:
        """Return (RunConfig, Facts) of the run in this folder.

        Raises:
            CheckpointError: there is none.
        """
        stored = self.stored()
        if stored is None:
            raise CheckpointError(f"{self.path} holds no run: there is no config.json in it")
        return stored

    def mention_changed_code(self) -> None:
        """Print a note if the file of the run's own model is not what it was when the run began."""
        config, facts = self.load()
        if facts.model_file not in (None, digest_of_file(config.model)):
            file = config.model.rpartition(":")[0]
            print(f"note: {file} has changed since {self.path} was begun: is it the same model?")

    def test_results(self) -> dict[str, Any]:
        """Return what test.json holds, a dict; an empty one for a run that is not finished."""
        try:
            content = dict(json.loads((self / "test.json").read_text(encoding="utf-8")))
            return {**content, "test_loss": float(content["test_loss"]), "test_acc": float(content["test_acc"])}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{self / 'test.json'} is damaged: {error}") from None

    def open(self, given: dict[str, Any], resume: bool) -> RunConfig:
        """Prepare the folder for a run and return the run's RunConfig.

        Args:
            given: the settings that were asked for, a dict; all others have their defaults, or, in a resume,
                the values of the run that is resumed.
            resume: whether to go on with the run in the folder. In a folder without one, or where no epoch was
                finished, a new run starts.

        Raises:
            CheckpointError: there is a run already and resume is not set, or it has other settings or no checkpoint.
        """
        stored: Any = self.stored_settings()
        results = [name for name in ("test.json", "metrics.csv") if (self / name).exists()]
        if results and not self.latest.exists():
            raise CheckpointError(
                f"{self.path} has a {results[0]}, but no {self.latest.name} to go on from: choose another --out"
            )
        different = {name: value for name, value in given.items() if stored is not None and stored[name] != value}
        if different and self.has_epochs:
            lines = [f"  {name}: {stored[name]!r} there, {value!r} here" for name, value in different.items()]
            raise CheckpointError(
                f"{self.path} holds a run with another configuration; leave these settings out, "
                "or choose another --out:\n" + "\n".join(lines)
            )
        if stored is not None and not resume and self.has_epochs:
            raise CheckpointError(
                f"{self.path} holds a run already: add --resume to go on with it, or choose another --out"
            )
        if stored is None and self.latest.exists():
            raise CheckpointError(f"{self.path} has a checkpoint but no config.json: choose another --out")
        config = RunConfig(**with_dataset_settings({**((resume and stored) or {}), **given}))
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path} is a file: --out must name a folder")
        return config

    def write_config(self, config: RunConfig, model: Layer, train: ImageSet, valid: ImageSet) -> None:
        """Write config.json unless that of finished epochs is there: settings, and facts."""
        if not (self.has_epochs and (self / "config.json").exists()):
            shape, names = list(train.images.shape[1:]), list(train.class_names)
            digest = digest_of_file(config.model) if config.own_model else None
            facts = Facts(without_companions(model).num_parameters, shape, names, [len(train), len(valid)], digest)
            write_json(self / "config.json", {"settings": config.as_dict(), "facts": dataclasses.asdict(facts)})
