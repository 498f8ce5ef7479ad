"""Other choices that the families of formulas can make, and what each of them means as a mistake.

These are the mistakes that no change of one line undoes, or that can be seen in the steps alone.
"""

from typing import Any

Choice = tuple[str, str, dict[str, Any]]  # name, sentence, choices

VELOCITY: tuple[Choice, ...] = (
    ("momentum exchanged", "mu and 1 - mu are exchanged: v <- (1 - mu) v + mu g", {"velocity": "(1 - mu) v + mu g"}),
    (
        "momentum forgotten",
        "the old velocity is not multiplied by the momentum mu: v <- v + g only grows",
        {"velocity": "v + g"},
    ),
)
SIGNUM: tuple[Choice, ...] = (
    ("sign forgotten", "the step is made with the mean itself, and must be made with its sign", {"step": "v"}),
)
SQUARES_GROW: Choice = (
    "decay forgotten",
    "the old mean of the squares is not multiplied by b, so it only grows: v <- b v + (1 - b) g^2",
    {"square": "old + (1 - b) new"},
)
ADAPTIVE: tuple[Choice, ...] = (
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the squares", {"square": "exchanged"}),
    (
        "1 - b forgotten",
        "the squares come in without 1 - b: v <- b v + (1 - b) g^2 is a mean, this is a sum",
        {"square": "b old + new"},
    ),
    ("not squared", "the mean is of |g|, and must be of the squares g^2: the square is missing", {"of": "|g|"}),
    *(
        (
            "one number for all",
            f"all weights of an array share one {what} of g^2: each weight has its own, element by element",
            {"of": f"the {what} of g^2 over the array"},
        )
        for what in ("mean", "sum")
    ),
    ("not squared", "the mean is of g, and must be of the squares g^2: the square is missing", {"of": "g"}),
    SQUARES_GROW,
)
ADAGRAD: tuple[Choice, ...] = (
    (
        "gradients summed, not squares",
        "g is added up and the sum squared, (sum g)^2, where the squares g^2 have to be added up: gradients of "
        "opposite signs cancel",
        {"of": "g", "root": "|v| + eps"},
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
        "decay forgotten",
        "the old mean of the gradients is not multiplied by b1, so it only grows: m <- b1 m + (1 - b1) g",
        {"mean": "old + (1 - b) new"},
    ),
    ("gradient in place of the mean", "the step is made with g, not with the mean m of the gradients", {"step": "g"}),
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
        "bias correction without t",
        "the first mean is divided by 1 - b1, not by 1 - b1^t",
        {"correct": ("1 - b", "once")},
    ),
    (
        "bias correction without t",
        "the second mean is divided by 1 - b2, not by 1 - b2^t",
        {"correct": ("once", "1 - b")},
    ),
    (
        "bias correction multiplied",
        "the means are multiplied by 1 - b^t: the bias correction divides by it",
        {"correct": ("multiplied", "multiplied")},
    ),
)
ADABELIEF: tuple[Choice, ...] = tuple(
    (
        "squares in place of distances",
        f"it averages {what}, and must average (g - m)^2, the distance of the gradient from its mean m",
        {"of": taken},
    )
    for what, taken in (
        ("g^2, as Adam does", "g^2"),
        ("g^2, as Adam does", "g^2 + eps / (1 - b)"),
        ("|g - m|, without the square", "|g - m|"),
    )
)
AMSGRAD: tuple[Choice, ...] = (
    ("no maximum", "these are the steps of Adam: the largest v so far must take the place of v", {"largest": ""}),
    (
        "maximum overwrites the mean",
        "the maximum overwrites v: it belongs in an array of its own, and v stays the running mean of the squares",
        {"stored": True},
    ),
)
ADAMAX: tuple[Choice, ...] = (
    ("no absolute value", "the largest is that of g, and must be that of |g|: u <- max(b2 u, |g|)", {"of": "g"}),
    ("squared", "the largest is that of g^2, and must be that of |g|: u <- max(b2 u, |g|)", {"of": "g^2"}),
    ("no maximum", "|g| is averaged, and the larger one must be kept: u <- max(b2 u, |g|)", {"square": "mean"}),
)
DELTA: tuple[Choice, ...] = (
    ("root forgotten", "the root of the mean of the updates is missing: sqrt(u + eps)", {"above": "u + eps"}),
    SQUARES_GROW,
    (
        "decay forgotten",
        "the old mean of the updates is not multiplied by b, so it only grows: u <- b u + (1 - b) d^2",
        {"updates": "old + (1 - b) new"},
    ),
)
LION: tuple[Choice, ...] = (
    ("sign forgotten", "the step is made with the mix itself, and must be made with its sign", {"sign": False}),
    ("one beta for both", "the mean is updated with b1; it has its own b2", {"beta_of_mean": "beta1"}),
)
