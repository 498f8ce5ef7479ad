"""Where the initial weights of a run come from: the folder of another run, or a file of weights.

    runs/best                          the weights of the best epoch, as `mlp.load_run` takes them
    runs/best/checkpoint-latest.npz    any checkpoint
    vgg38.safetensors                  weights that PyTorch, or `mlp.interop.save_safetensors`, has written

Only arrays and strings are read. If the model of that run is code in a file, the file is not opened.

A new run takes some settings from the other run, because its weights mean nothing without them. Settings that you give
come first.

    the network      if you give no `model`, or the same one: model, norm, residual, filters ... but not companions,
                     which are not part of the network
    normalization    the mean and standard deviation of images, with which the first layer has learned
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError, MlpError
from mlp.experiments.config import VGG_SETTINGS, RunConfig
from mlp.experiments.loading import checkpoint_path
from mlp.experiments.resume import check_predictions
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.files import named_path
from mlp.files.safe_tensors import read_safetensors
from mlp.files.stored import damaged, read_arrays
from mlp.training.checkpoint import digest, read_checkpoint, section, stored_settings
from mlp.typing import Array, PathLike

NETWORK_SETTINGS = ("model", *(name for name in VGG_SETTINGS if name != "companions"))
SUFFIXES = (".npz", ".safetensors")


@dataclass(frozen=True)
class Source:
    """Weights that a network may begin with.

    Attributes:
        name: for messages: "runs/best (epoch 9)". arrays: {name: array}.
        config: the settings of the run they come from. facts: about its data. None if the file does not have them.
        as_in_torch: whether names and layout are PyTorch's.
    """

    name: str
    arrays: Mapping[str, Array]
    config: RunConfig | None = None
    facts: Facts | None = None
    as_in_torch: bool = False

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes that the last layer tells apart; None if they are not known."""
        return None if self.facts is None else self.facts.class_names

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return digest(self.arrays)


def read_source(path: PathLike) -> Source:
    """Read weights from the folder of a run, a checkpoint, or a file of safetensors.

    Raises:
        CheckpointError: there is nothing to read, or it is damaged. ConfigurationError: safetensors is not installed.
    """
    where = named_path(path)
    if not where.exists():
        raise CheckpointError(
            f"--init-from {where}: there is no such folder or file; name the folder of a run, or a file that ends in "
            f"{' or '.join(SUFFIXES)}"
        )
    if where.is_dir():
        folder = RunFolder(where)
        config, facts = folder.load()
        weights = checkpoint_path(folder, "best")
        if weights.suffix == ".safetensors":
            return Source(str(where), read_safetensors(weights), config, facts, as_in_torch=True)
        arrays = read_checkpoint(weights)
        check_predictions(folder, stored_settings(weights, arrays), config, facts)
        return Source(f"{where} (epoch {int(arrays['epoch'])})", section(arrays, "model/"), config, facts)
    return read_file(where)


def read_file(path: Path) -> Source:
    """Read a file of weights by itself."""
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"--init-from {path}: weights are in files that end in {' or '.join(SUFFIXES)}")
    if path.suffix == ".safetensors":
        return Source(str(path), read_safetensors(path), as_in_torch=True)
    arrays = read_arrays(path)
    if "format" not in arrays:  # of --keep-weights: weights alone
        return Source(str(path), arrays)
    arrays = read_checkpoint(path)
    settings = stored_settings(path, arrays)
    try:
        facts = Facts(**(settings.pop("facts", None) or {}))
        config = RunConfig(**settings) if settings else None
    except (TypeError, MlpError) as error:
        raise damaged(path, error) from None
    return Source(f"{path} (epoch {int(arrays['epoch'])})", section(arrays, "model/"), config, facts)


def first_weights(
    given: Mapping[str, Any], say: Callable[[str], object] = print
) -> tuple[Source | None, dict[str, Any]]:
    """Return the weights that a run with these settings begins with (None to draw them), and its settings with them."""
    if given.get("init_from") is None:
        return None, dict(given)
    source = read_source(given["init_from"])
    return source, with_settings_of(source, given, say)


def with_settings_of(source: Source, given: Mapping[str, Any], say: Callable[[str], object] = print) -> dict[str, Any]:
    """Return the settings of a run that begins with the weights of `source`: those given, and those taken from it.

    The top of this file says which are taken.

    Args:
        say: is called with a line of text about what is taken.
    """
    config = source.config
    if config is None:
        return dict(given)
    names = NETWORK_SETTINGS if given.get("model", config.model) == config.model else ()
    taken = {name: getattr(config, name) for name in (*names, "normalization") if name not in given}
    defaults = RunConfig()
    shown = [f"{name} {value}" for name, value in taken.items() if name == "model" or value != getattr(defaults, name)]
    if shown:
        say(f"settings of {source.name}: {', '.join(shown)}")
    if given.get("normalization", config.normalization) != config.normalization:
        say(
            f"note: {source.name} learned from images with the normalization {config.normalization}, and now they "
            f"have {given['normalization']}: leave that flag out to keep the normalization"
        )
    return {**taken, **given}
