"""Other choices that a rule which divides by a root can make, see `families.Adaptive`, and what each of them means."""

from mlp.diagnostics.rules.choices.velocity import Choice

BEFORE = "the old memory is used, before the gradient of this step comes in: bring it up to date first"
ADAPTIVE: tuple[Choice, ...] = (
    ("root forgotten", "it divides by v, not by its root: the square root (sqrt) is missing", {"root": "v + eps"}),
    ("eps in the root", "eps stands under the root, and belongs outside", {"root": "sqrt(v + eps)"}),
    ("divided by the inverse", "it multiplies by the root where it must divide by it", {"root": "1 / root"}),
    ("not squared", "the memory is of |g|, and must be of the squares g^2: the square is missing", {"of": "|g|"}),
    ("not squared", "the memory is of g, and must be of the squares g^2: the square is missing", {"of": "g"}),
    ("square of the mean", "it averages m^2, the square of the first mean m, where g^2 belongs", {"of": "m^2"}),
    (
        "one number for all",
        "all weights of an array share one mean of g^2: each weight has its own, element by element",
        {"of": "the mean of g^2 over the array"},
    ),
    (
        "one number for all",
        "all weights of an array share one sum of g^2: each weight has its own, element by element",
        {"of": "the sum of g^2 over the array"},
    ),
    ("old square", BEFORE, {"old_square": True}),
    (
        "squares not averaged",
        "the squares are only added up, as AdaGrad does, and never decay (grow without end): v <- b v + (1 - b) g^2",
        {"square": "sum"},
    ),
    ("squares averaged", "the squares decay, as in RMSProp; AdaGrad only adds them up", {"square": "mean"}),
    (
        "1 - b forgotten",
        "the squares come in without 1 - b: v <- b v + (1 - b) g^2 is a mean, this is a sum",
        {"square": "b old + new"},
    ),
    (
        "squares not carried over",
        "only the last square counts, times 1 - b: the running mean is not carried over from step to step",
        {"square": "(1 - b) new"},
    ),
    (
        "decay forgotten",
        "the old squares are not multiplied by b: v <- b v + (1 - b) g^2",
        {"square": "old + (1 - b) new"},
    ),
    ("decay exchanged", "b and 1 - b are exchanged in the mean of the squares", {"square": "exchanged"}),
    (
        "squares not carried over",
        "only the last square counts: those of the steps before are not carried over",
        {"square": "last"},
    ),
    (
        "largest square",
        "the running mean of the squares goes on from its largest value: v and its largest value must be kept apart",
        {"square": "largest"},
    ),
    (
        "largest square",
        "it keeps the largest square, as AdaMax does, and must remember all of them",
        {"square": "largest new"},
    ),
    (
        "root stored",
        "the root is stored back into v, so that the next square comes into a mean of roots: keep v, and take its root "
        "for the step alone",
        {"square": "root stored"},
    ),
    (
        "gradients summed, not squares",
        "g is added up and the sum squared, (sum g)^2, where the squares g^2 have to be added up: gradients of "
        "opposite signs cancel",
        {"of": "g", "root": "|v| + eps"},
    ),
    (
        "not squared",
        "the memory is of g, and must be of the squares g^2: the square is missing (the root of |v| is taken)",
        {"of": "g", "root": "sqrt|v| + eps"},
    ),
    ("not squared", "it averages g m, where g^2 belongs: the gradient times itself", {"of": "g m"}),
    ("not squared", "it averages 2 g, where the square g^2 belongs", {"of": "2 g"}),
    ("squares start at 1", "v is 1 before the first step, and must be 0: zeros, not ones", {"start": "1"}),
    (
        "squares start at the first",
        "v is g^2 before the first step, and must be 0: the first square counts twice",
        {"start": "new"},
    ),
    ("root twice", "the root is taken twice", {"root": "fourth root"}),
    ("no division", "the step is not divided by the root at all", {"root": "1"}),
    (
        "one number for all",
        "all weights of an array are divided by one root, of the mean of v: each has its own, element by element",
        {"root": "mean root"},
    ),
    ("sign of the gradient only", "only the sign of the step is used", {"step": "sign"}),
)
