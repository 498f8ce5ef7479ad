"""Gradients that are nothing at all, or rounded."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence


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
    elif not a.any():
        yield e.found(
            "gradient is zero", "the gradient is zero everywhere: it is never computed, or multiplied by zero"
        )


def fits_float32(values: np.ndarray) -> bool:
    """Return whether float32 can hold all values exactly, and they are not all small whole numbers or the like.

    Among random float64 numbers that is no accident: they went through float32. Their error, about 1e-7, may be just
    small enough to pass.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        exact = values.astype(np.float32).astype(values.dtype) == values
        short = values.astype(np.float16).astype(values.dtype) == values
    return bool(exact.all() and not short.all())
