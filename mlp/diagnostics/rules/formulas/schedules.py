"""What a rule multiplies its learning rate with by itself: a decay, a warm-up, a fall along half a cosine or a line.

Settings: rate_decay d; warmup W, the steps until the whole rate; total T, the step at which it has fallen to `lowest`,
along half a cosine or, if `linear` is set, a straight line.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

DECAYS = ("1 / (1 + d k)", "d^k", "(1 - d)^k", "exp(-d k)", "1 / sqrt(1 + d k)")


@dataclass(frozen=True)
class Schedule:
    """The share of the learning rate in step k = 0, 1, ...; every choice but the first ones is another form or a fault.

    Attributes:
        decay: one of `DECAYS`, or "" for that of the settings. warm: a formula.
        first: the number of the first step. progress: of the fall. fall: its formula.
        compounding: whether the decays of all steps so far are multiplied.
        smooth: whether a decay in stairs, once in several steps, falls between them, too.
    """

    decay: str = ""
    first: float = 0.0
    warm: str = "(k + 1) / W"
    progress: str = "(k - W) / (T - W)"
    fall: str = "right"
    compounding: bool = False
    smooth: bool = False

    def share(self, k: float, h: float, s: Mapping[str, float]) -> float:
        """Return h_k / h."""
        share = 1.0
        if s.get("rate_decay"):
            steps = range(int(k) + 1) if self.compounding else [k]
            share = math.prod(self.of_decay(step + self.first, s) for step in steps)
        W = s.get("warmup", 0.0)
        if W and k < W:
            warm = {
                "1 / W": 1.0 / W,
                "W / (k + 1)": W / (k + 1),
                "1": 1.0,
                "(k + 1) / W": (k + 1) / W,
                "k / W": k / W,
                "(k + 1) / (W + 1)": (k + 1) / (W + 1),
            }[self.warm]
            return share * warm
        if s.get("total"):
            low = s.get("lowest", 0.0) / h
            share *= low + (1.0 - low) * self.of_fall(k + self.first, W, s)
        return share

    def of_decay(self, k: float, s: Mapping[str, float]) -> float:
        """Return the share that is left by a decay."""
        d, every = s["rate_decay"], s.get("decay_every", 1.0)
        k = k / every if self.smooth else k // every
        forms = 1.0 / (1.0 + d * k), d**k, (1.0 - d) ** k, math.exp(-d * k), 1.0 / math.sqrt(1.0 + d * k)
        return forms[DECAYS.index(self.decay) if self.decay else int(s.get("decay_form", 0.0))]

    def of_fall(self, k: float, W: float, s: Mapping[str, float]) -> float:
        """Return the share that is left by a fall to 0."""
        T = s["total"]
        rest = max(T - W, 1.0)
        p = {"(k - W) / (T - W)": (k - W) / rest, "k / T": k / T, "(k - W) / T": (k - W) / T, "k / (T - W)": k / rest}
        x = min(max(p[self.progress], 0.0), 1.0)
        if s.get("linear"):
            return {"right": 1.0 - x, "rising": x}.get(self.fall, math.nan)
        cosine = {"right": 0.5 * (1.0 + math.cos(math.pi * x)), "rising": 0.5 * (1.0 - math.cos(math.pi * x))}
        cosine |= {"no half": 1.0 + math.cos(math.pi * x), "no pi": 0.5 * (1.0 + math.cos(x))}
        return {**cosine, "quarter": math.cos(0.5 * math.pi * x)}[self.fall]


def legal_schedules(s: Mapping[str, float]) -> Iterator[tuple[str, Schedule]]:
    """Yield the other forms of a schedule that are right, too, and a remark for each."""
    if s.get("rate_decay"):
        known, stairs = "decay_form" in s, "decay_every" in s
        decays = [DECAYS[int(s["decay_form"])]] if known else DECAYS
        for decay, first, smooth in product(decays, (0.0, 1.0), (False, True) if stairs else (False,)):
            text = f"the learning rate is multiplied by {decay} in it, with k = {first:g} in the first step."
            yield text, Schedule(decay, first, smooth=smooth)
    if s.get("warmup") or s.get("total"):
        for warm in ("(k + 1) / W", "k / W", "(k + 1) / (W + 1)"):
            for first in (0.0, 1.0):
                yield f"its warm-up has the shares {warm}.", Schedule(warm=warm, first=first)


def wrong_schedules(s: Mapping[str, float]) -> Iterator[tuple[str, str, Schedule]]:
    """Yield (name, sentence, schedule) of the usual mistakes."""
    if s.get("rate_decay"):
        text = (
            "the decays of all steps multiply: the learning rate that has decayed is kept, and decays again in the "
            "next step; start from the first learning rate each time, and keep that as it is"
        )
        for _, form in legal_schedules(s):
            yield "decay of the decayed rate", text, replace(form, compounding=True)
    if s.get("warmup"):
        for warm, text in (
            ("1 / W", "the rate of the warm-up does not grow: step t of it has the share t / warmup"),
            ("W / (k + 1)", "the share of the warm-up is the wrong way round: t / warmup"),
            ("1", "there is no warm-up: the whole learning rate stands in the first steps"),
        ):
            yield "warm-up", text, Schedule(warm=warm)
    if s.get("total"):
        right = "(t - warmup) / (total - warmup)"
        for progress, text in (
            ("k / T", "the progress of the fall counts from step 0, and must count from the end of the warm-up"),
            ("(k - W) / T", "the progress is divided by all steps, and must be by those after the warm-up"),
            ("k / (T - W)", "the steps of the warm-up must be subtracted from t in the progress, too"),
        ):
            for first in (0.0, 1.0):
                yield "progress of the schedule", f"{text}: {right}", Schedule(progress=progress, first=first)
        for fall, text in (
            ("rising", "the learning rate rises where it must fall: it is the whole one at progress 0, and 0 at 1"),
            ("no half", "the factor 1/2 is missing: 1 + cos(pi progress) is 2 at the start"),
            ("no pi", "pi is missing: cos(progress) must be cos(pi progress)"),
            ("quarter", "it is a quarter of a cosine: (1 + cos(pi progress)) / 2 belongs there"),
        ):
            for first in (0.0, 1.0):
                yield "form of the schedule", text, Schedule(fall=fall, first=first)
