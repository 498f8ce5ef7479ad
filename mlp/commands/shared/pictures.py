"""Where a command draws its picture."""

from pathlib import Path

from mlp import plotting
from mlp.errors import ConfigurationError
from mlp.files import write_figure


def picture_path(given: Path | None, usual: str) -> Path:
    """Return where to draw: what --out says, or the usual place.

    Raises:
        ConfigurationError: the name has another ending than pictures.
    """
    out = Path(given or usual)
    if out.suffix.lower() not in plotting.FORMATS:
        raise ConfigurationError(f"--out must end in {', '.join(plotting.FORMATS)}, got {out}")
    return out


def write_picture(path: Path, figure: "plotting.Figure") -> None:
    """Write a figure, and make its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(path, figure)


def show_picture(path: Path, figure: "plotting.Figure") -> None:
    """Write a figure, and say where it is."""
    write_picture(path, figure)
    print(f"written: {path}")
