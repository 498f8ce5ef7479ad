"""Which hypotheses hold, at a first point and at others: what fits once may be an accident."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlp.diagnostics.gradients.budget import seconds_left
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, Guess, Point
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import second_evidences
from mlp.own_code import OWN_ERRORS

Hypothesis = Callable[[Evidence], Iterable[Any]]
SQUARE = ("keepdims",)  # diagnoses of arrays with two axes of one size: they are confirmed at another point alone


def tested(points: Sequence[Point], hypotheses: Sequence[Hypothesis]) -> list[Diagnosis]:
    """Return the confirmed ones of some hypotheses, in their order."""
    found: list[tuple[int, Diagnosis]] = []
    for point in points:
        for array in point.wrong:
            found += confirmed(Evidence(point, array), hypotheses)
    return merged(diagnosis for _, diagnosis in sorted(found, key=lambda pair: pair[0]))


def confirmed(evidence: Evidence, hypotheses: Sequence[Hypothesis]) -> Iterator[tuple[int, Diagnosis]]:
    """Yield (place among the hypotheses, diagnosis) for each hypothesis about one array that was confirmed."""
    for place, hypothesis in enumerate(hypotheses):
        if seconds_left() < 0.0:
            return
        found, guessed = outcome(evidence, hypothesis)
        for diagnosis in found:
            guess = diagnosis.name in guessed
            if not evidence.point.complete or holds_elsewhere(evidence, hypothesis, diagnosis, guess=guess):
                yield place, diagnosis
                break


def holds_elsewhere(evidence: Evidence, hypothesis: Hypothesis, diagnosis: Diagnosis, *, guess: bool) -> bool:
    """Return whether the same is found at a second point, of another shape if possible: else it may be an accident.

    A guess that is made there and does not fit is refuted. One that is not made there (it needs two axes of one size,
    say) is tried at the next point; the last one has the shape of the first.
    """
    for other in second_evidences(evidence):
        found, guessed = outcome(other, hypothesis)
        if any(one.name == diagnosis.name and same_number(one, diagnosis) for one in found):
            return True
        name, same_shape = diagnosis.name, other.point.x.shape == evidence.point.x.shape
        elsewhere_only = name not in guessed if guess else name in SQUARE and not same_shape
        if not elsewhere_only:
            return False
    return True  # the layer takes no other point, or is right at all of them


def same_number(one: Diagnosis, other: Diagnosis) -> bool:
    """Return whether two diagnoses of a factor speak of the same number, or of the same sizes."""
    if one.name.startswith("wrong term through"):
        return told_size(one) == told_size(other)
    return one.name != "factor" or one.sentence == other.sentence


def told_size(diagnosis: Diagnosis) -> str:
    """Return in which sizes a diagnosis tells a factor: " = H W"."""
    found = re.search(r" (= .*?) times what", diagnosis.sentence)
    return found.group(1) if found else ""


def outcome(evidence: Evidence, hypothesis: Hypothesis) -> tuple[list[Diagnosis], set[str]]:
    """Return what a hypothesis confirms, most likely first, and the names of all that it guessed."""
    if hypothesis in evidence.outcomes:
        return evidence.outcomes[hypothesis]
    found: list[Diagnosis] = []
    guessed: set[str] = set()
    try:
        for result in hypothesis(evidence):
            guessed |= {result.name} if isinstance(result, Guess) else set()
            diagnosis = evidence.confirm(result) if isinstance(result, Guess) else result
            found += [] if diagnosis is None else [diagnosis]
    except OWN_ERRORS:  # code of the user's own can raise anything at a point that it did not expect
        pass
    evidence.outcomes[hypothesis] = found, guessed
    return found, guessed


def merged(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return the diagnoses in order, those that say the same of several arrays or modes as one."""
    kept: dict[tuple[str, str, str], Diagnosis] = {}
    for diagnosis in diagnoses:
        key = diagnosis.name, diagnosis.sentence, diagnosis.subject
        if key not in kept:
            kept[key] = diagnosis
            continue
        first = kept[key]
        kept[key] = replace(first, array=union(first.array, diagnosis.array), mode=union(first.mode, diagnosis.mode))
    return list(kept.values())


def union(first: str, second: str) -> str:
    """Return two lists of names, with commas between, as one without repetitions."""
    return ", ".join(dict.fromkeys([*first.split(", "), *second.split(", ")]))
