"""What the name of a random layer promises: which values it drops together, and which statistics it keeps.

spatial dropout    a channel is dropped as a whole
drop path          a sample is dropped as a whole
alpha dropout      values of mean 0 and variance 1 keep both
Gaussian dropout   the variance of the factors is p / (1 - p), as that of dropout's own factors
"""

import re
from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.keeping import SETTINGS
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.references.promises import text_of_code
from mlp.diagnostics.gradients.references.subject import starts_of
from mlp.diagnostics.gradients.written.documentation import documentation_of
from mlp.typing import Array

MOVED = 1e-9
RUNS = 40  # until something was dropped, and for a mean
FACTORS = 30_000  # that are drawn for their variance
SIGMAS = 6.0
SLACK = 0.02  # of a mean or a variance
WHOLE_CHANNELS = re.compile(r"spatial_?dropout|dropout_?[123]d|(channel|feature)_?dropout", re.IGNORECASE)
WHOLE_SAMPLES = re.compile(r"drop_?path|stochastic_?depth", re.IGNORECASE)
DROPPED = -1.7580993408473766  # what SELU tends to, -scale * alpha


def trained(probe: Probe, x: Array) -> Array:
    """Return the outputs of a training forward of other inputs."""
    return np.array(probe.layer.forward(x.copy(), training=True))


def drops_parts(probe: Probe, name: str) -> Iterator[Diagnosis]:
    """A spatial dropout that drops some pixels of a channel, a drop path that drops some values of a sample."""
    channels = probe.x.ndim > 2 and bool(WHOLE_CHANNELS.search(name))
    if not channels and not WHOLE_SAMPLES.search(name):
        return
    x = np.ones(probe.x.shape)
    if np.ptp(probe.layer.forward(x.copy(), training=False)) > MOVED:  # more than a mask
        return
    last = x.ndim
    said = f"{documentation_of(probe.owner)}\n{text_of_code(probe.owner)}"
    images = [tuple(range(start, start + last - 2)) for start in starts_of(said, last)]
    whole = images if channels else [(*range(1, last),), (0,)]
    for _ in range(RUNS):
        y = trained(probe, x)
        if y.shape != x.shape:
            return
        if any(np.ptp(y, axis=axes).max() < MOVED for axes in whole):
            continue  # whole channels, or nothing at all
        alike = [axis for axis in range(last) if np.ptp(y, axis=axis).max() < MOVED and x.shape[axis] > 1]
        same = f"; the mask is the same along axis {alike[0]}" if alike else ""
        ones = ", 1" * (last - 2)
        text = (
            f"single pixels are dropped{same}: a spatial dropout drops whole channels, so its mask has one number for "
            f"each channel of each image, (N, C{ones}) where the channels come first"
            if channels
            else f"single values are dropped{same}: a drop path drops the whole path of a sample, so its mask has one "
            f"number for each sample, (N, 1{ones})"
        )
        yield Diagnosis("drops pixels" if channels else "drops parts of samples", "outputs", "training", text)
        return


def moments_not_kept(probe: Probe) -> Iterator[Diagnosis]:
    """An alpha dropout that does not keep mean 0 and variance 1."""
    rng, shape = np.random.default_rng(0), probe.x.shape
    drawn = [trained(probe, rng.standard_normal(shape)) for _ in range(RUNS)]
    for what, wanted, f in (("mean", 0.0, np.mean), ("variance", 1.0, lambda y: np.mean(y * y) - np.mean(drawn) ** 2)):
        values = np.array([f(y) for y in drawn])
        if abs(values.mean() - wanted) > SIGMAS * values.std() / np.sqrt(RUNS) + SLACK:
            first = f"inputs of mean 0 and variance 1 get the {what} {values.mean():.2f}, and must keep {wanted:g}"
            text = f"{first}: {why_not_kept(probe)}"
            yield Diagnosis("moments not kept", "outputs", "training", text)
            return


def why_not_kept(probe: Probe) -> str:
    """Return what an alpha dropout does with what it drops, or the formula of its constants."""
    ones, twos = (np.unique([trained(probe, np.full(probe.x.shape, c)) for _ in range(4)]) for c in (1.0, 2.0))
    dropped, kept = np.intersect1d(ones, twos), [np.setdiff1d(*pair) for pair in ((ones, twos), (twos, ones))]
    if dropped.size == kept[0].size == kept[1].size == 1:
        a = float(kept[1][0] - kept[0][0])
        b = float(kept[0][0]) - a
        alpha = (float(dropped[0]) - b) / a
        if abs(alpha - DROPPED) > SLACK:
            return (
                f"dropped values become {round(alpha, 4) + 0.0:g} before the scale a and the shift b, and must become "
                f"alpha' = {DROPPED:.5g}: a (x mask + alpha' (1 - mask)) + b"
            )
    return "with q = 1 - p, a = (q + alpha'^2 q (1 - q))^-1/2 and b = -a alpha' (1 - q), alpha' being -1.7581"


def variance_of_factors(probe: Probe) -> Iterator[Diagnosis]:
    """A Gaussian dropout whose factors have another variance than p / (1 - p)."""
    owner = probe.owner
    given = [(n, v) for n, v in vars(owner).items() if n in SETTINGS and isinstance(v, float) and 0.0 < v < 1.0]
    if len(given) != 1:
        return
    name, p = given[0]
    runs = max(RUNS, FACTORS // probe.x.size)
    values = np.array([np.var(trained(probe, np.ones(probe.x.shape)), ddof=1) for _ in range(runs)])
    found, error = float(values.mean()), SIGMAS * float(values.std()) / np.sqrt(runs)
    right = (p / (1.0 - p), (1.0 - p) / p)
    if any(abs(found - one) < max(2.0 * error, 1e-3 * one) for one in (*right, p, p * p)):
        return
    for text, wrong in (
        (f"the standard deviation is {name} / (1 - {name}), not the variance: the root is missing", right[0] ** 2),
        (f"the standard deviation is (1 - {name}) / {name}, not the variance: the root is missing", right[1] ** 2),
        (f"it is that of the mask before it is scaled, {name} (1 - {name})", p * (1.0 - p)),
    ):
        if abs(found - wrong) < max(error, 1e-3 * wrong):
            first = f"the factors have the variance {found:.3g}, and {right[0]:.3g} = {name} / (1 - {name}) is right"
            yield Diagnosis("variance of the noise", "outputs", "training", f"{first}: {text}")
            return
