"""Arguments of a student's forward that have no gradient: labels, targets, masks, lengths.

They stay as they were given, whole numbers too. What is one is told by

    kind     whole numbers and booleans, unless backward gives a gradient for them
    name     a mask, indices, lengths, noise, running statistics; under a loss (forward returns one number) also targets
    backward under a loss: a gradient for each other argument, and none for this one; or None in its place

A weight (w, b, gamma ...) is none of these, nor a second input beside the first (x2 beside x1): a gradient that is
forgotten stays a mistake.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mlp.typing import Shape

CONSTANT = re.compile(
    r"(^|_)(masks?|ind|indices|index|idx|ids?|lens?|lengths?|eps|epsilon|noise|running|moving|classes|labels?)(_|$)"
)
TARGET = re.compile(
    r"^(y|t|d)$|(^|_)(target|targets|true|truth|gt|labels?|actual|expected|desired|goal|answers?|same|similar|"
    r"observed|obs|teacher|old|reference|correct|y)(_|$)|(class|pos|sample|instance)_?weights?"
)
GIVEN = re.compile(r"(^|_)(teacher|target|true|old|reference)s?_")  # teacher_logits
PREDICTED = re.compile(r"pred|hat|prob|logit|score|output")
WEIGHT = re.compile(r"^[wb]([0-9_].*|[a-z])?$|weight|bias|gamma|beta|kernel|gain|theta|embedding")
BESIDE = ({"a", "p", "n"}, {"anchor", "positive", "negative"}, {"anchor", "pos", "neg"}, {"left", "right"})


def reads_as_constant(name: str, *, loss: bool) -> bool:
    """Return whether an argument with this name has no gradient; under a loss, targets have none."""
    return bool(CONSTANT.search(name.lower())) or (loss and reads_as_target(name))


def reads_as_target(name: str) -> bool:
    """Return whether an argument with this name is what outputs are compared with: y, labels, teacher_logits."""
    low = name.lower()
    return bool(TARGET.search(low) and (GIVEN.search(low) or not PREDICTED.search(low)))


def is_beside(first: str, name: str) -> bool:
    """Return whether two names are those of inputs side by side: x1 and x2, anchor and positive."""
    low = {first.lower(), name.lower()}
    stems = {re.sub(r"(_?[0-9]+|_?[a-d]|_[ij])$", "", one) or one[:1] for one in low}
    return any(low <= group for group in BESIDE) or (len(stems) == 1 and len(low) == 2)


def left_out(
    first: tuple[str, Shape], others: Mapping[str, Any], gradients: Sequence[Any], *, loss: bool, whole: bool
) -> list[str]:
    """Return the names of the arguments that have no gradient.

    Args:
        first: name and shape of the inputs. others: the other arrays by name, in forward's order.
        gradients: what backward returned, in order. loss: whether forward returns one number.
        whole: whether the inputs are whole numbers, which have no gradient.
    """
    names = list(others)
    if not whole and len(gradients) == len(names) + 1:  # one for each, or None in its place
        pairs = zip(names, gradients[1:], strict=True)
        return [name for name, one in pairs if is_empty(others[name], one) and not WEIGHT.search(name.lower())]
    given = [np.shape(one) for one in gradients if one is not None]
    missing = len(names) + (not whole) - len(given)
    if missing <= 0:
        return []
    ranked = list(may_be_left_out(first, others, loss=loss))
    if len(ranked) <= missing:
        return [name for _, name in ranked]
    rank = {name: number for number, name in ranked}

    def badness(chosen: tuple[str, ...]) -> tuple[bool, int]:
        kept = [] if whole else [first[1]]
        kept += [others[name].shape for name in names if name not in chosen]
        return kept != given, sum(rank[name] for name in chosen)

    choices = list(combinations([name for _, name in ranked], missing))
    best = min(choices, key=badness)
    return list(best)


def is_empty(array: Any, gradient: Any) -> bool:
    """Return whether a gradient says that there is none: None, or for whole numbers zeros."""
    return gradient is None or (array.dtype.kind in "iub" and not np.any(gradient))


def may_be_left_out(first: tuple[str, Shape], others: Mapping[str, Any], *, loss: bool) -> Iterator[tuple[int, str]]:
    """Yield (rank, name) of the arguments that may have no gradient; the smallest rank first in being left out."""
    targets = [name for name in others if reads_as_constant(name, loss=loss)]
    for place, (name, array) in enumerate(others.items()):
        low = name.lower()
        if array.dtype.kind in "iub" and not WEIGHT.search(low):
            yield 0, name
        elif name in targets:
            yield 100, name
        elif loss and (not WEIGHT.search(low) or (array.ndim == 1 and low in ("weight", "weights"))):
            like_inputs = array.shape == first[1] and (targets or is_beside(first[0], name))
            if not like_inputs:
                yield 10_000 * (len(others) - place), name
