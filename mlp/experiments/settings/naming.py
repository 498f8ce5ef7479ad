"""Names for the folders of runs, made of the settings that differ from the defaults."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from mlp.experiments.config import RunConfig

Value = TypeVar("Value")

NOT_IDENTITY = ("device", "engine")  # they decide how numbers are computed, not which
NO_VARIANT = ("model", "epochs", "early_stop", *NOT_IDENTITY)
LONGEST_NAME = 150  # characters of a folder's name


def default_folder(given: dict[str, Any]) -> str:
    """Return the folder of a run for which none was named: "runs/vgg38_norm-batch_residual".

    Its name says which settings differ from the defaults, as in `mlp.reproduction`, so that each variant has a folder.
    The number of epochs and the machine do not make a variant.
    """
    defaults = RunConfig()
    names = (f.name for f in dataclasses.fields(RunConfig) if f.name in given and f.name not in NO_VARIANT)
    variant = {name: given[name] for name in names if given[name] != getattr(defaults, name)}
    for name in {"dataset", "init_from"} & variant.keys():
        variant[name] = PurePath(variant[name]).name or variant[name]
    model = RunConfig(model=given.get("model", defaults.model)).model
    return f"runs/{name_of(variant, first=model.rpartition(':')[2])}"


def name_of(settings: Mapping[str, Any], first: str = "") -> str:
    """Return a folder's name made of settings: "vgg38_norm-batch_residual_seed-0"; `first` comes first.

    Characters that file systems dislike (slashes, brackets) are replaced, and long names are cut. Such a name ends in a
    few digits of a digest, so that different settings still have different names.
    """
    parts = [name if value is True else f"{name}-{value}" for name, value in settings.items()]
    whole = "_".join(filter(None, [first, *parts])) or "run"
    plain = re.sub(r"[^\w.+=-]+", "-", whole, flags=re.ASCII).strip("-.")
    if plain == whole and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - 9]}_{digest_of(whole)}"


def named_apart(labelled: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Return {label: value}; of equal labels, as runs of the same name in different folders have, none is lost.

    >>> named_apart([("seed-0", 1), ("seed-1", 2), ("seed-0", 3)])
    {'seed-0': 1, 'seed-1': 2, 'seed-0 (2)': 3}
    """
    named: dict[str, Value] = {}
    for label, value in labelled:
        name, number = label, 2
        while name in named:
            name, number = f"{label} ({number})", number + 1
        named[name] = value
    return named


def digest_of(value: object) -> str:
    """Return eight hexadecimal digits of a digest of what `repr` says."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]
