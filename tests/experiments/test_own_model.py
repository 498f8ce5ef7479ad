"""train.py --model FILE.py:function."""

import hashlib
import json

import numpy as np
import pytest

from mlp.commands import train
from mlp.errors import ConfigurationError
from mlp.experiments.own_model import build_own_model

FILE = '''
import numpy as np

import helper
from mlp.layers import Affine, Flatten, Layer, Parameter, Sequential


class Scale(Layer):
    """y = w x, with one w: a layer of your own."""

    def __init__(self):
        self.w = Parameter(np.ones(1, np.float32))

    def forward(self, x, training=False):
        self.keep(x)
        return x * self.w.data

    def backward(self, grad_outputs):
        self.w.grad = (grad_outputs * self.take()).sum(keepdims=True).reshape(1)
        return grad_outputs * self.w.data


def linear(num_classes, image_channels):
    return Sequential(Flatten(), Scale(), Affine(helper.SIDE ** 2 * image_channels, num_classes))


def seeded(seed, width=2):
    assert isinstance(seed, int)
    return linear(4, 3).initialize(seed + 1)


def everything(**sizes):
    assert set(sizes) == {"num_classes", "image_channels", "seed"}
    return linear(sizes["num_classes"], sizes["image_channels"])


def fails(num_classes):
    raise KeyError("forgotten")


def needs(num_classes, width):
    return linear(num_classes, 3)


def nothing():
    return None


def pixels():
    return Flatten()


def ten():
    return linear(10, 3)


def wrong_inputs(num_classes):
    return Affine(7, num_classes)


def empty(num_classes):
    class Means(Layer):
        def forward(self, x, training=False):
            return np.zeros((len(x), num_classes), x.dtype)

    return Means()


number = 5
'''


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("SIDE = 8\n")
    (tmp_path / "net.py").write_text(FILE)
    return tmp_path / "net.py"


def build(file, name, dtype=np.float32):
    return build_own_model(f"{file}:{name}", 4, (8, 8, 3), 7, np.dtype(dtype), trust_code=True)


def test_functions_get_what_they_declare(file):
    for name in ("linear", "seeded", "everything"):
        assert build(file, name).num_parameters == 1 + 192 * 4 + 4
    a, b = (build(file, "linear").state_dict() for _ in range(2))
    assert all((a[name] == b[name]).all() for name in a)  # the seed draws the weights
    assert build(file, "linear", np.float64).forward(np.zeros((1, 8, 8, 3))).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "fails raised KeyError: 'forgotten', line 38 of "),
        ("needs", "give width a default"),
        ("nothing", "nothing must return an mlp.layers.Layer, got None"),
        ("pixels", "the model has no parameters"),
        ("empty", "the model has no parameters"),
        ("ten", "must be an array (2, 4) of float32, one number per class; the model gives (2, 10) float32"),
        ("wrong_inputs", "forward raised ShapeError: Affine: expected (N, 7), got (2, 8, 8, 3)"),
        ("number", "the file has no function 'number'; it has linear, seeded, everything, fails"),
        ("other", "the file has no function 'other'"),
        ("", "the file has no function ''"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(file, name, message):
    with pytest.raises(ConfigurationError) as caught:
        build(file, name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def linear(:\n", "the file raised SyntaxError: invalid syntax (bad.py, line 1)"),
        ("import no_such_module\n", "the file raised ModuleNotFoundError: No module named 'no_such_module', line 1"),
        ("x = 1\n\n1 / 0\n", "the file raised ZeroDivisionError: division by zero, line 3"),
        ("", "the file has no function 'linear'; it has none"),
    ],
)
def test_files_that_do_not_load(tmp_path, content, message):
    (tmp_path / "bad.py").write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path / "bad.py", "linear")
    assert message in str(caught.value)


def test_files_that_are_no_python(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no file"):
        build(tmp_path / "none.py", "linear")
    (tmp_path / "net.txt").write_text("hello")
    with pytest.raises(ConfigurationError, match="must end in .py"):
        build(tmp_path / "net.txt", "linear")


def test_a_run_with_a_model_of_ones_own_and_its_resume(file, small, tmp_path, call):
    out = tmp_path / "run"
    flags = ["--dataset", small["dataset"], "--batch-size", 10, "--epochs", 2, "--learning-rate", 0.01, "--out", out]
    status, text, error = call(train, "--model", f"{file}:linear", *flags, "--stop-after", 1)
    assert (status, error) == (0, "")
    assert f"{file}:linear on npz:" in text
    facts = json.loads((out / "config.json").read_text())["facts"]
    assert len(facts.pop("data")) == 64
    assert facts == {
        "parameters": 773,
        "image_shape": [8, 8, 3],
        "class_names": ["disc", "stripes", "noise", "dark"],
        "num_images": [228, 12],
        "model_file": hashlib.sha256(file.read_bytes()).hexdigest(),
        "first_weights": None,
    }

    status, _, error = call(train, "--model", f"{file}:seeded", *flags, "--resume")
    assert status == 2
    assert "model: " in error
    assert ":seeded' here" in error
    status, _, error = call(train, "--out", out, "--resume")
    assert status == 2
    assert "if you trust that file, add --trust-code" in error
    status, _, error = call(train, "--out", out, "--resume", "--trust-code")
    assert (status, error) == (0, "test: 4 batches\n")
    assert json.loads((out / "test.json").read_text())["test_acc"] > 0.5


def test_errors_are_one_line_and_leave_nothing_behind(file, small, tmp_path, call):
    for model in (f"{file}:ten", f"{file}:other", f"{tmp_path}/none.py:linear"):
        arguments = ["--model", model, "--dataset", small["dataset"], "--out", tmp_path / "run"]
        status, _, error = call(train, *arguments)
        assert status == 2
        assert error.startswith(f"train.py: --model {model}: ")
        assert error.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_a_long_error_of_a_model_is_cut(tmp_path):
    (tmp_path / "net.py").write_text("raise Exception('a' * 10**5)\n")
    with pytest.raises(ConfigurationError, match=r"a{300} \.\.\.") as caught:
        build_own_model(f"{tmp_path / 'net.py'}:model", 3, (8, 8, 3), 0, np.float32, trust_code=True)
    assert len(str(caught.value)) < 1000
