"""A whole run, from settings to a folder of results: what scripts/train.py does."""

import time

import mlp.losses
from mlp import plotting
from mlp.backend import require_device
from mlp.data import Batches, load_dataset
from mlp.diagnostics.gradient_flow import GradientFlow
from mlp.errors import ConfigurationError
from mlp.experiments.run_folder import RunFolder
from mlp.files import write_arrays, write_figure, write_json
from mlp.learning_rules import RULES
from mlp.models import vgg
from mlp.schedulers import constant, cosine, per_epoch
from mlp.training.checkpoint import load_checkpoint, load_model
from mlp.training.hooks import Checkpoint, CsvLog, Hook, Progress, evaluate
from mlp.training.trainer import Trainer

LAST_LEARNING_RATE = 2e-5  # eta_min of the reports' cosine schedule


def run(out, given, data_dir=None, resume=False, stop_after=None):
    """Train a model and leave everything about it in a folder.

    Args:
        out: the folder. given: settings that differ from RunConfig's defaults, a dict.
        data_dir: where data sets are; None for MLP_DATA_DIR or ./data.
        resume: go on with the run in `out`; without one there, start it.
        stop_after: end once this many epochs exist, of a schedule that spans all of them.

    Returns:
        The History.

    Raises:
        MlpError: settings, data, device or folder do not allow the run; nothing was written then.
    """
    if stop_after is not None and stop_after < 1:
        raise ConfigurationError(f"--stop-after must be at least 1, got {stop_after}")
    folder = RunFolder(out)
    config = folder.open(given, resume)
    require_device(config.device)
    train, valid, test = load_dataset(
        config.dataset, data_dir, config.split, limit_train=config.limit_train, limit_valid=config.limit_valid
    )
    train_batches, valid_batches, test_batches = make_batches(config, train, valid, test)
    model = make_model(config, num_classes=len(train.class_names), image_channels=train.images.shape[-1])
    rule = RULES[config.learning_rule](config.learning_rate, weight_decay=config.weight_decay)
    schedule = make_schedule(config, len(train_batches))
    hooks = [
        GradientFlow(),
        Progress(),
        Checkpoint(folder, config.as_dict()),
        CsvLog(folder / "metrics.csv"),
        SaveFigures(folder, title=run_title(config)),
    ]
    trainer = Trainer(model, mlp.losses.SoftmaxCrossEntropy(), rule, schedule, hooks, engine=config.engine)
    if folder.latest.exists():
        load_checkpoint(folder.latest, trainer)
        print(f"resuming {folder.path} after epoch {trainer.epoch}")
    folder.write_config(config)
    print(
        f"{run_title(config)}: {model.num_parameters:,} parameters, {len(train):,} training and {len(valid):,} "
        f"validation images, engine {trainer.engine.name}, results in {folder.path}"
    )
    history = trainer.fit(train_batches, valid_batches, epochs=config.epochs, stop_after=stop_after)
    if trainer.epoch == config.epochs:
        write_json(folder / "test.json", test_results(folder, trainer, test_batches))
    else:
        print(f"stopped after epoch {trainer.epoch} of {config.epochs}: --resume goes on, the test pass comes last")
    return history


def make_batches(config, train, valid, test):
    """Return training batches (shuffled, augmented), validation and test batches (neither)."""
    common = {"normalization": config.normalization, "dtype": config.dtype}
    training = Batches(train, config.batch_size, augment=True, shuffle=True, seed=config.seed, **common)
    return training, Batches(valid, config.batch_size, **common), Batches(test, config.batch_size, **common)


def make_model(config, num_classes, image_channels=3):
    """Return the network of a configuration, on its device."""
    model = vgg(
        depth=config.depth,
        norm=config.norm,
        residual=config.residual,
        num_classes=num_classes,
        seed=config.seed,
        filters=config.filters,
        image_channels=image_channels,
        dtype=config.dtype,
    )
    return model.to(config.device)


def make_schedule(config, steps_per_epoch):
    """Return step -> learning rate.

    The horizon of the cosine is `epochs`, counted in epochs (schedule E of the reports) or, with schedule_unit
    "step", in steps (schedule I): there the rate swings between its two ends all through the run.
    """
    if config.schedule == "constant":
        return constant(config.learning_rate)
    schedule = cosine(config.learning_rate, LAST_LEARNING_RATE, steps=config.epochs)
    return schedule if config.schedule_unit == "step" else per_epoch(schedule, steps_per_epoch)


def run_title(config):
    """Return a run's name for people: "VGG38 BN+RC on cifar100"."""
    parts = [name for name, on in (("BN", config.norm == "batch"), ("RC", config.residual)) if on]
    return " ".join([f"VGG{config.depth:02d}", *(["+".join(parts)] if parts else []), "on", config.dataset])


def test_results(folder, trainer, test_batches):
    """Evaluate the test images once, with the weights of the epoch with the highest validation accuracy."""
    load_model(folder.best, trainer.model)
    trainer.engine.bind(trainer.model, trainer.loss, trainer.rule)
    loss, accuracy = evaluate(trainer.engine, test_batches)
    trainer.engine.close()
    best = trainer.history.best_epoch
    print(f"test {loss:.3f} / {accuracy:.2%} with the weights of epoch {best}")
    return {"test_loss": loss, "test_acc": accuracy, "best_epoch": best, "images": test_batches.num_images}


class SaveFigures(Hook):
    """Keeps gradient_flow.npz and the figures of a run's folder up to date.

    Drawing takes about a second, so during training figures are renewed at most once in `every` seconds.
    """

    def __init__(self, folder, title, every=60.0):
        self.folder, self.title, self.every = folder, title, every
        self.drawn = time.monotonic()

    def after_epoch(self, trainer, row):
        write_arrays(self.folder / "gradient_flow.npz", trainer.history.gradient_flow.arrays())
        if time.monotonic() - self.drawn > self.every:
            self.draw(trainer.history)

    def after_training(self, trainer):
        if trainer.history.rows:
            self.draw(trainer.history)

    def draw(self, history):
        """Draw the curves, and the gradient flow in its three forms."""
        flow = history.gradient_flow
        write_figure(self.folder / "curves.png", plotting.curves(history, title=self.title))
        write_figure(self.folder / "gradient_flow.png", plotting.gradient_flow(flow, title=self.title))
        write_figure(self.folder / "gradient_flow_map.png", plotting.gradient_flow_map(flow, title=self.title))
        linear = plotting.gradient_flow(flow, title="Gradient flow", scale="linear", statistic="last_mean_abs")
        write_figure(self.folder / "gradient_flow_linear.png", linear)
        self.drawn = time.monotonic()
