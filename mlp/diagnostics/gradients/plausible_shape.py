"""A shape of inputs that a layer takes, found by trying."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.styles.adapters import adapt
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.errors import ConfigurationError
from mlp.own_code import OWN_ERRORS, own_lines
from mlp.rng import generator
from mlp.typing import Shape

MOST_FEATURES = 64


def plausible_shape(layer: Any, path: Path, seed: int) -> Shape:
    """Return the first of a few shapes that forward and backward take in both modes, or forward alone if none is.

    Raises:
        ConfigurationError: forward takes none of them; with the reasons.
    """
    failures: dict[str, tuple[Shape, BaseException]] = {}
    remarks: list[str] = []
    of_forward = []
    shapes = list(dict.fromkeys(candidates(layer)))
    for shape in shapes:
        adapted, remarks = adapt(layer, shape)
        try:
            for training in (True, False):
                probe = random_probe(adapted, shape, generator(seed, "probe", "shape"), training=training)
                outputs = probe.outputs()
                if training:
                    of_forward.append(shape)
                probe.backward(np.ones(outputs.shape))
            return shape
        except OWN_ERRORS as error:  # the layer may raise anything at a shape that is not its own
            failures.setdefault(f"{type(error).__name__}: {error}".partition("\n")[0], (shape, error))
    if of_forward:  # backward is wrong, which the check will explain
        return of_forward[0]
    reasons = [
        "\n".join([f"{shape}: {reason}", *own_lines(error, path)]) for reason, (shape, error) in failures.items()
    ]
    raise ConfigurationError(
        f"no plausible input shape worked ({', '.join(map(str, shapes))}): give --input-shape, such as 4,6,6,3.\n"
        + "\n".join([*reasons, *remarks])
    ) from next(iter(failures.values()))[1]


def candidates(layer: Any) -> Iterator[Shape]:
    """Yield shapes of inputs: with the features that the weights and settings speak of, then with any."""
    adapted, _ = adapt(layer, (4, 6))
    owner = adapted.student if isinstance(adapted, StudentLayer) else adapted
    shapes = [parameter.data.shape for parameter in adapted.parameters()]
    shapes += [value.shape for value in vars(owner).values() if isinstance(value, np.ndarray)]
    for shape in shapes:
        if len(shape) == 4:
            yield (2, shape[0] + 3, shape[1] + 2, shape[2])
            yield (2, shape[2] + 3, shape[3] + 2, shape[1])
        elif len(shape) == 2:
            yield (4, shape[0])
            yield (4, shape[1])
        elif len(shape) == 1 and shape[0] > 0:
            yield (4, shape[0])
            yield (2, 5, 4, shape[0])
    numbers = [value for value in vars(owner).values() if isinstance(value, int) and not isinstance(value, bool)]
    numbers = [value for value in numbers if 1 <= value <= MOST_FEATURES]
    for value in numbers:
        yield (4, value)
        yield (2, 6, 5, value)
    yield from ((4, 6), (2, 6, 5, 3), (2, 8, 8, 4))
    sizes = [size for shape in shapes for size in shape if 1 < size <= MOST_FEATURES]
    for value in dict.fromkeys([*sizes, *numbers]):
        yield from ((2, 5, value), (2, value, 6, 5), (4, value))  # sequences, channels first
