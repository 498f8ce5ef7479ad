"""Names and sentences for the gradient of a loss that is wrong: what a formula, or a factor, gives away."""

from mlp.diagnostics.gradients.losses.point import LossPoint

OTHER = "another formula"
Coefficients = dict[str, float]  # {term: coefficient}

OFF_BY_ONE = (
    "off by one",
    "the one-hot targets stand at the class beside the true class (off by one): classes count from 0; ",
)
ALWAYS_WRONG = {  # terms that no gradient of a loss has
    "onehot(t - 1)": OFF_BY_ONE,
    "onehot(t + 1)": OFF_BY_ONE,
    "softmax over the batch": (
        "softmax over the batch",
        "the softmax runs over the batch (axis 0); it must run over the classes (axis 1); ",
    ),
    "(p - onehot(t)) p (1 - p)": (
        "derivative twice",
        "the factor p (1 - p) is one too many: that is the derivative of a squared error of probabilities (softmax); "
        "in the cross-entropy it cancels against the derivative of the logarithm; ",
    ),
    "onehot(t) / p": (
        "probabilities, not logits",
        "it is the gradient for the probabilities p; the outputs are logits, so it must go through the softmax, too; ",
    ),
}
EXCHANGED = {  # (term of the gradient under test, term of the right one)
    ("p", "p"): ("one-hot forgotten", "the one-hot targets have to be subtracted; "),
    ("z", "p"): ("softmax forgotten", "the softmax of the logits belongs in place of the logits; "),
    ("sigmoid(z)", "p"): ("sigmoid in place of softmax", "a sigmoid stands where the softmax belongs; "),
    ("y", "(y - t)"): ("targets forgotten", "the targets have to be subtracted; "),
    ("(y - t)", "sign(y - t)"): ("sign forgotten", "the derivative of |d| is its sign, not d; "),
    ("sign(y - t)", "(y - t)"): ("sign of the difference", "it is the sign of the difference; "),
    ("(y - t)", "(sigmoid(y) - t)"): ("sigmoid forgotten", "the sigmoid of the logits belongs there; "),
    ("(y - t)^2", "(y - t)"): ("squared difference", "the derivative of d^2 is 2 d, not d^2; "),
    ("|y - t|", "(y - t)"): ("sign lost", "the difference lost its sign; "),
}


def named_formula(given: Coefficients, right: Coefficients | None, point: LossPoint) -> tuple[str, str]:
    """Return the name of a mistake and the hint that belongs to it, from the two formulas."""
    wrong = next((answer for term, answer in ALWAYS_WRONG.items() if term in given), None)
    if wrong is not None:
        return wrong
    if right is None or right == given:
        return OTHER, ""
    if "(sigmoid(y) - t) sigmoid'(y)" in given and "(sigmoid(y) - t)" in right:
        return "sigmoid derivative twice", (
            "the factor sigmoid'(y) = p (1 - p) is one too many: it cancels against the derivative of the logarithm; "
        )
    K = point.outputs.shape[-1]
    if smoothed_over_fewer(given, right, K):
        hint = f"label smoothing is shared among K = {K} classes in one place and K - 1 in the other; "
        return "smoothing over K - 1", hint
    for (mine, theirs), answer in EXCHANGED.items():
        if mine in given and theirs in right and (mine not in right or len(given) < len(right)):
            return answer
    return named_coefficients(given, right)


def smoothed_over_fewer(given: Coefficients, right: Coefficients, K: int) -> bool:
    """Whether the constant of label smoothing has the factor K / (K - 1), or its inverse."""
    if "1" not in right or set(given) != set(right):
        return False
    share = given["1"] / right["1"]
    return abs(share - K / (K - 1)) < 1e-4 or abs(share - (K - 1) / K) < 1e-4


def named_coefficients(given: Coefficients, right: Coefficients) -> tuple[str, str]:
    """Return the name and the hint where the two formulas differ in coefficients, or in a term that is missing."""
    if given.get("onehot(t)", 0.0) * right.get("onehot(t)", 0.0) < 0.0:
        return "one-hot added", "the one-hot targets have to be subtracted, not added; "
    if "1" in right and "1" not in given:
        return "smoothing forgotten", "it is the gradient without label smoothing; "
    if set(given) == set(right):
        wrong = [name for name in given if abs(given[name] - right[name]) > 1e-5 * abs(right[name])]
        return "wrong coefficient", f"the coefficient of {' and of '.join(wrong)} is wrong; "
    return OTHER, ""


def named_factor(f: float, N: int, K: int, *, sums: bool) -> tuple[str, str]:
    """Return the name and the sentence for a gradient that is f times the right one."""
    sign = "with the wrong sign, and " if f < 0 else ""
    size = abs(f)

    def near(value: float) -> bool:
        return abs(size - value) < 1e-5 * value

    if near(1.0):
        return "sign", "the gradient has the wrong sign: it matches when multiplied by -1"
    if near(1.0 / N) and sums:
        text = f"forward adds the losses of the {N} samples, backward divides by N: the mean was forgotten in forward"
        return "mean forgotten in forward", sign + text
    if near(N):
        return "division by N", f"{sign}the gradient is not divided by N = {N}: the loss is a mean over the batch"
    if near(1.0 / N):
        return "mean over the batch", f"{sign}matches when multiplied by N = {N}: divided by N once too often"
    for factor, also in ((1.0, ""), (2.0, ", and a factor of 2 is wrong"), (0.5, ", and a factor of 2 is wrong")):
        if near(factor * K) or near(factor * N * K):
            text = f"{sign}the gradient is not divided by {size / factor:.0f}, the number of values in the mean{also}"
            return "division by the values", text
        if near(factor / K):
            text = (
                f"{sign}matches when multiplied by K = {K}, the number of outputs of a sample (divided once too often)"
            )
            return "mean over the classes", text + also
    if near(0.5) or near(2.0):
        return (
            "factor 2",
            f"{sign}it is {size:.5g} times what it should be: the derivative of d^2 is 2 d, that of d^2/2 is d",
        )
    return "factor", f"the gradient is {f:.5g} times what it should be"
