"""Other choices that the kin of Adam can make: Nadam, AMSGrad, AdaMax, and AdaDelta."""

from mlp.diagnostics.rules.choices.velocity import Choice

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
    (
        "look ahead without correction",
        "the look ahead takes g as it is, and must take g / (1 - b1^t): b1 m_hat + (1 - b1) g / (1 - b1^t)",
        {"step": "b m' + (1 - b) g, m' by t + 1"},
    ),
    (
        "look ahead with b and 1 - b exchanged",
        "b1 and 1 - b1 are exchanged in the look ahead",
        {"step": "(1 - b) m + b g"},
    ),
    ("look ahead without b", "m_hat is not multiplied by b1 in the look ahead", {"step": "m + (1 - b) g"}),
)
AMSGRAD: tuple[Choice, ...] = (
    ("no maximum", "these are the steps of Adam: the largest v so far must take the place of v", {"largest": ""}),
    (
        "maximum stored",
        "the maximum is stored back into v; v must stay a running mean as in Adam, with the maximum kept apart",
        {"largest": "", "square": "largest"},
    ),
)
ADABELIEF: tuple[Choice, ...] = tuple(
    (
        "squares in place of distances",
        f"it averages {what}, and must average (g - m)^2, the distance of the gradient from its mean m",
        {"of": f"{taken}{eps}"},
    )
    for eps in ("", " + eps / (1 - b)")
    for what, taken in (("g^2, as Adam does", "g^2"), ("m^2", "m^2"), ("|g - m|, without the square", "|g - m|"))
)
YOGI: tuple[Choice, ...] = (
    (
        "no sign",
        "these are the steps of Adam: the sign is missing, v <- v - (1 - b2) sign(v - g^2) g^2",
        {"square": "mean"},
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
    (
        "root forgotten",
        "the root of the mean of the updates is missing: sqrt(u + eps)",
        {"ratio": "(u + eps) / sqrt(v + eps)"},
    ),
    ("no division", "the division by the root of the mean of the squares is missing", {"ratio": "sqrt(u + eps)"}),
    (
        "eps outside the roots",
        "eps stands outside the roots; it belongs inside: sqrt(u + eps) / sqrt(v + eps)",
        {"ratio": "sqrt(u) + eps / sqrt(v) + eps"},
    ),
    (
        "eps missing above",
        "eps is missing above: u is 0 at first, so no step is ever made",
        {"ratio": "sqrt(u / (v + eps))"},
    ),
    (
        "updates not remembered",
        "the mean of the squared updates is never brought up to date",
        {"updates_of": "nothing"},
    ),
    (
        "updates too early",
        "the mean of the updates is brought up to date before the step; the step takes the old one",
        {"updates_first": True},
    ),
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the updates", {"updates": "exchanged"}),
    ("1 - b forgotten", "the updates come in without 1 - b: u <- b u + (1 - b) d^2", {"updates": "b old + new"}),
    ("updates not averaged", "the squared updates are only added up: u <- b u + (1 - b) d^2", {"updates": "sum"}),
    ("updates not carried over", "only the last update counts: u <- b u + (1 - b) d^2", {"updates": "last"}),
    ("squares not averaged", "the squares are only added up: v <- b v + (1 - b) g^2", {"square": "sum"}),
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the squares", {"square": "exchanged"}),
    ("1 - b forgotten", "the squares come in without 1 - b: v <- b v + (1 - b) g^2", {"square": "b old + new"}),
)
