"""How a student's forward and backward are called, and what they return: learnt from their signatures and one trial.

forward(x), fprop(x), __call__(x)          with a word for the mode, if there is one
returns     y  |  (y, cache)  |  nothing, and y stands in self.output

backward(g), bprop(g)                      also (x, g), (x, y, g), (g, cache), (g, learning_rate)
returns     dx  |  (dx, dW, db)  |  (dx, {"W": dW})  |  {"x": dx, "W": dW}  |  nothing, and dx stands in self.dinputs
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.arrays import vars_of
from mlp.typing import Array

NAMES_OF_FORWARD = ("forward", "fprop", "__call__", "call", "feed_forward")
NAMES_OF_BACKWARD = ("backward", "bprop", "backprop", "back", "backward_pass", "grad")
MODES = ("training", "stochastic", "train", "is_training", "is_train", "train_flg", "train_mode")  # also attributes
TEXTS = ("mode", "phase")  # arguments and attributes that take a word
WORDS = {True: ("train", "training"), False: ("test", "eval", "evaluation", "inference", "predict")}  # for training?
OUTPUTS = ("output", "outputs", "out", "y", "activation", "activations", "a")
INPUT_GRADIENTS = ("dinputs", "dinput", "grad_input", "grad_inputs", "dx", "dX", "input_grad", "grad_x", "d_inputs")
OF_INPUTS = ("x", "X", "inp", "input", "inputs", "input_data", "data")
OF_OUTPUTS = ("y", "out", "output", "outputs")
OF_CACHE = ("cache", "ctx", "context", "saved", "memory", "tape")
OF_RATE = ("learning_rate", "lr", "eta", "learn_rate", "rate", "step_size")  # of a backward that moves the weights


@dataclass(frozen=True)
class Calls:
    """The names of the two methods and what their arguments mean.

    Attributes:
        forward, backward: names of methods.
        mode: the argument of forward that takes the mode, or None. spoken: whether it takes a word.
        takes: what backward takes, in order: "g", "x", "y", "cache", "rate".
    """

    forward: str
    backward: str
    mode: str | None
    spoken: bool
    takes: tuple[str, ...]

    def set_mode(self, student: Any, *, training: bool) -> dict[str, Any]:
        """Tell the object whether it trains, if it is told outside forward; return forward's argument that says it."""
        if self.mode:
            return {self.mode: own_word(student, training=training) if self.spoken else training}
        if callable(getattr(student, "train", None)) and callable(getattr(student, "eval", None)):
            (student.train if training else student.eval)()
        else:
            for name in MODES:
                if isinstance(getattr(student, name, None), bool):
                    setattr(student, name, training)
            for name in TEXTS:
                held = getattr(student, name, None)  # or an array: a phase may be one
                if isinstance(held, str) and held in (*WORDS[True], *WORDS[False]):
                    setattr(student, name, own_word(student, training=training))
        return {}


def calls_of(student: Any) -> Calls | str:
    """Return how an object is called, or a sentence that says which methods are missing."""
    forward = first_callable(student, NAMES_OF_FORWARD)
    backward = first_callable(student, NAMES_OF_BACKWARD)
    if forward is None or backward is None:
        missing = " and no ".join(
            name for name, found in (("forward", forward), ("backward", backward)) if found is None
        )
        return (
            f"{type(student).__name__} has no {missing}: a layer has forward(x, training=False) "
            "and backward(grad_outputs), or fprop(inputs) and bprop(inputs, outputs, grads_wrt_outputs)."
        )
    names = parameters(getattr(student, forward))
    mode = next((name for name in (*MODES, *TEXTS) if name in names), None)
    return Calls(forward, backward, mode, mode in TEXTS, roles(required(getattr(student, backward)), backward))


def own_word(student: Any, *, training: bool) -> str:
    """Return the word for a mode that stands in the code of an object's class."""
    return word_of([one for kind in type(student).__mro__ for one in vars(kind).values()], training=training)


def word_of(functions: Iterable[Any], *, training: bool) -> str:
    """Return the word for a mode that stands in the code of functions; the usual one if none does."""
    constants = [value for one in functions if inspect.isfunction(one) for value in one.__code__.co_consts]
    return next((word for word in WORDS[training] if word in constants), WORDS[training][0])


def first_callable(student: Any, names: Sequence[str]) -> str | None:
    """Return the first of the names that is a method of the object."""
    return next((name for name in names if callable(getattr(student, name, None))), None)


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name; none if it does not say."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the positional parameters that have no default."""
    return [name for name, one in parameters(function).items() if one.default is one.empty and one.kind in (0, 1)]


def roles(needed: Sequence[str], method: str) -> tuple[str, ...]:
    """Return what the arguments that backward needs are: "g", "x", "y", "cache", "rate"."""
    if method == "bprop" and len(needed) == 3:
        return ("x", "y", "g")
    if len(needed) < 2:
        return ("g",)
    names = {"x": OF_INPUTS, "y": OF_OUTPUTS, "cache": OF_CACHE, "rate": OF_RATE}
    given = [next((role for role, of_role in names.items() if n in of_role), "") for n in needed]
    if given.count("") != 1:
        given = {2: ["g", "cache"], 3: ["x", "y", "g"]}.get(len(needed), ["g"])
    return tuple(role or "g" for role in given)


def outputs_and_cache(result: Any, student: Any, *, wants_cache: bool) -> tuple[Any, Any]:
    """Return (outputs, cache) of what forward returned."""
    if result is None:
        name = next((n for n in OUTPUTS if isinstance(vars_of(student).get(n), np.ndarray)), None)
        return (None if name is None else vars_of(student)[name]), None
    if isinstance(result, tuple) and result and isinstance(result[0], np.ndarray):
        if len(result) == 2:
            return result
        if len(result) > 2 and wants_cache:
            return result[0], result[1:]
    return result, None


def inputs_gradient(result: Any, x: Array, student: Any) -> tuple[Any, Any]:
    """Return (dx, the other gradients) of what backward returned: a list in order, or a dictionary, or None."""
    if result is None:
        name = next((n for n in INPUT_GRADIENTS if isinstance(vars_of(student).get(n), np.ndarray)), None)
        return (None if name is None else vars_of(student)[name]), None
    if isinstance(result, Mapping):
        key = next((k for k in result if str(k) in (*INPUT_GRADIENTS, *OF_INPUTS)), None)
        return (result if key is None else result[key]), {k: v for k, v in result.items() if k != key}
    if not isinstance(result, tuple | list) or not result:
        return result, None
    if len(result) == 2 and isinstance(result[1], Mapping):
        return result[0], result[1]
    flat = [item for part in result for item in (part if isinstance(part, tuple | list) else (part,))]
    shapes = [np.shape(item) for item in flat]
    place = 0 if shapes[0] == x.shape or x.shape not in shapes else shapes.index(x.shape)
    return flat[place], flat[:place] + flat[place + 1 :]
