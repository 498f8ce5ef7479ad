"""Measure how similar the gradients of different images are at each unit of a network: are they shattered?

    python scripts/gradient_correlation.py                                    untrained networks of the reports
    python scripts/gradient_correlation.py --initializer he --depths 8 14 20 26 32 38
    python scripts/gradient_correlation.py runs/vgg08 runs/vgg08_bn           trained runs
    python scripts/gradient_correlation.py --dense                            dense networks against the laws

Writes profile.png (cosine and size of the gradients from image to head), depth.png (cosine at the image against the
depth) and correlation.npz into --out; with --dense also laws.png and circle.png. A cosine of 1 means the same gradient
for all images, a cosine of 0 that the gradients have nothing in common.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mlp.checks import choose, within
from mlp.commands.command_line import CommandLine, mention_left_out
from mlp.commands.shared.flags import (
    add_checkpoint_flag,
    add_data_flag,
    add_runs_argument,
    add_trust_flag,
    braced,
    named_runs,
)
from mlp.commands.shared.paths import folder_argument, require_no_other_files
from mlp.commands.shared.pictures import show_picture
from mlp.diagnostics.shattering import Profile, gradient_correlation
from mlp.errors import each_of
from mlp.experiments.build import idle_settings
from mlp.experiments.config import RunConfig
from mlp.experiments.probes.gradient_correlation import (
    INITIALIZERS,
    NETS,
    dense_arrays,
    draw_circle,
    draw_dense,
    draw_depths,
    draw_profiles,
    measure_dense,
    profile_at_start,
)
from mlp.experiments.probes.images import label_of, probed_run
from mlp.experiments.settings.naming import named_apart
from mlp.files import write_arrays
from mlp.pages.markdown import aligned
from mlp.progress import announced_bar
from mlp.typing import PathLike

WRITTEN = ("profile.png", "depth.png", "correlation.npz", "dense.npz", "laws.png", "circle.png")
MOST_NETS = 10_000
MOST_IMAGES = 10_000  # a cosine for each pair: 50 million
HEADER = ["network", "units", "cosine at the image", "± over pairs", "mean |g| at the image", "largest cosine below"]
FIRST_WEIGHTS = {"default": "PyTorch's default", "he": "He's"}  # as figures say it


def main() -> int:
    parser = CommandLine(__doc__)
    add = parser.add_argument
    add_trust_flag(parser)
    add_runs_argument(parser, "*", "measure this instead of untrained networks: the folder of a run")
    add("--images", type=int, default=64, metavar="N", help="use the first N training images (default: 64)")
    add("--depths", type=int, nargs="+", default=[8, 38], metavar="N", help="depths of vgg (default: 8 38)")
    text = "initial weights of the convolutions: PyTorch's default, or He's (default: default)"
    add("--initializer", default="default", metavar=braced(INITIALIZERS), help=text)
    add("--seed", type=int, default=0, metavar="N", help="seed of weights and projection (default: 0)")
    add("--dense", action="store_true", help="also measure the dense networks of the theory (a minute or two)")
    add("--nets", type=int, default=40, metavar="N", help="with --dense: how many of each kind (default: 40)")
    add_checkpoint_flag(parser)
    folder = "runs/gradient_correlation"
    add("--out", type=folder_argument, default=folder, metavar="DIR", help=f"where to write (default: {folder})")
    add_data_flag(parser)
    arguments = parser.parse_args()
    within("--images", arguments.images, 2, MOST_IMAGES)
    within("--nets", arguments.nets, 1, MOST_NETS)
    arguments.runs = named_runs(arguments.runs)
    choose("--initializer", arguments.initializer, INITIALIZERS)
    require_no_other_files(arguments.out, WRITTEN)
    found, problems = of_runs(arguments) if arguments.runs else (at_start(arguments), [])
    if not found:
        return mention_left_out(problems)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(found, arguments.out, arguments)
    if arguments.dense:
        write_dense(arguments.out, arguments.nets)
    return mention_left_out(problems)


def of_runs(arguments: Any) -> tuple[dict[tuple[str, int], Profile], list[Exception]]:
    """Return the profiles of runs, by (label, 0): not every model has a depth; and the errors of the other runs."""
    options = {name: getattr(arguments, name) for name in ("checkpoint", "data_dir", "trust_code")}

    def measure(run: PathLike) -> tuple[str, Profile]:
        _, model, (x, _) = probed_run(run, arguments.images, **options)
        model, x = model.astype(np.float64), x.astype(np.float64)
        profile = gradient_correlation(model, x, arguments.seed)
        bar.update()
        return label_of(run), profile

    with announced_bar(total=len(arguments.runs), desc="gradients of runs", unit="run") as bar:
        found, problems = each_of(arguments.runs, measure)
    return {(label, 0): profile for label, profile in named_apart(found).items()}, problems


def at_start(arguments: Any) -> dict[tuple[str, int], Profile]:
    """Return the profiles of untrained networks, by (name, depth)."""
    chosen = [(name, depth) for depth in sorted(set(arguments.depths)) for name in NETS]
    found = {}
    for name, depth in announced_bar(chosen, desc="untrained networks", unit="network"):
        settings = {"model": f"vgg{depth:02d}", "seed": arguments.seed, **NETS[name]}
        if idle := idle_settings(RunConfig(**settings)):
            print(f"VGG{depth:02d} {name} left out: {idle[0]}")
            continue
        found[name, depth] = profile_at_start(settings, arguments.images, arguments.initializer, arguments.data_dir)
    return found


def write(found: dict[tuple[str, int], Profile], out: Path, arguments: Any) -> None:
    """Write table, arrays and figures."""
    rows = [HEADER]
    arrays = {"images": np.array(arguments.images), "seed": np.array(arguments.seed)}
    arrays["initializer"] = np.array(arguments.initializer)
    labels = {(name, depth): name if arguments.runs else f"VGG{depth:02d} {name}" for name, depth in found}
    for key, p in found.items():
        cosine = f"{p.cosine[0]:.4f}" if abs(p.cosine[0]) > p.floor else f"{p.cosine[0]:.4f}, no different from 0"
        inner = p.names[int(np.argmax(p.cosine[:-1]))]
        largest = f"{p.cosine[:-1].max():.3f} at {inner}"
        rows.append([labels[key], str(len(p.names)), cosine, f"{p.spread[0]:.3f}", f"{p.size[0]:.2e}", largest])
        arrays |= {f"{labels[key]}/{column}": values for column, values in p.arrays().items()}
    print(aligned(rows, "<>>>>>"))
    write_arrays(out / "correlation.npz", arrays)
    print(f"written: {out / 'correlation.npz'}")
    deepest = max(depth for _, depth in found)
    shown = {labels[name, d]: p for (name, d), p in found.items() if arguments.runs or d == deepest}
    start = "" if arguments.runs else f"First weights, {FIRST_WEIGHTS[arguments.initializer]}"
    show_picture(out / "profile.png", draw_profiles(shown, start))
    if not arguments.runs and len(set(arguments.depths)) > 1:
        show_picture(out / "depth.png", draw_depths(found, f"{start}, {arguments.images} images"))


def write_dense(out: Path, nets: int) -> None:
    """Measure the dense networks of the theory; write the figures of the laws and of the great circle."""
    measured = measure_dense(nets)
    write_arrays(out / "dense.npz", dense_arrays(measured))
    print(f"written: {out / 'dense.npz'}")
    show_picture(out / "laws.png", draw_dense(measured))
    show_picture(out / "circle.png", draw_circle())
