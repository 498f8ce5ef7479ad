"""Settings: what is refused, and which schedule, rule and loss come out."""

import argparse

import numpy as np
import pytest

from mlp.data import load_dataset
from mlp.errors import ConfigurationError
from mlp.experiments import RunConfig
from mlp.experiments.build import make_batches, make_loss, make_model, make_rule, make_schedule, run_title
from mlp.experiments.settings.flags import add_flags, given_settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule_factor": 0.5}, "--schedule-factor is for step, exponential, warm_restarts, not for cosine"),
        ({"schedule": "exponential", "schedule_length": 3}, "--schedule-length is for cosine, step, warm_restarts"),
        ({"schedule": "warm_restarts", "schedule_factor": 1.5}, "must be a whole number for warm_restarts, got 1.5"),
        ({"schedule": "linear"}, "--schedule must be one of constant, cosine, step"),
        ({"schedule_length": 0}, "--schedule-length must be at least 1, got 0"),
        ({"schedule_length": 2.5}, "--schedule-length must be of type int, got 2.5"),
        ({"warm_up": 100}, "--warm-up must be shorter than --epochs 100, got 100"),
        ({"warm_up": -1}, "--warm-up must be at least 0"),
        ({"label_smoothing": 1.0}, "--label-smoothing must be less than 1, got 1.0"),
        ({"limit_classes": 1}, "--limit-classes must be at least 2, got 1"),
        ({"clip_norm": 0}, "--clip-norm must be greater than 0, got 0"),
        ({"clip_value": float("nan")}, "--clip-value must be greater than 0"),
        ({"decoupled_weight_decay": -0.1}, "--decoupled-weight-decay must be at least 0"),
        ({"no_decay": "("}, "--no-decay must be a regular expression, got '('"),
        ({"no_decay": "(a+)+$"}, "--no-decay may have at most four groups (...), at most two of * + ? {n}, none of"),
        ({"norm_position": "beside"}, "--norm-position must be one of before, after"),
        ({"reduction_shortcut": "conv"}, "--reduction-shortcut must be one of none, avgpool, strided, projection"),
        ({"reduction_shortcut": "strided"}, "add residual=True (--residual), or leave reduction_shortcut out"),
        ({"norm": "none", "dropout": 0.2}, "say norm='batch' (--norm batch), or leave dropout out"),
        ({"norm": "batch", "dropout": 1}, "--dropout must be less than 1, got 1"),
        ({"norm": "group", "norm_groups": 3}, "norm_groups must divide the 32 filters, and 3 does not"),
        ({"norm": "group", "norm_groups": 0}, "--norm-groups must be at least 1, got 0"),
        ({"norm": "layer", "norm_groups": 4}, "norm_groups is for norm 'group', not for 'layer'"),
        ({"norm": "instance", "norm_position": "after"}, "choose norm_position 'before'"),
        ({"model": "net.py:deep", "norm": "batch"}, "--norm is for vgg models: net.py:deep is built as it is written"),
        ({"model": "net.py:deep", "filters": 8}, "--filters is for vgg models"),
        ({"model": "net.py:deep", "norm_groups": 8}, "--norm-groups is for vgg models"),
        ({"model": "net.py:deep", "dropout": 0.5}, "--dropout is for vgg models"),
        ({"model": "net.py"}, "--model must be vgg08, vgg38, vgg<depth>, ssrn or FILE.py:function, got 'net.py'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigurationError) as caught:
        RunConfig(**settings)
    assert message in str(caught.value)


def test_the_depth_of_a_model_of_ones_own_is_not_asked_for():
    assert RunConfig(model="net.py:deep").own_model


def rates(steps_per_epoch=10, **settings):
    config = RunConfig(learning_rate=1.0, **settings)
    schedule = make_schedule(config, steps_per_epoch)
    return np.array([schedule(step) for step in range(config.epochs * steps_per_epoch)])


def test_schedules_by_epoch():
    epochs = slice(None, None, 10)
    np.testing.assert_allclose(rates(schedule="constant", epochs=3), 1.0)
    np.testing.assert_allclose(rates(schedule="step", epochs=6)[epochs], [1, 1, 0.1, 0.1, 0.01, 0.01])
    stairs = rates(schedule="step", schedule_factor=0.5, schedule_length=1, epochs=3)
    np.testing.assert_allclose(stairs, np.repeat([1, 0.5, 0.25], 10))
    np.testing.assert_allclose(rates(schedule="exponential", epochs=3)[epochs], [1, 0.96, 0.96**2])
    cycles = rates(schedule="warm_restarts", schedule_length=2, schedule_factor=2, epochs=6)[epochs]
    np.testing.assert_allclose(cycles[[0, 1, 2, 4]], [1, 0.50001, 1, 0.50001])
    half = rates(schedule="cosine", schedule_length=4, epochs=6)[epochs]
    np.testing.assert_allclose(half[[0, 2, 4]], [1, 0.50001, 2e-5])


def test_schedules_by_step_and_warm_up():
    by_step = rates(schedule="exponential", schedule_factor=0.9, schedule_unit="step", epochs=2)
    np.testing.assert_allclose(by_step, 0.9 ** np.arange(20))
    warmed = rates(schedule="cosine", warm_up=2, epochs=6)
    np.testing.assert_allclose(warmed[[0, 10, 20]], [0.01, 0.505, 1.0])  # in a line, step by step
    np.testing.assert_allclose(warmed[20:], rates(schedule="cosine", epochs=4))  # then all of the cosine


def test_rule_settings_reach_the_rule():
    rule = make_rule(RunConfig(no_decay="bias$", clip_norm=1.0, clip_value=0.5, weight_decay=0.1))
    assert (rule.no_decay, rule.clip_norm, rule.clip_value, rule.weight_decay) == ("bias$", 1.0, 0.5, 0.1)
    assert make_rule(RunConfig(learning_rule="adamw")).decoupled_weight_decay == 0.01
    assert make_rule(RunConfig(learning_rule="adamw", decoupled_weight_decay=0.0)).decoupled_weight_decay == 0.0
    assert make_rule(RunConfig(learning_rule="momentum")).decoupled_weight_decay == 0.0


def test_loss_and_model_settings_reach_them():
    assert make_loss(RunConfig(label_smoothing=0.1)).label_smoothing == 0.1
    settings = {"model": "vgg14", "norm": "batch", "residual": True, "filters": 4}
    config = RunConfig(norm_position="after", reduction_shortcut="avgpool", **settings)
    text = repr(make_model(config, 5, (8, 8, 3)))
    assert text.count("shortcut: AvgPool2d") == 3
    assert text.index("activation_1") < text.index("norm_1")


def test_without_augmentation_the_training_images_stay_as_they_are():
    images, _, _ = load_dataset("synthetic", limit_train=20)
    for augment in (True, False):
        config = RunConfig(dataset="synthetic", batch_size=20, augment=augment)
        batches, plain, _ = make_batches(config, images, images, images)
        (x, targets), (y, order) = next(iter(batches.epoch(0))), next(iter(plain.epoch(0)))
        shuffled = np.array([np.abs(y - image).sum(axis=(1, 2, 3)).min() for image in x])
        assert (shuffled.max() == 0) != augment
        assert sorted(targets) == sorted(order)


def parse(line):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return RunConfig(**given_settings(parser.parse_args(line.split())))


@pytest.mark.parametrize(
    ("flags", "expected", "title"),
    [
        ("--norm layer", ["LayerNorm(8"], "VGG14 LN on cifar100"),
        ("--norm instance", ["InstanceNorm(8"], "VGG14 IN on cifar100"),
        ("--norm group", ["GroupNorm(8, 8"], "VGG14 GN on cifar100"),
        ("--norm group --norm-groups 2 --residual", ["GroupNorm(2, 8", "Identity()"], "VGG14 GN+RC on cifar100"),
        ("--norm batch --norm-position after --dropout 0.2", ["BatchNorm(8", "Dropout(0.2)"], "VGG14 BN on cifar100"),
        ("--residual --reduction-shortcut strided", ["StridedIdentity(8, 8"], "VGG14 RC on cifar100"),
        ("--residual --reduction-shortcut projection", ["kernel_size=(1, 1), stride=(2, 2)"], "VGG14 RC on cifar100"),
        (
            "--residual --reduction-shortcut projection_everywhere",
            ["kernel_size=(1, 1), stride=(1, 1)"],
            "VGG14 RC on cifar100",
        ),
    ],
)
def test_every_variant_is_reached_from_the_command_line(flags, expected, title):
    config = parse(f"--model vgg14 --filters 8 {flags}")
    text = repr(make_model(config, 5, (8, 8, 3)))
    assert all(part in text for part in expected)
    assert run_title(config) == title


def test_the_reports_schedules_and_batch_sizes_are_reached_from_the_command_line():
    by_epoch = make_schedule(parse("--model vgg38"), 475)  # E: the cosine falls once
    np.testing.assert_allclose([by_epoch(0), by_epoch(474), by_epoch(99 * 475)], [1e-3, 1e-3, 2.024e-5], rtol=1e-3)
    by_step = make_schedule(parse("--schedule-unit step --schedule-length 100"), 475)  # I: up and down every 100 steps
    np.testing.assert_allclose([by_step(step) for step in (0, 100, 200, 47_500)], [1e-3, 2e-5, 1e-3, 2e-5], rtol=1e-9)
    exponential = make_schedule(parse("--schedule exponential --schedule-factor 0.96"), 475)
    assert exponential(2 * 475) == pytest.approx(1e-3 * 0.96**2)
    assert [parse(f"--batch-size {size}").batch_size for size in (25, 1024)] == [25, 1024]
    assert make_rule(parse("--weight-decay 1e-3")).weight_decay == 1e-3


def test_configurations_from_before_a_setting_existed_are_read():
    old = RunConfig(model="vgg38", norm="batch", residual=True).as_dict()
    for name in ("norm_groups", "dropout"):
        del old[name]
    assert RunConfig(**old) == RunConfig(model="vgg38", norm="batch", residual=True)


def test_a_depth_is_written_in_one_way():
    assert RunConfig(model="vgg8") == RunConfig(model="vgg008") == RunConfig(model="vgg08")
    assert parse("--model vgg8").model == "vgg08"


def test_short_flags_and_words_of_other_libraries():
    config = parse("--lr 0.05 --wd 1e-4 --bs 64 --optimizer SGD")
    assert (config.learning_rate, config.weight_decay, config.batch_size) == (0.05, 1e-4, 64)
    assert config.learning_rule == "gradient_descent"
    assert parse("--optimizer NAG").learning_rule == "nesterov"
    with pytest.raises(ConfigurationError, match="--learning-rule must be one of gradient_descent, .*got 'lion'"):
        parse("--optimizer Lion")


def test_help_shows_choices_in_groups():
    parser = argparse.ArgumentParser()
    add_flags(parser)
    text = parser.format_help()
    assert "{none,batch,layer,instance,group}" in text
    titles = ["model:", "images:", "training:", "schedule of the learning rate:", "regularization:"]
    assert [text.index(f"\n{title}") for title in titles] == sorted(text.index(f"\n{title}") for title in titles)
