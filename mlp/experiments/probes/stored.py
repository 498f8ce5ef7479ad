"""The file of a landscape.

x, y, loss, accuracy, visited         the grid; NaN at points that were not visited yet
x_direction/NAME, y_direction/NAME    the directions, for each parameter (and buffer) that moves
direction_cosine                      of the angle between them
path, explained                       of a trajectory: its points, and the shares of the two axes
settings, weights, images, version    what it was computed for, and by which version of mlp
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp.checks import choose
from mlp.diagnostics.landscape import STATISTICS, cosine
from mlp.errors import CheckpointError, DamagedError
from mlp.experiments.probes.images import fingerprint
from mlp.experiments.probes.places import KINDS, LandscapeSettings, Place
from mlp.files import write_arrays
from mlp.files.own import require_replaceable
from mlp.files.stored import as_object, damaged, read_arrays
from mlp.training.own_files import require_free_name
from mlp.typing import Array, PathLike
from mlp.version import __version__

ADVICE = "if it was a landscape, delete it; else choose another --name"


class LandscapeFile:
    """The file in which the landscape of a Place is saved, and from which it continues."""

    def __init__(self, path: Path, settings: LandscapeSettings, place: Place) -> None:
        self.path, self.place = path, place
        self.text = json.dumps(dataclasses.asdict(settings))
        self.weights = fingerprint(place.model.state_dict())
        self.images = fingerprint(dict(zip(("x", "targets"), place.images, strict=True)))

    def require_own(self, name: str) -> None:
        """Raise an error if the files of this landscape would be written over others, as `name` came from a user.

        Raises:
            ConfigurationError: files of the run have that name, or a picture that we have not made.
            CheckpointError: the file is there, and is no landscape.
        """
        require_free_name(name)
        if self.path.exists():
            read_landscape(self.path)
            return
        for ending in (".png", "_surface.png"):
            require_replaceable(self.path.with_name(f"{name}{ending}"), "--name")

    def resume(self) -> str:
        """Take over the points that the file has; return "", or why it belongs to another landscape."""
        if not self.path.exists():
            return ""
        stored = read_landscape(self.path)
        theirs, ours = json.loads(str(stored["settings"])), json.loads(self.text)
        if theirs != ours:
            different = [name for name, value in ours.items() if theirs.get(name) != value]
            return "; ".join(f"{name} was {theirs.get(name)!r} and is {ours[name]!r} now" for name in different)
        if str(stored["weights"]) != self.weights:
            return "it belongs to other weights"
        if not all(is_close(stored.get(name), array) for name, array in self.points().items()):
            return "it leads to other weights"
        if str(stored.get("images", self.images)) != self.images:  # older files do not have it
            return "it belongs to other images"
        found = self.place.found
        found.loss, found.accuracy, found.visited = stored["loss"], stored["accuracy"], stored["visited"]
        return ""

    def save(self) -> None:
        """Write all that was computed so far."""
        found, place = self.place.found, self.place
        arrays: dict[str, Any] = {"loss": found.loss, "accuracy": found.accuracy, "visited": found.visited}
        arrays |= {"settings": np.array(self.text), "weights": np.array(self.weights), "images": np.array(self.images)}
        arrays |= self.points() | {"version": np.array(__version__)}
        if len(found.directions) == 2:
            arrays["direction_cosine"] = np.array(cosine(*found.directions))
        if place.path is not None and place.explained is not None:
            arrays |= {"path": place.path, "explained": place.explained}
        write_arrays(self.path, arrays)

    def points(self) -> dict[str, Array]:
        """Return what says where the points lie: the axes of the grid, and the directions in which they lead."""
        found = self.place.found
        arrays = {"x": found.x, "y": found.y}
        for axis, direction in zip("xy", found.directions, strict=False):
            arrays |= {f"{axis}_direction/{name}": np.asarray(values) for name, values in direction.items()}
        return arrays


def is_close(stored: Array | None, array: Array) -> bool:
    """Return whether a stored array is this one, but for the last digits, which another machine may have changed."""
    return stored is not None and stored.shape == array.shape and np.allclose(stored, array)


def read_landscape(path: PathLike) -> dict[str, Array]:
    """Return the arrays of a landscape's file.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise CheckpointError(f"there is no {path}: python scripts/landscape.py makes it") from None
    except DamagedError as error:
        raise DamagedError(f"{error}: {ADVICE}") from None
    try:
        check_landscape(arrays)
    except (ValueError, KeyError, RecursionError) as error:
        raise DamagedError(f"{damaged(path, error)}: {ADVICE}") from None
    return arrays


def check_landscape(arrays: Mapping[str, Array]) -> None:
    """Raise a ValueError or a KeyError unless the arrays are a landscape."""
    x, y = arrays["x"], arrays["y"]
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"its axes are of shape {x.shape} and {y.shape}")
    for name, kind in (("loss", "f"), ("accuracy", "f"), ("visited", "b")):
        if arrays[name].shape != (len(y), len(x)) or arrays[name].dtype.kind != kind:
            raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}, not {len(y)} x {len(x)}")
    settings = as_object(json.loads(str(arrays["settings"])))
    choose("its kind", str(settings["kind"]), KINDS)
    choose("its statistics", str(settings["statistics"]), STATISTICS)
    if settings["kind"] == "trajectory" and (arrays["path"].ndim != 2 or arrays["explained"].shape != (2,)):
        raise ValueError("its path is no path")
    if "weights" not in arrays:
        raise KeyError("weights")
