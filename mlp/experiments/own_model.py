"""Your own model: `--model FILE.py:function`, with your own layers in the same file or in files beside it.

    # net.py
    from mlp.layers import Affine, Flatten, Sequential

    def linear(num_classes, image_channels):
        return Sequential(Flatten(), Affine(32 * 32 * image_channels, num_classes))

    python scripts/train.py --model net.py:linear

The function gets num_classes, image_channels and seed, or those of them that it declares. If it does not take the seed,
all weights are drawn again by `model.initialize(seed)`, so that a run can be repeated.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlp.errors import CheckpointError, ConfigurationError, excerpt, text_of
from mlp.files.stored import LONGEST_TEXT, open_file
from mlp.layers import Layer, frozen_buffers
from mlp.own_code import OWN_ERRORS, folder_of_imports, frames_in, load_module
from mlp.typing import Array, DType


def build_own_model(
    text: str, num_classes: int, image_shape: Sequence[int], seed: int, dtype: DType, *, trust_code: bool
) -> Layer:
    """Call the function that `text`, "FILE.py:function", names, and check the model that it returns.

    Args:
        num_classes: K. image_shape: (H, W, C). seed: of the initial weights. dtype: of the weights.
        trust_code: whether the user has named the file, or said that it may be run.

    Returns:
        The model, with weights of `dtype`.

    Raises:
        ConfigurationError: no such file or function, it raises an error, or what it returns is not a model for these
            images and classes.
    """
    file, _, name = text.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"--model {text}: there is no file {path}")
    offered = {"num_classes": num_classes, "image_channels": image_shape[-1], "seed": seed}
    if not trust_code:
        raise ConfigurationError(
            f"the run names its model as code in a file, {text}, which would be run: if you trust that file, add "
            "--trust-code (trust_code=True in Python)"
        )
    with folder_of_imports(path.resolve().parent):
        module = load_module(path, f"own_model_{path.stem}", partial(attempt, text, path, "the file"))
        if module is None:
            raise ConfigurationError(f"--model {text}: {path} is not a Python file, its name must end in .py")
        function = find_function(text, module, name)
        taken = accepted(text, function, offered)
        model = attempt(text, path, name, lambda: function(**{key: offered[key] for key in taken}))
        if not isinstance(model, Layer):
            got = "None" if model is None else f"a {type(model).__name__}"
            raise ConfigurationError(f"--model {text}: {name} must return an mlp.layers.Layer, got {got}")
        attempt(text, path, "the model", lambda: finish_model(model, None if "seed" in taken else seed, dtype))
        if not model.parameters():
            raise ConfigurationError(f"--model {text}: the model has no parameters, so there is nothing to train")
        try_out(text, path, model, np.zeros((2, *image_shape), dtype), num_classes)
    return model


def finish_model(model: Layer, seed: int | None, dtype: DType) -> None:
    """Name the layers, draw the weights unless the seed is None, convert them, and read once what a run reads."""
    if seed is not None:
        model.initialize(seed)
    model.set_paths().astype(dtype)
    model.parameters(), model.state_dict()


def try_out(text: str, path: Path, model: Layer, x: Array, num_classes: int) -> None:
    """Send a batch forward and backward, so that errors in the code show before a run begins."""
    with frozen_buffers(model):
        outputs = attempt(text, path, "forward", lambda: model.forward(x))
        shape, expected = np.shape(outputs), (len(x), num_classes)
        if shape != expected or getattr(outputs, "dtype", None) != x.dtype:
            raise ConfigurationError(
                f"--model {text}: for {num_classes} classes and images of shape {x.shape} the outputs must be an array "
                f"{expected} of {x.dtype}, one number per class; the model gives "
                f"{shape} {getattr(outputs, 'dtype', type(outputs).__name__)}"
            )
        attempt(text, path, "backward", lambda: model.backward(np.zeros_like(outputs)))


def digest_of_file(text: str) -> str | None:
    """Return the SHA-256 of the file in "FILE.py:function"; None if there is none, or it is too long for code."""
    try:
        with open_file(Path(text.rpartition(":")[0]).expanduser()) as file:
            content = file.read(LONGEST_TEXT + 1)
            return None if len(content) > LONGEST_TEXT else hashlib.sha256(content).hexdigest()
    except (FileNotFoundError, CheckpointError):
        return None


def find_function(text: str, module: ModuleType, name: str) -> Callable[..., Any]:
    """Return the function of a module; if there is none, the error lists the functions of the file."""
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        there = ", ".join(key for key in own if getattr(module, key).__module__ == module.__name__)
        raise ConfigurationError(f"--model {text}: the file has no function {name!r}; it has {there or 'none'}")
    return function


def accepted(text: str, function: Callable[..., Any], offered: Mapping[str, int]) -> list[str]:
    """Return the names among `offered` that a function takes; raise an error if it needs others."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a class of Python's own, say
        raise ConfigurationError(f"--model {text}: it must be a function that returns the model") from None
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    unknown = [name for name in needed if name not in offered]
    if unknown or any(p.kind is p.POSITIONAL_ONLY for p in parameters):
        raise ConfigurationError(
            f"--model {text}: the function is called with {', '.join(offered)} as keywords, or with those of them "
            f"that it declares; give {', '.join(unknown) or 'others'} a default"
        )
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return list(offered)
    return [p.name for p in parameters if p.name in offered]


def attempt(text: str, path: Path, what: str, function: Callable[[], Any]) -> Any:
    """Return function(); an error in the user's code becomes a ConfigurationError of one line, with its place."""
    try:
        return function()
    except OWN_ERRORS as error:
        frames = frames_in(error, path)
        where = f", line {frames[-1].lineno} of {path}" if frames else ""
        reason = excerpt(text_of(error).partition("\n")[0])
        raise ConfigurationError(f"--model {text}: {what} raised {type(error).__name__}: {reason}{where}") from error
