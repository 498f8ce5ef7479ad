"""Which learning rate? The range test of Smith, with the rule of thumb of fastai.

A copy of the network is trained for 200 steps or so. The rate grows by the same factor at each step, from one so small
that nothing happens to one so large that the loss explodes:

    h(i) = a (b / a)^(i / (n - 1))               i = 0 .. n - 1, from a to b
    s(i) = mean of L(j) over |i - j| <= w        the smoothed loss, w = n / 25

The test ends early if the mean of the last w losses is more than four times the lowest such mean so far, or if a loss
is infinite or NaN. The suggestion is a tenth of the rate at which s is lowest: at the lowest point training is about to
become unstable, and a rate has to serve for longer than this test. (fastai's running mean looks back only, so its curve
lags behind the losses by much of a power of ten; s does not.)

How sure is that? Losses scatter about s by e, the standard deviation of L(j) - s(j) for j up to the lowest point. If
the rates at which s is within e of its lowest value span more than a factor of ten, the curve is too noisy or too flat
to say which of them is best.

References: L. N. Smith, Cyclical learning rates for training neural networks, 2017, section 3.3; fastai's `lr_find`.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlp.checks import at_least_one, positive
from mlp.diagnostics.examination import Chapters, twin
from mlp.errors import ConfigurationError
from mlp.files.tables import csv_text
from mlp.training.arguments import check_batches
from mlp.training.trainer import Trainer
from mlp.typing import Array, BatchSource

RANGE_STEPS = 200
SEARCH_COLUMNS = ("learning_rate", "loss", "smoothed_loss")  # of its CSV file
DIVERGED = 4.0  # times the lowest mean of w losses
SHARE = 0.1  # of the rate at the lowest point
QUIET = 5  # the first n/QUIET steps, at the smallest rates, show how much losses scatter by themselves
CLEAR = 10.0  # a valley is clear if the rates that are about as good as the best differ by at most this factor


@dataclass(frozen=True)
class RateSearch:
    """Losses at growing learning rates, and what follows from them.

    Attributes:
        rates, losses: of each step, (number of steps,) each. steps: n, how many were planned.
        ended: why there are fewer; "" if there are not.
    """

    rates: Array
    losses: Array
    steps: int
    ended: str = ""

    @property
    def smoothed(self) -> Array:
        """The smoothed loss s, (number of steps,)."""
        w = window_of(self.steps)
        return np.array([self.losses[max(0, i - w) : i + w + 1].mean() for i in range(len(self.losses))])

    @property
    def lowest(self) -> int:
        """The step at which the smoothed loss is lowest."""
        return int(np.argmin(self.smoothed))

    @property
    def suggestion(self) -> float | None:
        """A learning rate, rounded to two digits; None if the loss never fell by more than it scatters by itself."""
        quiet = self.losses[: max(2, self.steps // QUIET)]
        if float(quiet.mean() - self.smoothed[self.lowest]) <= float(quiet.std()):
            return None
        return float(f"{SHARE * self.rates[self.lowest]:.1e}")

    @property
    def reason(self) -> str:
        """Where the suggestion comes from, or why there is none: a text for people."""
        low, last = self.rates[self.lowest], self.rates[-1]
        if self.suggestion is None:
            advice = f"; from {last:.1e} on {self.ended}, so stay well below" if self.ended else ""
            return f"the loss fell at no rate in {len(self.rates)} steps: more steps may show more{advice}"
        smoothed = self.smoothed
        fell = f"the smoothed loss is lowest (from {smoothed[0]:.3f} down to {smoothed[self.lowest]:.3f})"
        end = f"; at {last:.1e} {self.ended}" if self.ended else ""
        if self.lowest == self.steps - 1:
            end = "; it was still falling, so a larger rate may be better"
        return f"a tenth of {low:.1e}, where {fell}{end}"

    @property
    def doubt(self) -> str:
        """Why the suggestion is not sure, a text for people; "" if the valley is clear or there is no suggestion."""
        if self.suggestion is None:
            return ""
        smoothed, lowest = self.smoothed, self.lowest
        scatter = (self.losses - smoothed)[: lowest + 1].std()
        as_good = self.rates[smoothed <= smoothed[lowest] + scatter]
        if as_good.max() <= CLEAR * as_good.min():
            return ""
        return (
            f"the curve has no clear valley: from {as_good.min():.1e} to {as_good.max():.1e} the loss differs by less "
            "than it scatters"
        )

    def csv(self) -> str:
        """Return the steps as CSV text, with all digits."""
        rows = zip(self.rates.tolist(), self.losses.tolist(), self.smoothed.tolist(), strict=True)
        return csv_text([SEARCH_COLUMNS, *rows])


def window_of(steps: int) -> int:
    """Return w for a number of steps."""
    return max(1, steps // 25)


def find_learning_rate(
    trainer: Trainer, batches: BatchSource, *, first: float = 1e-6, last: float = 10.0, steps: int = RANGE_STEPS
) -> RateSearch:
    """Run the test with copies of a trainer's model, loss and rule; the trainer stays as it is.

    Args:
        batches: as for `Trainer.fit`; if an epoch has fewer than `steps`, the next one follows.
        first, last: a and b, the ends of the range. steps: n.

    Raises:
        ConfigurationError: the rate does not grow, or the very first loss is infinite or NaN.
    """
    check_batches("batches", batches)
    a, b, n = positive("first", first), positive("last", last), at_least_one("steps", steps)
    if a >= b or n < 2:
        raise ConfigurationError(f"the rate must grow, in at least 2 steps: got first {a:g}, last {b:g}, steps {n}")
    rates = a * (b / a) ** (np.arange(n) / (n - 1))
    losses, means = list[float](), list[float]()
    ended, probe = "", twin(trainer, [])
    probe.loss.begin_epoch(0, max(1, trainer.epochs))
    try:
        probe.engine.bind(probe.model, probe.loss, probe.rule)
        source = Chapters(probe.engine.resident(batches), n)
        with np.errstate(all="ignore"):  # at the largest rates an overflow is expected
            for rate, (x, targets) in zip(rates.tolist(), source.epoch(0), strict=True):
                probe.rule.learning_rate = rate
                losses.append(float(probe.engine.train_step(x, targets)))
                ended = why_enough(losses, means, window_of(n))
                if ended:
                    break
    finally:
        probe.engine.close()
    if not math.isfinite(losses[-1]):
        losses.pop()
    if not losses:
        raise ConfigurationError(f"the loss is infinite or NaN at the first learning rate already, {a:g}")
    return RateSearch(rates[: len(losses)], np.array(losses), n, ended)


def why_enough(losses: list[float], means: list[float], w: int) -> str:
    """Return why the test can end; "" if it has to go on.

    Args:
        means: of the last w losses at each step so far; the newest is added here.
    """
    if not math.isfinite(losses[-1]):
        return "it was infinite or NaN"
    if len(losses) >= w:
        means.append(float(np.mean(losses[-w:])))
    return f"it was {DIVERGED:g} times that" if len(means) and means[-1] > DIVERGED * min(means) else ""
