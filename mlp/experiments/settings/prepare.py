"""From settings to the parts of a run: images, batches, model, loss, rule and schedule.

`mlp train` prepares its run here, and so does the search for its learning rate. So a setting has the same effect in
both, and both print the same notes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp.backend import get_array_module, require_device
from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.experiments.build import (
    idle_settings,
    load_images,
    make_batches,
    make_loss,
    make_model,
    make_rule,
    make_schedule,
    mention_images,
    with_usual_batch,
)
from mlp.experiments.config import RunConfig
from mlp.experiments.fine_tuning import Source, init_from
from mlp.layers import Layer, frozen_buffers
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.training.hooks import Hook
from mlp.training.trainer import Trainer
from mlp.typing import PathLike, Schedule, Shape


@dataclass(frozen=True)
class Prepared:
    """What a run trains, and with what.

    Attributes:
        config: all settings, the batch size as it is used. images, batches: for training, validation and test.
    """

    config: RunConfig
    images: tuple[ImageSet, ImageSet, ImageSet]
    batches: tuple[Batches, Batches, Batches]
    model: Layer
    loss: Loss
    rule: LearningRule
    schedule: Schedule

    def trainer(self, hooks: list[Hook], threads: int | None) -> Trainer:
        """Return a Trainer of all this."""
        how: dict[str, Any] = {"engine": self.config.engine, "threads": threads, "precision": self.config.precision}
        return Trainer(self.model, self.loss, self.rule, self.schedule, hooks, **how)


def prepare_run(
    config: RunConfig,
    asked: Mapping[str, Any],
    source: Source | None,
    data_dir: PathLike | None,
    *,
    download: bool,
    trust_code: bool,
) -> Prepared:
    """Load the images, build everything else, and print what the user should know about it.

    Args:
        asked: the settings that the user gave. source: the weights to begin with; None to draw them with the seed.
        data_dir, download: see `mlp.experiments.run`. trust_code: whether the file of your own model may be run.

    Raises:
        MlpError: settings, data or device do not allow the run.
    """
    require_device(config.device)
    images = load_images(config, data_dir, download=download)
    train = images[0]
    image_shape = train.images.shape[1:]
    usual = with_usual_batch(config, asked, len(train))
    batches = make_batches(usual, *images)
    model = make_model(usual, train.num_classes, image_shape, trust_code=trust_code)
    rule, schedule = make_rule(usual), make_schedule(usual, len(batches[0]))
    require_room(model, image_shape)
    if source is not None:
        print(init_from(model, source, train.class_names))
    print("".join(f"note: {sentence}\n" for sentence in idle_settings(usual)), end="")
    mention_images(usual, images, len(batches[0]), usual_batch=usual is not config)
    return Prepared(usual, images, batches, model, make_loss(usual, model), rule, schedule)


def require_room(model: Layer, image_shape: Shape) -> None:
    """Send one image of zeros forward, so that an error about images that are too small comes before a run begins."""
    weights = model.parameters()[0].data
    with frozen_buffers(model):
        model.forward(get_array_module(weights).zeros((1, *image_shape), weights.dtype))
