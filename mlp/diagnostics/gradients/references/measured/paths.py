"""Which paths lead from the inputs to the outputs: past the weights of a residual layer, and within a dense block.

A weight of zeros cuts every path through it. No weight of a residual layer x + f(x) cuts all paths; in a dense block no
layer sees x through an earlier layer alone.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import Probe, restoring
from mlp.typing import Array

RESIDUAL = re.compile(r"residual|resnet|resblock|res|skip")
BESIDES = re.compile(
    r"block|unit|basic|pre|act\w*|net\w*|mlp|ffn|fc|dense|conv|linear|affine|bottleneck|connection|re?lu|tanh"
)
DRAWS = 20  # of other inputs: a ReLU may be dead at some of them


def cut_by(probe: Probe) -> dict[str, Array]:
    """Return, by the names of the matrices and kernels, which outputs of a sample do not depend on x without them."""
    rng, found = np.random.default_rng(0), {}
    moved = moved_outputs(probe, rng)
    for name, array in probe.arrays.items():
        if name != "inputs" and array.ndim > 1 and min(array.shape) > 1:
            with restoring([array]):
                array[...] = 0.0
                found[name] = moved & ~moved_outputs(probe, rng)
    return found


def moved_outputs(probe: Probe, rng: np.random.Generator) -> Array:
    """Return which outputs of a sample change with the inputs."""
    with restoring([probe.x]):
        drawn = []
        for _ in range(DRAWS + 1):
            probe.x[...] = rng.standard_normal(probe.x.shape)
            drawn.append(probe.outputs())
    return np.asarray((np.ptp(drawn, axis=0) > 0.0).any(axis=0))


def is_residual(words: Sequence[str]) -> bool:
    """Return whether a name is that of a layer x + f(x): no whole network, and no other layer with a shortcut."""
    network = {"net", "network", "resnet"} & set(words) and not {"block", "unit", "basic", "bottleneck"} & set(words)
    known = all(RESIDUAL.fullmatch(word) or BESIDES.fullmatch(word) for word in words)
    return known and not network and any(map(RESIDUAL.fullmatch, words))


def no_way_around(probe: Probe) -> Iterator[Diagnosis]:
    """A residual layer with a weight that all paths lead through."""
    cut = [name for name, outputs in cut_by(probe).items() if outputs.all()]
    if cut and probe.outputs().shape == probe.x.shape:
        text = (
            f"with {cut[0]} = 0 the outputs do not depend on the inputs any more, so all goes through the weights: the "
            "shortcut is missing in forward; add x to what they give, f(x) + x, before the last activation"
        )
        yield Diagnosis("shortcut missing", "outputs", "evaluation", text)


def sees_too_little(probe: Probe) -> Iterator[Diagnosis]:
    """A dense block (its outputs have x among them) with a layer that sees x through an earlier layer alone."""
    y, x = probe.outputs(), probe.x
    if y.ndim != x.ndim or not any(has_part(y, x, axis) for axis in {1, x.ndim - 1}):
        return
    cut = cut_by(probe)
    ways = [frozenset(name for name in cut if cut[name][index]) for index in np.ndindex(*y.shape[1:])]
    longer = next(((one, other) for one in ways for other in ways if one and one < other), None)
    if longer is not None:
        first, last = sorted(longer[0])[0], sorted(longer[1] - longer[0])[0]
        text = (
            f"what {last} gives depends on the inputs through {first} alone: in a dense block each layer sees x and "
            "all that the layers before it gave, concatenated, so its weights need a row for each of these features"
        )
        yield Diagnosis("path missing", "outputs", "evaluation", text)


def has_part(y: Array, x: Array, axis: int) -> bool:
    """Return whether x is the first or the last part of the outputs along an axis."""
    n = x.shape[axis]
    if any(a != b for i, (a, b) in enumerate(zip(y.shape, x.shape, strict=True)) if i != axis) or y.shape[axis] <= n:
        return False
    ends = (np.take(y, range(n), axis), np.take(y, range(y.shape[axis] - n, y.shape[axis]), axis))
    return any(np.array_equal(end, x) for end in ends)
