"""How runs differ: a table of their settings, and a warning if their numbers cannot be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlp.experiments.record import RunRecord
from mlp.experiments.settings.naming import NOT_IDENTITY
from mlp.pages.markdown import markdown

HIDDEN = ("seed", *NOT_IDENTITY)  # repeating a run, or another machine, is no other setting
# What decides which images there are, and in which form: equal settings with unequal images mean changed files.
WHICH_IMAGES = ("dataset", "labels", "split", "image_size", "image_fit", "limit_classes", "limit_train", "limit_valid")
LIMITS = {"limit_train": "training images", "limit_valid": "validation images"}

Groups = Mapping[str, Sequence[RunRecord]]


def differing_settings(groups: Groups) -> dict[str, list[str]]:
    """Return {setting: its value in each group} for the settings that are not the same in all groups.

    The limits of images are told as numbers of images, which also differ between data sets.
    """
    firsts = [group[0] for group in groups.values()]
    counted = all(record.facts.num_images for record in firsts)
    rows = [shown_settings(record, counted=counted) for record in firsts]
    return {name: [row[name] for row in rows] for name in rows[0] if len({row[name] for row in rows}) > 1}


def shown_settings(record: RunRecord, *, counted: bool) -> dict[str, str]:
    """Return {setting: value} as people read them. With `counted`, numbers of images take the place of the limits."""
    settings = {name: value for name, value in record.config.as_dict().items() if name not in HIDDEN}
    shown = {name.replace("_", " "): shown_value(v) for name, v in settings.items() if not (counted and name in LIMITS)}
    if counted and record.facts.num_images:
        shown |= dict(zip(LIMITS.values(), (f"{number:,}" for number in record.facts.num_images), strict=True))
    return shown


def shown_value(value: Any) -> str:
    """Return the value of a setting as the command line has it: yes and no for a switch, - for one that is not set."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def differences_table(groups: Groups) -> str:
    """Return a Markdown table of the settings that differ, a row for each group; "" if none does."""
    different = differing_settings(groups)
    if not different:
        return ""
    rows = [list(row) for row in zip(groups, *different.values(), strict=True)]
    return f"\nThe settings that differ:\n\n{markdown(['run', *different], rows)}\n"


def comparison_warning(groups: Groups) -> str:
    """Return a sentence that says why numbers of different groups cannot be compared; "" if they can."""
    records = [record for group in groups.values() for record in group]
    counted = all(record.facts.num_images for record in records)
    names = {tuple(record.facts.class_names) for record in records if record.facts.class_names}
    found = [
        ("data sets", len({record.config.dataset for record in records}) > 1),
        ("classes", len(names) > 1 or len({(r.config.labels, r.config.limit_classes) for r in records}) > 1),
    ]
    if not any(differ for _, differ in found):
        validation = {
            (r.config.split, (r.facts.num_images or [0, 0])[1] if counted else r.config.limit_valid) for r in records
        }
        found = [("validation images", len(validation) > 1), ("images under the same name", images_changed(records))]
    different = " and ".join(what for what, differ in found if differ)
    if not different:
        return ""
    return f"\nWarning: these runs have different {different}, so their losses and accuracies cannot be compared.\n"


def code_warning(groups: Groups) -> str:
    """Return a sentence that names the models of your own whose code is not the same in all runs; "" if it is."""
    first: dict[str, str] = {}
    files = [(r.config.model, r.facts.model_file) for group in groups.values() for r in group if r.facts.model_file]
    changed = sorted({model for model, file in files if first.setdefault(model, file) != file})
    if not changed:
        return ""
    return f"\nWarning: these runs have different code in {', '.join(changed)}, so their networks may differ.\n"


def images_changed(records: Sequence[RunRecord]) -> bool:
    """Return whether two runs with the same settings of images have other images."""
    seen: dict[tuple[Any, ...], str] = {}
    for record in records:
        key = tuple(getattr(record.config, name) for name in WHICH_IMAGES)
        if record.facts.data and seen.setdefault(key, record.facts.data) != record.facts.data:
            return True
    return False
