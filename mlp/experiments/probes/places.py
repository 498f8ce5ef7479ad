"""The settings of a landscape, and the Place that they give for a run: its model, images and grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlp.backend import get_array_module, to_numpy
from mlp.checks import at_least, at_least_one, choose
from mlp.diagnostics.landscape import STATISTICS, Direction, Landscape, direction_to, random_direction, trajectory
from mlp.diagnostics.landscape.surface import grid
from mlp.errors import CheckpointError, ConfigurationError, ShapeError
from mlp.experiments.config import RunConfig
from mlp.experiments.loading import LoadedRun, load_run
from mlp.experiments.probes.images import probed_run
from mlp.files.stored import read_arrays
from mlp.layers.machinery.base import Layer
from mlp.machine.processor import available_memory
from mlp.typing import Array, PathLike

KINDS = {
    "plane": "around the network, along two random directions",
    "line": "around the network, along one random direction",
    "between": "on the straight line to another network",
    "trajectory": "in the plane in which the training path lies best",
}


@dataclass(frozen=True)
class LandscapeSettings:
    """The settings of a landscape: what decides its numbers, besides the weights.

    Attributes:
        kind: one of KINDS. points: on each axis, odd. limits: of both axes (a trajectory takes its own).
        images, split: which images. statistics: "running" or "batch". seed: of the directions.
        checkpoint: "best" or "latest". other: for "between", the folder of the other run.
    """

    kind: str = "plane"
    points: int = 25
    limits: tuple[float, float] = (-1.0, 1.0)
    images: int = 1000
    split: str = "train"
    statistics: str = "running"
    seed: int = 0
    checkpoint: str = "best"
    other: str = ""

    def __post_init__(self) -> None:
        choose("kind", self.kind, KINDS)
        choose("statistics", self.statistics, STATISTICS, "--statistics")
        at_least_one("images", self.images, "--images")
        grid(self.points, self.limits)
        at_least("seed", self.seed, 0, "--seed")


@dataclass
class Place:
    """Where to measure: a model at its weights, what it is measured with, and the grid.

    Attributes:
        path, explained: of a trajectory, the points (epochs, 2) and the shares of the two axes; else None.
    """

    config: RunConfig
    model: Layer
    images: tuple[Array, Array]
    found: Landscape
    path: Array | None = None
    explained: Array | None = None


def prepare(
    run: PathLike,
    settings: LandscapeSettings,
    data_dir: PathLike | None = None,
    device: str | None = None,
    *,
    trust_code: bool = False,
) -> Place:
    """Return the Place of a run's landscape, where no point was visited yet."""
    config, model, images = probed_run(
        run, settings.images, settings.split, settings.checkpoint, data_dir, device, trust_code=trust_code
    )
    check_memory(model, images[0], settings)
    if settings.kind == "trajectory":
        return place_of_path(run, settings, config, model, images)
    directions: list[Direction]
    if settings.kind == "between":
        other = load_run(settings.other, settings.checkpoint, data_dir=data_dir, device=device, trust_code=trust_code)
        require_same_network(run, config, model, other, images[0][:2])
        directions = [direction_to(model, other.model.state_dict())]
    else:
        numbers = (0, 1) if settings.kind == "plane" else (0,)
        directions = [random_direction(model, k, settings.seed) for k in numbers]
    axis = grid(settings.points, settings.limits)
    other_axis = axis.copy() if settings.kind == "plane" else np.zeros(1)
    return Place(config, model, images, Landscape(axis, other_axis, directions))


def require_same_network(run: PathLike, config: RunConfig, model: Layer, other: LoadedRun, x: Array) -> None:
    """Raise ConfigurationError unless `model`, with the weights of another run, computes what that run's model does.

    Equal names and shapes of the weights are not enough: a shortcut, for example, has no weights.

    Args:
        x: images to compare the outputs with.
    """
    same = other.config.normalization == config.normalization
    expected, state = outputs(other.model, x), model.state_dict()
    try:
        model.load_state_dict(other.model.state_dict())
    except ShapeError as error:
        raise ConfigurationError(f"no line leads from {run} to {other.path}, another network: {error}") from None
    found = outputs(model, x)
    model.load_state_dict(state)
    if not (same and np.allclose(found, expected, 1e-3, 1e-3 * np.abs(expected).max(), equal_nan=True)):
        raise ConfigurationError(
            f"no line leads from {run} to {other.path}, another network: it has the same weights by name and shape, "
            "and computes something else with them. mlp compare shows which settings differ"
        )


def outputs(model: Layer, x: Array) -> Array:
    """Return what a model gives for images, on its device and in its precision, as a NumPy array."""
    weights = model.parameters()[0].data
    return to_numpy(model.forward(get_array_module(weights).asarray(x, dtype=weights.dtype)))


def place_of_path(
    run: PathLike, settings: LandscapeSettings, config: RunConfig, model: Layer, images: tuple[Array, Array]
) -> Place:
    """Return the Place of a run's path, in the principal plane around the weights of its last epoch."""
    states = kept_weights(Path(run) / "weights")
    names = [name for name, _ in model.named_parameters()]
    found = trajectory(np.stack([np.concatenate([state[name].ravel() for name in names]) for state in states]))
    model.load_state_dict(states[-1])
    directions: list[Direction] = []
    for vector in found.directions:
        cuts = np.cumsum([states[-1][name].size for name in names])[:-1]
        parts = np.split(vector, cuts)
        directions.append({name: part.reshape(states[-1][name].shape) for name, part in zip(names, parts, strict=True)})
    low, high = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
    margin = 0.15 * (high - low).max()
    axes = [np.linspace(a - margin, b + margin, settings.points) for a, b in zip(low, high, strict=True)]
    return Place(config, model, images, Landscape(axes[0], axes[1], directions), found.coordinates, found.explained)


def kept_weights(folder: Path) -> list[dict[str, Array]]:
    """Return the state of every kept epoch, in order; CheckpointError if there are fewer than three."""
    states = [read_arrays(file) for file in sorted(folder.glob("epoch-*.npz"))]
    if len(states) < 3:
        raise CheckpointError(
            f"{folder} has the weights of {len(states)} epochs, and a path needs three: train with --keep-weights"
        )
    return states


def check_memory(model: Layer, x: Array, settings: LandscapeSettings) -> None:
    """Raise ConfigurationError if all images at once, as statistics "batch" needs them, do not fit into memory."""
    available = available_memory()
    if settings.statistics != "batch" or available is None:
        return
    needed = len(x) * sum(card.kept_bytes for card in model.cards(x[:1], len(x)))
    if needed > available:
        raise ConfigurationError(
            f"--statistics batch takes all {len(x)} images at once: about {needed / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB are free: choose fewer with --images"
        )
