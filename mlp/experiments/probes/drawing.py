"""Figures and tables of landscapes, made from their files: of one, or of several on shared levels."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from mlp import plotting
from mlp.diagnostics.landscape import Landscape
from mlp.typing import Array

Stored = Mapping[str, Array]  # what `read_landscape` returns

CAPTIONS = {
    "running": "running statistics of batch norm, which do not follow the weights",
    "batch": "batch norm with the statistics of these images, as in training",
}


def landscape_of(stored: Stored) -> Landscape:
    """Return the Landscape that a file holds, without its directions."""
    found = Landscape(stored["x"], stored["y"])
    found.loss, found.accuracy, found.visited = stored["loss"], stored["accuracy"], stored["visited"]
    return found


def draw_landscapes(files: Mapping[str, Stored], what: str = "") -> "plotting.Figure":
    """Draw landscapes of one kind: contours of planes and paths, or lines over one another.

    Args:
        files: {label: what `read_landscape` returns}; incomplete grids are drawn as far as they got.
        what: the line of the title above the caption.
    """
    first = next(iter(files.values()))
    settings = json.loads(str(first["settings"]))
    title = "\n".join(filter(None, (what, caption(settings))))
    if settings["kind"] in ("line", "between"):
        return draw_lines(files, title, settings)
    surfaces = {label: landscape_of(stored).rough() for label, stored in files.items()}
    if settings["kind"] == "plane":
        return plotting.contour_panels(surfaces, title)
    shares = [f"{100 * share:.0f} %" for share in first["explained"]]
    labels = [f"principal direction {k + 1}, {share} of the path's spread" for k, share in enumerate(shares)]
    if len(files) > 1:
        labels = ["first principal direction", "second principal direction"]
    paths = {label: stored["path"] for label, stored in files.items()}
    return plotting.contour_panels(surfaces, title, paths=paths, axis_labels=labels)


def draw_lines(files: Mapping[str, Stored], title: str, settings: Mapping[str, object]) -> "plotting.Figure":
    """Draw losses along lines, as far as they were visited."""
    curves = {}
    for label, stored in files.items():
        there = stored["visited"][0]
        curves[label] = (stored["x"][there], stored["loss"][0][there], stored["accuracy"][0][there])
    if settings["kind"] == "line":
        return plotting.loss_lines(curves, title)
    marks = {0.0: "this network", 1.0: "the other"}
    return plotting.loss_lines(curves, title, "t of w + t (w' - w)", marks)


def caption(settings: Mapping[str, object]) -> str:
    """Return the line under the title: which directions, images and statistics the numbers belong to."""
    directions = {"plane": "filter-normalized directions", "line": "a filter-normalized direction"}
    what = directions.get(str(settings["kind"]), "")
    where = f"{what}, seed {settings['seed']}; " if what else ""
    split = {"train": "training", "valid": "validation"}[str(settings["split"])]
    return f"{where}{settings['images']} {split} images; {CAPTIONS[str(settings['statistics'])]}"


def summary_rows(files: Mapping[str, Stored]) -> list[list[str]]:
    """Return a table with a row for each landscape of one kind; the first row is the header."""
    if any("path" in stored for stored in files.values()):
        return path_rows(files)
    rows = [["run", "loss here", "accuracy here", "largest loss", "half-width", "cosine of x and y"]]
    for label, stored in files.items():
        found = landscape_of(stored)
        width, cosine, centre = found.half_width, float(stored.get("direction_cosine", np.nan)), found.centre
        visited = not np.isnan(centre)  # the grid need not have a point at the network itself
        rows.append(
            [
                label,
                f"{centre:.4f}" if visited else "-",
                f"{found.centre_accuracy:.1%}" if visited else "-",
                f"{np.max(found.loss):.4g}",
                f"{width:.3f}" if np.isfinite(width) else f"beyond {found.x.max():g}" if visited else "-",
                "-" if np.isnan(cosine) else f"{cosine:+.1e}",
            ]
        )
    return rows


def path_rows(files: Mapping[str, Stored]) -> list[list[str]]:
    """Return the table for planes of training paths; the grid need not have a point where the path ends."""
    rows = [["run", "smallest loss", "largest loss", "spread of the path in the plane"]]
    for label, stored in files.items():
        loss = stored["loss"]
        rows.append([label, f"{np.min(loss):.4f}", f"{np.max(loss):.4g}", f"{np.sum(stored['explained']):.1%}"])
    return rows


def width_text(widths: Sequence[float], farthest: float) -> str:
    """Return mean and standard deviation of half-widths as text, or how many of them lie beyond the line."""
    reached = [width for width in widths if np.isfinite(width)]
    if len(reached) < len(widths):
        return f"beyond {farthest:g} for {len(widths) - len(reached)} of {len(widths)} directions"
    spread = np.std(reached, ddof=1) if len(reached) > 1 else float("nan")
    return f"{np.mean(reached):.3f} ± {spread:.3f} over {len(reached)} directions"
