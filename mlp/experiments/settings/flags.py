"""The flags of scripts/train.py, made of the settings."""

import argparse
import dataclasses
from typing import Any

from mlp.experiments.config import RunConfig
from mlp.experiments.settings.fields import flag_of, kind_of

# How the flags are grouped in --help: a group begins at the setting named here.
GROUPS = {
    "model": "model",
    "dataset": "images",
    "epochs": "training",
    "schedule": "schedule of the learning rate",
    "weight_decay": "regularization",
    "seed": "seed, device and precision",
    "limit_classes": "less data, for quick tries",
}
SHORT_FLAGS = {  # what users of other libraries type
    "learning_rate": ("--lr",),
    "weight_decay": ("--wd",),
    "batch_size": ("--bs",),
    "learning_rule": ("--optimizer",),
}
RULE_WORDS = {"sgd": "gradient_descent", "gd": "gradient_descent", "nag": "nesterov"}


def add_flags(parser: Any) -> None:
    """Add a flag for every setting, in groups; flags that are not given are absent from the parsed namespace."""
    group = parser
    for f in dataclasses.fields(RunConfig):
        if f.name in GROUPS:
            group = parser.add_argument_group(GROUPS[f.name])
        unset = f.metadata["unset"] if f.default is None else f.default
        text = f"{f.metadata['text']} (default: {unset})"
        options = {"dest": f.name, "default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
        names = flags_of(f.name)
        if kind_of(f) is bool:
            group.add_argument(*names, action=argparse.BooleanOptionalAction, **options)
        else:
            choices = f.metadata["choices"]
            word = f.metadata["word"] or kind_of(f).__name__.upper()
            metavar = f"{{{','.join(choices)}}}" if choices else word
            kind = rule_name if f.name == "learning_rule" else kind_of(f)
            group.add_argument(*names, type=kind, metavar=metavar, **options)


def flags_of(setting: str) -> list[str]:
    """Return how a setting may be written on a command line: ["--learning-rate", "--lr"]."""
    return [flag_of(setting), *SHORT_FLAGS.get(setting, ())]


def rule_name(text: str) -> str:
    """Return our name of a learning rule that other libraries call differently: "SGD" is gradient_descent."""
    name = text.lower()
    return RULE_WORDS.get(name, name)


def given_settings(arguments: Any) -> dict[str, Any]:
    """Return only those settings that the command line named, as a dict."""
    names = {f.name for f in dataclasses.fields(RunConfig)}
    return {name: value for name, value in vars(arguments).items() if name in names}
