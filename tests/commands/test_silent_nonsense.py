"""Numbers and names that make no sense are reported or refused: no command ends as if all were well."""

import re
from pathlib import Path

import numpy as np
import pytest

from mlp import commands
from mlp.checks import quick_pattern
from mlp.commands import data, evaluate, gradient_correlation, landscape, predict
from mlp.commands import train as train_module
from mlp.engine.cpu.threads import usable_cores
from mlp.errors import ConfigurationError
from mlp.experiments.run import mention_bad_loss
from mlp.learning_rules import Adam
from mlp.training.history import History

TINY = ("--dataset", "synthetic", "--filters", "2", "--limit-train", "40", "--limit-valid", "20", "--batch-size", "10")


@pytest.fixture
def train(call, tmp_path):
    """A function that trains a tiny run in tmp_path/run; returns (status, out, err)."""
    return lambda *more: call(train_module, "--out", tmp_path / "run", *TINY, "--epochs", "1", *more)


def test_a_loss_far_above_chance_is_written_short_and_says_what_to_try(capsys):
    history = History()
    history.rows = [{"epoch": 1, "train_loss": 68178040981574959104.0}]
    mention_bad_loss(history, 100)
    err = capsys.readouterr().err
    assert err.startswith("note: the training loss 6.8e+19 is far above 4.61, that of guessing among 100 classes")
    assert "Try a smaller --learning-rate, --clip-norm 1, or --warm-up 1" in err
    history.rows[0]["train_loss"] = 4.9
    mention_bad_loss(history, 100)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_learning_rate_of_ten(train):
    status, out, err = train("--learning-rate", "10", "--learning-rule", "adam", "--model", "vgg38", "--epochs", "2")
    assert status in (0, 2)  # 2: the loss became infinite
    assert not re.search(r"\d{9}", out + err)  # no 68178040981574959104.000
    assert "far above 4.61" in err or "learning rate" in err


@pytest.mark.parametrize("threads", ["100000", str(10**400), "0", "-3"])
def test_too_many_threads(train, tmp_path, threads):
    status, out, err = train("--threads", threads)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "--threads" in err or "threads must be" in err
    assert len(err) < 1000
    assert not (tmp_path / "run").exists()
    if threads == "100000":
        assert f"at most {64 * usable_cores()}, 64 for each core" in err


def write_images(path, names, classes):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % classes
    np.savez(path, images=rng.integers(0, 255, (40, 8, 8, 3), np.uint8), labels=labels, class_names=names)


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (["cat"], 1, "one class only, 'cat': there is nothing to tell apart"),
        (["cat", "dog"], 1, "training images of one class only, 'cat': there is nothing to tell apart"),
        (["cat", "cat"], 2, "two classes have the same name, 'cat'"),
        (["a", "b", "c", "b"], 4, "two classes have the same name, 'b'"),
    ],
)
def test_one_class_and_classes_of_one_name(call, tmp_path, names, classes, message):
    write_images(tmp_path / "own.npz", names, classes)
    status, _, err = call(train_module, "--out", tmp_path / "run", "--dataset", f"npz:{tmp_path}/own.npz")
    assert status == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_folders_of_one_name_and_one_class(call, tmp_path):
    image = pytest.importorskip("PIL.Image")
    for number in range(12):
        path = tmp_path / "pictures" / "only" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(path)
    status, _, err = call(train_module, "--out", tmp_path / "run", "--dataset", f"folder:{tmp_path}/pictures")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


ENDLESS = ("(a+)+$", "(a|a)*b", "(.*)*x", ".*.*.*x", "(a?){60}a{60}", "a?a?a?aaa", "(x)" * 5, "((((((a))))))")


@pytest.mark.parametrize("pattern", ENDLESS)
def test_patterns_that_may_take_for_ever(train, tmp_path, pattern):
    with pytest.raises(ConfigurationError, match="no_decay may have at most four groups"):
        Adam(no_decay=pattern)
    status, _, err = train("--no-decay", pattern)
    assert status == 2
    assert "--no-decay may have at most four groups" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("pattern", ["", "bias", "(gamma|beta|bias)$", r"^stage_\d+\..*bias$", "[ab]+$", "a{2}"])
def test_patterns_that_people_write(pattern):
    assert quick_pattern("no_decay", pattern) == pattern


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a{99999999999}", "(?P<n>a)(?P<n>b)", "(" * 5000])
def test_patterns_that_are_none(pattern):
    with pytest.raises(ConfigurationError, match="no_decay must be a regular expression, got") as caught:
        quick_pattern("no_decay", pattern)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--schedule", "cos"], "got 'cos': did you mean cosine?"),
        (["--norm", "Batch"], "got 'Batch': did you mean batch?"),
        (["--optimizer", "adamm"], "got 'adamm': did you mean adam?"),
        (["--engine", "gpu"], "textbook, cpu, cuda, got 'gpu'\n"),
        (["--model", "VGG08"], "got 'VGG08': did you mean vgg08?"),
        (["--dataset", "synthetik"], "got 'synthetik': did you mean synthetic?"),
        (["--dataset", "own.npz"], "got 'own.npz': did you mean npz:own.npz?"),
        (["--dataset", "."], "got '.': did you mean folder:.?"),
        (["--limit-classes", "1000"], "--limit-classes must lie in 2 .. 100"),
        (["--find-lr", "9" * 400], "--find-lr must be at most 100,000, got a number of 40"),
        (["--find-lr", "1"], "--find-lr must be a whole number of at least 2, got 1"),
        (["--smoothness", "0"], "--smoothness must be a whole number of at least 1, got 0"),
        (["--learning_rate", "1"], "unrecognized arguments: --learning_rate (did you mean --learning-rate?) 1"),
        (["--momentum", "0.9"], "unrecognized arguments: --momentum 0.9\n"),
    ],
)
def test_a_word_that_is_nearly_right_gets_the_right_one_and_a_flag_its_name(train, tmp_path, words, sentence):
    status, _, error = train(*words)
    assert status == 2
    assert sentence in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", ["nan", "inf", "many"])
def test_flags_that_take_numbers_take_no_others(call, number):
    for module, words in ((data, ["mnist", "--timeout"]), (landscape, ["run", "--range", "-1"])):
        status, _, error = call(module, *words, number)
        assert (status, len(error.splitlines())) == (2, 1)
        assert f"expected a number, got '{number}'" in error


def test_no_command_reads_numbers_with_float():
    files = Path(commands.__file__).parent.rglob("*.py")
    assert [path.name for path in files if "type=float" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("module", "words", "sentence"),
    [
        (evaluate, ["config.json"], "config.json is a file, and a run is a folder: name "),
        (evaluate, ["", "--classes", "-3"], "--classes must be a whole number of at least 0, got -3"),
        (predict, ["", ""], "is a folder: name the pictures in it, "),
        (landscape, ["", "--points", "9" * 400 + "9"], "points must be at most 10,001, got a number of 40"),
        (landscape, ["", "--range", "1", "9999999"], "the range must lie within -1e+06 .. 1e+06, got 1 1e+07"),
        (landscape, ["", "--widths", "9999"], "--widths must be at most 1,000, got 9,999"),
        (gradient_correlation, ["", "--images", "99999"], "--images must be at most 10,000, got 99,999"),
        (landscape, ["", "--widths", "-1"], "--widths must be a whole number of at least 0, got -1"),
    ],
)
def test_a_file_for_a_run_a_folder_for_a_picture_and_numbers_below_0(call, finished, module, words, sentence):
    paths = [word if word.startswith("-") or word.lstrip("-").isdigit() else finished / word for word in words]
    status, _, error = call(module, *paths)
    assert (status, len(error.splitlines())) == (2, 1)
    assert sentence in error
