"""Checking a layer, loss or learning rule in a file from outside: FILE.py:NAME.

NAME is a class, or an object that the file makes, or a function that returns one. Constructor arguments come as text,
"3, 4, kernel_size=3", of which only literals are read; nothing in it is run. A layer without an input shape is tried
with a few plausible ones: vectors and images, with as many features as its weights have inputs.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.check import check_functions, check_layer
from mlp.diagnostics.gradients.losses.check import check_loss
from mlp.diagnostics.gradients.plausible_shape import plausible_shape
from mlp.diagnostics.gradients.report import GradientReport
from mlp.diagnostics.gradients.styles.arrays import vars_of
from mlp.diagnostics.gradients.styles.calls import NAMES_OF_BACKWARD, parameters, required
from mlp.diagnostics.gradients.styles.defaults import with_defaults
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.left_out import reads_as_target
from mlp.diagnostics.gradients.styles.losses import is_loss_pair
from mlp.diagnostics.rules.check import check_rule
from mlp.diagnostics.rules.made_with import made_with_parameters, takes_parameters
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.learning_rules import LearningRule
from mlp.losses import Loss
from mlp.own_code import OWN_ERRORS, folder_of_imports, load_module, own_lines
from mlp.typing import Shape

METHODS = (  # one of them is in all that can be checked; `__call__` is in every class
    *("forward", "fprop", *NAMES_OF_BACKWARD),
    *("update", "update_params", "step", "apply_gradients"),
)
DEFINES = re.compile(rf"\bdef \w*({'|'.join(METHODS)})\b")
MOST_READ = 1 << 20  # characters of a file that is not the one that was named
LOSS_SHAPE = (5, 7)
OF_GRADIENTS = ("dw", "g", "grad", "grads", "gradient")
PAIR_SHAPES = ((5, 4), (2, 3, 6, 5), (2, 6, 5, 3), (4, 6))  # vectors, images with channels first and last


def check_file(
    target: str, arguments: str = "", input_shape: Sequence[int] | None = None, seed: int = 0
) -> GradientReport:
    """Check what `target`, "FILE.py:NAME", names.

    Args:
        target: a Python file and a class, object or function in it; without a name, the only class that can be checked.
        arguments: of the constructor, as text.
        input_shape: of a layer, or of the outputs under a loss; None to try plausible ones.
        seed: of the point.

    Returns:
        A `GradientReport`.

    Raises:
        ConfigurationError: no such file or class, arguments that do not fit, an exception in the file itself, or no
            shape that the layer takes; with the lines of the file that raised it.
    """
    path, name = split_target(target)
    if "," in name:
        return check_pair(path, name, input_shape, seed)
    subject, more = make_subject(load(path), path, name, arguments), list[str]()
    if is_rule(subject):
        report = check_rule(subject, seed=seed)
    elif is_loss(subject):
        report = check_own_loss(subject, [input_shape] if input_shape else list(loss_shapes(subject)), seed)
    else:
        shape = tuple(input_shape) if input_shape else plausible_shape(subject, path, seed)
        report = check_layer(subject, shape, seed=seed)
        more += [] if input_shape else [shape_taken(shape)]
    if report.cause is not None and len(lines := own_lines(report.cause, path)) > 1:
        more.append(f"raised at {' > '.join(lines)}")
    return with_remarks(report, more)


def check_own_loss(loss: Any, shapes: Sequence[Sequence[int]], seed: int) -> GradientReport:
    """Check a loss with outputs of the first of some shapes at which it raises nothing; of the first one, if none."""
    reports = (check_loss(loss, shape, seed=seed) for shape in shapes)
    first = next(reports)
    return first if first.cause is None else next((one for one in reports if one.cause is None), first)


def loss_shapes(loss: Any) -> Iterator[Shape]:
    """Yield shapes of outputs: of any number of classes, and of as many as a loss has weights or quantiles."""
    yield LOSS_SHAPE
    for value in vars_of(loss).values():
        if isinstance(value, np.ndarray | list | tuple) and np.ndim(value) == 1 and len(value) > 0:
            yield (LOSS_SHAPE[0], len(value))


def check_pair(path: Path, names: str, input_shape: Sequence[int] | None, seed: int) -> GradientReport:
    """Check two functions, "conv_forward,conv_backward"; weights get plausible shapes."""
    module = load(path)
    pair: list[Any] = [getattr(module, name.strip(), None) for name in names.split(",")]
    if len(pair) != 2 or not all(callable(one) for one in pair):
        there = ", ".join(name for name, value in vars(module).items() if inspect.isfunction(value))
        raise ConfigurationError(
            f"{path.name}:{names}: expected two functions, forward,backward; it has {there or 'none'}"
        )
    if is_loss_pair(*pair):
        return check_own_loss(tuple(pair), [input_shape or LOSS_SHAPE], seed)
    if input_shape:
        return check_functions(pair[0], pair[1], input_shape, seed=seed)
    made, failures = list[FunctionPair](), list[str]()
    for shape in PAIR_SHAPES:
        try:
            made.append(FunctionPair(pair[0], pair[1], shape))
        except ConfigurationError as error:
            failures.append(str(error))
    if not made:
        raise ConfigurationError(f"no plausible input shape worked: give --input-shape. {failures[0]}")
    best = max(made, key=lambda one: one.fit(np.ones(one.input_shape))[0])
    report = check_functions(pair[0], pair[1], best.input_shape, seed=seed)
    return with_remarks(report, [shape_taken(best.input_shape)])


def with_remarks(report: GradientReport, more: Sequence[str]) -> GradientReport:
    """Return a report with more remarks."""
    return replace(report, remarks=[*report.remarks, *more])


def shape_taken(shape: Shape) -> str:
    """Return the remark about inputs whose shape nobody gave."""
    return f"no --input-shape was given; it took inputs of shape {shape}."


def split_target(target: str) -> tuple[Path, str]:
    """Return the path and the name of "FILE.py:NAME"; the name may be missing."""
    file, colon, name = target.rpartition(":")
    if not colon or name.endswith(".py"):
        file, name = target, ""
    path = Path(file).expanduser()
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.glob("*.py") if may_be_checked(other))
        there = f"; {path.parent} has {', '.join(beside[:8])}" if beside else ""
        raise ConfigurationError(f"there is no file {path}{there}")
    if path.suffix != ".py":
        raise ConfigurationError(f"{path} is not a Python file: its name must end in .py")
    return path.resolve(), name


def may_be_checked(path: Path) -> bool:
    """Return whether a file defines something that layers, losses or rules have, such as `backward` or `step`."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return DEFINES.search(file.read(MOST_READ)) is not None
    except OSError:
        return False


def load(path: Path) -> ModuleType:
    """Run a Python file and return it as a module; it can import what lies beside it."""
    with folder_of_imports(path.parent):
        module = load_module(path, f"own_file_{path.stem}", partial(attempt, path, "the file"))
    assert module is not None  # the name ends in .py
    return module


def make_subject(module: ModuleType, path: Path, name: str, arguments: str) -> Any:
    """Return the object to check: the constructor called, or the object as it is."""
    own = [key for key, value in vars(module).items() if can_be_checked(value) and value.__module__ == module.__name__]
    if not name and len(own) == 1:
        name = own[0]
    if not hasattr(module, name):
        there = f"it has {', '.join(own)}" if own else "it has no class with forward or fprop"
        what = f"has no {name!r}" if name else f"needs a name, {path.name}:NAME"
        raise ConfigurationError(f"{path.name} {what}: {there}")
    found = getattr(module, name)
    if inspect.isclass(found) or not inspect.isfunction(found):
        check_kind(found, f"{path.name}:{name}", own)
    if not inspect.isclass(found) and not inspect.isfunction(found):
        return found
    if inspect.isfunction(found) and (is_loss(found) or is_rule(found)) and not arguments:
        return found  # a loss (outputs, targets) -> (loss, gradient), or a rule (w, dw, config) -> (w, config)
    positional, named = parse_arguments(arguments)
    if inspect.isfunction(found) and (is_loss(found) or is_rule(found)) and not positional:
        return with_defaults(found, named)
    if takes_parameters(found) and is_rule(found):
        return attempt(path, name, lambda: made_with_parameters(found, positional, named))
    try:
        inspect.signature(found).bind(*positional, **named)
    except TypeError as error:
        raise ConfigurationError(
            f"{name}{inspect.signature(found)} does not fit --args {arguments!r}: {error}; write for example "
            f'--args "{example_arguments(found)}"'
        ) from error
    made = attempt(path, f"{name}({arguments})", lambda: found(*positional, **named))
    check_kind(made, f"what {path.name}:{name} returns", own)
    return made


def check_kind(value: Any, label: str, own: Sequence[str]) -> None:
    """Raise a ConfigurationError if a value is not a layer, loss or rule, nor a class of them."""
    kind = value if inspect.isclass(value) else type(value)
    if kind.__module__ == "builtins" or not any(callable(getattr(value, name, None)) for name in METHODS):
        what = "a class without forward, backward, grad or update" if value is kind else f"of type {kind.__name__}"
        there = f"; {', '.join(own)} can be checked" if own else ""
        raise ConfigurationError(f"{label} is {what}, no layer, loss or learning rule{there}")


def can_be_checked(value: Any) -> bool:
    """Return whether a value is a class with the methods of a layer, a loss or a rule."""
    return inspect.isclass(value) and any(callable(getattr(value, name, None)) for name in METHODS)


def parse_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the named arguments of "3, 4, kernel_size=3"; only literals, nothing is run."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise ValueError("more than the arguments of one call")
        positional = [ast.literal_eval(node) for node in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        if len(named) != len(call.keywords):
            raise ValueError("** is not a literal")
    except (SyntaxError, ValueError) as error:
        raise ConfigurationError(
            f"--args {text!r}: numbers, strings, tuples, lists, True, False and None can be given, as in "
            '--args "3, 4, kernel_size=3"'
        ) from error
    return positional, named


def example_arguments(kind: Callable[..., Any]) -> str:
    """Return arguments that have the right number at least: "3, 4"."""
    return ", ".join(str(3 + i) for i in range(len(required(kind))))


def is_rule(subject: Any) -> bool:
    """Return whether a subject is a learning rule."""
    if inspect.isfunction(subject):
        second = second_parameter(subject)
        return second in OF_GRADIENTS or (second != "" and second == f"d{required(subject)[0].lower()}")  # (x, dx)
    layer = isinstance(subject, Layer) or any(hasattr(subject, name) for name in ("forward", *NAMES_OF_BACKWARD))
    return isinstance(subject, LearningRule) or (
        not layer and any(hasattr(subject, n) for n in ("update", "update_params", "step", "apply_gradients"))
    )


def is_loss(subject: Any) -> bool:
    """Return whether a subject is a loss."""
    if inspect.isfunction(subject):
        return reads_as_target(second_parameter(subject))
    if isinstance(subject, Loss) or (hasattr(subject, "grad") and not hasattr(subject, "forward")):
        return not isinstance(subject, Layer)
    value = getattr(subject, "forward", getattr(subject, "loss", subject))  # a subject itself may be called
    second, kind = second_parameter(value), subject if inspect.isclass(subject) else type(subject)
    backward = getattr(subject, "backward", None)
    last = callable(backward) and not inspect.isclass(subject) and not parameters(backward)  # no gradient from above
    named = bool(second) and (last or kind.__name__.lower().endswith(("loss", "criterion")))
    return not isinstance(subject, Layer) and (named or reads_as_target(second))


def second_parameter(function: Any) -> str:
    """Return the name of the second thing that a function needs, or ""."""
    needed = required(function) if callable(function) else []
    return needed[1].lower() if len(needed) > 1 else ""


# --- exceptions in the file -----------------------------------------------------------------------------------------


def attempt(path: Path, what: str, function: Callable[[], Any]) -> Any:
    """Return function(); whatever the user's code raises becomes an error with the lines of the file that raised it."""
    try:
        return function()
    except OWN_ERRORS as error:
        lines = "\n".join(own_lines(error, path))
        raise ConfigurationError(f"{what} raised {type(error).__name__}: {error}\n{lines}".rstrip()) from error
