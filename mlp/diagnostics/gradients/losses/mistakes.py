"""Two formulas side by side, that of backward and the right one: which mistake is it?"""

from mlp.diagnostics.gradients.losses.formulas import Terms

OTHER = "another formula"
OF_TERMS = ("wrong term", "term forgotten", "term too many")
BY_COLUMN = "class weights of the columns"
OF_TARGETS = "onehot(t)", "1"  # the terms that the gradient of a cross-entropy has of its targets
Named = tuple[str, str]  # name of the diagnosis, hint

# What the formula of backward alone says, by a term in it
BY_TERM: dict[str, Named] = {
    "onehot(t - 1)": (
        "off by one",
        "the one-hot targets stand at the class beside the true class (off by one): classes count from 0",
    ),
    "onehot(t + 1)": (
        "off by one",
        "the one-hot targets stand at the class beside the true class (off by one): classes count from 0",
    ),
    "softmax over the batch": (
        "softmax over the batch",
        "the softmax runs over the batch (axis 0); it must run over the classes (axis 1)",
    ),
    "softmax over all outputs": (
        "softmax over all outputs",
        "the softmax divides by the sum over all samples and classes; it must be the sum over the classes of each "
        "sample (axis=1, keepdims=True)",
    ),
    "softmax of the softmax": ("softmax twice", "the softmax is taken twice: p are probabilities already"),
    "(p - onehot(t)) p (1 - p)": (
        "derivative twice",
        "the factor p (1 - p) is one too many: that is the derivative of a squared error of probabilities (softmax); "
        "in the cross-entropy it cancels against the derivative of the logarithm",
    ),
    "(p - onehot(t)) p": (
        "derivative twice",
        "the factor p is one too many: in the cross-entropy the derivative of the softmax cancels against that of the "
        "logarithm",
    ),
    "onehot(t) / p": (
        "probabilities, not logits",
        "it is the gradient for the probabilities p; the outputs are logits, so it must go through the softmax, too",
    ),
    "onehot(t) / z": (
        "logits in place of probabilities",
        "it divides by the logits z, as if they were probabilities: the softmax is forgotten",
    ),
    "onehot(argmax z)": (
        "predicted class",
        "the one-hot vector stands at the predicted class (argmax of the outputs), and must stand at the true class t",
    ),
    "(y - t) y (1 - y)": (
        "sigmoid derivative twice",
        "the factor y (1 - y), the derivative of a sigmoid, is one too many",
    ),
    "(1 - p_t)^gamma (sigmoid(y) - t)": (
        "product rule",
        "only the cross-entropy is differentiated: the factor (1 - p_t)^gamma has a derivative, too (product rule)",
    ),
    "(1 - p_t)^gamma (p - onehot(t))": (
        "product rule",
        "only the cross-entropy is differentiated: the factor (1 - p_t)^gamma has a derivative, too (product rule)",
    ),
    "1 - tanh(y - t)^2": (
        "second derivative",
        "1 - tanh(d)^2 is the second derivative of log(cosh(d)); the first is tanh(d)",
    ),
    "(y - t), mean over the batch": (
        "mean over the batch",
        "the difference is averaged over the samples: each sample has its own gradient",
    ),
}

# (term of backward, term of the right formula): what it means if the one stands where the other belongs
BY_PAIR: dict[tuple[str, str], Named] = {
    ("p", "p"): ("one-hot forgotten", "the one-hot targets have to be subtracted"),
    ("z", "p"): ("softmax forgotten", "the softmax of the logits belongs in place of the logits"),
    ("exp(z)", "p"): ("softmax forgotten", "the division by the sum of exp(z) is forgotten: exp(z) is no softmax yet"),
    ("log p", "p"): ("logarithm of the softmax", "log p stands where p belongs: the probabilities, not their logs"),
    ("sigmoid(z)", "p"): ("sigmoid in place of softmax", "a sigmoid stands where the softmax belongs"),
    ("p^2", "p"): ("derivative twice", "p^2 stands where p belongs: p is one too many"),
    ("y", "(y - t)"): ("targets forgotten", "the targets have to be subtracted"),
    ("y", "sign(y - t)"): ("targets forgotten", "the targets have to be subtracted, and the sign taken"),
    ("sign(y)", "sign(y - t)"): ("targets forgotten", "it is the sign of y: the targets have to be subtracted first"),
    ("(y - t)", "sign(y - t)"): ("sign forgotten", "the derivative of |d| is its sign, not d"),
    ("|y - t|", "sign(y - t)"): (
        "abs handed on",
        "|d| itself stands there, and its derivative, sign(d), belongs there",
    ),
    ("|y - t|", "(y - t)"): ("sign lost", "the difference lost its sign: |d| stands where d belongs"),
    ("1", "sign(y - t)"): ("sign lost", "1 stands where the sign belongs: the derivative of |d| is sign(d)"),
    ("(y - t)^2", "sign(y - t)"): ("squared difference", "the derivative of |d| is sign(d), not d^2"),
    ("sign(y - t)", "(y - t)"): ("sign of the difference", "it is the sign of the difference, where d itself belongs"),
    ("(y - t)", "(sigmoid(y) - t)"): ("sigmoid forgotten", "the sigmoid of the logits belongs there"),
    ("(y - t)^2", "(y - t)"): (
        "squared difference",
        "the loss d^2 itself stands there; its derivative is 2 d, not d^2",
    ),
    ("(y - t)^3", "(y - t)"): ("cubed difference", "d^3 stands there; the derivative of d^2 is 2 d"),
    ("(y - t)", "(y - t) / (y (1 - y))"): (
        "logits, not probabilities",
        "it is the gradient for logits, where a sigmoid follows; the outputs y are probabilities, so it has to be "
        "divided by y (1 - y)",
    ),
    ("(y - t)", "tanh(y - t)"): ("derivative of log cosh", "the derivative of log(cosh(d)) is tanh(d), not d"),
    ("t / y", "(y - t) / (y (1 - y))"): (
        "second term forgotten",
        "the term (1 - t) log(1 - y) of the loss has a derivative, too, (1 - t) / (1 - y)",
    ),
}


def named(given: Terms, right: Terms | None, K: int) -> Named:
    """Return the name of a mistake and the hint that belongs to it, from the two formulas of K outputs a sample."""
    for term, answer in BY_TERM.items():
        if term in given and (right is None or term not in right):
            return answer
    if right is None or right == given:
        return OTHER, ""
    if "(sigmoid(y) - t) sigmoid'(y)" in given and "(sigmoid(y) - t)" in right:
        text = "the factor sigmoid'(y) = p (1 - p) is one too many: it cancels against the derivative of the logarithm"
        return "sigmoid derivative twice", text
    total = total_of_targets(given, right, K)
    if total is not None:
        return total
    if "1" in right and "1" in given and set(given) == set(right):
        share = given["1"] / right["1"]
        if abs(share - K / (K - 1)) < 1e-4 or abs(share - (K - 1) / K) < 1e-4:
            text = f"label smoothing is shared among K = {K} classes in one place and K - 1 in the other"
            return "smoothing over K - 1", text
    for (mine, theirs), answer in BY_PAIR.items():
        if mine in given and theirs in right and (mine not in right or set(given) == {mine}):
            return answer
    for column in [term for term in given if f"{term.removesuffix(' p')}[t] p" in right and term not in right]:
        weights = column.removesuffix(" p")
        text = (
            f"each column is multiplied by its own entry of {weights}; all of a row has to be multiplied by the weight "
            f"of its label, {weights}[t][:, None]"
        )
        return BY_COLUMN, text
    if given.get("onehot(t)", 0.0) * right.get("onehot(t)", 0.0) < 0.0:
        return "one-hot added", "the one-hot targets have to be subtracted, not added"
    if {"1", "onehot(t)"} <= set(right) and "1" not in given:
        return "smoothing forgotten", "it is the gradient without label smoothing"
    return by_difference(given, right)


def total_of_targets(given: Terms, right: Terms, K: int) -> Named | None:
    """Return what the targets of forward sum to, where the softmax of backward has the factor 1 and they do not.

    The cross-entropy -sum_k q_k log p_k has the gradient S p - q with S = sum_k q_k, which is 1 for a distribution.
    """
    if "p" not in given or set(given) != set(right) or "onehot(t)" not in given or not set(given) <= {"p", *OF_TARGETS}:
        return None
    one, other = (-right[t] / given["p"] if t in right else 0.0 for t in OF_TARGETS)
    total = right["p"] / given["p"]
    same = all(abs(given[t] - right[t]) < 1e-5 * abs(right[t]) for t in OF_TARGETS if t in right)
    if not same or abs(total - 1.0) < 1e-4 or abs(one + K * other - total) > 1e-4:
        return None
    smoothing, e = 1.0 - one, "e (smoothing)"
    why = "" if not smoothing else f"; with {e} = {smoothing:.4g} and K = {K}, "
    if smoothing and abs(other - smoothing / (K - 1)) < 1e-4:
        why += "e / (K - 1) is added to all K classes, also to the true one, which gets 1 - e besides: "
    elif smoothing and abs(other - smoothing) < 1e-4:
        why += "each class gets the whole e: "
    elif smoothing and not other:
        why += "the others get nothing: "
    usual = "1 - e + e / K for the true class and e / K for each other one, or 1 - e and e / (K - 1)"
    text = (
        f"the targets in forward sum to {total:.4g}, and must sum to 1: the true class gets {one + other:.4g}, each "
        f"other one {other:.4g}{why}{'' if why else '; '}usual are {usual}; p - q is the gradient for a sum of 1 alone"
    )
    return "targets do not sum to 1", text


def by_difference(given: Terms, right: Terms) -> Named:
    """Return which terms are missing, too many, or have another coefficient."""
    missing, extra = [t for t in right if t not in given], [t for t in given if t not in right]
    wrong = [t for t in given if t in right and abs(given[t] - right[t]) > 1e-5 * abs(right[t])]
    signs = [t for t in wrong if abs(given[t] + right[t]) < 1e-5 * abs(right[t])]
    if set(given) == set(right) and signs == wrong:
        return "wrong sign of a term", f"the sign of {' and of '.join(signs)} is wrong"
    if set(given) == set(right):
        return "wrong coefficient", f"the coefficient of {' and of '.join(wrong)} is wrong"
    settings = [one for one in extra if "softmax(z" in one] + [one for one in missing if "softmax(z" in one]
    if settings and missing and extra:
        return "temperature", f"{extra[0]} stands where {missing[0]} belongs: z is divided by it in forward alone"
    if missing and extra:
        return "wrong term", f"{' and '.join(extra)} stands where {' and '.join(missing)} belongs"
    if missing:
        return "term forgotten", f"the term {' and '.join(missing)} is missing"
    return "term too many", f"the term {' and '.join(extra)} is one too many"
