"""Schedules: the learning rate as a pure function of the step.

A schedule is a function schedule(step) -> learning rate, step = 0, 1, 2, ... counting updates. Having no state, it
needs no saving, and it can be plotted before anything is trained:

    rates = [schedule(step) for step in range(steps)]

Mixing up steps and epochs is a common mistake, so the unit is always written out. `epochs_in` converts epochs to steps;
`per_epoch` makes a schedule that counts epochs, and is constant inside each of them.

    epochs = epochs_in(len(train_batches))                            # epochs(3) is 3 epochs, in steps
    smooth = cosine(1e-3, 2e-5, steps=epochs(100))                    # falls a little with every step
    stairs = per_epoch(cosine(1e-3, 2e-5, steps=100), len(train_batches))     # falls once an epoch
"""

from mlp.checks import names_elsewhere
from mlp.schedulers.constant import constant
from mlp.schedulers.cosine import cosine
from mlp.schedulers.exponential import exponential
from mlp.schedulers.step import step
from mlp.schedulers.units import epochs_in, per_epoch
from mlp.schedulers.warm_restarts import warm_restarts
from mlp.schedulers.warm_up import join, warm_up

__all__ = ["constant", "cosine", "epochs_in", "exponential", "join", "per_epoch", "step", "warm_restarts", "warm_up"]

__getattr__ = names_elsewhere(
    __name__,
    {
        "CosineAnnealingLR": "cosine",
        "StepLR": "step",
        "ExponentialLR": "exponential",
        "CosineAnnealingWarmRestarts": "warm_restarts",
        "LinearLR": "warm_up",
        "ConstantLR": "constant",
        "ConstantLearningRateScheduler": "constant",
    },
)
