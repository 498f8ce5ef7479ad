"""A whole run, from settings to a folder of results: what scripts/train.py does."""

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlp.checks import at_least_one
from mlp.data import SCENES, Batches
from mlp.errors import ConfigurationError
from mlp.experiments.build import load_images, run_title, with_usual_batch
from mlp.experiments.config import RunConfig, with_dataset_settings
from mlp.experiments.estimate import estimate_cost
from mlp.experiments.fine_tuning import first_weights
from mlp.experiments.hooks import make_hooks, mention_logs, require_written
from mlp.experiments.resume import resume_run
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.scene import write_scene
from mlp.experiments.settings.facts import Facts
from mlp.experiments.settings.prepare import prepare_run
from mlp.files import write_json
from mlp.losses import chance_loss
from mlp.models.deep_supervision import without_companions
from mlp.progress import loss_text
from mlp.training.attempts import attempt, put_away
from mlp.training.checkpoint import load_model
from mlp.training.history import History
from mlp.training.hooks import EarlyStop, Hook, StopOnSignal
from mlp.training.state import TrainingState
from mlp.training.trainer import Trainer
from mlp.typing import PathLike

FAR_ABOVE = 2.0  # times the loss of guessing: a network that learns is never there


def run(
    out: PathLike,
    given: dict[str, Any],
    data_dir: PathLike | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    stretch_schedule: bool = False,
    stop_after: int | None = None,
    download: bool = False,
    statistics: bool = False,
    threads: int | None = None,
    more_hooks: Sequence[Hook] = (),
    log: Collection[str] = (),
    page: bool = True,
    trust_code: bool = False,
) -> History:
    """Train a model and leave everything about it in a folder.

    Args:
        out: the folder. given: settings that differ from RunConfig's defaults, a dict.
        data_dir: where data sets are; None for MLP_DATA_DIR or ./data.
        resume: continue the run in `out`; if there is none, start it.
        overwrite: move a run that is in `out` away, and start a new one.
        stretch_schedule: allow more epochs in a resume even if the schedule depends on their number.
        stop_after: stop after this many epochs in total; the schedule still spans all epochs of the run.
        download: get a data set that is missing.
        statistics: record `mlp.diagnostics.statistics` too; they change no other number of the run.
        threads: of the cpu engine; None for as many as the cores this process may use.
        trust_code: run the file that the configuration in `out` names as the run's model; one in `given` is run anyway.
        more_hooks: called before the checkpoint of an epoch is written; they must change no other number of the run.
        log: further records of the run: "steps" writes steps.csv, "tensorboard" event files.
        page: write report.html, too.

    Returns:
        The History.

    Raises:
        MlpError: settings, data, device or folder do not allow the run; nothing was written then.
        FolderInUseError: another process writes to `out`. StopRequestedError: SIGUSR2 came; the epoch was finished.
    """
    if stop_after is not None:
        at_least_one("stop_after", stop_after, "--stop-after")
    if overwrite and resume:
        raise ConfigurationError("resume continues the run that overwrite would put away: leave one of them out")
    stop = StopOnSignal()
    with stop.listening():
        folder = RunFolder(out)
        asked = folder.asked_for(given, resume=resume)
        begun = folder.latest.exists() and not overwrite  # a run that has finished an epoch has weights of its own
        source, settings = (None, asked) if begun else first_weights(asked)
        config = folder.open(settings, resume=resume, overwrite=overwrite)
        trust_code = trust_code or "model" in given
        made = prepare_run(config, asked, source, data_dir, download=download, trust_code=trust_code)
        config, images = made.config, made.images
        facts = Facts.of(config, made.model, images, folder.first_weights if source is None else source.digest)
        hooks = make_hooks(folder, config, facts, images[2], statistics=statistics, page=page, log=log, more=more_hooks)
        hooks.append(stop)  # last: the others save the epoch first
        trainer = made.trainer(hooks, threads)
        if overwrite:
            put_away(folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        with attempt(folder.path) as this:
            folder.open(settings, resume=resume)  # again: another run may have written there meanwhile
            if folder.latest.exists():
                resume_run(folder, trainer, config, facts, stretch_schedule=stretch_schedule)
            elif resume or (folder / "config.json").exists():
                print(f"{folder.path} holds no finished epoch: starting from the beginning")
                folder.best.unlink(missing_ok=True)  # of an epoch that was interrupted
            if resume and trainer.epoch < config.epochs:
                mention_logs(log, folder)
            folder.write_config(config, facts)
            this.start(trainer)
            this.outcome = train_to_the_end(
                folder, trainer, config, made.batches, stop_after or config.epochs, data_dir
            )
            require_written(hooks)
    return trainer.history


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a new run: those given, and those that follow from its data set or from files.

    A sweep identifies runs by their settings, so it needs all of them before a run is made.
    """
    _, whole = first_weights(given, say=lambda line: None)
    whole = with_dataset_settings(whole)
    if ":" in str(whole.get("dataset")):
        config = RunConfig(**whole)
        train = load_images(config, None)[0]
        whole["batch_size"] = with_usual_batch(config, given, len(train), say=lambda line: None).batch_size
    defaults = RunConfig()
    return {name: value for name, value in whole.items() if name in given or value != getattr(defaults, name)}


def train_to_the_end(
    folder: RunFolder,
    trainer: Trainer,
    config: RunConfig,
    batches: tuple[Batches, Batches, Batches],
    stop_after: int,
    data_dir: PathLike | None,
) -> str:
    """Train. After the last epoch, or if a hook ended the run, evaluate the test images. Return how it ended.

    Args:
        batches: for training, validation and test. stop_after: stop after this many epochs in total.
        data_dir: where data sets are, for the map of a scene.
    """
    train, valid, test = batches
    last = min(config.epochs, stop_after)
    parameters = without_companions(trainer.model).num_parameters
    companions = trainer.model.num_parameters - parameters
    more = f" and {companions:,} of companions" if companions else ""
    print(
        f"{run_title(config)}: {parameters:,} parameters{more}, {train.num_images:,} training and "
        f"{valid.num_images:,} validation images, engine {trainer.engine.name}, results in {folder.path}"
    )
    larger = "--epochs" if trainer.epoch >= config.epochs else "--early-stop" if early_stop_of(trainer) else ""
    if larger:
        print(f"nothing to train: {trainer.epoch} of {config.epochs} epochs are done; a larger {larger} continues it")
    elif trainer.epoch < last:
        estimate_cost(trainer, train, valid).report(last - trainer.epoch)
    trainer.fit(train, valid, epochs=config.epochs, stop_after=last, say=lambda line: None)
    mention_bad_loss(trainer.history, train.image_set.num_classes)
    if trainer.epoch < config.epochs and not trainer.stopping:
        print(f"stopped after epoch {trainer.epoch} of {config.epochs}: --resume continues it, the test comes last")
        return f"stopped after epoch {trainer.epoch} of {config.epochs}, as --stop-after asked"
    outcome = "finished"
    if trainer.epoch < config.epochs:
        early = early_stop_of(trainer)
        reason = "a hook asked for it" if early is None else early.reason
        outcome = f"ended early, after epoch {trainer.epoch} of {config.epochs}: {reason}"
        print(outcome)
    on_scene = config.dataset in SCENES
    scores = write_scene(folder, run_title(config), test.image_set, data_dir) if on_scene else {}
    results = test_results(folder, trainer, test) | scores
    write_json(folder / "test.json", results)
    for hook in trainer.hooks:
        hook.after_test(trainer, results)
    return outcome


def early_stop_of(trainer: TrainingState) -> EarlyStop | None:
    """Return the EarlyStop that ends training at this epoch; None if there is none."""
    return next((h for h in trainer.hooks if isinstance(h, EarlyStop) and h.ends(trainer.history)), None)


def test_results(folder: RunFolder, trainer: Trainer, test_batches: Batches) -> dict[str, Any]:
    """Evaluate the test images once, with the weights of the epoch with the highest validation accuracy."""
    load_model(folder.best, trainer.model)
    loss, accuracy = trainer.evaluate(test_batches, desc="test")
    best = trainer.history.best_epoch
    print(f"test {loss_text(loss)} / {accuracy:.2%} with the weights of epoch {best}")
    return {"test_loss": loss, "test_acc": accuracy, "best_epoch": best, "images": test_batches.num_images}


def mention_bad_loss(history: History, num_classes: int) -> None:
    """Print a note if the last loss is far above ln K, the loss of guessing."""
    loss, chance = history.rows[-1]["train_loss"], chance_loss(num_classes)
    if loss > FAR_ABOVE * chance:
        print(
            f"note: the training loss {loss_text(loss)} is far above {chance:.2f}, that of guessing among "
            f"{num_classes} classes: it has not learned. Try a smaller --learning-rate, --clip-norm 1, or --warm-up 1",
            file=sys.stderr,
        )
