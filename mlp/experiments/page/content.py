"""The content of the page of a run: plain values for the template `run.html`."""

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp.experiments.build import run_title
from mlp.experiments.config import RunConfig
from mlp.experiments.page.hardest import HardImage
from mlp.experiments.resume import what_spans_all
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.differences import shown_value
from mlp.experiments.settings.facts import Facts
from mlp.experiments.settings.fields import flag_of
from mlp.pages import line_chart
from mlp.pages.layer_charts import LayerChart, Statistic
from mlp.training.history import History, spreads_widely
from mlp.training.layer_table import LayerTable

if TYPE_CHECKING:
    from markupsafe import Markup

# table -> title, what its columns are, [(name for people, statistic, whether its axis is logarithmic)]
TABLES: dict[str, tuple[str, str, list[tuple[str, str, bool]]]] = {
    "gradient_flow": (
        "Gradient flow",
        "weight tensors",
        [("mean |gradient|", "mean_abs", True), ("L2 norm", "l2", True), ("largest |gradient|", "max_abs", True)],
    ),
    "gradient_signal": ("Gradient that arrives at each layer", "layers", [("mean |dL/dy|", "mean_abs", True)]),
    "activations": (
        "Outputs of each layer",
        "layers",
        [("standard deviation", "std", True), ("fraction of dead units", "dead", False)],
    ),
    "batch_norm": (
        "Batch norm",
        "batch norms",
        [("gamma, mean over the channels", "gamma", False), ("variance of the inputs", "batch_var", True)],
    ),
    "update_ratio": (
        "How far the last step of an epoch moved the weights",
        "weight tensors",
        [("|change| / |weights|", "update_ratio", True)],
    ),
    "companions": ("Companions", "companions", [("loss", "loss", False), ("accuracy", "accuracy", False)]),
}


CURVE = (390, 235)  # pixels of a picture: three stand beside each other on a usual screen


@dataclasses.dataclass(frozen=True)
class RunReport:
    """A run, as far as it got.

    Attributes:
        folder: where it is; the page shows its name, and commands with its path. history: with all tables of the run.
        test: what test.json holds; {} before the end. hardest: test images that the model finds hard.
        of_images: how many test images were looked at. If `hardest` is empty, the model is no better than guessing.
    """

    folder: RunFolder
    config: RunConfig
    facts: Facts
    history: History
    test: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hardest: Sequence[HardImage] = ()
    of_images: int = 0

    @property
    def title(self) -> str:
        """What the run is, and its folder."""
        return f"{run_title(self.config)} ({self.folder.path.resolve().name})"

    @property
    def state(self) -> str:
        """How far it got, in a sentence."""
        done, all_epochs = len(self.history.rows), self.config.epochs
        if self.test:
            how = "Finished" if done >= all_epochs else f"Ended early, after epoch {done} of {all_epochs}"
            best = self.test.get("best_epoch")
            weights = f", with the weights of epoch {best}" if best else ""
            numbers = f"loss {self.test['test_loss']:.3f}, accuracy {self.test['test_acc']:.2%}"
            return f"{how}. On the test images: {numbers}{weights}."
        return f"After epoch {done} of {all_epochs}. Load the page again to see newer epochs."

    def numbers(self) -> list[tuple[str, str]]:
        """Return the numbers at the top: (name, value)."""
        rows, best = self.history.rows, self.history.best_epoch
        found = [("epochs", f"{len(rows)} of {self.config.epochs}")]
        if best:
            found.append(("best validation accuracy", f"{rows[best - 1]['val_acc']:.2%} in epoch {best}"))
        for name, part in (("last training loss, accuracy", "train"), ("last validation loss, accuracy", "val")):
            if rows and not math.isnan(rows[-1][f"{part}_loss"]):
                found.append((name, f"{rows[-1][f'{part}_loss']:.3f}, {rows[-1][f'{part}_acc']:.2%}"))
        if self.facts.parameters:
            found.append(("parameters", f"{self.facts.parameters:,}"))
        if self.facts.num_images:
            found.append(("training, validation images", "{:,}, {:,}".format(*self.facts.num_images)))
        if self.facts.class_names and self.facts.image_shape:
            shape = " x ".join(map(str, self.facts.image_shape))
            found.append(("classes, image", f"{len(self.facts.class_names)}, {shape}"))
        if rows and "seconds" in rows[-1]:
            seconds = float(np.median(self.history.column("seconds")))
            found.append(("training takes", f"{seconds:.3g} s an epoch, without validation"))
        return found

    def curves(self) -> list["Markup"]:
        """Return loss, accuracy and learning rate over the epochs as pictures."""
        epochs = self.history.column("epoch").tolist()

        def rows(name: str) -> list[tuple[float, float]]:
            return list(zip(epochs, self.history.shown(name).tolist(), strict=True))

        def both(metric: str) -> dict[str, list[tuple[float, float]]]:
            lines = {"training": rows(f"train_{metric}"), "validation": rows(f"val_{metric}")}
            return {name: line for name, line in lines.items() if not all(math.isnan(y) for _, y in line)}

        rates, losses = {"": rows("learning_rate")}, both("loss")
        log = spreads_widely(y for line in losses.values() for _, y in line)
        return [
            line_chart(losses, "epoch", "loss (nats)", size=CURVE, log=log),
            line_chart(both("acc"), "epoch", "accuracy (%)", size=CURVE),
            line_chart(rates, "epoch", "learning rate", log=True, size=CURVE),
        ]

    def layer_charts(self) -> list[LayerChart]:
        """Return the charts of the tables that the run has."""
        return [chart for name in TABLES if (chart := layer_chart(name, self.history.tables.get(name))) is not None]

    def settings(self) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
        """Return the settings that differ from the defaults, (flag, value, default), and the others, (flag, value)."""
        defaults, changed, usual = RunConfig(), [], []
        for f in dataclasses.fields(RunConfig):
            value, default = getattr(self.config, f.name), getattr(defaults, f.name)
            if value != default:
                changed.append((flag_of(f.name), shown_value(value), shown_value(default)))
            else:
                usual.append((flag_of(f.name), shown_value(value)))
        return changed, usual

    def flags_of_longer(self) -> str:
        """Return the flags with which a finished run trains further: more epochs, or more patience."""
        if self.config.early_stop is not None and len(self.history.rows) < self.config.epochs:
            return f" --early-stop {2 * self.config.early_stop}"
        return f" --epochs {2 * self.config.epochs}" + " --stretch-schedule" * bool(what_spans_all(self.config))

    def commands(self) -> list[tuple[str, str]]:
        """Return what can be done with the run: (purpose, command)."""
        path, trust = shlex.quote(str(self.folder.path)), " --trust-code" if self.config.own_model else ""
        found = []
        if self.folder.latest.exists():
            more = self.flags_of_longer() if self.test else ""
            more += " --log " + " ".join(self.folder.logs) if self.folder.logs else ""
            for_what = "train further than the end" if self.test else "continue"
            found.append((for_what, f"mlp train --resume{more} --out {path}{trust}"))
        if self.folder.best.exists() or (self.folder / "weights-best.safetensors").exists():
            found.append(("evaluate, class by class", f"mlp evaluate {path}{trust}"))
            found.append(("what it sees in your picture", f"mlp predict {path} picture.png{trust}"))
            python = f"loaded = mlp.load_run({str(self.folder.path)!r}{', trust_code=True' * bool(trust)})"
            found.append(("use it in Python", python))
        return [*found, ("compare with another run", f"mlp compare {path} OTHER_RUN")]


def layer_chart(name: str, table: LayerTable | None) -> LayerChart | None:
    """Return the chart of a table; None if there is none, or nothing in it."""
    if table is None or len(table) == 0 or not table.names:
        return None
    title, what, columns = TABLES[name]
    shown = [Statistic(label, table[key], log) for label, key, log in columns if key in table.values]
    return LayerChart.of(title, what, table.names, shown) if shown else None
