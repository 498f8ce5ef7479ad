"""The table of well-known losses: their names, values, settings, and the mistakes that no single line shows."""

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known import mistakes
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, having
from mlp.diagnostics.gradients.losses.known.values import bits, classes, differences, distributions, sets
from mlp.diagnostics.gradients.losses.known.values.bits import binary, focal, hinge, of_signs, squared, unchanged
from mlp.diagnostics.gradients.losses.known.values.classes import cross_entropy
from mlp.diagnostics.gradients.losses.known.values.differences import of_d
from mlp.diagnostics.gradients.losses.known.values.likelihoods import LIKELIHOODS
from mlp.diagnostics.gradients.losses.known.values.robust import ROBUST_LOSSES

SIZES = (1.0, 0.5, 2.0)
INSENSITIVE = {"epsilon": (0.1, 0.5)}
DIFFERENCE_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the mean squared error", of_d(differences.squares)),
    KnownLoss("the mean absolute error", of_d(differences.sizes)),
    KnownLoss("the root mean squared error", differences.root_mean_square),
    KnownLoss("the distance |y - t|", differences.root_by_samples),
    KnownLoss("the squared error of logarithms", differences.logarithms),
    KnownLoss("the root of the squared error of logarithms", differences.root_of_logarithms),
    KnownLoss("the percentage error", differences.percentage),
    KnownLoss("the symmetric percentage error", differences.symmetric_percentage),
    KnownLoss("the Huber loss", of_d(differences.huber), {"delta": SIZES}, mistakes.HUBER),
    KnownLoss("the smooth L1 loss", of_d(differences.smooth_l1), {"beta": SIZES}),
    KnownLoss("log-cosh", of_d(differences.log_cosh)),
    KnownLoss("the quantile loss", of_d(differences.quantile), {"q": (0.9, 0.1, 0.75, 0.25)}, mistakes.QUANTILE),
    KnownLoss("the pseudo-Huber loss", of_d(differences.pseudo_huber), {"delta": SIZES}),
    KnownLoss("the Charbonnier loss", of_d(differences.charbonnier), {"eps": (1.0, 1e-3)}),
    KnownLoss("the Cauchy loss", of_d(differences.cauchy), {"c": SIZES}),
    KnownLoss("the epsilon-insensitive loss", of_d(differences.insensitive), INSENSITIVE),
    KnownLoss("the squared epsilon-insensitive loss", of_d(differences.squared_insensitive), INSENSITIVE),
    KnownLoss("Tukey's loss", of_d(differences.tukey), {"c": (4.685, 1.0)}),
    KnownLoss("the power of the difference", of_d(differences.power), {"p": (3.0, 4.0, 1.5)}),
    KnownLoss("LINEX", of_d(differences.lopsided), {"a": (1.0, 0.5)}),
)

SMOOTHING = {"smoothing": (0.1, 0.2, 0.05)}
MARGIN = {"margin": SIZES}
CROSS_ENTROPY = KnownLoss("the cross-entropy of the softmax", cross_entropy, {}, mistakes.OF_SOFTMAX)
CLASS_LOSSES: tuple[KnownLoss, ...] = (
    CROSS_ENTROPY,
    *(
        KnownLoss(name, value, usual, mistakes.OF_SOFTMAX)
        for name, value, usual in (
            ("the cross-entropy with label smoothing", cross_entropy, SMOOTHING),
            (
                "the cross-entropy with label smoothing over the other classes",
                having(cross_entropy, over_others=True),
                SMOOTHING,
            ),
            ("the cross-entropy with a temperature", cross_entropy, {"temperature": (2.0, 0.5)}),
            ("the weighted cross-entropy", cross_entropy, {"weights": ()}),
            (
                "the weighted cross-entropy, divided by the sum of the weights",
                having(cross_entropy, by_weights=True),
                {"weights": ()},
            ),
            (
                "the weighted cross-entropy of soft targets",
                having(cross_entropy, each_class=True),
                {"weights": ()},
            ),
        )
    ),
    KnownLoss("-log of the probability of the true class", classes.log_of_outputs),
    KnownLoss("minus the log-probability of the true class", classes.minus_output),
    KnownLoss("the cross-entropy with a penalty for confidence", classes.confident, {"beta": (0.1,)}),
    KnownLoss("the focal loss", classes.focal_softmax, {"gamma": (2.0, 1.0, 3.0)}, mistakes.FOCAL_OF_CLASSES),
    KnownLoss(
        "the focal loss with weights",
        classes.focal_softmax,
        {"gamma": (2.0, 1.0), "weights": ()},
        mistakes.FOCAL_OF_CLASSES,
    ),
    KnownLoss("the generalized cross-entropy", classes.generalized, {"q": (0.7,)}),
    KnownLoss("the first Poly loss", classes.poly, {"eps": (1.0, 2.0)}),
    KnownLoss("the Brier score", classes.brier),
    KnownLoss("the mean absolute error of the probabilities", classes.absolute_probabilities),
    KnownLoss("the multi-class hinge loss", classes.margins, MARGIN, mistakes.MARGINS),
    KnownLoss("the squared multi-class hinge loss", classes.squared_margins, MARGIN, mistakes.SQUARED_MARGINS),
    KnownLoss("the hinge loss of the largest margin", classes.largest_margin, MARGIN, mistakes.MARGINS),
)

GAMMA = {"gamma": (2.0, 1.0, 3.0)}
WITH_ALPHA = {**GAMMA, "alpha": (0.25, 0.75)}
BIT_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the binary cross-entropy of logits", binary(sigmoid), {}, mistakes.OF_LOGITS),
    KnownLoss("the weighted binary cross-entropy of logits", binary(sigmoid), {"pos_weight": ()}, mistakes.OF_LOGITS),
    KnownLoss("the binary cross-entropy of probabilities", binary(unchanged), {}, mistakes.OF_PROBABILITIES),
    KnownLoss(
        "the weighted binary cross-entropy of probabilities",
        binary(unchanged),
        {"pos_weight": ()},
        mistakes.OF_PROBABILITIES,
    ),
    KnownLoss("minus the logarithm of the probability where t = 1", binary(unchanged, 1.0, 0.0)),
    KnownLoss("the focal loss of logits", focal(sigmoid), GAMMA, mistakes.FOCAL_OF_LOGITS),
    KnownLoss("the focal loss of logits", focal(sigmoid), WITH_ALPHA, mistakes.FOCAL_OF_LOGITS),
    KnownLoss("the focal loss of probabilities", focal(unchanged), GAMMA, mistakes.FOCAL_OF_PROBABILITIES),
    KnownLoss("the focal loss of probabilities", focal(unchanged), WITH_ALPHA, mistakes.FOCAL_OF_PROBABILITIES),
    KnownLoss("the squared error of the sigmoid", squared(sigmoid)),
    KnownLoss("the squared error of tanh", squared(np.tanh)),
    *(
        KnownLoss(name, change(value), usual, wrong)
        for change in (lambda value: value, of_signs)
        for name, value, usual, wrong in (
            ("the hinge loss", hinge(1.0), MARGIN, ()),
            ("the squared hinge loss", hinge(2.0), MARGIN, ()),
            ("the logistic loss", bits.logistic, {}, ()),
            ("the exponential loss", bits.exponential, {}, mistakes.EXPONENTIAL),
            ("the modified Huber loss", bits.modified_huber, {}, ()),
            ("the smooth hinge loss", bits.smooth_hinge, {}, ()),
            ("the Savage loss", bits.savage, {}, ()),
            ("the perceptron loss", bits.perceptron, {}, ()),
        )
    ),
    KnownLoss("the contrastive loss", bits.contrastive, MARGIN),
    KnownLoss("the contrastive loss", bits.contrastive_of_others, MARGIN),
    KnownLoss("the embedding loss with a margin", bits.hinge_embedding, MARGIN),
)

TINY = {"eps": (0.0, 1e-6, 1e-8, 1e-5)}
TEMPERATURE = {"temperature": (1.0, 2.0)}
DISTRIBUTION_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the Kullback-Leibler divergence of logits", distributions.divergence, {}, mistakes.OF_DIVERGENCE),
    KnownLoss("the Kullback-Leibler divergence of log-probabilities", distributions.divergence_of_logs),
    KnownLoss("the Kullback-Leibler divergence of probabilities", distributions.divergence_of_probabilities),
    KnownLoss("the cross-entropy of probabilities", distributions.soft_targets),
    KnownLoss("the reverse Kullback-Leibler divergence of logits", distributions.reverse, TINY, mistakes.REVERSE),
    KnownLoss("the reverse Kullback-Leibler divergence of probabilities", distributions.reverse_of_probabilities, TINY),
    KnownLoss(
        "the reverse Kullback-Leibler divergence of log-probabilities",
        distributions.reverse_of_logs,
        TINY,
        mistakes.REVERSE_OF_LOGS,
    ),
    KnownLoss("the distillation loss", distributions.distillation, TEMPERATURE),
    KnownLoss("the distillation loss, as a cross-entropy", distributions.soft_cross_entropy, TEMPERATURE),
    KnownLoss("the Poisson loss", distributions.poisson),
    KnownLoss("the Poisson loss of rates", distributions.poisson_of_rates),
    KnownLoss("1 - cos", sets.one_minus(distributions.cosine_similarity)),
    KnownLoss("minus the cosine", distributions.cosine_similarity),
)

FORMS = (
    (f"{samples}{which}", of, axes)
    for which, of in ((" of probabilities", unchanged), ("", sigmoid))
    for samples, axes in ((" of each sample", -1), ("", (-2, -1)))
)
SMOOTH = {"smooth": (0.0, 1.0, 0.5, 1e-6)}
WEIGHTED = {"alpha": (0.3, 0.7, 0.5), "beta": (0.7, 0.3, 0.5), **SMOOTH}
SET_LOSSES: tuple[KnownLoss, ...] = tuple(
    loss
    for name, of, axes in FORMS
    for loss in (
        KnownLoss(f"the Dice loss{name}", sets.one_minus(sets.overlap(of, axes)), SMOOTH),
        KnownLoss(f"the Dice loss{name} with squares", sets.one_minus(sets.overlap(of, axes, squares=True)), SMOOTH),
        KnownLoss(f"the Jaccard loss (IoU){name}", sets.one_minus(sets.jaccard(of, axes)), SMOOTH),
        KnownLoss(
            f"the Jaccard loss (IoU){name} with squares", sets.one_minus(sets.jaccard(of, axes, squares=True)), SMOOTH
        ),
        KnownLoss(f"the Tversky loss{name}", sets.one_minus(sets.tversky(of, axes)), WEIGHTED),
    )
)
LOSSES = (
    *(*DIFFERENCE_LOSSES, *CLASS_LOSSES, *BIT_LOSSES, *DISTRIBUTION_LOSSES, *SET_LOSSES),
    *(*ROBUST_LOSSES, *LIKELIHOODS),
)
