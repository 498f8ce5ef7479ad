"""Train the same network with mlp and with PyTorch on the same batches, and ask whether the two are equivalent.

    python scripts/equivalence.py vgg38_bn_rc_small            # 10,000 images, 10 epochs, five seeds on each side
    python scripts/equivalence.py vgg08_bn                     # all images, 20 epochs: some hours on one core
    python scripts/equivalence.py vgg08_bn --table             # only the table and figure of what is there

For each seed both sides start from the same weights and see the same images in the same order, with the same crops and
flips and the same learning rates: only the arithmetic differs. Even so, single runs drift apart after some hundred
steps, because rounding errors grow in a network that learns. The question is whether they differ by more than chance.

The answer is a confidence interval of the mean of the paired differences (mlp minus PyTorch, one pair per seed). With n
pairs, mean d and standard deviation s, it is d +- t s / sqrt(n); t is the 97.5 % point of Student's distribution with
n - 1 degrees of freedom. The two are called equivalent if the interval of the test accuracy lies within +-2 points and
that of the training loss within +-0.03. If an interval is too wide to show it, more seeds are needed.

Each run is a file in --out and is not repeated; an interrupted one starts again. Needs PyTorch and SciPy:
pip install -e ".[oracle]".
"""

if __name__ == "__main__":
    from mlp.commands.shared.begin import begin, start

    begin()

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp.commands.command_line import CommandLine
from mlp.commands.shared.begin import require
from mlp.commands.shared.flags import add_data_flag
from mlp.commands.shared.paths import folder_argument
from mlp.data import Batches
from mlp.engine import make_engine
from mlp.errors import MlpError
from mlp.experiments.build import load_images, make_batches, make_loss, make_model, make_rule, make_schedule
from mlp.experiments.config import RunConfig
from mlp.files import write_arrays, write_figure, write_text
from mlp.files.stored import read_arrays
from mlp.pages.markdown import markdown
from mlp.plotting.panels import draw_mean_and_band
from mlp.progress import progress_bar

SMALL: dict[str, Any] = {"residual": True, "filters": 8, "limit_train": 10_000, "epochs": 10}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "vgg08_bn": {"model": "vgg08", "norm": "batch", "epochs": 20},
    "vgg38_bn_rc_small": {"model": "vgg38", "norm": "batch", **SMALL},
    "vgg38_bn_rc_small_lr1e-2": {"model": "vgg38", "norm": "batch", "learning_rate": 1e-2, **SMALL},
}
SIDES = ("mlp", "torch")
MARGINS = {"train_loss": 0.03, "test_acc": 0.02}  # of differences between equivalent sides
MEASURES = ("train_loss", "test_loss", "test_acc")
WINDOW = 50  # steps over which the curves of the figure are averaged


@dataclass
class Task:
    """What both sides are given: the batches of a seed, the learning rates, and the settings of the network."""

    config: RunConfig
    train: Batches
    test: Batches
    image_shape: tuple[int, ...]
    num_classes: int

    def epochs(self, title: str) -> Iterator[Iterator[tuple[float, Any, Any]]]:
        """Yield for each epoch its steps: (learning rate, x, targets)."""
        schedule, steps = make_schedule(self.config, len(self.train)), len(self.train)
        for epoch in range(self.config.epochs):
            options = {"desc": f"{title}, epoch {epoch + 1}", "unit": "batch", "total": steps, "leave": False}
            batches = enumerate(progress_bar(self.train.epoch(epoch), **options), start=epoch * steps)
            yield ((schedule(step), x, targets) for step, (x, targets) in batches)


def make_task(name: str, seed: int, data_dir: str | None, epochs: int | None) -> Task:
    """Return the Task of a protocol and a seed."""
    settings = {**PROTOCOLS[name], "seed": seed, **({"epochs": epochs} if epochs else {})}
    config = RunConfig(**settings)
    train, valid, test = load_images(config, data_dir)
    train_batches, _, test_batches = make_batches(config, train, valid, test)
    return Task(config, train_batches, test_batches, train.images.shape[1:], train.num_classes)


def train_mlp(task: Task, threads: int) -> dict[str, Any]:
    """Train with mlp; return the loss of each step, and test loss and accuracy after each epoch."""
    model, rule = make_model(task.config, task.num_classes, task.image_shape), make_rule(task.config)
    engine = make_engine("cpu", threads)
    engine.bind(model, make_loss(task.config), rule)
    losses, tests = [], []
    for steps in task.epochs("mlp"):
        for rate, x, targets in steps:
            rule.learning_rate = rate
            losses.append(engine.train_step(x, targets))
        results = [(len(x), *engine.evaluate(x, targets)) for x, targets in task.test.epoch(0)]
        tests.append(np.average([row[1:] for row in results], axis=0, weights=[row[0] for row in results]))
    engine.close()
    return {"losses": np.array(losses), "tests": np.array(tests)}


def train_torch(task: Task, threads: int) -> dict[str, Any]:
    """Train with PyTorch, from the weights that mlp would start from; return what `train_mlp` does."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch_vgg import VGG, images_to_torch

    torch.set_num_threads(threads)
    config = task.config
    model = VGG(config.depth, config.norm, config.residual, task.num_classes, config.filters)
    model.load_from(make_model(config, task.num_classes, task.image_shape))
    rule = torch.optim.Adam(model.parameters(), config.learning_rate)
    losses, tests = [], []
    for steps in task.epochs("PyTorch"):
        model.train()
        for rate, x, targets in steps:
            rule.param_groups[0]["lr"] = rate
            rule.zero_grad()
            loss = cross_entropy(model(images_to_torch(x)), torch.tensor(targets))
            loss.backward()
            rule.step()
            losses.append(loss.item())
        model.eval()
        total = np.zeros(2)
        with torch.no_grad():
            for x, targets in task.test.epoch(0):
                logits, right = model(images_to_torch(x)), torch.tensor(targets)
                loss_sum = cross_entropy(logits, right, reduction="sum").item()
                total += (loss_sum, (logits.argmax(1) == right).sum().item())
        tests.append(total / task.test.num_images)
    return {"losses": np.array(losses), "tests": np.array(tests)}


def read_runs(folder: Path) -> dict[int, dict[str, dict[str, Any]]]:
    """Return {seed: {side: arrays}} for the seeds that both sides have run, in increasing order."""
    seeds = sorted(int(path.stem[4:].partition("_")[0]) for path in folder.glob("seed*_mlp.npz"))
    seeds = [seed for seed in seeds if (folder / f"seed{seed}_torch.npz").exists()]
    return {seed: {side: read_arrays(folder / f"seed{seed}_{side}.npz") for side in SIDES} for seed in seeds}


def final_numbers(run: dict[str, Any]) -> dict[str, float]:
    """Return training loss (the mean of the last epoch's steps), test loss and test accuracy at the end."""
    steps = len(run["losses"]) // len(run["tests"])
    test_loss, test_acc = map(float, run["tests"][-1])
    return {"train_loss": float(run["losses"][-steps:].mean()), "test_loss": test_loss, "test_acc": test_acc}


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Return (mean, lower end, upper end) of the 95 % t interval of paired differences, infinite for one pair."""
    from scipy.stats import t

    n, mean = len(differences), float(differences.mean())
    half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf
    return mean, mean - half, mean + half


def report(pairs: dict[int, dict[str, dict[str, Any]]]) -> str:
    """Return the table of all pairs, the intervals and the verdict, as Markdown."""
    numbers = {seed: {side: final_numbers(run) for side, run in sides.items()} for seed, sides in pairs.items()}
    header = ["seed", *(f"{measure} {side}" for measure in MEASURES for side in SIDES)]
    rows = [
        [str(seed), *(f"{sides[side][measure]:.4f}" for measure in MEASURES for side in SIDES)]
        for seed, sides in numbers.items()
    ]
    lines, inside = [], []
    for measure in MEASURES:
        differences = np.array([sides["mlp"][measure] - sides["torch"][measure] for sides in numbers.values()])
        mean, low, high = interval(differences)
        margin = MARGINS.get(measure)
        if margin is not None:
            inside.append(-margin < low and high < margin)
        shown = "-" if margin is None else f"within +-{margin:g}: {'yes' if inside[-1] else 'no'}"
        lines.append([measure, f"{mean:+.4f}", f"{low:+.4f} .. {high:+.4f}", shown])
    verdict = "equivalent" if all(inside) else "not shown to be equivalent"
    intervals = markdown(["mlp - PyTorch", "mean", "95 % interval", "margin"], lines)
    return f"{markdown(header, rows)}\n\n{intervals}\n\nVerdict over {len(pairs)} seeds: {verdict}.\n"


def draw(pairs: dict[int, dict[str, dict[str, Any]]], title: str) -> Figure:
    """Training loss over the steps and test accuracy over the epochs: mean over the seeds, and standard deviation."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, side, label in zip(("C0", "C1"), SIDES, ("mlp", "PyTorch"), strict=True):
        losses = np.stack([run[side]["losses"] for run in pairs.values()])  # (seeds, steps)
        steps = losses.shape[1] // WINDOW * WINDOW
        smooth = losses[:, :steps].reshape(len(losses), -1, WINDOW).mean(axis=2)
        dashes = {"linestyle": "-" if side == "mlp" else "--", "marker": None}
        draw_mean_and_band(left, WINDOW * (0.5 + np.arange(smooth.shape[1])), smooth, color, label, **dashes)
        accuracies = np.stack([run[side]["tests"][:, 1] for run in pairs.values()])
        draw_mean_and_band(right, 1 + np.arange(accuracies.shape[1]), accuracies, color, label, **dashes)
    left.set(xlabel="step", ylabel=f"training loss (nats), mean of {WINDOW} steps", title=title)
    right.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    right.set(xlabel="epoch", ylabel="test accuracy", title=f"mean and standard deviation over {len(pairs)} seeds")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def main() -> int:
    """Run what is missing, then print the table and draw the figure."""
    parser = CommandLine(__doc__)
    parser.add_argument("protocol", choices=PROTOCOLS, help="what is trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="N", help="default: 0 1 2 3 4")
    parser.add_argument("--epochs", type=int, metavar="N", help="fewer epochs, for a quick try (the schedule, too)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each side (default: 1)")
    add_data_flag(parser, "folder with CIFAR-100")
    parser.add_argument(
        "--out", type=folder_argument, default="runs/equivalence", help="folder (default: runs/equivalence)"
    )
    parser.add_argument("--table", action="store_true", help="run nothing, only show the runs that exist")
    options = parser.parse_args()
    require("oracle", "scipy", *(() if options.table else ("torch",)))
    folder = options.out / options.protocol
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for seed in () if options.table else options.seeds:
            for side, train in zip(SIDES, (train_mlp, train_torch), strict=True):
                path = folder / f"seed{seed}_{side}.npz"
                if not path.exists():
                    task = make_task(options.protocol, seed, options.data_dir, options.epochs)
                    write_arrays(path, train(task, options.threads))
                    print(f"{path}: {final_numbers(read_arrays(path))}", flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted: repeat the command; finished runs are kept", file=sys.stderr)
        return 130
    pairs = read_runs(folder)
    if not pairs:
        raise MlpError(f"{folder} has no seed that both sides have run")
    text = report(pairs)
    write_text(folder / "equivalence.md", text)
    write_figure(folder / "equivalence.png", draw(pairs, options.protocol))
    print(text)
    return 0


if __name__ == "__main__":
    start(main)
