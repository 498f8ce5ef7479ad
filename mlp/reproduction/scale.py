"""Two scales for the reports' experiments.

    full    the protocol of the reports, every number as they had it
    quick   a small version of the same, for two cores: about a minute a run

Quick keeps what the experiments are about: depth, layers, learning rule, learning rates, penalties, augmentation.
Half a wave of schedule I lasts as many steps as there are epochs, as in the report: 8 instead of 100, so there are more
of them in an epoch (11.9 instead of 4.75) and fewer in all (95 instead of 475). Whatever costs time is made small:

    classes       10 of 100, the first ones
    images        1,900 of 47,500 for training, a 25th; for validation and test all images of those classes
    epochs        8 of 100; the schedules fall as far as over 100: a factor of 0.96 an epoch becomes 0.96^12.5
    filters       16 of 32
    batches       a fifth as large (100 becomes 20), so that 95 steps an epoch stand for 475
    seeds         one, the first of each row

The scene Indian Pines is small by itself: its runs differ in the number of epochs only, 5 of 200.

The scale was chosen by its cost, before any of its results were seen, and is not changed because of them. Its numbers
are never comparable with published ones: a sixtieth of the steps, a tenth of the classes, half the width. Without
CIFAR-100 it takes the synthetic images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlp.checks import choose
from mlp.data import SCENES, load_dataset
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.experiments.config import RunConfig
from mlp.reproduction.index import PlannedRun
from mlp.typing import PathLike

FULL_EPOCHS = RunConfig().epochs
WHERE = "--data-dir, or the environment variable MLP_DATA_DIR"


@dataclass(frozen=True)
class Scale:
    """How large the experiments are.

    Attributes:
        name: also that of the folder with its runs.
        label: what is printed wherever its numbers are.
        settings: a dict that takes the place of RunConfig's defaults.
        scene_settings: a dict that takes the place of the settings of a run on a hyperspectral scene.
        batch_part: batches are smaller by this factor.
        one_seed: whether only the first seed of a row is run.
        measure_every: steps between two measurements of smoothness.
        landscape: (points on each axis, images). depths: of the networks in which gradients of images are compared.
    """

    name: str
    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scene_settings: Mapping[str, Any] = field(default_factory=dict)
    batch_part: int = 1
    one_seed: bool = False
    measure_every: int = 50
    landscape: tuple[int, int] = (25, 1000)
    depths: tuple[int, ...] = (8, 14, 20, 26, 32, 38)

    @property
    def smoothness_flags(self) -> tuple[str, ...]:
        """The flags of train.py that measure smoothness, and covariate shift at eight layers."""
        return ("--smoothness", str(self.measure_every), "--covariate-shift", "8")

    def apply(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a run at this scale, given those at full scale; both differ from RunConfig's defaults.

        What the run itself sets is kept, except for two settings: the batch size, and the exponential factor, which is
        per epoch.
        """
        config = RunConfig(**settings)
        if config.dataset in SCENES:
            return {**settings, **self.scene_settings}
        scaled = {**self.settings, **settings}
        if self.batch_part != 1:
            scaled["batch_size"] = max(1, round(config.batch_size / self.batch_part))
        if config.schedule == "exponential" and self.settings.get("epochs", FULL_EPOCHS) != FULL_EPOCHS:
            factor = 0.96 if config.schedule_factor is None else config.schedule_factor
            scaled["schedule_factor"] = factor ** (FULL_EPOCHS / self.settings["epochs"])
        return scaled

    def seeds(self, seeds: tuple[int, ...]) -> tuple[int, ...]:
        """Return those of a row's seeds that are run."""
        return seeds[:1] if self.one_seed else seeds


FULL = Scale("full", "full scale")
QUICK = Scale(
    "quick",
    "quick scale: 10 classes, 1,900 images, 8 epochs, 16 filters, batches a fifth as large, one seed",
    {"limit_classes": 10, "limit_train": 1900, "epochs": 8, "filters": 16},
    {"epochs": 5},
    batch_part=5,
    one_seed=True,
    measure_every=20,
    landscape=(9, 200),
    depths=(8, 14, 20),
)
SCALES = {scale.name: scale for scale in (FULL, QUICK)}


def find_scale(name: str) -> Scale:
    """Return the scale of a name; ConfigurationError if there is none."""
    return SCALES[choose("--scale", name, SCALES)]


def without_missing_scenes(
    runs: list[PlannedRun], data_dir: PathLike | None, say: Callable[[str], None] = print
) -> list[PlannedRun]:
    """Return the runs whose data are there, without those on a scene that is missing.

    Args:
        say: is given a line for each scene that is missing.

    Raises:
        MissingDataError: no run would be left.
    """
    missing: dict[str, MissingDataError] = {}
    for name in {str(run.settings.get("dataset")) for run in runs} & SCENES.keys():
        try:
            SCENES[name](find_data_dir(data_dir))
        except MissingDataError as error:  # its advice has a flag of train.py
            advice = f"Get it with python scripts/download_data.py {name}, or say where it is: {WHERE}."
            missing[name] = MissingDataError(f"{error.text}{advice}")
    kept = [run for run in runs if run.settings.get("dataset") not in missing]
    if missing and not kept:
        raise next(iter(missing.values()))
    for name, problem in missing.items():
        rows = dict.fromkeys(row for run in runs if run.settings.get("dataset") == name for row in run.wanted_by)
        say(f"{', '.join(rows)} is left out: {problem}")
    return kept


def choose_dataset(scale: Scale, data_dir: PathLike | None) -> str:
    """Return "cifar100", or at a small scale "synthetic" where CIFAR-100 is missing.

    Raises:
        DataError: CIFAR-100 is damaged, or missing at full scale.
    """
    try:
        load_dataset("cifar100", data_dir)
    except MissingDataError:
        if scale is FULL:
            raise
        return "synthetic"
    return "cifar100"
