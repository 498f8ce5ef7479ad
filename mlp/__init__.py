"""mlp: a deep-learning framework written by hand, to see why deep networks fail to train and what repairs them.

Read `mlp.layers` first (the textbook), then `mlp.engine.textbook` (a training step in 40 lines) and
`mlp.training.trainer` (the one loop).

A part is loaded when it is used for the first time, so `import mlp` is quick and `mlp.models.vgg(...)` needs no import
of its own. Matplotlib is loaded by the first figure.
"""

import os
from importlib import import_module

from mlp.version import __version__

# Before NumPy is loaded. OpenBLAS' threads wait for the next matrix product in a loop that takes all of a core, for
# 2^26 cycles; after 2^16 they sleep, and the core is free for what is between the products, or for other programs.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

TYPE_CHECKING = False  # typing.TYPE_CHECKING: loading that module would take longer than this one

if TYPE_CHECKING:  # what `__getattr__` finds, for editors and mypy
    from typing import Any

    from mlp import (
        data,
        diagnostics,
        engine,
        experiments,
        initializers,
        interop,
        layers,
        learning_rules,
        losses,
        models,
        plotting,
        rng,
        schedulers,
        training,
    )
    from mlp.experiments.fine_tuning import init_from
    from mlp.experiments.loading import load_run

__all__ = [
    "__version__",
    "data",
    "diagnostics",
    "engine",
    "experiments",
    "init_from",
    "initializers",
    "interop",
    "layers",
    "load_run",
    "learning_rules",
    "losses",
    "models",
    "plotting",
    "rng",
    "schedulers",
    "training",
]

OTHER_NAMES = {"nn": "mlp.layers", "optim": "mlp.learning_rules", "lr_scheduler": "mlp.schedulers"}
SEARCHED = ("layers", "losses", "learning_rules", "models", "schedulers", "data", "training", "diagnostics")
FUNCTIONS = {"init_from": "mlp.experiments.fine_tuning", "load_run": "mlp.experiments.loading"}


def __getattr__(name: str) -> "Any":
    """Load a part of the package when it is asked for (PEP 562)."""
    if name not in __all__:
        names = OTHER_NAMES if name.startswith("_") else OTHER_NAMES | written_as(name)
        return import_module(f"{__name__}.checks").names_elsewhere(__name__, names)(name)
    if name in FUNCTIONS:
        return getattr(import_module(FUNCTIONS[name]), name)
    return import_module(f"{__name__}.{name}")


def written_as(name: str) -> dict[str, str]:
    """Return {name: what to write} for a name that a part of the package has: {"Adam": "mlp.learning_rules.Adam"}."""
    for part in SEARCHED:
        found = vars(import_module(f"{__name__}.{part}")).get(name)
        if getattr(found, "__module__", "").startswith(f"{__name__}."):
            return {name: f"{__name__}.{part}.{name}"}
    return {}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
