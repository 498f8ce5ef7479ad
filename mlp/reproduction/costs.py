"""What many runs will cost: the measured time of a few steps of each network, times the number of steps.

On a CPU this is processor time with one thread, in core-seconds: it is right on a busy machine too, and n cores share
it. On a GPU it is the time on the clock. Nothing is trained: the images are noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter, process_time
from typing import Any

import numpy as np

from mlp.backend import move
from mlp.engine import make_engine
from mlp.engine.cpu.threads import usable_cores
from mlp.errors import ConfigurationError, MlpError
from mlp.experiments.build import make_loss, make_model, make_rule
from mlp.experiments.config import RunConfig
from mlp.experiments.estimate import format_seconds, seconds_per_batch
from mlp.experiments.record import KNOWN_CLASSES, known_images
from mlp.reproduction.index import PlannedRun
from mlp.reproduction.plan import command_for, plan_runs
from mlp.reproduction.reports import select
from mlp.reproduction.scale import FULL, QUICK, Scale
from mlp.typing import PathLike

IMAGES = {  # for training, validation and test, where nothing limits them; with fewer classes, their share
    "cifar100": (47_500, 2_500, 10_000),
    "cifar10": (47_500, 2_500, 10_000),
    "mnist": (57_000, 3_000, 10_000),
    "synthetic": (4_750, 250, 1_000),
    "indian_pines": (2_055, 1_025, 7_169),
}
FEW_IMAGES = 10  # in a batch that is measured for a hint in a message: it must be quick
MOST_IMAGES = 200  # in a batch that is measured: the time of a larger one is taken as proportional
NOT_A_STEP: tuple[str, ...] = (  # settings that do not decide what a step costs
    *("seed", "epochs", "learning_rate", "schedule", "schedule_unit", "schedule_length", "schedule_factor", "warm_up"),
    *("weight_decay", "label_smoothing", "augment", "limit_train", "limit_valid", "split", "image_fit", "init_from"),
)


@dataclass(frozen=True)
class StepCost:
    """Seconds of a training step, and of a batch that is evaluated."""

    training: float
    evaluation: float

    def of_run(self, config: RunConfig) -> float:
        """Return the seconds of a whole run: its epochs, and the test pass."""
        classes, _ = KNOWN_CLASSES[config.dataset, config.labels]
        part = (config.limit_classes or classes) / classes
        train, valid, test = (round(images * part) for images in IMAGES[config.dataset])
        train, valid = min(config.limit_train or train, train), min(config.limit_valid or valid, valid)
        steps = config.epochs * -(-train // config.batch_size)
        batches = config.epochs * -(-valid // config.batch_size) + -(-test // config.batch_size)
        return steps * self.training + batches * self.evaluation


def estimate_runs(
    planned: Sequence[PlannedRun], tell: Callable[[str], object] = lambda line: None, most_images: int = MOST_IMAGES
) -> list[tuple[PlannedRun, float]]:
    """Return (run, seconds) for each run: seconds of a core, or of a GPU.

    Args:
        tell: gets a line for each network that is measured.
        most_images: in a batch that is measured; fewer are quicker, and less exact.

    Raises:
        ConfigurationError: the images of a run are of a size that only the data set says.
    """
    known: dict[tuple[Any, ...], StepCost] = {}
    costs = []
    for run in planned:
        config = RunConfig(**run.settings)
        key = tuple((name, value) for name, value in config.as_dict().items() if name not in NOT_A_STEP)
        if key not in known:
            known[key] = measure_step(config, most_images)
            tell(f"{run.name}: {known[key].training:.3f} s a step of {config.batch_size} images")
        costs.append((run, known[key].of_run(config)))
    return costs


def measure_step(config: RunConfig, most_images: int = MOST_IMAGES) -> StepCost:
    """Return the StepCost of a configuration, measured with one thread."""
    if (config.dataset, config.labels) not in KNOWN_CLASSES:
        raise ConfigurationError(f"--estimate knows the sizes of {', '.join(IMAGES)}, not of {config.dataset}")
    classes, shape = known_images(config)
    rng = np.random.default_rng(0)
    number = min(config.batch_size, most_images)
    x = rng.standard_normal((number, *shape)).astype(config.dtype)
    targets = rng.integers(0, classes, number)
    clock = process_time if config.device == "cpu" else perf_counter
    model, loss, rule = make_model(config, classes, shape), make_loss(config), make_rule(config)
    engine = make_engine(config.engine, 1, config.device, config.precision)
    engine.bind(model, loss, rule)
    x, targets = move(x, config.device), move(targets, config.device)
    try:
        training = seconds_per_batch(lambda *batch: float(engine.train_step(*batch)), repeat((x, targets)), clock)
        evaluation = seconds_per_batch(lambda *batch: float(engine.evaluate(*batch)[0]), repeat((x, targets)), clock)
    finally:
        engine.close()
    larger = config.batch_size / number
    return StepCost(training * larger, evaluation * larger)


def makespan(seconds: Sequence[float], places: int) -> float:
    """Return how long runs take in a number of places, if the longest ones start first."""
    ends = [0.0] * places
    for one in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += one
    return max(ends, default=0.0)


def how_long(planned: Sequence[PlannedRun]) -> str:
    """Return "about 3 h on the 2 cores of this machine": what runs take, guessed from steps with a few images."""
    if not planned:
        return "nothing is trained for it"
    try:
        costs = estimate_runs(planned, most_images=FEW_IMAGES)
    except MlpError:
        return "how long it takes is known once the data are there"
    cores = usable_cores()
    seconds = sum(one for _, one in costs) / cores
    return f"about {format_seconds(seconds)} on {'one core' if cores == 1 else f'the {cores} cores'} of this machine"


def how_to_make(name: str, scale: Scale | None, root: PathLike) -> str:
    """Return the commands that make the runs of a table, figure or row, and how long they take on this machine.

    Args:
        scale: the one that was asked for. The quick one is always offered: the full one may take days.
    """
    rows = [row for row in select([name]) if row.can_run]
    offered = [QUICK, FULL] if scale is FULL else [QUICK]
    return "; or at full scale: ".join(
        f"{command_for(name, one, root)} ({how_long(plan_runs(rows, one))})" for one in offered
    )


def estimate_text(costs: Sequence[tuple[PlannedRun, float]], places: int, cores: int) -> str:
    """Return sentences about what runs cost, and how long they take in these places with these cores."""
    seconds = [one for _, one in costs]
    unit = "GPU" if any(run.settings.get("device", "cpu") != "cpu" for run, _ in costs) else "core"
    cores = 1 if unit == "GPU" else cores
    longest, longest_seconds = max(costs, key=lambda pair: pair[1])
    epoch = longest_seconds / RunConfig(**longest.settings).epochs
    lines = [
        f"estimate: {len(costs)} runs, {sum(seconds) / 3600:,.0f} {unit}-hours in all",
        f"the longest: {longest.name}, {longest_seconds / 3600:.1f} {unit}-hours, an epoch {epoch / cores:.0f} s",
        f"{places} at once on {cores} {unit}(s) each: {makespan(seconds, places) / cores / 3600:,.1f} hours, if cores "
        "share the work without loss",
    ]
    return "\n".join(lines)
