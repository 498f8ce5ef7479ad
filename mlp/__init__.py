"""mlp: a deep-learning framework written by hand, to see why deep networks fail to train and what repairs them.

Read `mlp.layers` first (the textbook), then `mlp.engine.textbook` (a training step in 40 lines) and
`mlp.training.trainer` (the one loop).
"""

__version__ = "0.1.0"

from mlp import (
    data,
    diagnostics,
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

__all__ = [
    "data",
    "diagnostics",
    "initializers",
    "interop",
    "layers",
    "learning_rules",
    "losses",
    "models",
    "plotting",
    "rng",
    "schedulers",
    "training",
]
