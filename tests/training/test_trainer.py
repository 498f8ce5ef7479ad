"""The training loop, its hooks and its history, on a problem small enough to do by hand."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import mlp
from mlp.diagnostics import GradientFlow
from mlp.engine.base import mean_metrics
from mlp.errors import ConfigurationError, MlpError, NonFiniteLossError
from mlp.layers import Affine, LeakyReLU, Sequential
from mlp.learning_rules import Adam, GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Hook, Progress, Trainer, evaluate
from mlp.training.history import plain_row


class Points:
    """Batches of points in the plane with two classes; the second batch is shorter."""

    def __init__(self, seed=0, sizes=(6, 3)):
        rng = np.random.default_rng(seed)
        self.batches = [(rng.standard_normal((n, 2)), rng.integers(0, 2, n)) for n in sizes]

    def __len__(self):
        return len(self.batches)

    def epoch(self, e):
        return iter(self.batches)


def make_trainer(hooks=(), learning_rate=0.1, schedule=None):
    rng = np.random.default_rng(1)
    model = Sequential(Affine(2, 4, rng=rng), LeakyReLU(), Affine(4, 2, rng=rng)).astype(np.float64)
    return Trainer(model, SoftmaxCrossEntropy(), GradientDescent(learning_rate), schedule, hooks)


def test_fit_is_the_loop_written_out():
    trainer = make_trainer()
    twin = make_trainer().model
    trainer.fit(Points(), epochs=3)
    loss = SoftmaxCrossEntropy()
    for _ in range(3):
        for x, targets in Points().epoch(0):
            loss.forward(twin.forward(x, training=True), targets)
            twin.backward(loss.backward())
            for p in twin.parameters():
                p.data -= 0.1 * p.grad
    for mine, other in zip(trainer.model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(mine.data, other.data, rtol=1e-13)


@pytest.mark.parametrize("over, w", [(None, (1, 1)), ("images", (6, 3)), ("batches", (1, 1))])
def test_metrics_are_means_over_images_or_over_batches(over, w):
    """Training metrics run along with the changing weights; validation comes after the epoch."""
    losses = []
    train, valid = Points(), Points(seed=5)
    if over:
        train.mean_over = valid.mean_over = over

    class Listen(Hook):
        def after_step(self, trainer):
            losses.append(trainer.batch_loss)

    trainer = make_trainer([Listen()])
    history = trainer.fit(train, valid, epochs=1)
    row = history.rows[0]
    assert row["train_loss"] == pytest.approx(np.average(losses, weights=w), rel=1e-14)
    loss = SoftmaxCrossEntropy()
    losses = [loss.forward(trainer.model.forward(x), t) for x, t in valid.batches]
    assert row["val_loss"] == pytest.approx(np.average(losses, weights=w), rel=1e-14)
    accuracies = [(trainer.model.forward(x).argmax(axis=1) == t).mean() for x, t in valid.batches]
    assert row["val_acc"] == pytest.approx(np.average(accuracies, weights=w), rel=1e-14)


def test_batches_of_one_size_have_the_same_mean_to_the_last_bit():
    values = [(0.1 * k, 0.7 / (k + 1), 7) for k in range(5)]
    assert mean_metrics(values, "images") == mean_metrics(values, "batches")
    assert mean_metrics(values, "images")[0] == sum(loss for loss, _, _ in values) / 5


def test_the_schedule_is_asked_before_each_step():
    asked, used = [], []

    class Listen(Hook):
        def after_step(self, trainer):
            used.append(trainer.rule.learning_rate)

    def schedule(step):
        asked.append(step)
        return 0.1 / (step + 1)

    history = make_trainer([Listen()], schedule=schedule).fit(Points(), epochs=2)
    assert asked == [0, 1, 2, 3]
    assert used == [0.1 / (step + 1) for step in range(4)]
    assert history.column("learning_rate").tolist() == [0.05, 0.025]


def test_a_hook_sees_weights_and_batch_before_each_update():
    seen = []

    class Watch(Hook):
        def before_step(self, trainer):
            self.weights = trainer.model.parameters()[0].data.copy()
            self.batch = trainer.batch

        def after_step(self, trainer):
            same_batch = trainer.batch is self.batch
            seen.append((same_batch, np.array_equal(trainer.model.parameters()[0].data, self.weights)))

    make_trainer([Watch()]).fit(Points(), epochs=1)
    assert seen == [(True, False)] * len(Points())


def test_fit_goes_on_where_it_stopped():
    whole, parts = make_trainer(), make_trainer()
    whole.fit(Points(), Points(5), epochs=4)
    parts.fit(Points(), Points(5), epochs=4, stop_after=1)
    assert parts.epoch == 1
    parts.fit(Points(), Points(5), epochs=4)
    assert parts.epoch == 4
    assert parts.step == 8
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert (a.data == b.data).all()


def test_gradient_flow_against_ten_lines_of_numpy():
    """Mean over all batches and the last batch alone; every statistic; weights only."""
    gradients = []

    class Listen(Hook):
        def after_step(self, trainer):
            gradients.append({p.name: p.grad.copy() for p in trainer.model.parameters()})

    trainer = make_trainer([GradientFlow(), Listen()], schedule=lambda step: 1e-30)
    table = trainer.fit(Points(), epochs=2).gradient_flow
    assert table.names == ["0.weight", "2.weight"]
    formulas = {
        "mean_abs": lambda g: np.abs(g).mean(),
        "l2": lambda g: math.sqrt((g**2).sum()),
        "max_abs": lambda g: np.abs(g).max(),
        "zeros": lambda g: (g == 0).mean(),
    }
    for statistic, formula in formulas.items():
        each = np.array([[formula(g[name]) for name in table.names] for g in gradients])  # (steps, layers)
        np.testing.assert_allclose(table[statistic], each.reshape(2, 2, -1).mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(table[f"last_{statistic}"], each[1::2], rtol=1e-12)


def test_gradient_flow_sees_gradients_whose_squares_underflow_in_float32():
    model = Sequential(Affine(2, 2, bias=False))
    trainer = Trainer(model, SoftmaxCrossEntropy(), GradientDescent(0.1), hooks=[GradientFlow()])
    x = np.full((1, 2), 1e-30, np.float32)

    class One:
        def __len__(self):
            return 1

        def epoch(self, e):
            yield x, np.array([0])

    table = trainer.fit(One(), epochs=1).gradient_flow
    assert 1e-31 < table["l2"][0, 0] < 1e-29


def test_gradient_flow_can_take_in_biases():
    table = make_trainer([GradientFlow(biases=True)]).fit(Points(), epochs=1).gradient_flow
    assert table.names == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_two_gradient_flow_hooks_do_not_disturb_each_other(order):
    alone = {b: make_trainer([GradientFlow(biases=b)]).fit(Points(), epochs=3).gradient_flow for b in (False, True)}
    history = make_trainer([GradientFlow(biases=biases) for biases in order]).fit(Points(), epochs=3)
    for biases, table in zip(order, ("gradient_flow", "gradient_flow_2"), strict=True):
        found = history.tables[table]
        assert found.names == alone[biases].names
        for statistic in alone[biases].values:
            np.testing.assert_array_equal(found[statistic], alone[biases][statistic])


def test_a_table_keeps_its_columns():
    trainer = make_trainer([GradientFlow()])
    trainer.fit(Points(), epochs=1)
    trainer.hooks = [GradientFlow(biases=True)]
    with pytest.raises(ConfigurationError, match="'gradient_flow' has columns for 2 layers or weights"):
        trainer.fit(Points(), epochs=2)


class Asking(Hook):
    """Notes at every moment what it can read of the trainer."""

    def __init__(self):
        self.read = {}

    def note(self, moment, trainer):
        values = {name: getattr(trainer, name) for name in CONTRACT}
        self.read.setdefault(
            moment, values | {"batches": len(trainer.train_batches), "table": dict(trainer.history.tables)}
        )

    def before_training(self, trainer):
        self.note("before_training", trainer)

    def before_epoch(self, trainer):
        self.note("before_epoch", trainer)

    def before_step(self, trainer):
        self.note("before_step", trainer)

    def after_step(self, trainer):
        self.note("after_step", trainer)

    def after_epoch(self, trainer, row):
        self.note("after_epoch", trainer)

    def after_training(self, trainer):
        self.note("after_training", trainer)


CONTRACT = [
    *("model", "loss", "rule", "schedule", "engine", "hooks", "history", "step", "epoch", "epochs"),
    *("train_batches", "valid_batches", "batch", "batch_loss", "gradient_statistics"),
]


def test_what_a_hook_may_read_is_there_when_the_contract_says_so():
    asking = Asking()
    trainer = make_trainer([GradientFlow(), asking])
    assert all(hasattr(trainer, name) for name in CONTRACT)
    assert (trainer.epochs, len(trainer.train_batches), list(trainer.valid_batches.epoch(0))) == (0, 0, [])
    trainer.fit(Points(), epochs=2)
    read = asking.read
    assert [moment["epochs"] for moment in read.values()] == [2] * 6
    assert [moment["batches"] for moment in read.values()] == [2] * 6
    assert [moment["batch"] is None for moment in read.values()] == [True, True, False, False, False, False]
    assert [moment["batch_loss"] is None for moment in read.values()] == [True, True, True, False, False, False]
    assert [moment["step"] for moment in read.values()] == [0, 0, 0, 0, 2, 4]
    assert read["after_step"]["gradient_statistics"] is None
    assert read["after_epoch"]["gradient_statistics"]["l2"].shape == (4,)


@pytest.mark.parametrize("moment", ["before_training", "before_epoch", "before_step", "after_step", "after_epoch"])
def test_a_hook_can_stop_training_after_the_current_epoch(moment):
    ended = []

    class Stop(Hook):
        def after_training(self, trainer):
            ended.append(trainer.epoch)

    def stop(self, trainer, *row):
        if trainer.epoch >= (moment == "after_epoch"):
            trainer.stop()

    setattr(Stop, moment, stop)
    trainer = make_trainer([Stop()])
    history = trainer.fit(Points(), Points(5), epochs=5)
    epochs = 0 if moment == "before_training" else 1
    assert (trainer.epoch, len(history.rows), ended) == (epochs, epochs, [epochs])
    trainer.hooks = []
    trainer.fit(Points(), Points(5), epochs=5)  # a stop counts once
    whole = make_trainer()
    whole.fit(Points(), Points(5), epochs=5)
    for a, b in zip(whole.model.parameters(), trainer.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_layer():
    trainer = make_trainer(learning_rate=1e200)
    with pytest.raises(NonFiniteLossError, match=r"epoch \d+, step \d+, at learning rate 1e\+200: .*Affine '\d'"):
        trainer.fit(Points(), epochs=20)
    assert all(np.isfinite(p.data).all() or abs(p.data).max() > 1e100 for p in trainer.model.parameters())


def test_the_weights_stay_as_they_were_before_the_bad_step():
    trainer = make_trainer()
    before = trainer.model.state_dict()

    class Bad(Points):
        def epoch(self, e):
            yield np.full((2, 2), np.nan), np.array([0, 1])

    with pytest.raises(NonFiniteLossError, match="Affine '0'; its inputs are not finite either"):
        trainer.fit(Bad(), epochs=1)
    assert all((before[name] == value).all() for name, value in trainer.model.state_dict().items())


def test_hooks_are_closed_also_after_an_error():
    ended = []

    class Ends(Hook):
        def after_step(self, trainer):
            raise KeyboardInterrupt

        def after_training(self, trainer):
            ended.append(True)

    trainer = make_trainer([Ends()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(Points(), epochs=1)
    assert ended == [True]


def test_progress_prints_a_line_an_epoch_and_no_bar_into_a_file(capsys):
    make_trainer([Progress()]).fit(Points(), Points(5), epochs=2)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "epoch   2/2   train" in out
    assert err == ""


def test_progress_tells_the_seconds_of_the_whole_epoch_and_of_training(capsys):
    class Late(Hook):
        def after_epoch(self, trainer, row):
            progress.start -= 5.0  # as if validation had taken five seconds

    progress = Progress()
    make_trainer([Late(), progress]).fit(Points(), Points(5), epochs=1)
    assert capsys.readouterr().out.endswith("   5 s (training 0 s)\n")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top5_acc": 97.0}, "the hook Adds put 'top5_acc' = 97 .* fraction in 0 .. 1; divide it by 100"),
        ({"epoch": 7}, "the hook Adds changed the number of the epoch"),
    ],
)
def test_what_no_resume_could_read_is_refused_when_it_is_written(values, message, tmp_path):
    class Adds(Hook):
        def after_epoch(self, trainer, row):
            row.update(values)

    trainer = make_trainer([Adds(), mlp.training.Checkpoint(tmp_path)])
    with pytest.raises(ConfigurationError, match=message):
        trainer.fit(Points())
    assert list(tmp_path.iterdir()) == []
    assert trainer.history.rows == []


def test_best_epoch_of_equal_accuracies_is_the_one_with_the_lower_loss():
    history = mlp.training.History()
    table = ((0.2, 0.1), (0.5, 0.9), (0.5, 0.7), (0.5, 0.7), (0.5, float("nan")), (0.1, 0.0))
    history.rows = [{"epoch": e, "val_acc": a, "val_loss": loss} for e, (a, loss) in enumerate(table, start=1)]
    assert history.best_epoch == 3
    history.rows[4]["val_loss"] = 0.6
    assert history.best_epoch == 5
    for row in history.rows:
        row["val_loss"] = float("nan")
    assert history.best_epoch == 2


def test_best_epoch_is_the_earliest_of_equals():
    history = mlp.training.History()
    history.rows = [{"epoch": e, "val_acc": a} for e, a in ((1, 0.2), (2, 0.5), (3, 0.5), (4, 0.1))]
    assert history.best_epoch == 2
    history.rows = [{"epoch": 1, "val_acc": float("nan")}]
    assert history.best_epoch is None


def test_settings_are_checked():
    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        make_trainer().fit(Points(), epochs=0)
    with pytest.raises(ConfigurationError, match="engine must be one of auto, textbook"):
        Trainer(make_trainer().model, SoftmaxCrossEntropy(), Adam(), engine="cup")


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_a_rule_belongs_to_one_model(engine):
    first, second = make_trainer(), make_trainer()
    first.fit(Points())
    with pytest.raises(ConfigurationError, match="has the parameters of another model"):
        Trainer(second.model, SoftmaxCrossEntropy(), first.rule, engine=engine).fit(Points())
    first.model.layers["2"] = Affine(4, 2, dtype=np.float64)
    with pytest.raises(ConfigurationError, match="or of layers that were replaced"):
        first.fit(Points(), epochs=2)
    first.rule.initialize(first.model.parameters())
    first.fit(Points(), epochs=2)


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_a_rule_may_have_a_part_of_the_parameters(engine):
    trainer = make_trainer()
    model = trainer.model
    trainer.rule.initialize(model.layers["2"].parameters())
    before = model.state_dict()
    Trainer(model, SoftmaxCrossEntropy(), trainer.rule, engine=engine).fit(Points())
    changed = {name for name, array in model.state_dict().items() if not np.array_equal(array, before[name])}
    assert changed == {"2.weight", "2.bias"}


def test_a_layer_that_is_frozen_as_in_keras_is_not_trained_by_mistake():
    trainer = make_trainer()
    trainer.model.layers["0"].trainable = False
    with pytest.raises(ConfigurationError, match="0 has trainable = False, and would be trained all the same"):
        trainer.fit(Points())
    rule = trainer.rule.without_parameters()
    rule.initialize(trainer.model.layers["2"].parameters())
    Trainer(trainer.model, trainer.loss, rule).fit(Points())


class RoundedLoss(SoftmaxCrossEntropy):
    """Gives NumPy's numbers, as np.mean does."""

    def forward(self, outputs, targets):
        return np.float32(super().forward(outputs, targets))

    def accuracy(self, outputs, targets):
        return np.float32(super().accuracy(outputs, targets))


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_numbers_of_numpy_become_plain_ones(engine):
    model, rates = make_trainer().model, np.linspace(0.1, 0.2, 2, dtype=np.float32)
    trainer = Trainer(model, RoundedLoss(), GradientDescent(0.1), lambda step: rates[step], engine=engine)
    (row,) = trainer.fit(Points(), Points(1)).rows
    assert {type(value) for value in row.values()} == {int, float}


def test_a_hook_that_fails_at_the_end_stops_no_other_and_the_engine_is_closed():
    ended = []

    class Fails(Hook):
        def after_training(self, trainer):
            ended.append("fails")
            raise OSError("the disk is full")

    class Ends(Hook):
        def after_training(self, trainer):
            ended.append("ends")

    trainer = make_trainer([Fails(), Ends()])
    with pytest.raises(OSError, match="the disk is full"):
        trainer.fit(Points())
    assert ended == ["fails", "ends"]
    with pytest.raises(MlpError, match="the engine has no model"):
        evaluate(trainer.engine, Points())


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ConfigurationError, match="no parameters, so there is nothing to train"):
        Trainer(Sequential(LeakyReLU()), SoftmaxCrossEntropy(), GradientDescent(0.1))


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_an_engine_that_was_never_bound_says_so(engine):
    with pytest.raises(MlpError, match="the engine has no model"):
        evaluate(mlp.engine.make_engine(engine), Points())


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.longdouble(1.5), 1.5),
        (np.array([2.0]), 2.0),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 2), 0.5),
        (np.ma.masked, np.nan),
        (np.uint8(3), 3),
        (np.bool_(True), 1),
    ],
)
def test_a_number_of_any_kind_may_stand_in_a_row(value, written):
    row = plain_row({"epoch": 1, "mine": value}, "the hook H", 1)
    assert type(row["mine"]) is type(written)
    assert row["mine"] == pytest.approx(written, nan_ok=True)


def test_best_weights_that_are_gone_are_missed_at_the_next_epoch(tmp_path, capsys):
    class Worse(Hook):
        def after_epoch(self, trainer, row):
            row["val_acc"] = 1.0 / row["epoch"]
            (tmp_path / "checkpoint-best.npz").unlink(missing_ok=True)

    make_trainer([Worse(), mlp.training.Checkpoint(tmp_path)]).fit(Points(), Points(1), epochs=3)
    assert capsys.readouterr().err.count("checkpoint-best.npz is gone: put it back, the test at the end needs it") == 1


def test_a_table_gets_one_row_an_epoch():
    class Twice(Hook):
        def after_epoch(self, trainer, row):
            trainer.history.add_row("mine", ["a"], {"size": np.ones(1)})

    with pytest.raises(ConfigurationError, match="the table 'mine' has the numbers of epoch 1 already"):
        make_trainer([Twice(), Twice()]).fit(Points())


def test_a_hook_may_evaluate_with_the_trainer():
    class Evaluates(Hook):
        def after_epoch(self, trainer, row):
            row["test_loss"], _ = trainer.evaluate(Points(7))

    plain, trainer = make_trainer(), make_trainer([Evaluates()])
    plain.fit(Points(), epochs=2)
    assert trainer.fit(Points(), epochs=2).rows[-1]["test_loss"] == plain.evaluate(Points(7))[0]
    assert trainer.evaluate(Points(7)) == plain.evaluate(Points(7))


def test_fit_within_fit_is_refused_and_a_later_one_is_not():
    class Fits(Hook):
        def after_epoch(self, trainer, row):
            trainer.fit(Points(), epochs=9)

    trainer = make_trainer([Fits()])
    with pytest.raises(MlpError, match="while this Trainer is in fit already"):
        trainer.fit(Points())
    trainer.hooks = []
    assert len(trainer.fit(Points(), epochs=2).rows) == 2


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
@pytest.mark.parametrize(
    ("method", "returned", "message"),
    [
        ("forward", None, "what Own.forward returns must be a number, got None"),
        ("forward", np.ones(3), "what Own.forward returns must be a number, got array"),
        ("accuracy", None, "what Own.accuracy returns must be a number, got None"),
        ("accuracy", 97.0, "the loss Own put 'train_acc' = 97"),
    ],
)
def test_a_loss_whose_numbers_are_none_is_named(engine, method, returned, message):
    class Own(SoftmaxCrossEntropy):
        pass

    def wrong(self, outputs, targets):
        getattr(SoftmaxCrossEntropy, method)(self, outputs, targets)
        return returned

    setattr(Own, method, wrong)
    trainer = Trainer(make_trainer().model, Own(), GradientDescent(0.1), engine=engine)
    with pytest.raises(ConfigurationError, match=message):
        trainer.fit(Points())
