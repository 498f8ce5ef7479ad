"""What a pooling gives, by its name and its settings: the maxima or means of its windows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.typing import Array

NAME = "forward"
SIZES = (
    *("k", "size", "kernel", "kernel_size", "window", "window_size"),
    *("pool", "pool_size", "pool_height", "pool_width"),
)
STRIDES = ("s", "stride", "strides", "step")
SAME = 1e-9


def wrong_pooling(probe: Probe, words: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what is wrong with a pooling: a sum over the window, a window that does not move by the stride."""
    if probe.arrays.keys() != {"inputs"} or probe.x.ndim < 3:
        return
    x, y = probe.x.copy(), probe.outputs()
    probe.x[...] = 0.5
    equal = probe.outputs()
    what = "maximum" if "max" in words else "mean"
    k, s = window_settings(probe)
    if equal.size and abs(float(equal.max()) - 0.5) > SAME:
        why = "is it a sum over the window?"
        if k > 1 and abs(2.0 * float(equal.max()) - k) < SAME:
            why = f"it divides by the side of the window, {k}, and must divide by the number of its values, {k} * {k}"
        text = f"the {what} of equal values 0.5 is 0.5, and forward gives {float(equal.max()):.4g}: {why}"
        yield Diagnosis(NAME, "outputs", "evaluation", text)
        return
    if k and x.ndim == 4 and "global" not in words:
        yield from other_windows(x, y, (k, s or k), what)


def window_settings(probe: Probe) -> tuple[int, int]:
    """Return the size and the stride of the windows; 0 for what is not said, or not the same along both axes."""
    owner = probe.owner
    held: dict[str, Any] = dict(vars(owner))
    if isinstance(owner, FunctionPair):
        for name, value in owner.settings.items():
            held |= value if isinstance(value, dict) else {name: value}
    if any(("pad" in name or name == "p") and value for name, value in held.items()):
        return 0, 0
    whole = {name: value for name, value in held.items() if isinstance(value, int) and not isinstance(value, bool)}
    found = [{value for name, value in whole.items() if name in names} for names in (SIZES, STRIDES)]
    k, s = (sizes.pop() if len(sizes) == 1 else 0 for sizes in found)
    return k, s


def other_windows(x: Array, y: Array, settings: tuple[int, int], what: str) -> Iterator[Diagnosis]:
    """Yield what the outputs are, where they are not those of the windows that the settings say."""
    k, s = settings
    fitting = [axes for axes in ((1, 2), (2, 3)) if min(x.shape[axis] for axis in axes) >= k]
    layouts = [axes for axes in fitting if pooled(x, k, s, axes, what).shape == y.shape]
    if not layouts or any(distance(pooled(x, k, s, axes, what), y) < SAME for axes in layouts):
        return
    other = {"maximum": "mean", "mean": "maximum"}[what]
    tried = {
        f"its windows start at i, and must start at i * stride = {s} i": (k, 1, what),
        f"its windows start at i * size, and must start at i * stride = {s} i": (k, k, what),
        f"it gives the {other} of each window": (k, s, other),
        "it gives the minimum of each window": (k, s, "minimum"),
    }
    for axes in layouts:
        for text, (size, step, how) in tried.items():
            part = pooled(x, size, step, axes, how)[tuple(slice(0, n) for n in y.shape)]
            if part.shape == y.shape and distance(part, y) < SAME:
                yield Diagnosis(NAME, "outputs", "evaluation", f"forward is no {what} over {k} x {k} windows: {text}")
                return


def pooled(x: Array, k: int, s: int, axes: tuple[int, int], how: str) -> Array:
    """Return the maxima, minima or means of windows of k x k that move by s along two axes."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=axes)
    step = [slice(None)] * x.ndim
    for axis in axes:
        step[axis] = slice(None, None, s)
    reduce: Any = {"maximum": np.max, "minimum": np.min, "mean": np.mean}[how]
    return np.asarray(reduce(windows[tuple(step)], axis=(-2, -1)))
