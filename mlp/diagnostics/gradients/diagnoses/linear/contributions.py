"""Which outputs count, and how much? Row by row, what backward makes of an output's gradient against its derivative.

Where B_o = w_o J_o for every output o, the weights w say what is wrong: 0 for outputs that are forgotten, a number for
an activation whose derivative is missing. Outputs that nothing moves (J_o = 0: a ReLU cut them off) must not count.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, is_diagonal
from mlp.typing import Array

CLOSE = 1e-5
AXES = {0: "sample", 1: "row", 2: "column"}


def wrong_contributions(e: Evidence) -> Iterator[Diagnosis]:
    """Yield which outputs count too much, too little, or not at all."""
    matrices = e.rows()
    if matrices is None or (e.elementwise_shapes and e.point.x.ndim and is_diagonal(matrices[0])):
        return
    J, B = matrices
    size = np.sqrt((J * J).sum(axis=1))
    alive = size > CLOSE * size.max()
    gives = np.sqrt((B * B).sum(axis=1)) > CLOSE * size.max()
    shape = e.point.outputs.shape
    w = np.zeros(len(J))
    w[alive] = (J[alive] * B[alive]).sum(axis=1) / size[alive] ** 2
    if np.abs(B[alive] - w[alive, None] * J[alive]).max(initial=0.0) > CLOSE * np.abs(J).max():
        return
    if not (np.isclose(w, 0.0, atol=CLOSE) | np.isclose(w, 1.0, atol=CLOSE))[alive].all():
        yield from as_derivative(e, w.reshape(shape), alive.reshape(shape))
        return
    counts = np.isclose(w, 1.0, atol=CLOSE) | (gives & ~alive)
    if np.array_equal(counts, alive) or (e.point.layer.children() and (alive & ~counts).any()):  # it may be the wiring
        return
    yield from as_mask(e, counts.reshape(shape), alive.reshape(shape))


def as_derivative(e: Evidence, w: Array, alive: Array) -> Iterator[Diagnosis]:
    """Yield the derivative of an activation at the end that is missing, or there twice."""
    y = e.point.outputs
    with np.errstate(all="ignore"):
        forms = {
            "1 - y^2 (tanh)": 1.0 - y * y,
            "y (1 - y) (sigmoid)": y * (1.0 - y),
            "1 - exp(-y) (softplus)": 1.0 - np.exp(-y),
        }
        for text, slope in forms.items():
            if np.allclose((w * slope)[alive], 1.0, rtol=1e-4):
                sentence = (
                    f"matches without the derivative {text} of the activation at the end: this gradient must go "
                    "through it"
                )
                yield e.found("activation left out", sentence)
                return
            if np.allclose((w / slope)[alive], 1.0, rtol=1e-4):
                sentence = f"the derivative {text} of the activation at the end is multiplied in twice"
                yield e.found("activation twice", sentence)
                return
    if e.point.layer.children():  # the order of the layers may be wrong
        return
    slopes = np.unique(np.round(w[alive], 5))
    if 1 < len(slopes) <= 3 and (y < 0).any():
        sign = y[alive] > 0
        if np.ptp(w[alive][sign]) < CLOSE and np.ptp(w[alive][~sign]) < CLOSE:
            text = (
                f"outputs y > 0 count {w[alive][sign][0]:.4g} times, outputs y < 0 {w[alive][~sign][0]:.4g} times what "
                "they should: the derivative of the activation at the end is wrong or missing on one side"
            )
            yield e.found("activation left out", text)
    elif not np.ptp(w[alive]) < CLOSE and is_function_of(w[alive], y[alive]):
        text = (
            "each output counts by a factor that depends on its own value y: the derivative of the activation at the "
            f"end is wrong (at y = {y[alive].ravel()[0]:.4g} the factor is {w[alive].ravel()[0]:.4g}, and must be 1)"
        )
        yield e.found("activation's derivative", text)


def is_function_of(w: Array, y: Array) -> bool:
    """Return whether w looks like a smooth function of y: neighbours in y have neighbouring w."""
    order = np.argsort(y.ravel())
    steps = np.abs(np.diff(w.ravel()[order]))
    return bool(len(steps) > 6 and steps.sum() < 4.0 * np.ptp(w))


def as_mask(e: Evidence, counts: Array, alive: Array) -> Iterator[Diagnosis]:
    """Yield why some outputs count and others do not."""
    x = e.point.x
    same = len(alive) > 1 and bool((alive == alive[:1]).all() and (counts == counts[:1]).all())  # in all samples
    if same and (counts & ~alive).any() and (alive & ~counts).any():
        text = (
            "this gradient belongs to a part of the outputs, and backward takes another part of grad_outputs for it: "
            "the parts are exchanged, or split at the wrong place; they must have the order and the widths of forward"
        )
        yield e.found("split at the wrong place", text)
        return
    evidence = (
        f"{np.count_nonzero(counts & ~alive)} outputs too many, {np.count_nonzero(alive & ~counts)} too few of "
        f"{counts.size}"
    )
    if x.shape == counts.shape and not alive.all():
        for text, mask in (("x > 0", x > 0), ("x < 0", x < 0)):
            if np.array_equal(counts, mask):
                sentence = (
                    f"the mask of the activation at the end is taken from x ({text}), the inputs of the layer; it must "
                    "be taken from its pre-activation, the values that the activation gets in forward"
                )
                yield e.found("mask of the inputs", sentence, evidence)
                return
    if np.array_equal(counts, ~alive):
        text = (
            "the mask of the activation at the end is the wrong way round: the outputs that it cut off count, the "
            "others do not"
        )
        yield e.found("mask inverted", text, evidence)
    elif not (alive & ~counts).any():
        yield e.found("activation left out", of_cut_off(e, alive), evidence)
    elif not (counts & ~alive).any():
        yield from forgotten(e, alive & ~counts, alive, evidence)
    else:
        text = (
            "the mask of the activation at the end is not that of forward: keep the pre-activation, or its mask, "
            "in forward"
        )
        yield e.found("another mask", text, evidence)


def of_cut_off(e: Evidence, alive: Array) -> str:
    """Return why outputs that nothing moves pass a gradient on, by the name of the layer."""
    owner = e.point.probe.owner
    name = getattr(owner, "__name__", type(owner).__name__).lower()
    if not e.point.outputs[~alive].any() and "embed" in name:
        return (
            "the vectors of some indices (padding) are 0 in forward, and backward adds their gradients all the same: "
            "multiply grad_outputs by the mask of forward before they are added"
        )
    if not e.point.outputs[~alive].any() and "max" in name and "softmax" not in name:
        return (
            f"{np.count_nonzero(~alive)} of {alive.size} outputs are 0 and depend on nothing: the running maximum of "
            "forward begins at 0, which cuts off what is negative; it must begin at -inf (np.full(shape, -np.inf)), or "
            "at the first values"
        )
    return (
        "outputs that are cut off (by a ReLU at the end, or a maximum) pass a gradient on: the mask of forward is not "
        "applied"
    )


def forgotten(e: Evidence, lost: Array, alive: Array, evidence: str) -> Iterator[Diagnosis]:
    """Yield which outputs contribute nothing, by their sign or their places along the axes."""
    y = e.point.outputs
    for text, side in (("y < 0", y < 0), ("y > 0", y > 0)):
        if np.array_equal(lost, side & alive) and not np.array_equal(lost, alive):
            sentence = (
                f"outputs {text} count 0 times: the activation at the end has a slope there (a leaky one), and "
                "backward takes it for 0, as that of a ReLU is"
            )
            yield e.found("activation's derivative", sentence, evidence)
            return
    for axis in range(lost.ndim):
        others = tuple(other for other in range(lost.ndim) if other != axis)
        places = np.flatnonzero((lost & alive).any(axis=others))
        whole = [slice(None)] * lost.ndim
        whole[axis] = places  # type: ignore[call-overload]
        if len(places) == lost.shape[axis] or not lost[tuple(whole)][alive[tuple(whole)]].all():
            continue
        yield e.found(*words_for(axis, places.tolist(), lost.shape[axis], lost.ndim), evidence)
        return
    pixel = lost.ndim == 4 and not lost.all()
    text = (
        f"{np.count_nonzero(lost)} of {lost.size} outputs contribute nothing to this gradient: all have to be added up"
    )
    yield e.found("contributions overwritten" if pixel else "outputs forgotten", text, evidence)


def words_for(axis: int, places: Sequence[int], size: int, ndim: int) -> tuple[str, str]:
    """Return name and sentence for outputs that are forgotten at some places along an axis."""
    word = (
        AXES.get(axis, "channel")
        if ndim == 4
        else ("sample" if axis == 0 else "output" if axis == ndim - 1 else "place")
    )
    left = [place for place in range(size) if place not in places]
    if len(left) == 1 and size > 1 and left[0] in (0, size - 1):
        which = "first" if left[0] == 0 else "last"
        text = (
            f"only the {which} {word} counts: contributions of all {word}s have to be added (a sum over the axis, or "
            "+= in a loop)"
        )
        return "contributions overwritten", text
    n = len(places)
    for which, some, why in (
        ("last", range(size - n, size), f"a loop ends too early, its range must reach all {size} {word}s"),
        ("first", range(n), "a loop starts too late"),
    ):
        if places == list(some):
            text = f"the {which} {word if n == 1 else f'{n} {word}s'} of the outputs (axis {axis}) never count: {why}"
            return "outputs forgotten", text
    listed = ", ".join(map(str, places))
    return "outputs forgotten", f"the {word}s {listed} of the {size} outputs along axis {axis} never count"
