"""What activations of usual names give, so that a forward that is not what its class says is told what it is.

Some have a number of their own (a slope, alpha): it is read off the outputs, or any usual one is taken.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.diagnoses.pointwise import Function, normal_cdf, sigmoid
from mlp.diagnostics.gradients.losses.points import softmax
from mlp.typing import Array

Number = int | float | Array  # one for all, or one for each feature or channel
FAR_OFF = 1e-4
ROUGH = 1e-2  # where the constants of SELU have three digits
SAME = 1e-6
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805  # of SELU


def tanh_gelu(x: Array) -> Array:
    """Return the tanh form of GELU."""
    return np.asarray(0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))))


def clipped(bound: Number) -> Function:
    """Return the ReLU with an upper bound."""
    return lambda x: np.clip(x, 0.0, bound)


def selu(digits: int) -> Function:
    """Return the SELU, with its constants rounded."""
    alpha, scale = round(ALPHA, digits), round(SCALE, digits)
    return lambda x: scale * np.where(x > 0.0, x, alpha * np.expm1(x))


KNOWN: dict[str, tuple[Function, ...]] = {
    "sigmoid": (sigmoid,),
    "tanh": (np.tanh,),
    "relu": (lambda x: np.maximum(x, 0.0),),
    "softplus": (lambda x: np.logaddexp(0.0, x),),
    "swish": (lambda x: x * sigmoid(x),),
    "gelu": (lambda x: x * normal_cdf(x), tanh_gelu, lambda x: x * sigmoid(1.702 * x)),
    "mish": (lambda x: x * np.tanh(np.logaddexp(0.0, x)),),
    "softsign": (lambda x: x / (1.0 + np.abs(x)),),
    "selu": tuple(selu(digits) for digits in (16, 6, 5, 4, 3, 2)),
    "hardtanh": (lambda x: np.clip(x, -1.0, 1.0),),
    "logsigmoid": (lambda x: -np.logaddexp(0.0, -x),),
    "softmax": (softmax,),
    "logsoftmax": (lambda x: np.log(softmax(x)),),
    "hardsigmoid": (lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0), lambda x: np.clip(0.2 * x + 0.5, 0.0, 1.0)),
    "hardswish": (lambda x: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0,),
    "tanhshrink": (lambda x: x - np.tanh(x),),
}
FIXED = ("selu", "gelu", "mish", "hardswish", "hardsigmoid")  # their numbers are constants
WITH_NUMBER: dict[str, tuple[str, Callable[[Array, Number], Array]]] = {  # by the names that their number may have
    "sigmoid": (r"slope|beta|temp\w*", lambda x, c: sigmoid(c * x)),
    "swish": (r"beta", lambda x, c: x * sigmoid(c * x)),
    "softplus": (r"beta", lambda x, c: np.logaddexp(0.0, c * x) / c),
    "softmax": (r"t|tau|temp\w*", lambda x, c: softmax(x / c)),
    "logsoftmax": (r"t|tau|temp\w*", lambda x, c: np.log(softmax(x / c))),
    "elu": (r"a|alpha", lambda x, c: np.where(x > 0.0, x, c * np.expm1(x))),
    "celu": (r"a|alpha", lambda x, c: np.where(x > 0.0, x, c * np.expm1(x / c))),
    "leaky relu": (r"a|alpha|leak|\w*slope", lambda x, c: np.where(x > 0.0, x, c * x)),
    "softshrink": (r"a|alpha|lam\w*|threshold", lambda x, c: np.sign(x) * np.maximum(np.abs(x) - c, 0.0)),
    "hardshrink": (r"a|alpha|lam\w*|threshold", lambda x, c: np.where(np.abs(x) > c, x, 0.0)),
    "clippedrelu": (r"cap|bound|max\w*|clip|ceiling", lambda x, c: np.clip(x, 0.0, c)),
    "thresholdedrelu": (r"theta|alpha|threshold", lambda x, c: np.where(x > c, x, 0.0)),
}
SAME_AS = {
    "logistic": "sigmoid",
    "silu": "swish",
    "rectifier": "relu",
    "leakyrelu": "leaky relu",
    "lrelu": "leaky relu",
    "hsigmoid": "hardsigmoid",
    "hswish": "hardswish",
}
OTHERS: dict[str, Function] = {
    "exp(x)": np.exp,
    "max(x, 0) + 1": lambda x: np.maximum(x, 0.0) + 1.0,
    "min(x, 0)": lambda x: np.minimum(x, 0.0),
    "|x|": np.abs,
    "x^2": np.square,
}

SLIPS: dict[str, tuple[tuple[str, Function], ...]] = {  # what they are instead, by a slip in their formula
    "gelu": (
        ("it takes erf(x), and must take erf(x / sqrt(2))", lambda x: x * normal_cdf(math.sqrt(2.0) * x)),
        ("it takes erf(x sqrt(2)), and must take erf(x / sqrt(2))", lambda x: x * normal_cdf(2.0 * x)),
        ("it is the normal distribution alone, without the factor x", normal_cdf),
    ),
    "mish": (
        ("it is tanh(softplus(x)) alone, without the factor x", lambda x: np.tanh(np.logaddexp(0.0, x))),
        ("the tanh is missing around the softplus", lambda x: x * np.logaddexp(0.0, x)),
        ("the softplus is missing within the tanh", lambda x: x * np.tanh(x)),
        ("the logarithm is missing: softplus(x) is log(1 + exp(x))", lambda x: x * np.tanh(1.0 + np.exp(x))),
    ),
    "selu": (
        ("its scale is missing", lambda x: np.where(x > 0.0, x, ALPHA * np.expm1(x))),
        ("its scale is missing where x <= 0", lambda x: np.where(x > 0.0, SCALE * x, ALPHA * np.expm1(x))),
        ("its scale is missing where x > 0", lambda x: np.where(x > 0.0, x, SCALE * ALPHA * np.expm1(x))),
        ("its alpha is missing", lambda x: SCALE * np.where(x > 0.0, x, np.expm1(x))),
        ("its two constants are exchanged", lambda x: ALPHA * np.where(x > 0.0, x, SCALE * np.expm1(x))),
        ("the 1 is missing in exp(x) - 1", lambda x: SCALE * np.where(x > 0.0, x, ALPHA * np.exp(x))),
    ),
    "hardswish": (
        ("the division by 6 is missing", lambda x: x * np.clip(x + 3.0, 0.0, 6.0)),
        ("the 3 is missing in x + 3", lambda x: x * np.clip(x, 0.0, 6.0) / 6.0),
        ("it is the hard sigmoid alone, without the factor x", lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0)),
    ),
    "softplus": (("the 1 is missing in log(1 + exp(x))", lambda x: 1.0 * x),),
}


def meeting(x: Array, number: Number) -> Iterator[Number]:
    """Yield a number, or one for each feature (the last axis) or channel (axis 1), as it meets the inputs."""
    array = np.asarray(number)
    if array.size == 1:
        yield float(array.flat[0])
    elif array.size < x.size and array.shape == x.shape[1:2] and x.ndim > 2:
        yield array.reshape(-1, *[1] * (x.ndim - 2))
    with suppress(ValueError):
        if 1 < array.size < x.size and np.broadcast_shapes(array.shape, x.shape) == x.shape:
            yield array


def wrong_activation(name: str, x: Array, y: Array, numbers: Sequence[Number]) -> str:
    """Return what is wrong with the outputs of an activation of this name, or ""; "" for names that are not known.

    Args:
        numbers: that the layer has: the upper bound of a clipped ReLU. Others make it another activation.
    """
    name = SAME_AS.get(name, name)
    known = dict(KNOWN)
    known["relu6"] = tuple(clipped(bound) for bound in (6.0, *numbers))
    _, own = WITH_NUMBER.get(name, ("", None))
    if y.shape != x.shape or fits_a_family(name, x, y):
        return ""
    if own is not None and any(distance(y, own(x, number)) < SAME for number in numbers):
        return ""
    if name in ("elu", "leaky relu"):
        return of_family(name, x, y)
    close = ROUGH if name == "selu" else FAR_OFF
    if name not in known or any(distance(y, f(x)) < close for f in known[name]):
        return ""
    if numbers and name not in ("relu6", *FIXED):
        return ""
    right = known[name][0](x)
    place = int(np.abs(y - right).argmax())
    example = f"at x = {x.flat[place]:.4g} it gives {y.flat[place]:.4g}, and {right.flat[place]:.4g} is right"
    return f"forward does not compute {name}: {next(relations(known[name], known, x, y), '')}{example}"


def relations(
    right: tuple[Function, ...], known: Mapping[str, tuple[Function, ...]], x: Array, y: Array
) -> Iterator[str]:
    """Yield what the outputs are instead."""
    constant = constant_of_gelu(x, y) if right == known["gelu"] else None
    if constant is not None:
        yield (
            f"it is its tanh form with the constant {constant:.5g} before x + 0.044715 x^3, which must be "
            f"sqrt(2 / pi) = {math.sqrt(2.0 / math.pi):.5g}; "
        )
    for word, slips in SLIPS.items():
        for text, f in slips if right == known[word] else ():
            if distance(y, f(x)) < SAME:
                yield f"{text}; "
    for f in right:
        if distance(y, f(-x)) < SAME:
            yield "it is taken of -x, so the sign of x is wrong (in an exponent, or in a condition); "
        if distance(y, -f(x)) < SAME:
            yield "its sign is wrong; "
        if distance(y, f(x) + 1.0) < SAME or distance(y, f(x) - 1.0) < SAME:
            yield "a 1 is one too many or missing; "
        if np.ptp(y / f(x)) < SAME:
            yield f"it is {float((y / f(x)).flat[0]):.5g} times what it should be; "
    for word, functions in (*known.items(), *((word, (f,)) for word, f in OTHERS.items())):
        if any(distance(y, f(x)) < SAME for f in functions):
            yield f"it is {word}; "


def constant_of_gelu(x: Array, y: Array) -> float | None:
    """Return c, if y = x (1 + tanh(c (x + 0.044715 x^3))) / 2 for one c; else None."""
    t = 2.0 * y / x - 1.0
    inside = np.abs(t) < 0.99
    if np.count_nonzero(inside) < 3:
        return None
    c = np.arctanh(t[inside]) / (x + 0.044715 * x**3)[inside]
    return float(c.mean()) if np.ptp(c) < SAME else None


def fits_a_family(name: str, x: Array, y: Array) -> bool:
    """Return whether an activation with a number of its own is right for some number."""
    low, high = x < 0.0, x > 0.0
    if name == "hardtanh":  # between any two bounds
        inside = (y > y.min()) & (y < y.max())
        return distance(y[inside], x[inside]) < SAME
    forms = {"elu": np.expm1(x), "leaky relu": x}
    if name not in forms or distance(y[high], x[high]) > SAME:
        return False
    ratio = y[low] / forms[name][low]
    return bool(ratio.size == 0 or np.ptp(ratio) < SAME)


def of_family(name: str, x: Array, y: Array) -> str:
    """Return what is wrong with a leaky ReLU or an ELU."""
    high = x > 0.0
    if distance(y[high], x[high]) > SAME:
        return f"forward does not compute {name}: where x > 0 it must give x itself"
    form = "alpha (exp(x) - 1)" if name == "elu" else "a small slope times x"
    return f"forward does not compute {name}: where x < 0 it must give {form}"
