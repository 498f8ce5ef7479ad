"""The losses of sets that overlap, Dice, Jaccard and Tversky, with their usual mistakes."""

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Wrong, having
from mlp.diagnostics.gradients.losses.known.values.sets import (
    UNDER,
    exchanged,
    jaccard,
    mixed_slopes,
    one_minus,
    overlap,
    times,
    tversky,
    tversky_slopes,
)

FORMS = (
    (plain_name, of, axes_name, axes)
    for plain_name, of in ((" of probabilities", lambda y: y), ("", sigmoid))
    for axes_name, axes in ((" of each sample", -1), ("", (-2, -1)))
)
SMOOTH = {"smooth": (0.0, 1.0, 0.5, 1e-6)}


def set_losses() -> list[KnownLoss]:
    """Return Dice, Jaccard and Tversky, of probabilities or logits, of each sample or of all values."""
    found = []
    for which, of, samples, axes in FORMS:
        name = f"{samples}{which}"
        dice, square, union = overlap(of, axes), overlap(of, axes, squares=True), jaccard(of, axes)
        other = -1 if axes != -1 else (-2, -1)
        of_dice = (
            Wrong("squares in the denominator", "it has p^2 in the denominator, where p belongs", square),
            Wrong(
                "derivative of another form",
                "the denominator has the derivative of another form of Dice, with squares (sum p^2 + sum t^2, as in "
                "V-Net): 2 p; forward takes sum p + sum t, whose derivative is 1",
                gradient=mixed_slopes(one_minus(dice), one_minus(square), (UNDER,)),
            ),
            Wrong("another overlap", "it is the gradient of the Jaccard loss (IoU)", union),
            Wrong(
                "1 - forgotten",
                "it is the overlap itself, which would be made small: 1 - is missing",
                times(-1.0, dice),
            ),
            Wrong(
                "factor 2 forgotten",
                "the factor 2 above is missing: 2 sum(p t) / (sum p + sum t)",
                one_minus(times(0.5, dice)),
            ),
            Wrong(
                "other sums",
                "the sums run over the values of each sample in one place and over all values in the other",
                overlap(of, other),
            ),
            Wrong(
                "smoothing below alone",
                "the smoothing term stands in the denominator alone; it must stand above, too",
                having(dice, below_alone=True),
                needs="smooth",
            ),
        )
        of_union = (
            Wrong(
                "derivative of another form",
                "the denominator has the derivative of that of Dice, sum p + sum t: 1; the union is sum p + sum t - "
                "sum(p t), whose derivative is 1 - t",
                gradient=mixed_slopes(one_minus(union), one_minus(dice), (UNDER,)),
            ),
            Wrong("another overlap", "it is the gradient of the Dice loss", dice),
            Wrong(
                "other sums",
                "the sums run over the values of each sample in one place and over all values in the other",
                jaccard(of, other),
            ),
            Wrong(
                "overlap counted twice",
                "the union is sum p + sum t - sum(p t): the overlap is not subtracted",
                times(0.5, dice),
            ),
        )
        weights = {"alpha": (0.3, 0.7, 0.5), "beta": (0.7, 0.3, 0.5), **SMOOTH}
        one = tversky(of, axes)
        of_tversky = (
            Wrong("alpha and beta exchanged", "alpha and beta are exchanged", exchanged(one)),
            Wrong(
                "alpha and beta exchanged",
                "alpha and beta are exchanged in the derivative of the denominator: alpha belongs to p (1 - t)",
                gradient=tversky_slopes(of, axes),
            ),
            Wrong("another overlap", "it is the gradient of the Dice loss", dice),
        )
        found += [
            KnownLoss(f"the Dice loss{name}", one_minus(dice), SMOOTH, of_dice),
            KnownLoss(
                f"the Dice loss{name} with squares",
                one_minus(square),
                SMOOTH,
                (
                    Wrong(
                        "derivative of another form",
                        "the denominator has the derivative of the plain form of Dice (sum p + sum t): 1; forward "
                        "takes squares (sum p^2 + sum t^2, as in V-Net), whose derivative is 2 p",
                        gradient=mixed_slopes(one_minus(square), one_minus(dice), (UNDER,)),
                    ),
                    Wrong("square forgotten", "the denominator has p, where p^2 belongs", dice),
                ),
            ),
            KnownLoss(f"the Jaccard loss (IoU){name}", one_minus(union), SMOOTH, of_union),
            KnownLoss(f"the Tversky loss{name}", one_minus(one), weights, of_tversky),
        ]
    return found
