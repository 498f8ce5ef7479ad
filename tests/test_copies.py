"""What was copied, pickled, moved or loaded trains by itself, exactly as the first would, or says why not."""

import copy
import pickle

import numpy as np
import pytest

from mlp import initializers, schedulers
from mlp.data import Batches, synthetic
from mlp.data.formats.hyperspectral import Scene
from mlp.data.patches import labelled_patches
from mlp.diagnostics import GradientFlow
from mlp.diagnostics.statistics import all_statistics
from mlp.engine import CpuEngine, TextbookEngine
from mlp.errors import ConfigurationError, MlpError
from mlp.layers import Affine, BatchNorm, Dropout, Flatten, LeakyReLU, Parameter, Sequential
from mlp.learning_rules import Adam, Momentum
from mlp.learning_rules.base import LearningRule
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.models.deep_supervision import DeepSupervision, taps_of
from mlp.models.parts import INITIALIZERS
from mlp.plotting import LiveCurves
from mlp.training import Hook, Progress, Trainer
from mlp.training.checkpoint import load_checkpoint, save_checkpoint
from mlp.training.hooks import Checkpoint, CsvLog, EarlyStop, KeepWeights, StepLog, StopOnSignal, TensorBoardLog

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}
ENGINES = ("textbook", "cpu")


class Points:
    """Two batches of points with two classes."""

    def __len__(self):
        return 2

    def epoch(self, epoch):
        rng = np.random.default_rng(epoch)
        return iter([(rng.standard_normal((6, 3)).astype(np.float32), rng.integers(0, 2, 6)) for _ in range(2)])


def make_model():
    layers = Affine(3, 8), BatchNorm(8), LeakyReLU(), Dropout(0.3), Affine(8, 2)
    return Sequential(*layers).initialize(1)


def make_trainer(engine="textbook", rule=Adam, hooks=()):
    return Trainer(make_model(), SoftmaxCrossEntropy(), rule(1e-2), hooks=hooks, engine=engine, threads=1)


def numbers(trainer):
    """All that training changes."""
    state = trainer.model.state_dict() | {f"rule {name}": a for name, a in trainer.rule.state_dict().items()}
    return {name: np.array(array) for name, array in state.items()}


def same(first, second):
    return first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_copied_trainer_goes_on_exactly_and_by_itself(engine):
    trainer, whole = make_trainer(engine), make_trainer(engine)
    whole.fit(Points(), epochs=3)
    trainer.fit(Points(), epochs=1)
    twin, before = copy.deepcopy(trainer), numbers(trainer)
    twin.fit(Points(), epochs=3)
    assert same(numbers(twin), numbers(whole))
    assert same(numbers(trainer), before)
    assert len(trainer.history.rows) == 1
    trainer.fit(Points(), epochs=3)
    assert same(numbers(trainer), numbers(whole))


def test_a_trainer_is_copied_with_its_hooks_before_and_while_it_trains():
    class Keep(GradientFlow):
        twin = None

        def after_epoch(self, trainer, row):
            super().after_epoch(trainer, row)
            self.twin = None  # a copy of a copy of a copy ...
            self.twin = copy.deepcopy(trainer)

    keep = Keep()
    trainer = make_trainer("cpu", hooks=[keep, Progress(), *all_statistics()])
    assert copy.deepcopy(trainer).fit(Points(), epochs=1).rows[0]["epoch"] == 1
    trainer.fit(Points(), epochs=1)
    keep.twin.fit(Points(), epochs=2)
    assert len(keep.twin.history.gradient_flow) == 2
    assert len(trainer.history.rows) == 1


def test_an_interrupt_leaves_no_progress_bar_which_on_a_terminal_has_no_copy():
    class Interrupts(Hook):
        def after_step(self, trainer):
            raise KeyboardInterrupt

    progress = Progress()
    trainer = make_trainer("cpu", hooks=[progress, Interrupts()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(Points(), epochs=1)
    assert progress.bar is None


def test_a_hook_with_an_open_file_has_no_copy_and_the_sentence_says_what_to_do(tmp_path):
    hook = Progress()
    with open(tmp_path / "log", "w") as hook.file:
        trainer = make_trainer(hooks=[hook])
        with pytest.raises(MlpError, match=r"because of its hooks .*copy.deepcopy\(\(model, loss, rule\)\)"):
            copy.deepcopy(trainer)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda hook: pickle.loads(pickle.dumps(hook))])
def test_every_hook_that_has_not_begun_is_copied(copied, tmp_path):
    pytest.importorskip("tensorboardX")
    made = [TensorBoardLog(tmp_path), StepLog(tmp_path / "s"), CsvLog(tmp_path / "c"), Checkpoint(tmp_path, {})]
    for hook in [*made, KeepWeights(tmp_path), EarlyStop(3), LiveCurves(), StopOnSignal(), Progress()]:
        assert type(copied(hook)) is type(hook)


def test_a_trainer_is_not_pickled_and_says_what_to_do():
    trainer = make_trainer()
    with pytest.raises(MlpError, match=r"save_checkpoint\(path, trainer\).*copy.deepcopy"):
        pickle.dumps(trainer)


@pytest.mark.parametrize("make", [make_model, Adam, make_trainer, lambda: Parameter(np.zeros(2))])
def test_a_shallow_copy_would_share_arrays_and_is_refused(make):
    value = make()
    with pytest.raises(MlpError, match=f"second {type(value).__name__} with the arrays of the first: .*copy.deepcopy"):
        copy.copy(value)


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("engine", ENGINES)
def test_model_and_rule_copied_at_once_go_on_exactly(copied, engine):
    trainer, whole = make_trainer(engine), make_trainer(engine)
    whole.fit(Points(), epochs=2)
    trainer.fit(Points(), epochs=1)
    before = numbers(trainer)
    model, rule = COPIES[copied]((trainer.model, trainer.rule))
    twin = Trainer(model, SoftmaxCrossEntropy(), rule, engine=engine, threads=1)
    twin.epoch = 1
    twin.fit(Points(), epochs=2)
    assert same(numbers(twin), numbers(whole))
    assert same(numbers(trainer), before)


@pytest.mark.parametrize("copied", COPIES)
def test_a_rule_copied_alone_does_not_train_a_model_that_it_does_not_have(copied):
    trainer = make_trainer()
    trainer.fit(Points())
    rule = COPIES[copied](trainer.rule)
    with pytest.raises(MlpError, match=r"initialize\(model.parameters\(\)\) before update.* or a copy"):
        rule.update()
    for model in (trainer.model, copy.deepcopy(trainer.model)):
        with pytest.raises(ConfigurationError, match=r"parameters of another model.*deepcopy\(\(model, rule\)\)"):
            TextbookEngine().bind(model, SoftmaxCrossEntropy(), rule)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copied_model_has_its_gradients_and_shares_nothing(copied):
    trainer = make_trainer()
    trainer.fit(Points())
    twin = COPIES[copied](trainer.model)
    for mine, other in zip(trainer.model.parameters(), twin.parameters(), strict=True):
        assert (mine.grad == other.grad).all()
        assert mine.grad.any()
        assert not np.shares_memory(mine.data, other.data)
    assert len(pickle.dumps(twin)) == len(pickle.dumps(trainer.model))  # the flat arrays are not in it


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_is_converted_or_moved_trains_on_with_its_moments(engine):
    trainer = make_trainer(engine)
    trainer.fit(Points())
    steps, mean = trainer.rule.steps, trainer.rule.moments["mean"].copy()
    trainer.model.to("cpu")  # where it is
    assert trainer.rule.flat.whole
    trainer.model.astype(np.float64)
    with pytest.raises(MlpError, match="again after model"):
        trainer.rule.update()
    TextbookEngine().bind(trainer.model, trainer.loss, trainer.rule)
    assert trainer.rule.steps == steps
    assert trainer.rule.moments["mean"].dtype == np.float64
    assert (trainer.rule.moments["mean"] == mean).all()


def test_a_rule_of_part_of_a_model_keeps_to_that_part_when_the_model_is_converted():
    model, rule = make_model(), Momentum(1e-2)
    rule.initialize(model.children()[-1][1].parameters())
    model.astype(np.float64)
    TextbookEngine().bind(model, SoftmaxCrossEntropy(), rule)
    assert [parameter.name for parameter in rule.flat.parameters] == ["4.weight", "4.bias"]


@pytest.mark.parametrize("engine", [TextbookEngine(), CpuEngine(2)], ids=ENGINES)
@pytest.mark.parametrize("copied", [*COPIES.values(), copy.copy], ids=[*COPIES, "copy"])
def test_a_copied_engine_is_an_engine_that_is_not_bound(engine, copied):
    model, rule = make_model(), Adam()
    engine.bind(model, SoftmaxCrossEntropy(), rule)
    twin = copied(engine)
    assert type(twin) is type(engine)
    assert getattr(twin, "threads", None) == getattr(engine, "threads", None)
    x, targets = next(Points().epoch(0))
    with pytest.raises(MlpError, match=r"the engine has no model: call engine.bind"):
        twin.evaluate(x, targets)
    twin.bind(model, SoftmaxCrossEntropy(), rule)
    assert twin.evaluate(x, targets) == engine.evaluate(x, targets)
    engine.close()


def test_companions_of_another_model_are_noticed():
    """Otherwise the companions of the copy would never be trained, without a word."""
    model = vgg(8, norm="batch", companions="stages", filters=2, num_classes=3)
    loss = DeepSupervision(SoftmaxCrossEntropy(), taps_of(model))
    twin = copy.deepcopy(model)
    with pytest.raises(
        ConfigurationError, match=r"taps of another model.*taps_of\(model\).*deepcopy\(\(model, loss\)\)"
    ):
        TextbookEngine().bind(twin, loss, Adam())
    twin, twin_loss = copy.deepcopy((model, loss))
    x, targets = np.ones((4, 32, 32, 3), np.float32), np.zeros(4, np.int64)
    engine = TextbookEngine()
    engine.bind(twin, twin_loss, Adam())
    engine.train_step(x, targets)
    assert len(twin_loss.companion_losses) == len(taps_of(model))
    assert not loss.companion_losses


class Remembers(LearningRule):
    """A student's rule that keeps its velocity where it likes."""

    def __init__(self, learning_rate):
        super().__init__(learning_rate)
        self.cache = {}

    def change(self, gradient):
        self.cache["v"] = 0.9 * self.cache.get("v", 0.0) + gradient
        return self.learning_rate * self.cache["v"]


def test_a_copy_of_the_settings_leaves_the_rule_as_it_is():
    trainer = make_trainer(rule=Remembers)
    trainer.fit(Points())
    kept, flat = trainer.rule.cache["v"].copy(), trainer.rule.flat
    twin = trainer.rule.without_parameters()
    assert twin.flat is None
    assert trainer.rule.flat is flat
    twin.cache["v"] += 1
    assert (trainer.rule.cache["v"] == kept).all()


@pytest.mark.parametrize("copied", COPIES)
def test_copied_data_give_the_same_batches(copied):
    train, _ = synthetic()
    rng = np.random.default_rng(0)
    scene = Scene(rng.random((6, 5, 4)), np.ones((6, 5), np.uint8), ("a", "b"))
    for batches in (Batches(train, 100, augment=True, shuffle=True), Batches(labelled_patches(scene), 7, shuffle=True)):
        twin = COPIES[copied](batches)
        x, targets = next(iter(batches.epoch(3)))
        twin_x, twin_targets = next(iter(twin.epoch(3)))
        assert (x == twin_x).all()
        assert (targets == twin_targets).all()


def test_patches_are_not_cut_out_by_a_copy():
    """A view of every patch is 49 times as large as the scene once somebody copies it."""
    patches = labelled_patches(Scene(np.ones((20, 20, 10)), np.ones((20, 20), np.uint8), ("a",))).images
    assert len(pickle.dumps(patches)) < 2 * patches.padded.nbytes


def test_a_trainer_that_loaded_a_checkpoint_can_be_copied_and_goes_on(tmp_path):
    whole, first = make_trainer(), make_trainer()
    whole.fit(Points(), epochs=3)
    first.fit(Points(), epochs=1)
    save_checkpoint(tmp_path / "c.npz", first)
    second = make_trainer()
    load_checkpoint(tmp_path / "c.npz", second)
    twin = copy.deepcopy(second)
    for trainer in (second, twin):
        trainer.fit(Points(), epochs=3)
        assert same(numbers(trainer), numbers(whole))


def test_layers_of_several_axes_survive_a_pickle():
    model = Sequential(Flatten(), Affine(12, 2)).initialize(0)
    twin = pickle.loads(pickle.dumps(model))
    x = np.ones((2, 2, 2, 3), np.float32)
    assert (twin.forward(x) == model.forward(x)).all()


MADE = [
    (schedulers.cosine(1e-3, 2e-5, steps=10), "cosine(0.001, 2e-05, steps=10)"),
    (schedulers.constant(0.1), "constant(0.1)"),
    (schedulers.warm_restarts(0.1, 0.0, 3, multiply=2), "warm_restarts(0.1, 0.0, 3, multiply=2)"),
    (
        schedulers.join(schedulers.warm_up(0.1, steps=5), schedulers.step(0.1, 0.5, 2), at=[5]),
        "join(warm_up(0.1, steps=5), step(0.1, 0.5, 2), at=[5])",
    ),
    (schedulers.per_epoch(schedulers.exponential(0.1, 0.9), 4), "per_epoch(exponential(0.1, 0.9), 4)"),
    (schedulers.epochs_in(7), "epochs_in(7)"),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(("schedule", "text"), MADE, ids=[text for _, text in MADE])
def test_schedules_are_copied_and_say_what_they_are(copied, schedule, text):
    twin = COPIES[copied](schedule)
    assert [twin(t) for t in range(20)] == [schedule(t) for t in range(20)]
    assert repr(twin) == repr(schedule) == text


def test_a_pickle_of_a_schedule_with_a_function_of_ones_own_fails_aloud():
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(schedulers.per_epoch(lambda epoch: 0.1, 4))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_models_with_every_initializer_are_pickled_and_draw_the_same_again(name):
    model = vgg(8, initializer=name, filters=2, num_classes=3)
    twin = pickle.loads(pickle.dumps(model))
    assert same(model.state_dict(), twin.state_dict())
    assert same(model.initialize(5).state_dict(), twin.initialize(5).state_dict())


def test_a_layer_with_an_initializer_says_which():
    layer = Affine(2, 2, initializer=initializers.he_normal(0.1))
    assert repr(layer.initializer) == "he_normal(0.1)"
    assert repr(pickle.loads(pickle.dumps(layer)).initializer) == "he_normal(0.1)"
