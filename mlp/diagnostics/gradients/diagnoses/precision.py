"""Gradients that are nothing at all."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence
from mlp.diagnostics.gradients.finite_differences import norm


def unused(e: Evidence) -> bool:
    """Return whether the outputs do not depend on an array: not at all, or in one layer only in their rounding.

    In a model that can be right: the outputs depend on a bias before batch norm in their rounding alone.
    """
    if not e.numeric.any():
        return True
    small = norm(e.numeric) < 1e-8 * norm(e.analytic)
    return small and e.point.complete and not e.point.layer.children()


def zero_or_not_finite(e: Evidence) -> Iterator[Diagnosis]:
    """The gradient is NaN, zero, or not zero where it should be."""
    a = e.analytic
    if not np.isfinite(a).all():
        count = np.count_nonzero(~np.isfinite(a))
        kinds = " and ".join(name for name, there in (("NaN", np.isnan(a)), ("infinite", np.isinf(a))) if there.any())
        text = (
            f"{count} of {a.size} values are {kinds}: a division by zero, or the logarithm or root of a negative number"
        )
        yield e.found("not finite", text)
    elif not e.of_inputs and unused(e):
        text = (
            f"the outputs do not depend on {e.array}: forward does not use it (is it forgotten there?), so its "
            "gradient must be 0, and backward gives another"
        )
        yield e.found("not used in forward", text)
    elif not a.any():
        yield e.found(
            "gradient is zero", "the gradient is zero everywhere: it is never computed, or multiplied by zero"
        )
