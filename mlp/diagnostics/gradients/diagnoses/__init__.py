"""What is likely wrong: from a wrong gradient to its cause.

A finite difference says that a gradient is wrong. It also says what the right one is, which is enough to find the
cause: most faults are one of a few dozen, and each of them leaves its own kind of wrong gradient. So a diagnosis is a
hypothesis that was tested:

    a    the gradient that backward gave          n    the right one, by finite differences
    J    the whole Jacobian dy/dx, by finite differences too       u    the upstream gradient      so n = J u

1. Predict. "If the weight were taken for its transpose, backward would give this." If that prediction equals `a` to six
   digits, while n does not, the hypothesis is confirmed; an agreement of six digits in dozens of random numbers is no
   accident. `wrong_formulas` and `rearranged` predict so: J with its channels exchanged (transposed) or its image axes
   reversed (kernel not turned), n in another order of axes, flipped, shifted by a pixel, n without the gradient of a
   shortcut, derivatives taken at y in place of x.
2. Fit one number. a = f n for a single f: `factors` names it, by what happens to f with a batch of N + 1 (the mean over
   the batch), or by what it equals (pixels, window, 1 - p, 2, -1).
3. Look where. `patterns` asks which of the values are wrong: those with |x| < 0.1 (a kink), with x < 0 (a branch),
   those on which several outputs depend (overlaps overwritten), one factor for each channel (gamma forgotten), units at
   random (another dropout mask).
4. Take it apart. Backward must be a linear map of u. `linear` compares what it makes of the gradient of each output
   with the row of J that belongs to this output: outputs that are forgotten, and windows.
5. Fit terms. `normalizations`: the right gradient of a normalization has three terms, and the fit says which of them is
   missing, or has another factor.
6. Call again. `repeated` and the check itself: two forwards before a backward (a stale cache), two backwards (gradients
   that add up), each layer of a model by itself (which one is it, or is it their wiring?); `running_statistics`: does
   evaluation do what training did, once the statistics have settled?
7. Compare modes. Right in evaluation and wrong in training, or the reverse, is said if nothing better is known.

No hypothesis asks for a class of ours: everything is read from arrays, and a student's own layer is diagnosed like one
of the library's. Where only a sample of a large gradient was measured (`check_model`), only 2, 6 and 7 are possible.

The gallery (`mlp.diagnostics.gradients.gallery`) holds a planted bug for each diagnosis, and a test that it is found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, Guess, Point
from mlp.diagnostics.gradients.diagnoses.factors import wrong_factor
from mlp.diagnostics.gradients.diagnoses.linear.contributions import wrong_contributions
from mlp.diagnostics.gradients.diagnoses.linear.linearity import not_linear
from mlp.diagnostics.gradients.diagnoses.linear.routes import misplaced, through_time, wrong_places
from mlp.diagnostics.gradients.diagnoses.linear.windows import wrong_windows
from mlp.diagnostics.gradients.diagnoses.normalizations.terms import raw_inputs, training_formula
from mlp.diagnostics.gradients.diagnoses.normalizations.wrong_formula import wrong_normalization
from mlp.diagnostics.gradients.diagnoses.parameters import norm_path, wrong_parameter
from mlp.diagnostics.gradients.diagnoses.patterns import (
    by_dependence,
    by_position,
    dropout_mask,
    factor_per_slice,
    handed_on,
    part_of_x,
)
from mlp.diagnostics.gradients.diagnoses.pointwise import wrong_formula
from mlp.diagnostics.gradients.diagnoses.precision import zero_or_not_finite
from mlp.diagnostics.gradients.diagnoses.rearranged import averaged, permuted, rearranged, wrong_transpose
from mlp.diagnostics.gradients.diagnoses.repeated.behaviour import stale_cache
from mlp.diagnostics.gradients.diagnoses.repeated.confirmation import Hypothesis, merged, tested
from mlp.diagnostics.gradients.diagnoses.repeated.kept import kept_changed
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import smallest_failing, worst_value
from mlp.diagnostics.gradients.diagnoses.wrong_formulas import (
    pointwise,
    softmax_terms,
    wrong_path,
    wrong_paths,
)

__all__ = ["Diagnosis", "Evidence", "Guess", "Point", "diagnose_gradients", "merged"]

MOST = 5  # diagnoses that are worth reading

FIRST: tuple[Hypothesis, ...] = (not_linear,)  # the others hold for linear maps alone
HYPOTHESES: tuple[Hypothesis, ...] = (  # the most specific first
    zero_or_not_finite,
    dropout_mask,
    wrong_path,
    stale_cache,
    kept_changed,
    wrong_factor,
    wrong_normalization,
    training_formula,
    raw_inputs,
    wrong_parameter,
    norm_path,
    wrong_paths,
    wrong_transpose,
    handed_on,
    softmax_terms,
    pointwise,
    through_time,
    by_dependence,
    wrong_windows,
    rearranged,
    permuted,
    misplaced,
    wrong_contributions,
    wrong_formula,
    part_of_x,
    factor_per_slice,
    averaged,
)
WEAK: tuple[Hypothesis, ...] = (wrong_places, by_position)
# Diagnoses that say where to look, but not what is wrong: the line that is wrong says more.
GENERAL = (
    "factor",
    "other order",
    "factor per slice",
    "gradient to the losers",
    "mean along an axis",
)
# Diagnoses that may be another mistake that looks alike.
UNCERTAIN = (
    "activation's derivative",
    "split at the wrong place",
    "another term through the mean",
    "another term through the variance",
    "sum along an axis",
    "flipped",
    "paths counted wrongly",
    "factor 2",
    "wrong places",
    "path through time",
    "never written",
)


def diagnose_gradients(points: Sequence[Point]) -> list[Diagnosis]:
    """Return what is likely wrong with the gradients of some points (one per mode), most likely first."""
    return tested(points, FIRST) or tested(points, HYPOTHESES)


def last_resort(points: Sequence[Point]) -> list[Diagnosis]:
    """Return what can be said where no hypothesis was confirmed: which values, arrays and modes are wrong."""
    found = tested(points, WEAK) or merged(by_mode(points))
    wrong = [point for point in points if point.wrong]
    if not wrong:
        return found
    numbers = "; ".join(part for part in (worst_value(wrong[0]), smallest_failing(wrong[0])) if part)
    return [replace(one, evidence="; ".join(filter(None, (one.evidence, numbers)))) for one in found]


def by_mode(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the diagnosis that is left where no hypothesis was confirmed: in which mode, and which arrays are wrong."""
    wrong = [point for point in points if point.wrong]
    right = [point for point in points if not point.wrong]
    for point in wrong:
        arrays = ", ".join(point.wrong)
        if right:
            text = f"right in {right[0].mode}, wrong in {point.mode}: each mode has a formula of its own for backward"
            yield Diagnosis("one mode only", arrays, point.mode, text)
        elif set(point.wrong) == {"inputs"} and len(point.numeric) > 1:
            text = "the gradients of all parameters are right, that of the inputs is wrong"
            yield Diagnosis("inputs only", arrays, point.mode, text)
        elif "inputs" not in point.wrong:
            text = "the gradient of the inputs is right: look only at the lines that write these gradients"
            yield Diagnosis("parameters only", arrays, point.mode, text)
        else:
            text = "no simple relation to the right gradient was found: derive it again on paper, for one output"
            yield Diagnosis("unknown", arrays, point.mode, text)


def is_unsure(likely: Sequence[Diagnosis]) -> bool:
    """Return whether nothing is likely, or only what says where to look, or may be another mistake."""
    return not likely or likely[0].name in (*GENERAL, *UNCERTAIN)
