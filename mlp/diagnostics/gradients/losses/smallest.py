"""Where nothing is known about a wrong gradient of a loss: its worst value, the smallest outputs that still fail."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.finite_differences import norm, relative_error
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

LOOSE = 1e-5
WRONG = 1e-5  # of the largest value


def worst_output(point: LossPoint) -> str:
    """Return the value that is most wrong: where it stands, what backward gives, and what is right."""
    a, n = point.given, point.right
    index = tuple(int(i) for i in np.unravel_index(int(np.abs(a - n).argmax()), n.shape))
    true = f" (the true class is {point.labels[index[0]]})" if point.classes else ""
    return f"derive it again for one value: at {index}{true} backward gives {a[index]:.5g}, and {n[index]:.5g} is right"


def wrong_slices(point: LossPoint) -> str:
    """Return which columns or rows of the outputs are wrong, if the others are right: "only [:, 1] is wrong"."""
    a, n = point.given, point.right
    wrong = np.abs(a - n) > WRONG * np.abs(n).max()
    for axis, form in ((0, "[:, {}]"), (1, "[{}]")) if n.ndim == 2 else ():
        places = np.flatnonzero(wrong.any(axis=axis))
        if 0 < len(places) < n.shape[1 - axis]:
            listed = " and ".join(form.format(i) for i in places[:3])
            off = (a - n)[wrong]
            by = f", by {off[0]:.4g} each" if off.size > 1 and np.ptp(off) < WRONG * np.abs(off).max() else ""
            return f"only {listed} {'is' if len(places) == 1 else 'are'} wrong{by}; the rest is right"
    return ""


def smallest_outputs(
    loss: Any, point: LossPoint, differences: Callable[[Any, Array, Array], Array], tolerance: float
) -> str:
    """Return the two smallest outputs at which the gradient is still wrong, with the numbers of the first, as text."""
    failing: list[str] = []
    numbers = ""
    for outputs, targets in smaller(point):
        if len(failing) == 2:
            break
        try:
            loss.forward(outputs.copy(), targets)
            given = np.array(loss.backward())
            right = differences(loss, outputs, targets)
            wrong = np.isfinite(right).all() and relative_error(given, right, norm(right)) > max(tolerance, LOOSE)
        except OWN_ERRORS:  # too small for the loss
            continue
        if not wrong:
            continue
        if not failing:
            parts = {"outputs": outputs, "targets": targets, "backward gives": given, "right is": right}
            numbers = ", ".join(
                f"{word} {np.array2string(a, precision=4).replace(chr(10), '')}" for word, a in parts.items()
            )
        failing.append(str(outputs.shape))
    return f"it is still wrong for outputs of shape {' and '.join(failing)}; by hand: {numbers}" if failing else ""


def smaller(point: LossPoint) -> Iterator[tuple[Array, Array]]:
    """Yield the first samples and outputs of a point, the smallest first."""
    y, t = point.outputs, point.targets
    for n, k in ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 3), (4, 4)):
        if n > len(y) or (y.ndim > 1 and k > y.shape[-1]) or (point.classes and k < 2) or y.shape == (n, k):
            continue
        outputs = y[:n, ..., :k] if y.ndim > 1 else y[:n]
        if point.whole_numbers:
            targets = t[:n] % k
        elif point.classes:
            targets = np.eye(k, dtype=t.dtype)[point.labels[:n] % k]
        else:
            targets = t[:n, ..., :k] if t.ndim > 1 else t[:n]
        yield outputs.copy(), targets.copy()
