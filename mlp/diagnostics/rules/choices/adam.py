"""Other choices that Adam can make with its two means, see `families.Adaptive`, and what each of them means."""

from mlp.diagnostics.rules.choices.velocity import Choice

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
    ("old means exchanged", "v is brought up to date from the old m: v <- b2 v + (1 - b2) g^2", {"olds": "both m"}),
    ("old means exchanged", "m is brought up to date from the old v: m <- b1 m + (1 - b1) g", {"olds": "both v"}),
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
    ("step count off by one", "the first mean is corrected with t + 1: 1 - b1^t", {"correct": ("t + 1", "once")}),
    ("step count off by one", "the second mean is corrected with t + 1: 1 - b2^t", {"correct": ("once", "t + 1")}),
    ("step count off by one", "the first mean is corrected with t - 1: 1 - b1^t", {"correct": ("t - 1", "once")}),
    ("first mean starts at 1", "m is 1 before the first step, and must be 0", {"start_mean": "1"}),
    (
        "first mean starts at the gradient",
        "m is g before the first step, and must be 0: the bias correction expects it",
        {"start_mean": "new"},
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
)
