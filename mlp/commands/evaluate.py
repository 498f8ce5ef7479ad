"""Evaluate the model of a run: loss, accuracy, the hardest and easiest classes, and what they are mistaken for.

    python scripts/evaluate.py runs/vgg38
    python scripts/evaluate.py runs/vgg38 --split valid --checkpoint latest

The picture is a confusion matrix: a row for each true class, a column for each answer of the model.
"""

from pathlib import Path
from typing import Any

from mlp import plotting
from mlp.checks import at_least, choose
from mlp.commands.command_line import CommandLine
from mlp.commands.shared.flags import add_checkpoint_flag, add_data_flag, add_device_flag, add_trust_flag, braced
from mlp.commands.shared.paths import file_argument, path_argument
from mlp.commands.shared.pictures import picture_path, write_picture
from mlp.data import SCENES
from mlp.experiments.inference import SPLITS, evaluate_run
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.scene import scores
from mlp.pages.markdown import aligned


def main() -> int:
    parser = CommandLine(__doc__)
    parser.add_argument("run", metavar="RUN", type=path_argument, help="the folder of a run")
    parser.add_argument("--split", default="test", metavar=braced(SPLITS), help="which images (default: test)")
    add_checkpoint_flag(parser)
    add_data_flag(parser)
    add_trust_flag(parser)
    add_device_flag(parser)
    text = "how many worst and best classes to show (default: 5 each)"
    parser.add_argument("--classes", type=int, default=5, metavar="N", help=text)
    text = "where to draw the confusion matrix (default: RUN/confusion_SPLIT.png)"
    parser.add_argument("--out", type=file_argument, help=text)
    arguments = parser.parse_args()
    shown_classes = at_least("--classes", arguments.classes, 0)
    out = picture_path(arguments.out, arguments.run, f"confusion_{choose('--split', arguments.split, SPLITS)}.png")
    run = RunFolder(arguments.run)
    options = {name: getattr(arguments, name) for name in ("split", "checkpoint", "data_dir", "device", "trust_code")}
    evaluation = evaluate_run(arguments.run, **options)
    run.mention_changed_code()

    images = f"{len(evaluation.targets):,} images of {arguments.split}, means over images"
    print(f"{arguments.run}, {arguments.checkpoint} weights, {images}:")
    rows = [("loss", f"{evaluation.loss:.4f}"), ("accuracy", f"{evaluation.top(1):.2%}")]
    if len(evaluation.class_names) > 5:
        rows.append(("among the first five", f"{evaluation.top(5):.2%}"))
    if run.load()[0].dataset in SCENES:
        found = scores(evaluation.confusion())
        rows += [("average accuracy", f"{found['average_accuracy']:.2%}"), ("kappa", f"{found['kappa']:.4f}")]
    print(aligned(rows, "<>"), end="\n\n")

    classes, n = evaluation.classes(), shown_classes
    shown = classes if len(classes) <= 2 * n else [*classes[:n], None, *classes[len(classes) - n :]]
    header = ("class", "images", "accuracy", "most often taken for", "")
    print(aligned([header, *map(class_row, shown)], "<>><>"))
    right = f"{evaluation.top(1):.1%} of {len(evaluation.targets):,} right"
    title = f"{Path(arguments.run).name}, {arguments.split}: {right}"
    write_picture(out, plotting.confusion_matrix(evaluation.confusion(), evaluation.class_names, title))
    print(f"\nconfusion matrix: {out}")
    return 0


def class_row(row: tuple[Any, ...] | None) -> tuple[str, ...]:
    """Return the cells of a class; dots for those between the worst and the best."""
    if row is None:
        return ("...", "", "", "", "")
    name, images, accuracy, mistake, times = row
    return (name, f"{images:,}", f"{accuracy:.1%}", mistake, f"{times} times" if times else "")
