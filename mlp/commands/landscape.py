"""Draw the loss around the network of a run: in a plane of two random directions, along a line, or along its path.

    python scripts/landscape.py runs/vgg08 runs/vgg08_bn                  contours: one picture per run, and one of all
    python scripts/landscape.py runs/vgg08 --line --points 51             along one direction only
    python scripts/landscape.py runs/vgg08_bn --statistics batch          batch norm as it works in training
    python scripts/landscape.py runs/vgg08 --between runs/vgg08_seed1     along the straight line to another network
    python scripts/landscape.py runs/vgg08 --trajectory                   the path of a run with --keep-weights

Writes RUN/landscape.npz and RUN/landscape.png (and landscape_surface.png). A rough picture appears early and becomes
finer. You can interrupt it at any time; the same command continues it. Use --name to keep several landscapes of a run.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

from mlp import plotting
from mlp.checks import within
from mlp.commands.command_line import CommandLine, mention_left_out, repeated_command
from mlp.commands.shared.flags import (
    add_checkpoint_flag,
    add_data_flag,
    add_device_flag,
    add_runs_argument,
    add_trust_flag,
    braced,
    named_runs,
    number_argument,
)
from mlp.commands.shared.paths import folder_argument, path_argument, require_no_other_files, usual_path
from mlp.commands.shared.pictures import show_picture
from mlp.diagnostics.landscape import STATISTICS
from mlp.errors import ConfigurationError, each_of
from mlp.experiments.probes.drawing import draw_landscapes, landscape_of, summary_rows, width_text
from mlp.experiments.probes.images import PROBE_SPLITS, label_of
from mlp.experiments.probes.landscape import compute
from mlp.experiments.probes.places import LandscapeSettings
from mlp.experiments.probes.stored import read_landscape
from mlp.experiments.settings.naming import named_apart
from mlp.files import write_figure
from mlp.pages.markdown import aligned
from mlp.typing import PathLike

OUTLIVES_READER = True
MOST_WIDTHS = 1000  # directions of --widths
POINTS = {"between": 101}  # on an axis, by kind; 25 for the others


def main() -> int:
    arguments = parse()
    settings, runs = settings_of(arguments), named_runs(arguments.runs)
    if len(runs) > 1:
        arguments.out = arguments.out or usual_path(folder_argument, "runs/landscape")
        require_no_other_files(arguments.out, [f"{arguments.name}.png"])
    later = dict(zip(runs, reversed(range(len(runs))), strict=True))  # how many runs come after each
    found, problems = each_of(runs, lambda run: (label_of(run), one_run(run, settings, arguments, later[run])))
    together(named_apart(found), arguments)
    return mention_left_out(problems)


def after_interrupt() -> str:
    return f"to continue where it stopped, {repeated_command()}"


def parse() -> Any:
    """Return the parsed arguments."""
    parser = CommandLine(__doc__)
    add = parser.add_argument
    add_trust_flag(parser)
    add_runs_argument(parser, text="the folder of a run with a checkpoint")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--line", action="store_true", help="draw along one direction only: the line y = 0 of the plane")
    text = "draw along the line from RUN (at 0) to this network (at 1)"
    kind.add_argument("--between", type=path_argument, metavar="RUN", help=text)
    text = "draw in the plane of the path of a run with --keep-weights"
    kind.add_argument("--trajectory", action="store_true", help=text)
    add("--points", type=int, metavar="N", help="points on each axis, an odd number (default: 25; with --between 101)")
    add("--images", type=int, default=1000, metavar="N", help="use the first N images (default: 1000)")
    text = "ends of both axes (default: -1 1; with --between -0.5 1.5)"
    add("--range", type=number_argument, nargs=2, metavar=("LOW", "HIGH"), help=text)
    add("--seed", type=int, default=0, metavar="N", help="seed of the directions (default: 0)")
    text = "what batch norm uses: its running statistics, or those of the batch (default: running)"
    add("--statistics", default="running", metavar=braced(STATISTICS), help=text)
    add_checkpoint_flag(parser)
    add("--split", default="train", metavar=braced(PROBE_SPLITS), help="which images (default: train)")
    text = "also measure half-widths along N directions, with their standard deviation"
    add("--widths", type=int, default=0, metavar="N", help=text)
    add("--name", default="landscape", help="name of the files in the run's folder (default: landscape)")
    text = "folder for the picture of several runs (default: runs/landscape)"
    add("--out", type=folder_argument, metavar="DIR", help=text)
    add("--jobs", type=int, default=1, metavar="N", help="processes that share the points (default: 1)")
    text = "threads of the cpu engine in each process (default: its share of the cores)"
    add("--threads", type=int, metavar="N", help=text)
    add_data_flag(parser)
    add_device_flag(parser)
    return parser.parse_args()


def settings_of(arguments: Any) -> LandscapeSettings:
    """Return the settings that the command line asks for."""
    within("--widths", arguments.widths, 0, MOST_WIDTHS)
    kind = next((name for name in ("line", "between", "trajectory") if getattr(arguments, name)), "plane")
    if not re.fullmatch(r"\w[^/\\\n]*", arguments.name):
        raise ConfigurationError(f"--name must be a name, not a path: got {arguments.name!r}")
    points = POINTS.get(kind, 25) if arguments.points is None else arguments.points
    limits = tuple(arguments.range or ((-0.5, 1.5) if kind == "between" else (-1.0, 1.0)))
    others = {name: getattr(arguments, name) for name in ("images", "split", "statistics", "seed", "checkpoint")}
    return LandscapeSettings(kind, points, limits, other=arguments.between or "", **others)


def table_of(files: dict[str, Any]) -> str:
    """Return the numbers of landscapes as a table, aligned."""
    rows = summary_rows(files)
    return aligned(rows, "<" + ">" * (len(rows[0]) - 1))


def one_run(run: PathLike, settings: LandscapeSettings, arguments: Any, later: int) -> Any:
    """Compute and draw the landscape of a run; return what its file holds. `later` runs come after it."""
    folder, drawn = Path(run), 0
    if folder.is_dir():
        usual_path(folder_argument, str(folder), "a landscape is kept in the folder of its run, so copy that first")
    options = {name: getattr(arguments, name) for name in ("threads", "data_dir", "device", "trust_code")}
    for place in compute(run, settings, arguments.name, arguments.jobs, later=later, **options):
        finest = place.found.visited.sum() if settings.kind != "plane" else len(place.found.rough()[0])
        if finest > drawn or place.found.visited.all():
            drawn = finest
            stored = {label_of(run): read_landscape(folder / f"{arguments.name}.npz")}
            write_figure(folder / f"{arguments.name}.png", draw_landscapes(stored))
    print(table_of(stored))  # the last one, with all points
    if settings.kind == "plane":
        surfaces = {label: landscape_of(found).rough() for label, found in stored.items()}
        write_figure(folder / f"{arguments.name}_surface.png", plotting.surface_panels(surfaces))
    if arguments.widths:
        print(f"half-width: {widths(run, settings, arguments, options)}")
    print(f"written: {folder / arguments.name}.npz, .png")
    return stored[label_of(run)]


def widths(run: PathLike, settings: LandscapeSettings, arguments: Any, options: Any) -> str:
    """Return mean and standard deviation of the half-width along directions, as text; each line has its own file."""
    found = []
    for seed in range(settings.seed, settings.seed + arguments.widths):
        line, name = dataclasses.replace(settings, kind="line", seed=seed), f"{arguments.name}_line_seed-{seed}"
        for place in compute(run, line, name, arguments.jobs, **options):
            last = place
        found.append(last.found.half_width)
    return width_text(found, settings.limits[1])


def together(files: dict[str, Any], arguments: Any) -> None:
    """Draw several runs on shared levels, and print their table."""
    if len(files) < 2:
        return
    print(table_of(files))
    show_picture(arguments.out / f"{arguments.name}.png", draw_landscapes(files))
