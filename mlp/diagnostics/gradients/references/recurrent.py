"""Recurrent layers, step by step over x (N, T, D) or (T, N, D), from the state h0 (zeros, if none is given).

    RNN     h' = tanh(x Wx + h Wh + b)
    LSTM    c' = f c + i g,  h' = o tanh(c')         f, i, o = sigmoid(x Wx + h Wh + b), g = tanh(...)
    GRU     h' = (1 - z) n + z h, or z and 1 - z exchanged;  n = tanh(x Wx + (r h) Wh + b) or tanh(x Wx + r (h Wh) + b)

Matrices of one gate each, or of all of them side by side in any order; x and h apart, or as [x, h] or [h, x].
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, relu, turned
from mlp.typing import Array

Gate = tuple[Array, Array, Array | float]  # Wx (D, H), Wh (H, H), b
Step = Callable[[Array, tuple[Array, Array]], tuple[Array, Array]]
STATE = re.compile(r"(prev|initial|init|last)?_?([hc])_?(0|prev|t|state|init|initial|idden)?$|(h|c)_?prev|prev_?(h|c)$")
HALVES = (
    r"(^|[._])(f|fwd|fw|forward|forwards|l2r|left)([._]|$)",
    r"(^|[._])(b|bwd|bw|backward|backwards|r2l|right)([._]|$)",
)


def recurrent(subject: LayerAtPoint) -> Iterator[Array]:
    """All states, or the last one, of an RNN, LSTM or GRU, in one direction or in both."""
    if any(word.startswith("bi") for word in subject.words):
        yield from both_directions(subject)
        return
    single = subject.x.ndim == 2
    for x in (subject.x,) if single else (np.moveaxis(subject.x, 1, 0), subject.x):
        for hs in states(subject, x[None] if single else x):
            if single:
                yield hs[-1]
                continue
            batch_first = x is not subject.x
            yield np.moveaxis(hs, 0, 1) if batch_first else hs
            yield hs[-1]


def both_directions(subject: LayerAtPoint) -> Iterator[Array]:
    """The states of both directions side by side, or added, each at its own step."""
    for one, other, first in of_both_directions(subject):
        yield from side_by_side(one, other[::-1], first=first)
        yield np.concatenate([one[-1], other[-1]], axis=-1)


def wrong_directions(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) where the second direction is not turned round."""
    of_both = any(word.startswith("bi") for word in subject.words)
    for one, other, first in of_both_directions(subject) if of_both else ():
        text = (
            "the states of the direction that reads from the end are not turned back: the first of them belongs to the "
            "last step, so turn them round, [::-1] along the steps, before both are put together"
        )
        yield from ((text, "", y) for y in side_by_side(one, other, first=first))
    for one, other, first in of_both_directions(subject, turned=False) if of_both else ():
        text = "both directions read from the start: the second one must get the steps turned round, x[:, ::-1]"
        yield from ((text, "", y) for y in side_by_side(one, other, first=first))


def side_by_side(one: Array, other: Array, *, first: bool) -> Iterator[Array]:
    """Yield the states (T, N, H) of two directions put together; first: with the batch as the first axis."""
    for y in (np.concatenate([one, other], axis=-1), one + other, 0.5 * (one + other)):
        yield np.moveaxis(y, 0, 1) if first else y


def of_both_directions(subject: LayerAtPoint, *, turned: bool = True) -> Iterator[tuple[Array, Array, bool]]:
    """Yield the states of both directions, each in the order in which it reads, and whether the batch comes first."""
    if subject.x.ndim != 3:
        return
    for x, first in ((np.moveaxis(subject.x, 1, 0), True), (subject.x, False)):
        for parts in halves_of(subject.weights):
            ways = [replace(subject, weights=part) for part in parts]
            for one, other in product(states(ways[0], x), list(states(ways[1], x[::-1] if turned else x))):
                yield one, other, first


def halves_of(weights: Mapping[str, Array]) -> Iterator[list[dict[str, Array]]]:
    """Yield the weights of each direction: by their names, else the first and the last half, or each second one."""
    left, parts = dict(weights), []
    for pattern in HALVES:
        own = {name: left.pop(name) for name in list(left) if re.search(pattern, name)}
        parts.append({re.sub(pattern, "", name): array for name, array in own.items()})
    if not left:
        yield parts
        return
    pairs, n = list(weights.items()), len(weights)
    for one, other in ((pairs[: n // 2], pairs[n // 2 :]), (pairs[::2], pairs[1::2])):
        if [array.shape for _, array in one] == [array.shape for _, array in other]:
            names = [name for name, _ in one]
            yield [dict(one), {name: array for name, (_, array) in zip(names, other, strict=True)}]


def states(subject: LayerAtPoint, x: Array) -> Iterator[Array]:
    """Yield the states (T, N, H) for inputs (T, N, D)."""
    N, weights = x.shape[1], dict(subject.weights)
    given = {n: weights.pop(n) for n, a in subject.weights.items() if a.ndim == 2 and len(a) == N and STATE.match(n)}
    kind = next((word for word in ("lstm", "gru") if word in subject.name), "rnn")
    letters = {"lstm": "ifog", "gru": "zrn", "rnn": "h"}[kind]
    for gates in gates_of(weights, letters, x.shape[-1]):
        H = len(gates[letters[0]][1])
        zero = np.zeros((N, H))
        h = next((a for n, a in given.items() if "h" in n), zero)
        c = next((a for n, a in given.items() if "c" in n), zero)
        own = [part for b in subject.vectors() if len(b) % H == 0 for part in np.split(b, len(b) // H)]
        steps = gru_steps(gates, own) if kind == "gru" else {"lstm": lstm_steps, "rnn": rnn_steps}[kind](gates)
        for step in steps:
            state, hs = (h, c), []
            for one in x:
                state = step(one, state)
                hs.append(state[0])
            yield np.array(hs)
            if kind == "lstm" and len(x) == 1:  # a step that returns both of its states
                yield np.array([np.concatenate(state, axis=-1)])


def rnn_steps(gates: Mapping[str, Gate]) -> Iterator[Step]:
    """Yield the step of an RNN."""
    Wx, Wh, b = gates["h"]
    for f in (np.tanh, relu):
        yield lambda x, state, f=f: (f(x @ Wx + state[0] @ Wh + b), state[1])  # type: ignore[misc]


def lstm_steps(gates: Mapping[str, Gate]) -> Iterator[Step]:
    """Yield the step of an LSTM."""

    def step(x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        h, c = state
        i, f, o, g = (x @ Wx + h @ Wh + b for Wx, Wh, b in (gates[letter] for letter in "ifog"))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    yield step


def gru_steps(gates: Mapping[str, Gate], own: Sequence[Array]) -> Iterator[Step]:
    """Yield the steps of a GRU in its usual forms; one of its own biases may be that of h U, inside of r (h U + b)."""
    (Wz, Uz, bz), (Wr, Ur, br), (Wn, Un, bn) = (gates[letter] for letter in "zrn")

    def step(x: Array, state: tuple[Array, Array], *, inside: bool, kept: bool, b: Any) -> tuple[Array, Array]:
        h = state[0]
        z, r = sigmoid(x @ Wz + h @ Uz + bz), sigmoid(x @ Wr + h @ Ur + br)
        n = np.tanh(x @ Wn + bn - b + ((r * h) @ Un if inside else r * (h @ Un + b)))
        return (z * h + (1.0 - z) * n if kept else z * n + (1.0 - z) * h), state[1]

    for inside, kept in product((True, False), (True, False)):
        for b in (0.0,) if inside else (0.0, *own):
            yield partial(step, inside=inside, kept=kept, b=b)


def gates_of(weights: Mapping[str, Array], letters: str, D: int) -> Iterator[dict[str, Gate]]:
    """Yield the matrices and biases of each gate."""
    groups: dict[str, list[Array]] = {letter: [] for letter in letters}
    count = len(letters)
    for name, array in weights.items():
        letter = gate_in(name, letters)
        if letter:
            groups[letter].append(array)
    if count > 1 and all(groups.values()) and sum(map(len, groups.values())) == len(weights):
        for ways in product(*(list(parts_of_gate(groups[letter], D)) for letter in letters)):
            yield dict(zip(letters, ways, strict=True))
        return
    for Wx, Wh, b in parts_of_gate(list(weights.values()), D, count):
        cut = [np.split(part, count, axis=-1) for part in (Wx, Wh)]
        biases = np.split(b, count) if isinstance(b, np.ndarray) else [b] * count
        for order in permutations(range(count)):
            yield {letter: (cut[0][i], cut[1][i], biases[i]) for letter, i in zip(letters, order, strict=True)}


def gate_in(name: str, letters: str) -> str:
    """Return the letter of the gate in a name: f for W_xf, U_f, bf, Wfh."""
    rest = re.sub(r"weights?|bias|params|[_.\d]", "", name.lower())
    rest = rest[1:] if rest[:1] in ("w", "u", "b") and len(rest) > 1 else rest
    same = {"c": "g", "a": "g", "n": "g"} if "g" in letters else {"h": "n", "c": "n", "g": "n", "u": "z"}
    for text in (rest, rest.replace("x", "", 1), rest.replace("i", "", 1), rest.replace("h", "", 1)):
        letter = same.get(text, text)
        if len(letter) == 1 and letter in letters:
            return letter
    return ""


def parts_of_gate(arrays: list[Array], D: int, count: int = 1) -> Iterator[Gate]:
    """Yield (Wx, Wh, b) of one gate, or of `count` gates side by side."""
    matrices, vectors = [a for a in arrays if a.ndim == 2], [a for a in arrays if a.ndim == 1]
    if len(matrices) + len(vectors) != len(arrays) or len({len(v) for v in vectors}) > 1:
        return
    b: Array | float = sum(vectors) if vectors else 0.0
    if len(matrices) == 1:
        for W in (matrices[0], matrices[0].T):
            H = W.shape[1] // count
            if len(W) == D + H and H * count == W.shape[1]:
                yield W[:D], W[D:], b
                yield W[H:], W[:H], b
    if len(matrices) == 2:
        for one, other in permutations(matrices):
            for Wx in turned(one, D):
                H = Wx.shape[1] // count
                for Wh in turned(other, H):
                    if Wh.shape[1] == Wx.shape[1] == H * count:
                        yield Wx, Wh, b
