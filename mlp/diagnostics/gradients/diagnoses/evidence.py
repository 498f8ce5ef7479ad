"""What a hypothesis may look at, and what it may say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import affordable
from mlp.diagnostics.gradients.finite_differences import STEP, Probe, norm
from mlp.diagnostics.gradients.probes.backward_map import BackwardMap
from mlp.layers.machinery.base import Layer
from mlp.typing import Array, Shape

MATCH = 1e-6  # a prediction this close to the gradient under test, relative to both, is confirmed
LARGEST_JACOBIAN = 4_000_000  # values


@dataclass(frozen=True)
class Diagnosis:
    """One likely cause of a failed check."""

    name: str  # short, the same for all layers: "transposed"
    array: str  # the array that it concerns: "inputs", "weight"; several with commas
    mode: str  # "training", "evaluation", "loss", "rule"; several with commas
    sentence: str  # what is wrong, and what to look for
    evidence: str = ""  # the numbers behind it
    subject: str = ""  # the path of the layer inside the model, where it is one of many

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.subject and f"layer {self.subject!r}", self.array) if part)
        text = f"{self.name}: {where} ({self.mode}): {self.sentence}"
        return f"{text} [{self.evidence}]" if self.evidence else text


@dataclass(frozen=True)
class Guess:
    """What a hypothesis predicts: the wrong gradient that this fault would give.

    `prediction` is NaN where the hypothesis says nothing. `tolerance` is larger than `MATCH` where the prediction
    leaves out an epsilon that cannot be seen from outside.
    """

    name: str
    sentence: str
    prediction: Array
    tolerance: float = MATCH


@dataclass
class Point:
    """One layer at one random point in one mode, after its check.

    Attributes:
        layer: the layer before it was moved to the point, for hypotheses that need a fresh copy.
        probe: the layer at the point. upstream: dL/dy. outputs: y.
        gradients: what backward gave, by the names of the arrays.
        numeric: finite differences of the same arrays; NaN where nothing was measured.
        complete: whether everything was measured.
        wrong: the names of the arrays whose gradients are wrong.
        others: evidence at other points, by array and shape, see `second_point`.
    """

    layer: Layer
    probe: Probe
    upstream: Array
    outputs: Array
    seed: int
    gradients: dict[str, Array] = field(default_factory=dict)
    numeric: dict[str, Array] = field(default_factory=dict)
    complete: bool = True
    wrong: list[str] = field(default_factory=list)
    others: dict[str, dict[Shape, "Evidence | None"]] = field(default_factory=dict)

    @cached_property
    def backward_map(self) -> BackwardMap:
        return BackwardMap(self.probe, self.upstream)

    @property
    def x(self) -> Array:
        return self.probe.x

    @property
    def searchable(self) -> bool:
        """Whether its layer has no layers inside, and all gradients are there and were measured."""
        return self.complete and bool(self.gradients) and not self.probe.layer.children()

    @property
    def mode(self) -> str:
        return "training" if self.probe.training else "evaluation"


class Evidence:
    """One array whose gradient is wrong.

    Attributes:
        point: where it was measured. array: the name of the array.
        analytic, numeric: the gradient under test and the right one, of one shape; one-dimensional samples of both
            where only a sample was measured.
        outcomes: what each hypothesis has found here, and what it guessed.
    """

    def __init__(self, point: Point, array: str) -> None:
        self.point, self.array = point, array
        self.analytic, self.numeric = point.gradients[array], point.numeric[array]
        if not point.complete:
            there = np.isfinite(self.numeric)
            self.analytic, self.numeric = self.analytic[there], self.numeric[there]
        self.error = distance(self.analytic, self.numeric)
        self.outcomes: dict[Any, tuple[list[Diagnosis], set[str]]] = {}

    @property
    def of_inputs(self) -> bool:
        return self.array == "inputs"

    @property
    def elementwise_shapes(self) -> bool:
        """Whether there is one output for each value of the array."""
        return self.of_inputs and self.point.outputs.shape == self.numeric.shape

    @cached_property
    def jacobian(self) -> Array | None:
        """All derivatives d(outputs)/d(array), (*array.shape, *outputs.shape); None if they are too many."""
        size = self.numeric.size * self.point.outputs.size
        if not self.point.complete or size > LARGEST_JACOBIAN:
            return None
        if not affordable(self.point.probe.outputs, 2 * self.numeric.size):
            return None
        return jacobian(self.point.probe, self.array)

    def rows(self) -> tuple[Array, Array] | None:
        """Return J and B, what an output depends on in forward and backward, (outputs, values); None if too many."""
        J, there = self.jacobian, self.point.backward_map.rows
        if J is None or there is None:
            return None
        outputs = self.point.outputs.size
        return J.reshape(self.numeric.size, outputs).T, there[self.array].reshape(outputs, -1)

    def confirm(self, guess: Guess) -> Diagnosis | None:
        """Return the diagnosis if the prediction equals the gradient under test, and the right gradient does not."""
        there = np.isfinite(guess.prediction)
        if guess.prediction.shape != self.analytic.shape or 2 * there.sum() < there.size or not there.any():
            return None
        analytic, prediction = self.analytic[there], guess.prediction[there]
        error = distance(analytic, prediction)
        if not error <= guess.tolerance or distance(analytic, self.numeric[there]) < 100.0 * error:
            return None
        evidence = f"error {self.error:.1e} against the right gradient, {error:.0e} against this wrong one"
        return Diagnosis(guess.name, self.array, self.point.mode, guess.sentence, evidence)

    def found(self, name: str, sentence: str, evidence: str = "") -> Diagnosis:
        """Return a diagnosis about this array."""
        return Diagnosis(name, self.array, self.point.mode, sentence, evidence)


Guesses = Iterator[Guess]


def distance(a: Array, b: Array) -> float:
    """Return |a - b| divided by the larger of both norms; 0 if both are zero."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    largest = max(norm(a), norm(b))
    return norm(a - b) / largest if largest > 0.0 else 0.0


def is_diagonal(matrix: Array) -> bool:
    """Return whether a matrix is square, with zeros beside its diagonal: each output depends on its own input alone."""
    return matrix.shape[0] == matrix.shape[1] and not np.count_nonzero(matrix - np.diag(np.diag(matrix)))


def jacobian(probe: Probe, name: str) -> Array:
    """Return d(outputs)/d(array) by central differences, (*array.shape, *outputs.shape)."""
    array = probe.arrays[name]
    rows = []
    for index in np.ndindex(array.shape):
        value = array[index]
        h = STEP * max(1.0, abs(float(value)))
        array[index] = above = value + h
        y_above = probe.outputs()
        array[index] = below = value - h
        y_below = probe.outputs()
        array[index] = value
        rows.append((y_above - y_below) / float(above - below))
    return np.array(rows).reshape(array.shape + rows[0].shape)
