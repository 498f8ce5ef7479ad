"""Two functions, out, cache = forward(x, w, b) and dx, dw, db = backward(dout, cache), as an object to be checked."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.like_given import like_given
from mlp.diagnostics.gradients.styles.calls import OF_CACHE, required, word_of
from mlp.diagnostics.gradients.styles.left_out import WEIGHT, left_out
from mlp.errors import ConfigurationError
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

MODES = ("mode", "training", "train")
OUTPUTS = 3  # features that guessed weights lead to
WHOLE = 2  # forward and backward take weights of these shapes


def options_of(owner: Any) -> dict[str, Any]:
    """Return the settings of two functions, or the attributes of an object, by name."""
    return owner.options() if isinstance(owner, FunctionPair) else dict(vars(owner))


class FunctionPair:
    """The two functions as a layer: forward(x), backward(dout) -> (dx, dw, db).

    Args:
        forward, backward: the functions.
        input_shape: shape of x, or x itself.
        weights: shapes or arrays of the other arrays, in the order of forward's arguments; guessed if there are fewer
            than forward needs. Numbers, strings and dictionaries among them are settings, and so are arrays that have
            no gradient, see `left_out`.
        settings: other arguments of forward by name; dictionaries called ..._param get "mode" and the like.

    Attributes:
        params: the weights, by the names that forward has for them.
        arrays: the names of all arrays that forward takes after x, in order; those that are constants are in settings.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        input_shape: Any,
        weights: Sequence[Any] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.functions = forward, backward
        self.modes = [name for name in MODES if name in inspect.signature(forward).parameters]
        self.__name__ = forward.__name__
        self.input_shape: Shape = shape_of(input_shape)
        self.whole = input_shape if holds_integers(input_shape) else None  # inputs that are indices
        self.settings = dict(settings or {})
        self.kept: Any = None  # x, and the cache: x again if forward returns none
        self.widths: list[int] = []  # of the outputs that stand side by side, where forward returns several
        names = [name for name in required(forward)[1:] if name not in self.settings]
        options = [name for name in names if name.endswith(("param", "params", "config", "cfg"))]
        places = [name for name in names if name not in MODES]
        if len(places) == len(weights):  # then every argument says by its value what it is
            options = [name for name, value in zip(places, weights, strict=True) if isinstance(value, Mapping)]
        others = [name for name in names if name not in options and name not in MODES]
        dictionaries = [dict(value) for value in weights if isinstance(value, Mapping)]
        self.settings |= dict(
            zip(options, [*dictionaries, *map(default_options, options[len(dictionaries) :])], strict=False)
        )
        given = dict(zip(others, [value for value in weights if not isinstance(value, Mapping)], strict=False))
        self.settings |= {name: value for name, value in given.items() if isinstance(value, int | float | str)}
        self.names = [name for name in others if name not in self.settings]
        self.arrays = list(self.names)
        self.params = {name: array_of(given[name]) for name in self.names if name in given}
        if len(self.params) < len(self.names):
            self.guess()
        else:
            self.set_constants(given)

    def options(self) -> dict[str, Any]:
        """Return the settings by name, and the defaults that forward has for others."""
        parameters = inspect.signature(self.functions[0]).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty} | self.settings

    def set_constants(self, given: Mapping[str, Any]) -> None:
        """Put the arrays that have no gradient among the settings, as they were given."""
        arrays = self.params | {name: one for name, one in given.items() if isinstance(one, np.ndarray)}
        whole = {name: array.copy() for name, array in arrays.items() if array.dtype.kind in "iub"}
        x = like_given(np.linspace(-1.0, 1.0, int(np.prod(self.input_shape)))).reshape(self.input_shape)
        trial = copy.copy(self)
        trial.settings = copy.deepcopy(self.settings) | whole
        trial.params = {name: array.copy() for name, array in self.params.items() if name not in whole}
        chosen = [name for name in whole if not WEIGHT.search(name.lower())]
        try:
            with np.errstate(all="ignore"):
                y = trial.forward(x if self.whole is None else self.whole.copy())
                gradients = flat(trial.backward(np.ones(np.shape(y))))
        except OWN_ERRORS:  # the check will run into it again, and report it
            pass
        else:
            if gradients is not None:
                first = next(iter(required(self.functions[0])), "x"), self.input_shape
                loss, indices = np.ndim(y) == 0, self.whole is not None
                chosen = left_out(first, arrays, gradients, loss=loss, whole=indices)
        for name in chosen:
            self.params.pop(name)
            self.settings[name] = arrays[name].copy()
        self.names = list(self.params)

    def guess(self) -> None:
        """Find shapes of the weights that forward and backward take, or forward alone: its gradients may be wrong."""
        choices = [list(plausible(name, self.input_shape)) for name in self.names]
        best, chosen, errors = 0, dict[str, Array](), list[str]()
        for kind, shapes in product((float, int), product(*choices)):
            self.params = {name: array_of(shape) for name, shape in zip(self.names, shapes, strict=True)}
            fit, error = self.fit(np.ones(self.input_shape, kind))
            if fit > best:
                best, chosen = fit, self.params
            if best == WHOLE:
                break
            errors += [f"{shapes}: {error}"] if error else []
        self.params, self.kept = chosen, None
        if best:
            return
        needs = ", ".join(self.names)
        raise ConfigurationError(
            f"{self.__name__} takes {needs} besides x, and no shapes of them worked for x of shape {self.input_shape}: "
            f"give them, check_functions(forward, backward, {self.input_shape}, (4, 3), (3,)). "
            + (errors[0] if errors else "")
        )

    def fit(self, x: Array) -> tuple[int, str]:
        """Return how far x and the weights fit: `WHOLE`, 1 for forward alone, 0 for nothing; and forward's error."""
        try:
            y = np.asarray(self.forward(x))
        except OWN_ERRORS as error:  # of other shapes
            return 0, str(error)
        if y.ndim < 1 or y.shape[:1] != x.shape[:1]:
            return 0, ""
        try:
            gradients = flat(self.backward(np.ones(y.shape)))
        except OWN_ERRORS:
            return 1, ""
        shapes = [x.shape, *(array.shape for array in self.params.values())]
        return (WHOLE if gradients is None or [np.shape(one) for one in gradients] == shapes else 1), ""

    def forward(self, x: Array, training: bool = True) -> Array:
        """Return the outputs; keep the cache."""
        given, word = dict(self.settings), word_of(self.functions, training=training)
        for value in given.values():
            if isinstance(value, dict) and "mode" in value:
                value["mode"] = word
        for name in self.modes:
            given[name] = word if name == "mode" else training
        result = self.functions[0](x, **self.params, **given)
        self.kept, self.widths = (x, x), []
        if isinstance(result, tuple) and 2 < len(result) == len(required(self.functions[1])):
            return self.side_by_side(result[:-1], (x, result[-1]))
        if isinstance(result, tuple) and len(result) == 2:
            self.kept = x, result[1]
            return result[0]
        return result

    def side_by_side(self, outputs: tuple[Array, ...], kept: tuple[Array, Any]) -> Array:
        """Return several outputs, as next_h and next_c of a cell, as one array, (N, H + H)."""
        self.kept, self.widths = kept, [one.shape[-1] for one in outputs]
        return np.concatenate(outputs, axis=-1)

    def backward(self, grad_outputs: Array) -> Any:
        """Return the gradients that the function gives; those in the places of constants are left out."""
        result = self.call_backward(grad_outputs)
        if not isinstance(result, tuple | list) or len(result) != len(self.arrays) + 1 or self.arrays == self.names:
            return result
        pairs = zip(self.arrays, result[1:], strict=True)
        return (result[0], *(one for name, one in pairs if name in self.params))

    def call_backward(self, grad_outputs: Array) -> Any:
        """Return what the function gives for the upstream gradient and what forward kept."""
        x, cache = self.kept
        names = required(self.functions[1])
        if self.widths:  # a gradient for each output
            parts = np.split(grad_outputs, np.cumsum(self.widths)[:-1], axis=-1)
            return self.functions[1](*((cache, *parts) if names[0] == "cache" else (*parts, cache)))
        given_back = cache is not x or (names and names[0].lower() in OF_CACHE)
        if len(names) == 1 and given_back and np.ndim(grad_outputs) == 0:  # of a loss
            return scaled_by(self.functions[1](cache), float(grad_outputs))
        if len(names) < 2:
            return self.functions[1](grad_outputs)
        if len(names) == 2:
            first = names[0].lower() in ("cache", "x", "inputs", "ctx")
            return self.functions[1](*((cache, grad_outputs) if first else (grad_outputs, cache)))
        return self.functions[1](grad_outputs, x, *({**self.settings, **self.params}[name] for name in self.arrays))

    def __repr__(self) -> str:
        return f"{self.functions[0].__name__}, {self.functions[1].__name__}"


def scaled_by(result: Any, factor: float) -> Any:
    """Return the gradients that a loss's backward gave, times the upstream gradient, a number."""
    if isinstance(result, Mapping):
        return {name: scaled_by(one, factor) for name, one in result.items()}
    if isinstance(result, tuple | list):
        return tuple(scaled_by(one, factor) for one in result)
    return None if result is None else factor * np.asarray(result)


def holds_integers(value: Any) -> bool:
    """Return whether a value is an array of whole numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


def flat(result: Any) -> list[Any] | None:
    """Return the gradients that a backward returned, in order; None if they are in a dictionary or not there."""
    several = result if isinstance(result, tuple | list) else [result]
    found = [item for part in several for item in (part if isinstance(part, tuple | list) else (part,))]
    return None if result is None or any(isinstance(one, Mapping) for one in found) else found


def shape_of(value: Any) -> Shape:
    """Return the shape of an array, or a shape as it is."""
    return tuple(value.shape) if isinstance(value, np.ndarray) else tuple(value)


def array_of(value: Any) -> Array:
    """Return random weights of a shape, or an array as it is."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float64)
    return 0.3 * np.random.default_rng(0).standard_normal(tuple(value))


def plausible(name: str, x: Shape) -> Iterator[Shape]:
    """Yield shapes that an argument may have, by its name."""
    features = int(np.prod(x[1:]))
    if name.lower() in ("b", "bias", "biases", "gamma", "beta", "scale", "shift", "alpha", "slope"):
        yield from (
            ((OUTPUTS,), (x[-1],), (x[1],), (features,))
            if name.lower()[0] == "b" and name != "beta"
            else ((x[-1],), (x[1],), (OUTPUTS,))
        )
    elif len(x) == 4:
        yield from ((OUTPUTS, x[1], 3, 3), (3, 3, x[3], OUTPUTS), (OUTPUTS, 3, 3, x[3]), (features, OUTPUTS))
    else:
        yield from ((x[-1], OUTPUTS), (features, OUTPUTS), (OUTPUTS, x[-1]), (OUTPUTS,), (x[-1],))


def default_options(name: str) -> dict[str, Any]:
    """Return what a dictionary of settings usually holds."""
    if "conv" in name:
        return {"stride": 1, "pad": 1, "padding": 1}
    if "pool" in name:
        return {"pool_height": 2, "pool_width": 2, "size": 2, "stride": 2}
    if "drop" in name:
        return {"mode": "train", "p": 0.6, "seed": 1}
    return {"mode": "train", "eps": 1e-5, "momentum": 0.9}
