"""The settings of a run, as one dataclass: the flags of scripts/train.py, config.json, and what a resume compares.

Each setting is written once, with its default and its explanation; `add_flags` makes the command line out of them.
The defaults are the protocol of the published reports.
"""

import argparse
import dataclasses
import re
from dataclasses import dataclass, field

from mlp.data import DATASETS, NORMALIZATIONS, SPLITS
from mlp.engine import ENGINES
from mlp.errors import ConfigurationError
from mlp.learning_rules import RULES
from mlp.models.vgg import NORMS, blocks_per_stage

SCHEDULES = ("constant", "cosine")
SCHEDULE_UNITS = ("epoch", "step")
DTYPES = ("float32", "float64")


def setting(default, text, choices=None, minimum=None, above=None):
    """A dataclass field with what the command line and the checks need to know."""
    return field(default=default, metadata={"text": text, "choices": choices, "minimum": minimum, "above": above})


@dataclass(frozen=True)
class RunConfig:
    """All settings that decide the numbers of a run.

    Raises:
        ConfigurationError: a value that is not among the choices or out of its range.
    """

    model: str = setting("vgg08", "vgg08, vgg38, or vgg<depth> with depth 8 + 6 blocks a stage: 8, 14, 20, ...")
    norm: str = setting("none", "normalization in the blocks", NORMS)
    residual: bool = setting(False, "identity shortcuts around the processing blocks")
    filters: int = setting(32, "channels of every convolution", minimum=1)
    dataset: str = setting("cifar100", "images to train on", tuple(DATASETS))
    split: str = setting("coursework", "the reports' random split, or one with equal classes", tuple(SPLITS))
    normalization: str = setting(
        "reports", "constants: CIFAR-10's as in the reports, or CIFAR-100's", tuple(NORMALIZATIONS)
    )
    epochs: int = setting(100, "passes over the training images", minimum=1)
    batch_size: int = setting(100, "images in a step", minimum=1)
    learning_rule: str = setting("adam", "how gradients change the weights", tuple(RULES))
    learning_rate: float = setting(1e-3, "the first learning rate", above=0)
    schedule: str = setting("cosine", "how the learning rate changes: cosine falls to 2e-5", SCHEDULES)
    schedule_unit: str = setting("epoch", "what --epochs counts for the schedule", SCHEDULE_UNITS)
    weight_decay: float = setting(0.0, "coupled L2 penalty on all parameters", minimum=0)
    seed: int = setting(0, "of weights, shuffling and augmentation", minimum=0)
    device: str = setting("cpu", "cpu, or cuda:0 for a GPU")
    engine: str = setting("auto", "how the mathematics is run", ENGINES)
    dtype: str = setting("float32", "precision of weights and images", DTYPES)
    limit_train: int | None = setting(None, "use only the first so many training images", minimum=1)
    limit_valid: int | None = setting(None, "use only the first so many validation images", minimum=1)

    def __post_init__(self):
        for f in dataclasses.fields(self):
            check_setting(f, getattr(self, f.name))
        _ = self.depth

    @property
    def depth(self):
        """The number in the model's name."""
        match = re.fullmatch(r"vgg(\d+)", self.model)
        if match is None:
            raise ConfigurationError(f"--model must be vgg08, vgg38 or vgg<depth>, got {self.model!r}")
        depth = int(match.group(1))
        blocks_per_stage(depth)
        return depth

    def as_dict(self):
        """Return the settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def check_setting(f, value):
    """Raise ConfigurationError unless `value` has the type, and lies in the range, of the field `f`."""
    flag, meta = flag_of(f.name), f.metadata
    if value is None and f.default is None:
        return
    kind = kind_of(f)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
        raise ConfigurationError(f"{flag} must be of type {kind.__name__}, got {value!r}")
    if meta["choices"] and value not in meta["choices"]:
        raise ConfigurationError(f"{flag} must be one of {', '.join(meta['choices'])}, got {value!r}")
    if meta["minimum"] is not None and not meta["minimum"] <= value < float("inf"):
        raise ConfigurationError(f"{flag} must be at least {meta['minimum']}, got {value}")
    if meta["above"] is not None and not meta["above"] < value < float("inf"):
        raise ConfigurationError(f"{flag} must be greater than {meta['above']}, got {value}")


def kind_of(f):
    """The type of a field: int, float, bool or str."""
    return int if f.default is None else type(f.default)


def flag_of(name):
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def add_flags(parser):
    """Add a flag for every setting; flags that are not given are absent from the parsed namespace."""
    for f in dataclasses.fields(RunConfig):
        text = f.metadata["text"]
        if f.metadata["choices"]:
            text += f": {', '.join(f.metadata['choices'])}"
        text += f" (default {'all' if f.default is None else f.default})"
        options = {"dest": f.name, "default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
        if kind_of(f) is bool:
            parser.add_argument(flag_of(f.name), action=argparse.BooleanOptionalAction, **options)
        else:
            parser.add_argument(flag_of(f.name), type=kind_of(f), metavar=kind_of(f).__name__.upper(), **options)


def given_settings(arguments):
    """Return only those settings that the command line named, as a dict."""
    names = {f.name for f in dataclasses.fields(RunConfig)}
    return {name: value for name, value in vars(arguments).items() if name in names}
