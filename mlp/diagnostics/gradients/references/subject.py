"""What a formula may look at: the words of a layer's name, its inputs, weights and settings."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlp.typing import Array

NOT_ONE_LINE = r"(?!)"  # the pattern of a mistake that no change of one line undoes
CHANNELS_FIRST, CHANNELS_LAST = (  # a shape (N, C, H, W) or (N, H, W, C) of images, (N, C, T) or (N, T, C) of signals
    [re.compile(rf"\b(N|[Bb]atch\w*|[Bbn])\s*,\s*{shape}\b") for shape in shapes]
    for shapes in (
        (r"[CcD]\w*\s*,\s*[TtL]\w*", r"[CcD]\w*\s*,\s*[Hh]\w*\s*,\s*[Ww]\w*"),
        (r"[TtL]\w*\s*,\s*[CcDd]\w*", r"[Hh]\w*\s*,\s*[Ww]\w*\s*,\s*[CcDd]\w*"),
    )
)
Sizes = tuple[int, ...]
OutputFormula = Callable[["LayerAtPoint"], Iterator[Array]]
Mistakes = Iterator[tuple[str, str, Array]]  # what is wrong, a pattern for the line where, outputs


@dataclass(frozen=True)
class LayerAtPoint:
    """A layer at one point.

    Attributes:
        words: of its name, in lower case. x: the inputs. shape: of the outputs that it gives.
        weights: by their names in lower case. settings: its other attributes by their names in lower case.
        text: what its class, or its forward function, says about itself. code: its source.
        constants: arrays that are handed to forward besides x and have no gradient: masks, lengths.
    """

    words: tuple[str, ...]
    x: Array
    shape: Sizes
    weights: Mapping[str, Array]
    settings: Mapping[str, Any]
    text: str = ""
    code: str = ""
    constants: Mapping[str, Array] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "".join(self.words)

    def says(self, pattern: str) -> bool:
        """Return whether its text has a pattern in it."""
        return re.search(pattern, self.text, re.IGNORECASE) is not None

    def layouts(self) -> list[tuple[Array, bool]]:
        """Return the inputs as (N, C, *S), taken for channels first (True) and for channels last, as it may be."""
        return [(self.x, True) if start == 2 else (np.moveaxis(self.x, -1, 1), False) for start in self.starts()]

    def starts(self) -> list[int]:
        """Return the axes that the image may begin at: 2 for channels first, 1 for channels last."""
        return starts_of(f"{self.text}\n{self.code}", self.x.ndim)

    def matrices(self) -> list[Array]:
        return [array for array in self.weights.values() if array.ndim == 2]

    def vectors(self) -> list[Array]:
        return [array for array in self.weights.values() if array.ndim == 1]

    def number(self, names: Sequence[str]) -> int | None:
        """Return the whole number of one of some names."""
        found = [self.settings[name] for name in names if isinstance(self.settings.get(name), int | np.integer)]
        return int(found[0]) if found else None

    def sizes(self, names: Sequence[str], axes: int) -> Sizes | None:
        """Return one number for each axis of an image, of one of some names: 2, (2, 3), or one name an axis."""
        for name in names:
            value = self.settings.get(name)
            if isinstance(value, int | np.integer) and not isinstance(value, bool):
                return (int(value),) * axes
            if isinstance(value, tuple | list) and len(value) == axes and all(isinstance(one, int) for one in value):
                return tuple(value)
            each = [self.number([f"{name}_{end}", f"{name}{end}"]) for end in "hw"]
            each = each if each[0] is not None else [self.number([f"{name}_{end}"]) for end in ("height", "width")]
            if axes == 2 and each[0] is not None and each[1] is not None:
                return each[0], each[1]
        return None

    def numbers(self) -> list[float]:
        """Return its settings and weights that are one number, without 0."""
        single = [array.flat[0] for array in self.weights.values() if array.size == 1]
        given = [v for v in self.settings.values() if isinstance(v, int | float) and not isinstance(v, bool)]
        return list(dict.fromkeys(float(v) for v in (*single, *given) if v))

    def small_numbers(self) -> list[float]:
        """Return what may be epsilon."""
        floats = [v for v in self.settings.values() if isinstance(v, float) and 0.0 < v < 0.2]
        return [*floats, 1e-5, 1e-6, 1e-8, 1e-12, 1e-3, 1e-7, 1e-10, 0.0]


@dataclass(frozen=True)
class NamedLayer:
    """Layers of one formula.

    Attributes:
        title: what they are called in a sentence. key: a word that their names have. others: words they may have.
        formula: yields the outputs that count as right. rule: it in words. sizes: how many outputs there are.
        sure: whether other outputs are wrong even where nothing explains them; else the name may stand for a layer of
            another form. activated: whether an activation may follow inside of it, as in a dense layer, whatever its
            settings say. mistakes: yields (what is wrong, a pattern for the line, outputs).
    """

    title: str
    key: str
    others: str
    formula: OutputFormula
    rule: str
    sure: bool = False
    activated: bool = False
    sizes: str = ""
    mistakes: Callable[[LayerAtPoint], Mistakes] | None = None


def starts_of(text: str, ndim: int) -> list[int]:
    """Return the axes that an image may begin at, as a text says: 2 for channels first, 1 for channels last."""
    first, last = (ndim in (3, 4) and order[ndim - 3].search(text) for order in (CHANNELS_FIRST, CHANNELS_LAST))
    return [2, 1] if bool(first) == bool(last) else [2] if first else [1]


def turned(matrix: Array, rows: int) -> list[Array]:
    """Return a matrix as (rows, columns), also where it is kept as (columns, rows); both, if it is square."""
    return [one for one in (matrix, matrix.T) if len(one) == rows]


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0.0)
