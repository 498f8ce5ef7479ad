"""Layers of sequences without a state: positions, rotations by the position, rows of a table."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, NamedLayer
from mlp.typing import Array


def positions(subject: LayerAtPoint) -> Iterator[Array]:
    """x + P: P[t, 2 i] = sin(t / 10000^(2 i / d)), P[t, 2 i + 1] the cosine; or sines before cosines; or learned."""
    x = subject.x
    if x.ndim not in (2, 3):
        return
    d = x.shape[-1]
    for axis in range(x.ndim - 1):
        T = x.shape[axis]
        shape = [T if a == axis else 1 for a in range(x.ndim - 1)] + [d]
        for table in tables(subject, T, d):
            yield x + table.reshape(shape)
            yield x * np.sqrt(d) + table.reshape(shape)


def tables(subject: LayerAtPoint, T: int, d: int) -> Iterator[Array]:
    """Yield the vectors (T, d) of the positions."""
    if subject.weights:
        learned = [a.reshape(-1, d)[:T] for a in subject.weights.values() if a.shape[-1] == d]
        yield from (a for a in learned if len(learned) == len(subject.weights) == 1 and len(a) == T)
        return
    for base in bases(subject):
        for start in (0, 1):
            angle = np.arange(start, T + start)[:, None] / base ** (np.arange(0, d, 2) / d)
            table = np.zeros((T, d))
            table[:, 0::2], table[:, 1::2] = np.sin(angle), np.cos(angle)[:, : d // 2]
            yield table
            yield np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[:, :d]


def bases(subject: LayerAtPoint) -> list[float]:
    """Return what may stand in the place of 10000."""
    return list(dict.fromkeys([10000.0, *(number for number in subject.numbers() if number >= 100.0)]))


def rotated(subject: LayerAtPoint) -> Iterator[Array]:
    """Rotary: pairs (a, b) become (a cos - b sin, a sin + b cos), by the angle t / base^(2 i / d), or its negative."""
    x = subject.x
    d = x.shape[-1]
    if subject.weights or x.ndim < 2 or d % 2:
        return
    for axis in range(x.ndim - 1):
        T = x.shape[axis]
        for base in bases(subject):
            for start in (0, 1):
                angle = np.arange(start, T + start)[:, None] / base ** (np.arange(0, d, 2) / d)
                angle = angle.reshape([T if a == axis else 1 for a in range(x.ndim - 1)] + [d // 2])
                cosine = np.cos(angle)
                for sine in (np.sin(angle), -np.sin(angle)):
                    a, b = x[..., : d // 2], x[..., d // 2 :]
                    yield np.concatenate([a * cosine - b * sine, a * sine + b * cosine], axis=-1)
                    a, b = x[..., 0::2], x[..., 1::2]
                    pairs = np.stack([a * cosine - b * sine, a * sine + b * cosine], axis=-1)
                    yield pairs.reshape(x.shape)


def embedded(subject: LayerAtPoint) -> Iterator[Array]:
    """Row i of the table for index i, also times sqrt(d); zeros for the padding, or row i + 1 with a row for it."""
    for table, index in table_and_index(subject):
        if subject.shape != (*index.shape, table.shape[1]):  # means of words, say
            continue
        rows, n = table[index], len(table)
        found = [rows, *(rows * (index != padding)[..., None] for padding in (0, n - 1))]
        for y in [*found, table[index + 1]] if index.max() + 1 < n else found:
            yield y
            yield y * np.sqrt(table.shape[1])


def wrong_embedding(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    for table, index in table_and_index(subject):
        if not index.min():
            text = "index i gives row i - 1 of the table, and index 0 the last row: it must give row i"
            yield text, "- 1", table[index - 1]
        text = "the rows are divided by sqrt(d): they are multiplied with it, if at all"
        yield text, "sqrt", table[index] / np.sqrt(table.shape[1])


def table_and_index(subject: LayerAtPoint) -> Iterator[tuple[Array, Array]]:
    """Yield the table (rows, d) and the indices."""
    tables, index = subject.matrices(), subject.x
    if len(tables) == len(subject.weights) == 1 and index.dtype.kind in "iu" and index.max() < len(tables[0]):
        yield tables[0], index


def only_counted(subject: LayerAtPoint, fill: float) -> Iterator[Array]:
    """Yield x (N, T, D) with another number for the steps that do not count, by a mask (N, T) or lengths (N,)."""
    x, constants = subject.x, list(subject.constants.values())
    if x.ndim != 3 or len(constants) != 1 or not constants[0].ndim:
        return
    given = constants[0]
    counted = np.arange(x.shape[1]) < given[:, None] if given.ndim == 1 else given.reshape(*given.shape[:2], -1) != 0
    counted = counted.reshape(*counted.shape[:2], -1)[:, :, 0]
    for mask in (counted, ~counted) if counted.shape == x.shape[:2] else ():
        if mask.any(axis=1).all():
            yield np.where(mask[:, :, None], x, fill)


def wrong_pools(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) for padding that counts as 0, or as a step."""
    largest = "max" in subject.words
    for x in only_counted(subject, 0.0):
        if largest:
            text = (
                "the steps that do not count are set to 0, and a 0 is the largest value where all others are negative: "
                "set them to -inf before the maximum is taken"
            )
            yield text, "where|mask|0", x.max(axis=1)
        else:
            text = "the sum is divided by the number of all steps, and must be by that of the steps that count"
            yield text, "mean|/", x.mean(axis=1)
        text = "the padding is taken in as well: the mask, or the lengths, must say which steps count"
        yield text, "mask|len|sum|mean|max", subject.x.max(axis=1) if largest else subject.x.mean(axis=1)


POSITIONAL = NamedLayer(
    "a positional encoding",
    r"(positional|position|positionalencoding|sinusoidal)",
    r"encoding|embedding|sinusoidal|positional|sine|add|sin|cos",
    positions,
    "x + P with P[t, 2 i] = sin(t / 10000^(2 i / d)) and P[t, 2 i + 1] the cosine of the same angle",
    sure=True,
)
