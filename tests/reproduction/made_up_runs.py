"""Run folders that nobody ran: every run of the reports with numbers made up from its settings, written in a moment.

The numbers have the shape of real ones: plain VGG38 stays at chance with vanishing gradients, others fall towards a
loss, noisily, validation above training. They test tables, figures and pages, and mean nothing.
"""

import functools
import json
import math
import zlib

import numpy as np

from mlp.diagnostics.shattering import Profile
from mlp.diagnostics.smoothness import CovariateShift, SmoothnessRecord
from mlp.diagnostics.smoothness.record import COLUMNS
from mlp.experiments.build import make_model
from mlp.experiments.config import VGG_SETTINGS, RunConfig
from mlp.experiments.probes.gradient_correlation import LAWS, NETS
from mlp.experiments.record import KNOWN_CLASSES
from mlp.reproduction.plan import plan_runs
from mlp.reproduction.probes.found import correlation_file, write_profiles
from mlp.reproduction.scale import FULL

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc")


def make_up_runs(root, rows, scale=FULL, seeds=None, dataset="cifar100", epochs=None):
    """Write the folder of each run that rows need; return the list of the folders.

    Args:
        epochs: how far the runs got; None for all their epochs.
    """
    folders = []
    for planned in plan_runs(rows, scale, seeds, dataset):
        folder = root / scale.name / planned.name
        folder.mkdir(parents=True)
        write_run(folder, RunConfig(**planned.settings), epochs)
        probes = {probe for row in rows if row.id in planned.wanted_by for probe in row.probes}
        write_probes(folder, probes, zlib.crc32(planned.name.encode()))
        folders.append(folder)
    if any("gradient_correlation" in row.probes for row in rows):
        write_correlations(root, scale)
    return folders


def write_probes(folder, probes, seed):
    """Write landscapes and a smoothness record with made-up numbers."""
    rng = np.random.default_rng(seed)
    if "landscape" in probes:
        x = np.linspace(-1, 1, 5)
        for name, steep in (("landscape", 30.0), ("landscape_batch", 0.5)):
            loss = 2.0 + steep * rng.uniform(0.5, 1.0) * (x[:, None] ** 2 + x**2)
            statistics = "running" if steep > 1 else "batch"
            settings = {"kind": "plane", "seed": 0, "images": 200, "split": "train", "statistics": statistics}
            arrays = {"x": x, "y": x, "loss": loss, "accuracy": 1 / loss, "visited": np.ones((5, 5), bool)}
            np.savez(folder / f"{name}.npz", **arrays, settings=json.dumps(settings), weights="none")
    if "smoothness" in probes:
        record = SmoothnessRecord({"every": 20, "direction": "gradient", "sizes": [0.05, 0.4], "layers": 2})
        for step in (0, 20, 40):
            record.rows.append({"step": step, **dict(zip(COLUMNS[1:], rng.uniform(0.5, 2.0, 9), strict=True))})
            names = ["input.conv_0.weight", "head.affine.weight"]
            shifts = np.array([0.0, rng.uniform()])
            record.shifts[step] = CovariateShift(names, np.ones(2), shifts, 1 - shifts / 2)
        record.write(folder)


def write_correlations(root, scale):
    """Write made-up correlations of untrained networks and of dense ones."""
    names = ["image", "input", *(f"stage_{s}.reduction" for s in range(3))]
    profiles = {
        (name, depth): Profile(names, np.linspace(0.1 / depth, 1, 5), np.full(5, 0.1), np.geomspace(1e-4, 1, 5), 8)
        for name in NETS
        for depth in scale.depths
    }
    for initializer in ("default", "he"):
        write_profiles(correlation_file(root, scale, initializer), profiles, {})
    layers = np.arange(1, 13)
    arrays = {f"{kind}/{column}": v for kind in LAWS for column, v in (("layers", layers), ("mean", 0.5**layers))}
    error = {f"{kind}/error": np.full(12, 0.01) for kind in LAWS}
    np.savez(correlation_file(root, scale, "dense"), **arrays, **error)


def write_run(folder, config, epochs=None):
    """Write config.json, metrics.csv, gradient_flow.npz and, for a finished run, test.json."""
    rng = np.random.default_rng([config.seed, zlib.crc32(folder.name.partition("_seed")[0].encode())])
    done = config.epochs if epochs is None else min(epochs, config.epochs)
    (folder / "config.json").write_text(
        json.dumps({"settings": config.as_dict(), "facts": {"num_images": [47_500, 2_500]}})
    )
    rows = made_up_metrics(config, rng)[:done]
    lines = ["epoch," + ",".join(METRICS) + ",learning_rate,seconds"]
    for epoch, row in enumerate(rows, start=1):
        rate = 2e-5 + (config.learning_rate - 2e-5) * (1 + math.cos(math.pi * (epoch - 1) / config.epochs)) / 2
        lines.append(f"{epoch}," + ",".join(f"{value:.6f}" for value in row) + f",{rate:.3g},60.0")
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    names, flow = made_up_flow(config, rng, done)
    np.savez(
        folder / "gradient_flow.npz", names=names, mean_abs=flow, last_mean_abs=flow * rng.uniform(0.8, 1.2, flow.shape)
    )
    if done == config.epochs:
        test = {"test_loss": rows[-1][2] + 0.02, "test_acc": rows[-1][3] - 0.003, "best_epoch": done, "images": 10_000}
        (folder / "test.json").write_text(json.dumps(test))


def at_chance(config):
    return config.model == "vgg38" and config.norm == "none" and not (config.residual or config.dense)


def made_up_metrics(config, rng):
    """Rows (train_loss, train_acc, val_loss, val_acc), one per epoch."""
    classes = config.limit_classes or 100
    t = np.linspace(0.02, 1.0, config.epochs)
    chance = math.log(classes)
    if at_chance(config):
        train, val = np.full(len(t), chance), np.full(len(t), chance)
    else:
        train = chance * (1 - rng.uniform(0.45, 0.9) * (1 - np.exp(-4 * t)))
        val = train + chance * rng.uniform(0.02, 0.15) * t
    losses = [values + 0.02 * rng.standard_normal(len(t)) * (1.2 - t) for values in (train, val)]
    accuracies = [np.clip(1 / classes + (1 - loss / chance) * 0.95, 0.5 / classes, 1) for loss in losses]
    return np.stack([losses[0], accuracies[0], losses[1], accuracies[1]], axis=1).tolist()


@functools.cache
def weight_names(settings):
    config = RunConfig(**dict(settings))
    names = [name for name, _ in make_model(config, *KNOWN_CLASSES[config.dataset, config.labels]).named_parameters()]
    return np.array([name for name in names if not (name.endswith(("bias", "beta")) or name.startswith("companions"))])


def made_up_flow(config, rng, epochs):
    """Names of the weights, and mean |gradient| (epochs, layers): from 1e-3 at the head, vanishing or not."""
    shape = ("model", "dataset", "split", "augment", *VGG_SETTINGS)  # what decides about names
    names = weight_names(tuple((name, getattr(config, name)) for name in shape if name != "filters"))
    height = np.arange(len(names)) / (len(names) - 1)  # 0 at the input, 1 at the head
    falls = 15.0 if at_chance(config) else -0.5
    logs = -3.0 - falls * (1 - height) + 0.25 * rng.standard_normal((epochs, len(names)))
    logs += 0.8 * np.array([name.endswith("gamma") for name in names])
    return names, (10.0**logs).astype(np.float32)
