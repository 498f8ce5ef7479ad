"""The settings of a run, as one dataclass: the flags of scripts/train.py, config.json, and what a resume compares.

Each setting is written once, with its default and its explanation; `add_flags` makes the command line out of them.
The defaults are the protocol of the published reports.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from mlp.checks import quick_pattern
from mlp.data import (
    DATASET_FORMS,
    FITS,
    LABELS,
    NORMALIZATIONS,
    SCENE_SPLITS,
    SCENES,
    SPLITS,
    check_dataset,
    check_split,
    usual_split,
)
from mlp.engine import ENGINES
from mlp.engine.cuda.gpu import PRECISIONS
from mlp.errors import ConfigurationError
from mlp.experiments.settings.fields import check_names, check_setting, flag_of, setting
from mlp.learning_rules import RULES
from mlp.models.options import (
    COMPANION_PLACES,
    GROWTH,
    NORM_POSITIONS,
    NORMS,
    REDUCTION_SHORTCUTS,
    check_combination,
    depth_of,
)
from mlp.models.parts import INITIALIZERS, NORM_GROUPS

SCHEDULES = ("constant", "cosine", "step", "exponential", "warm_restarts")
SCHEDULE_UNITS = ("epoch", "step")
DTYPES = ("float32", "float64")
VGG_SETTINGS = (  # for vgg models only
    "norm",
    "norm_groups",
    "norm_position",
    "residual",
    "reduction_shortcut",
    "dropout",
    "filters",
    "dense",
    "growth",
    "multi_scale",
    "initializer",
    "companions",
)
# Data sets for which other settings than the defaults are usual: patches of a scene are neither cropped nor mirrored.
DATASET_SETTINGS: dict[str, dict[str, Any]] = {
    name: {"split": usual_split(name), "augment": False, "schedule": "constant"} for name in SCENES
}
FACTOR_SCHEDULES = ("step", "exponential", "warm_restarts")  # that take --schedule-factor
LENGTH_SCHEDULES = ("cosine", "step", "warm_restarts")  # that take --schedule-length


@dataclass(frozen=True)
class RunConfig:
    """All settings that decide the numbers of a run.

    Raises:
        ConfigurationError: a value that is not among the choices, is out of its range, or does not go with another.
    """

    model: str = setting(
        "vgg08",
        "vgg08, vgg38, or vgg<depth> with depth 8, 14, 20, ... (one more block in every stage adds 6 layers); ssrn for "
        "a hyperspectral scene; or FILE.py:function, which returns your own model and takes num_classes, "
        "image_channels and seed, or some of them",
    )
    norm: str = setting("none", "normalization in the blocks (with none, only the input block has it: batch)", NORMS)
    norm_groups: int | None = setting(
        None, "with --norm group: the number of groups of channels", minimum=1, unset=str(NORM_GROUPS)
    )
    norm_position: str = setting("before", "normalization before or after the activation", NORM_POSITIONS)
    residual: bool = setting(default=False, text="shortcuts around the processing blocks")
    reduction_shortcut: str = setting(
        "none",
        "with --residual: shortcuts around the reduction blocks (projection_everywhere: 1x1 convolutions around all "
        "blocks)",
        REDUCTION_SHORTCUTS,
    )
    dropout: float = setting(0.0, "dropout probability, applied after each normalization layer", minimum=0, below=1)
    filters: int = setting(32, "channels of every convolution", minimum=1)
    dense: bool = setting(default=False, text="blocks that concatenate their outputs with their inputs, as in DenseNet")
    growth: int | None = setting(None, "with --dense: channels that each block adds", minimum=1, unset=str(GROWTH))
    multi_scale: bool = setting(default=False, text="processing blocks with 3x3 and 5x5 convolutions side by side")
    initializer: str = setting("pytorch", "initial weights of the convolutions", tuple(INITIALIZERS))
    companions: str = setting(
        "none",
        "small classifiers that supervise hidden layers, after every block or after the first two stages",
        COMPANION_PLACES,
    )
    companion_weight: float = setting(
        0.1, "with --companions: the weight of their losses in the first epoch; it falls linearly", minimum=0
    )
    companion_threshold: float = setting(0.0, "with --companions: a loss below this is ignored", minimum=0)
    init_from: str | None = setting(
        None,
        "begin with the weights of another run (its folder, or a .npz or .safetensors file) as far as they fit; "
        "without --model, the network is that of the run",
        word="RUN",
    )
    dataset: str = setting("cifar100", f"images to train on: {', '.join(DATASET_FORMS)}")
    labels: str = setting("fine", "classes, or groups of classes if the data set has them", LABELS)
    split: str = setting(
        "coursework",
        "how images are chosen for validation. coursework: 5 in 100 at random, as in the reports; stratified: 5 in 100 "
        "of each class (usual for your own images). For the pixels of a scene: per_class (usual), or blocks, whole "
        "squares",
        (*SPLITS, *SCENE_SPLITS),
    )
    image_size: int | None = setting(
        None, "make every image N pixels wide and high", minimum=1, unset="as they are", word="N"
    )
    image_fit: str = setting("crop", "with --image-size: cut out the middle, or squeeze the whole picture", FITS)
    normalization: str = setting(
        "reports",
        "mean and standard deviation to normalize images with: CIFAR-10's, as in the reports, or CIFAR-100's (a scene "
        "has its own for each band)",
        tuple(NORMALIZATIONS),
    )
    augment: bool = setting(default=True, text="crop and mirror the training images at random")
    epochs: int = setting(100, "passes over the training images", minimum=1)
    early_stop: int | None = setting(
        None, "end when the validation accuracy has not risen for N epochs", minimum=1, unset="never"
    )
    batch_size: int = setting(100, "images in a step", minimum=1)
    learning_rule: str = setting("adam", "how gradients change the weights", tuple(RULES))
    learning_rate: float = setting(1e-3, "the first learning rate", above=0)
    schedule: str = setting("cosine", "how the learning rate changes; cosine and warm_restarts fall to 2e-5", SCHEDULES)
    schedule_unit: str = setting("epoch", "what the schedule counts", SCHEDULE_UNITS)
    schedule_length: int | None = setting(
        None,
        "number of units until the cosine has fallen, between drops of step, or in the first cycle of warm_restarts",
        minimum=1,
        unset="--epochs for cosine (without those of --warm-up), a third of them for the others",
    )
    schedule_factor: float | None = setting(
        None,
        "what step (every stair) and exponential (every unit) multiply the rate by; for warm_restarts, how many times "
        "longer each cycle is than the one before",
        above=0,
        unset="0.1 for step, 0.96 for exponential, 1 for warm_restarts",
    )
    warm_up: int = setting(0, "epochs in which the rate first rises linearly, from a hundredth of its value", minimum=0)
    weight_decay: float = setting(0.0, "coupled L2 penalty, added to the gradient", minimum=0)
    decoupled_weight_decay: float | None = setting(
        None, "decay of the weights outside the rule, as in AdamW", minimum=0, unset="0.01 for adamw, else 0"
    )
    no_decay: str | None = setting(
        None, "regular expression: parameters with matching names do not decay, for example '(gamma|beta|bias)$'"
    )
    clip_norm: float | None = setting(None, "largest norm of the whole gradient", above=0)
    clip_value: float | None = setting(None, "largest absolute value of each number in the gradient", above=0)
    label_smoothing: float = setting(0.0, "fraction of the target that is spread over all classes", minimum=0, below=1)
    seed: int = setting(0, "seed of the initial weights, the shuffling and the augmentation", minimum=0)
    device: str = setting("cpu", "cpu, or cuda:0 for a GPU")
    engine: str = setting("auto", "what does the arithmetic; auto picks the fastest", ENGINES)
    dtype: str = setting("float32", "precision of weights and images", DTYPES)
    precision: str = setting(
        "float32", "of products in the cuda engine: tf32 has fewer digits and is faster", PRECISIONS
    )
    limit_classes: int | None = setting(None, "use only the first N classes", minimum=2, unset="all")
    limit_train: int | None = setting(None, "use only the first N training images", minimum=1, unset="all")
    limit_valid: int | None = setting(None, "use only the first N validation images", minimum=1, unset="all")

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            check_value(f.name, getattr(self, f.name))
        check_split(self.dataset, self.split)
        if self.dataset in SCENES and self.augment:
            raise ConfigurationError(f"--augment is for images, not for the patches of {self.dataset}: --no-augment")
        if self.image_size is not None and self.dataset in SCENES:
            raise ConfigurationError(f"--image-size is for pictures, not for the pixels of {self.dataset}")
        if self.image_size is None and self.image_fit != FITS[0]:
            raise ConfigurationError("--image-fit is for images that get another size: add --image-size 32, say")
        self._check_model()
        self._check_companions()
        self._check_schedule()

    def _check_model(self) -> None:
        if self.is_vgg:
            object.__setattr__(self, "model", f"vgg{self.depth:02d}")  # vgg8 and vgg08 are one network
            check_combination(**{name: getattr(self, name) for name in VGG_SETTINGS})
            return
        for name in VGG_SETTINGS:
            if getattr(self, name) != getattr(RunConfig, name):
                raise ConfigurationError(f"{flag_of(name)} is for vgg models: {self.model} is built as it is written")

    def _check_companions(self) -> None:
        for name in ("companion_weight", "companion_threshold"):
            if self.companions == "none" and getattr(self, name) != getattr(RunConfig, name):
                raise ConfigurationError(f"{flag_of(name)} is for networks with companions: add --companions blocks")

    def _check_schedule(self) -> None:
        for name, schedules in (("schedule_factor", FACTOR_SCHEDULES), ("schedule_length", LENGTH_SCHEDULES)):
            if getattr(self, name) is not None and self.schedule not in schedules:
                raise ConfigurationError(f"{flag_of(name)} is for {', '.join(schedules)}, not for {self.schedule}")
        if self.schedule == "warm_restarts" and self.schedule_factor and self.schedule_factor % 1:
            raise ConfigurationError(
                f"--schedule-factor must be a whole number for warm_restarts, got {self.schedule_factor}"
            )
        if self.warm_up >= self.epochs:
            raise ConfigurationError(f"--warm-up must be shorter than --epochs {self.epochs}, got {self.warm_up}")

    @property
    def own_model(self) -> bool:
        """Whether the model is FILE.py:function, one of the user's own."""
        return ":" in self.model

    @property
    def is_vgg(self) -> bool:
        """Whether the model is one of those that VGG_SETTINGS are for."""
        return not (self.own_model or self.model == "ssrn")

    @property
    def depth(self) -> int:
        """The number in the name of a vgg model."""
        return depth_of(self.model)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def check_value(name: str, value: Any) -> None:
    """Raise ConfigurationError if no run can have this value of a setting, whatever its other settings are."""
    check_setting(RunConfig.__dataclass_fields__[name], value)
    if name == "dataset":
        check_dataset(value, what="--dataset")
    if name == "model" and not (":" in value or value == "ssrn"):
        depth_of(value)
    if name == "no_decay":
        quick_pattern("--no-decay", value or "")


def with_dataset_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, and those that are usual for their data set."""
    check_names(given, RunConfig)
    dataset = str(given.get("dataset", RunConfig.dataset))
    return {"split": usual_split(dataset), **DATASET_SETTINGS.get(dataset, {}), **given}
