"""Other choices that Adam can make with its two means, see `families.Adaptive`, and what each of them means."""

from mlp.diagnostics.rules.velocity_choices import Choice

NOT_ADAM: tuple[Choice, ...] = (
    (
        "bias correction",
        "the squares are divided by 1 - b^t: a bias correction, which Adam has, and this rule has not",
        {"correct": ("never", "once")},
    ),
)
SWAPPED = "m is the mean of the gradients and stands above, v is the mean of the squares and stands under the root"
ADAM: tuple[Choice, ...] = (
    ("means exchanged", f"m and v are exchanged in the step, v / sqrt(m): {SWAPPED}", {"roles": "v / m"}),
    (
        "means exchanged",
        f"m and v are exchanged in the step, v / sqrt(|m|): {SWAPPED}",
        {"roles": "v / m", "root": "sqrt|v| + eps"},
    ),
    (
        "means exchanged",
        f"m and v are exchanged when they are brought up to date: m gets g^2, and v gets g; {SWAPPED}",
        {"mean_of": "g^2", "of": "g"},
    ),
    (
        "means exchanged",
        f"m and v are exchanged when they are brought up to date (and the root is of |v|); {SWAPPED}",
        {"mean_of": "g^2", "of": "g", "root": "sqrt|v| + eps"},
    ),
    (
        "old means exchanged",
        "the old m and the old v are exchanged: m <- b1 v + ..., v <- b2 m + ...; each mean is brought up to date from "
        "its own old value",
        {"olds": "exchanged"},
    ),
    (
        "old means exchanged",
        "v is brought up to date from the old m: v <- b2 v + (1 - b2) g^2",
        {"olds": "both m"},
    ),
    ("old means exchanged", "m is brought up to date from the old v: m <- b1 m + (1 - b1) g", {"olds": "both v"}),
    ("first mean of squares", "m averages g^2, where the gradient g belongs", {"mean_of": "g^2"}),
    ("first mean without sign", "m averages |g|: the gradient lost its sign", {"mean_of": "|g|"}),
    ("first mean of signs", "m averages the sign of g, where g itself belongs", {"mean_of": "sign(g)"}),
    (
        "learning rate in the mean",
        "the learning rate is multiplied into m, and again in the step: m <- b1 m + (1 - b1) g",
        {"mean_of": "h g"},
    ),
    (
        "betas exchanged in the correction",
        "the bias corrections have each other's beta: m is divided by 1 - b1^t, v by 1 - b2^t",
        {"correct": ("other", "other")},
    ),
    (
        "betas exchanged in the correction",
        "m is corrected with b2, and must be with its own beta: 1 - b1^t",
        {"correct": ("other", "once")},
    ),
    (
        "betas exchanged in the correction",
        "v is corrected with b1, and must be with its own beta: 1 - b2^t",
        {"correct": ("once", "other")},
    ),
    ("bias correction by t", "the means are divided by t, not by 1 - b^t", {"correct": ("t", "t")}),
    ("bias correction by b^t", "the means are divided by b^t, not by 1 - b^t", {"correct": ("b^t", "b^t")}),
    (
        "sign of the bias correction",
        "the means are divided by 1 + b^t, not by 1 - b^t",
        {"correct": ("1 + b^t", "1 + b^t")},
    ),
    (
        "looks ahead",
        "it looks ahead, b1 m + (1 - b1) g, as Nadam does: Adam makes the step with m alone",
        {"step": "b m + (1 - b) g"},
    ),
    (
        "bias correction missing",
        "matches without the division of both means by 1 - b^t: the bias correction is missing",
        {"correct": ("never", "never")},
    ),
    (
        "bias correction missing",
        "matches without the bias correction of the first mean: the division by 1 - b1^t",
        {"correct": ("never", "once")},
    ),
    (
        "bias correction missing",
        "matches without the bias correction of the second mean: the division by 1 - b2^t",
        {"correct": ("once", "never")},
    ),
    (
        "corrected values stored",
        "the corrected means are stored back into m and v, so they are corrected again in every step: keep m_hat "
        "and v_hat apart",
        {"correct": ("stored", "stored")},
    ),
    (
        "corrected values stored",
        "the corrected first mean is stored back into m, and corrected again in every step: keep m_hat apart",
        {"correct": ("stored", "once")},
    ),
    (
        "corrected values stored",
        "the corrected second mean is stored back into v, and corrected again in every step: keep v_hat apart",
        {"correct": ("once", "stored")},
    ),
    (
        "bias correction without t",
        "the first mean is divided by 1 - b1, not by 1 - b1^t",
        {"correct": ("1 - b", "once")},
    ),
    (
        "bias correction without t",
        "the second mean is divided by 1 - b2, not by 1 - b2^t",
        {"correct": ("once", "1 - b")},
    ),
    ("bias correction without a power", "1 - b t stands where the power 1 - b^t belongs", {"correct": ("b t", "b t")}),
    (
        "bias correction multiplied",
        "the means are multiplied by 1 - b^t: the bias correction divides by it",
        {"correct": ("multiplied", "multiplied")},
    ),
    (
        "bias correction multiplied",
        "the first mean is multiplied by 1 - b1^t: the bias correction divides",
        {"correct": ("multiplied", "once")},
    ),
    (
        "bias correction multiplied",
        "the second mean is multiplied by 1 - b2^t: the bias correction divides",
        {"correct": ("once", "multiplied")},
    ),
    ("bias correction twice", "both means are corrected twice", {"correct": ("twice", "twice")}),
    ("bias correction twice", "the first mean is corrected twice", {"correct": ("twice", "once")}),
    (
        "bias correction twice",
        "the second mean is corrected twice; or the root is taken before the correction, sqrt(v) / (1 - b2^t), which "
        "is the same: correct v, then take the root",
        {"correct": ("once", "twice")},
    ),
    (
        "root of the correction",
        "the first mean is divided by the root of 1 - b1^t: no root belongs there",
        {"correct": ("root", "once")},
    ),
    ("root of the correction", "the root is taken of 1 - b2^t once more", {"correct": ("once", "root")}),
    ("gradient in place of the mean", "the step is made with g, not with the mean m of the gradients", {"step": "g"}),
    (
        "1 - b forgotten",
        "the means are sums: new values come in times 1 - b",
        {"mean": "b old + new", "square": "b old + new"},
    ),
    ("1 - b forgotten", "the first mean is a sum: the gradient comes in times 1 - b1", {"mean": "b old + new"}),
    ("decay forgotten", "the old m is not multiplied by b1", {"mean": "old + (1 - b) new"}),
    ("decay exchanged", "b1 and 1 - b1 are exchanged in the mean of the gradients", {"mean": "exchanged"}),
    ("decay exchanged", "b and 1 - b are exchanged in both means", {"mean": "exchanged", "square": "exchanged"}),
    ("mean not carried over", "m is not carried over from step to step", {"mean": "last"}),
    ("gradients added up", "m is the sum of all gradients, and must be their running mean", {"mean": "sum"}),
)

NADAM: tuple[Choice, ...] = (
    (
        "no looking ahead",
        "these are the steps of Adam: the look ahead of Nadam, b1 m_hat + (1 - b1) g / (1 - b1^t), is missing",
        {"step": "m"},
    ),
    (
        "look ahead without correction",
        "the look ahead takes g as it is, and must take g / (1 - b1^t): b1 m_hat + (1 - b1) g / (1 - b1^t)",
        {"step": "b m + (1 - b) g"},
    ),
)
ADAMAX: tuple[Choice, ...] = (
    (
        "absolute value missing",
        "u takes g, and must take |g|: u <- max(b2 u, |g|); negative gradients never count",
        {"of": "g"},
    ),
    ("squares in place of |g|", "u takes g^2, and must take |g|: u <- max(b2 u, |g|)", {"of": "g^2"}),
    (
        "mean in place of the largest",
        "u is a running mean, and must be the largest: max(b2 u, |g|)",
        {"square": "mean"},
    ),
    ("root too many", "the root of u is taken: Adamax divides by u itself", {"root": "root + eps"}),
    ("bias correction", "u is corrected by 1 - b2^t, and needs no correction", {"correct": ("once", "once")}),
)
DELTA: tuple[Choice, ...] = (
    (
        "not of the updates",
        "the second mean is of the squared gradients, and must be of the squared updates: with both alike their ratio "
        "is 1",
        {"updates_of": "g^2"},
    ),
    ("not squared", "the second mean is of |d|, and must be of the squared updates d^2", {"updates_of": "|d|"}),
    ("not squared", "the second mean is of d, and must be of the squared updates d^2", {"updates_of": "d"}),
    (
        "learning rate in the updates",
        "the learning rate is in the mean of the updates, (h d)^2",
        {"updates_of": "(h d)^2"},
    ),
    (
        "divided by the inverse",
        "the ratio of the two roots is the wrong way round: the root of the updates stands above, that of the "
        "gradients below",
        {"ratio": "sqrt(v + eps) / sqrt(u + eps)"},
    ),
    ("root forgotten", "the roots are missing: sqrt(u + eps) / sqrt(v + eps)", {"ratio": "(u + eps) / (v + eps)"}),
    ("root forgotten", "the root of the gradients is missing", {"ratio": "sqrt(u + eps) / (v + eps)"}),
    (
        "another rule",
        "the root of the mean of the updates is missing above: these are the steps of RMSProp",
        {"ratio": "1 / sqrt(v + eps)"},
    ),
    ("squares not averaged", "the squares are only added up: v <- b v + (1 - b) g^2", {"square": "sum"}),
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the squares", {"square": "exchanged"}),
    ("1 - b forgotten", "the squares come in without 1 - b: v <- b v + (1 - b) g^2", {"square": "b old + new"}),
)
