"""scripts/check_gradients.py FILE.py:NAME: a layer, loss or rule in a file from outside."""

import pytest

from mlp.commands.check import main
from mlp.diagnostics.gradients.own_file import check_file, parse_arguments
from mlp.errors import ConfigurationError

FILE = """
import numpy as np
from helper_beside_it import double
from mlp.layers import Layer, Parameter
from mlp.learning_rules import Momentum
from mlp.losses import MeanSquaredError


class Scale(Layer):
    def __init__(self, channels, power=1):
        self.scale, self.power = Parameter(np.ones(channels, np.float32)), power

    def forward(self, x, training=False):
        self.keep(x)
        return x * self.scale.data

    def backward(self, grad_outputs):
        x = self.take()
        self.scale.grad = (grad_outputs * x).sum(axis=0)
        return grad_outputs * self.scale.data


class Called:
    def __call__(self, x):
        self.x = x
        return x * x

    def backward(self, grad):
        return 2 * grad * self.x


class CalledLoss:
    def __call__(self, y_pred, y_true):
        self.kept = y_pred, y_true
        return float(((y_pred - y_true) ** 2).mean())

    def backward(self):
        y_pred, y_true = self.kept
        return 2 * (y_pred - y_true) / y_pred.size


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, grad):
        return grad * self.x


class Broken(Layer):
    def forward(self, x, training=False):
        return self.helper(x)

    def helper(self, x):
        return x.no_such_method()

    def backward(self, grad_outputs):
        return grad_outputs


class Images(Layer):
    def forward(self, x, training=False):
        N, H, W, C = x.shape
        return double(x)

    def backward(self, grad_outputs):
        return double(grad_outputs)


class WrongShape(Images):
    def backward(self, grad_outputs):
        return double(grad_outputs).reshape(len(grad_outputs), -1)


class Loss(MeanSquaredError):
    def backward(self):
        return -super().backward()


class Rule(Momentum):
    def change(self, gradient):
        self.moments["velocity"][...] = 0.0
        return super().change(gradient)


class Channels(Layer):
    def __init__(self):
        self.scale = Parameter(np.ones(3, np.float32))

    def forward(self, x, training=False):
        self.keep(x)
        return x * self.scale.data

    def backward(self, grad_outputs):
        self.scale.grad = (grad_outputs * self.take()).sum(axis=(0, 1, 2))
        return grad_outputs * self.scale.data


class Raising(Images):
    def backward(self, grad_outputs):
        raise RuntimeError("nothing works today")


class Bare:
    pass


number = 3


def make_number():
    return number


def make(slope):
    return Scale(slope)


ready = Scale(3)
"""


SCALE_GRAD = "self.scale.grad = (grad_outputs * x).sum(axis=0)"


def line_of(text):
    """Return the number of the first line of FILE with some text."""
    return next(number for number, line in enumerate(FILE.splitlines(), start=1) if text in line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "layers.py").write_text(FILE)
    (folder / "helper_beside_it.py").write_text("def double(x):\n    return 2.0 * x\n")
    (folder / "one.py").write_text("class Same:\n    forward = backward = lambda self, x: x\n")
    (folder / "syntax.py").write_text("def f(:\n")
    (folder / "raises.py").write_text("x = 1\nraise RuntimeError('not ready')\n")
    (folder / "layers.txt").write_text("")
    return folder


def test_layers_losses_and_rules(folder):
    path = str(folder / "layers.py")
    assert check_file(f"{path}:Scale", "3").passed
    assert check_file(f"{path}:Scale", "channels=3, power=2", (5, 3)).passed
    assert check_file(f"{path}:make", "3").passed
    assert check_file(f"{path}:ready").passed
    assert check_file(f"{path}:Square").diagnoses[0].name == "factor 2"
    assert check_file(f"{path}:Loss", input_shape=(4, 3)).diagnoses[0].name == "sign"
    assert check_file(f"{path}:Rule").diagnoses[0].name == "state reset"
    assert check_file(str(folder / "one.py")).passed  # the only class


@pytest.mark.parametrize(("weights", "gradients"), [("w", "dw"), ("x", "dx"), ("theta", "dtheta"), ("w", "grad")])
def test_functions_of_weights_and_gradients_are_rules(tmp_path, weights, gradients):
    rule = f"def sgd({weights}, {gradients}, config=None):\n    return {weights} - 0.1 * {gradients}, config\n"
    (tmp_path / "rules.py").write_text(rule)
    report = check_file(f"{tmp_path / 'rules.py'}:sgd")
    assert report.passed and report.kind == "Rule check"


def test_plausible_shapes_are_tried(folder):
    report = check_file(f"{folder}/layers.py:Images")
    assert report.passed
    assert any("it took inputs of shape (2, 6, 5, 3)" in remark for remark in report.remarks)
    assert "inputs (4, 3)" in check_file(f"{folder}/layers.py:Scale", "3").title


def test_shapes_that_backward_takes_come_first(folder):
    report = check_file(f"{folder}/layers.py:Channels")
    assert report.passed
    assert "inputs (2, 5, 4, 3)" in report.title


def test_every_reason_is_told_once_with_its_shape(folder):
    (folder / "picky.py").write_text(
        "class Picky:\n    def forward(self, x):\n        n, h, w, c = x.shape\n        return x.nothing()\n"
        "    def backward(self, grad):\n        return grad\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        check_file(str(folder / "picky.py"))
    message = str(caught.value)
    assert "(4, 6): ValueError" in message
    assert "(2, 6, 5, 3): AttributeError" in message
    assert message.count("'nothing'") == 1


def test_an_exception_is_printed_once(folder):
    printed = str(check_file(f"{folder}/layers.py:Raising"))
    assert printed.count("nothing works today") == 2  # the message, and the line that raised it
    assert printed.count("Raising") == 1


def test_a_gradient_of_a_wrong_shape_points_to_its_line(folder):
    report = check_file(f"{folder}/layers.py:Scale", "3", (2, 5, 4, 3))
    assert report.diagnoses[0].name == "not summed"
    assert "summed over axes 0, 1" in report.diagnoses[0].sentence
    assert report.diagnoses[0].evidence == f"layers.py, line {line_of('self.scale.grad')}: {SCALE_GRAD}"
    report = check_file(f"{folder}/layers.py:WrongShape")
    assert "it matches with .reshape(2, 6, 5, 3)" in report.diagnoses[0].sentence


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("nowhere.py:Scale", "", "there is no file"),
        ("layers.txt:Scale", "", "must end in .py"),
        ("layers.py:Scales", "", "has no 'Scales': it has Scale, Called, CalledLoss, Square"),
        ("layers.py", "", "needs a name, layers.py:NAME: it has Scale"),
        ("layers.py:Scale", "", r"missing a required argument: 'channels'; write for example --args \"3\""),
        ("layers.py:Scale", "3, width=4", "unexpected keyword argument 'width'"),
        ("layers.py:Scale", "open('x')", "numbers, strings, tuples"),
        ("layers.py:Scale", "3)(", "numbers, strings, tuples"),
        ("layers.py:Scale", "'three'", r"Scale\('three'\) raised TypeError"),
        (
            "layers.py:Broken",
            "",
            r"(?s)no plausible input shape.*no_such_method.*layers.py, line \d+, in helper: return x",
        ),
        ("layers.py:np", "", "layers.py:np is of type module, no layer, loss or learning rule; Scale, .* can be"),
        ("layers.py:number", "", "layers.py:number is of type int, no layer"),
        ("layers.py:Bare", "", "layers.py:Bare is a class without forward, backward, grad or update"),
        ("layers.py:make_number", "", "what layers.py:make_number returns is of type int, no layer"),
        ("syntax.py:f", "", r"(?s)raised SyntaxError.*syntax.py, line 1: def f"),
        ("raises.py:f", "", r"(?s)not ready.*raises.py, line 2, in <module>"),
    ],
)
def test_messages(folder, target, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        check_file(str(folder / target), arguments)


def test_files_that_may_be_meant_are_named(tmp_path):
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    with pytest.raises(ConfigurationError, match=r"no file \S+my_file.py$"):
        check_file(f"{tmp_path}/my_file.py:MyLayer")
    (tmp_path / "conv.py").write_text("def conv_backward(grad):\n    return grad\n")
    with pytest.raises(ConfigurationError, match=r"my_file.py; \S+ has conv.py$"):
        check_file(f"{tmp_path}/my_file.py:MyLayer")


def test_arguments_are_literals():
    assert parse_arguments("3, -4.5, (1, 2), kernel_size=3, bias=False, name='a'") == (
        [3, -4.5, (1, 2)],
        {"kernel_size": 3, "bias": False, "name": "a"},
    )
    assert parse_arguments("") == ([], {})
    for text in ("__import__('os')", "x", "*[1]", "**{}", "3; 4", "1 +"):
        with pytest.raises(ConfigurationError, match="--args"):
            parse_arguments(text)


def test_the_script_reports_and_returns_0_1_or_2(folder, capsys):
    path = str(folder / "layers.py")
    assert main([f"{path}:Scale", "--args", "3", "--input-shape", "4,3"]) == 0
    assert "passed; worst error" in capsys.readouterr().out
    assert main([f"{path}:Square"]) == 1
    printed = capsys.readouterr().out
    assert "What is likely wrong" in printed
    assert " 1. factor 2: inputs (training, evaluation)" in printed
    with pytest.raises(ConfigurationError, match="layers.py has no 'Nothing'"):
        main([f"{path}:Nothing"])
    assert capsys.readouterr().out == ""
    for wrong in (["--args", "3"], [path, "--input-shape", "4,x"], [path, "--input-shape", "0,3"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)


def test_input_shapes(folder, capsys):
    path = f"{folder}/layers.py:Images"
    for text in ("4,5,5,3", "4x5x5x3", "(4, 5, 5, 3)"):
        assert main([path, "--input-shape", text]) == 0
        assert "inputs (4, 5, 5, 3)" in capsys.readouterr().out
    for words, message in (
        (["4,5,5,"], "ends with a comma"),
        (["4,", "5,", "5,", "3"], "ends with a comma"),
        (["4", "5", "5", "3"], "commas without spaces"),
        (["4,x"], "such as 4,6,6,3, got '4,x'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([path, "--input-shape", *words])
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([path, "--no-such-option"])
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_a_file_that_ends_the_program_does_not_end_the_check(tmp_path):
    path = tmp_path / "ends.py"
    path.write_text(FILE.replace("from helper_beside_it import double\n", "") + "\nimport sys\nsys.exit()\n")
    with pytest.raises(ConfigurationError, match="the file raised SystemExit"):
        main([f"{path}:Square"])


@pytest.mark.parametrize(
    "name, title", [("Called", "Gradient check of Called, inputs"), ("CalledLoss", "outputs (5, 7)")]
)
def test_a_class_that_is_called_and_has_backward(folder, name, title):
    report = check_file(f"{folder}/layers.py:{name}")
    assert report.passed and title in str(report)
