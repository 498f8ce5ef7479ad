"""Where a command draws its picture."""

from collections.abc import Sequence
from pathlib import Path

from mlp import plotting
from mlp.commands.shared.paths import output_file
from mlp.errors import ConfigurationError
from mlp.files import write_figure


def picture_path(given: Path | None, run: str, name: str, inputs: Sequence[str] = ()) -> Path:
    """Return where to draw, see `output_file`.

    Raises:
        ConfigurationError: it cannot be written, has another ending than pictures, or another file would be lost.
    """
    if given is not None and given.suffix.lower() not in plotting.FORMATS:
        raise ConfigurationError(f"--out must end in {', '.join(plotting.FORMATS)}, got {given}")
    return output_file(given, run, name, inputs)


def write_picture(path: Path, figure: "plotting.Figure") -> None:
    """Write a figure, and make its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(path, figure)


def show_picture(path: Path, figure: "plotting.Figure") -> None:
    """Write a figure, and say where it is."""
    write_picture(path, figure)
    print(f"written: {path}")
