"""Two formulas side by side, that of backward and the right one: which mistake is it?"""

from mlp.diagnostics.gradients.losses.formulas import Terms

OTHER = "another formula"
OF_TERMS = ("wrong term", "term forgotten", "term too many")
BY_COLUMN = "class weights of the columns"
UNIFORM_PART = "uniform part forgotten"
OF_TARGETS = "onehot(t)", "1"  # the terms that the gradient of a cross-entropy has of its targets
Named = tuple[str, str]  # name of the diagnosis, hint


def named(given: Terms, right: Terms | None, K: int) -> Named:
    """Return the name of a mistake and the hint that belongs to it, from the two formulas of K outputs per sample."""
    if right is None or right == given:
        return OTHER, ""
    total = total_of_targets(given, right, K)
    if total is not None:
        return total
    if "1" in right and "1" in given and set(given) == set(right):
        share = given["1"] / right["1"]
        if abs(share - K / (K - 1)) < 1e-4 or abs(share - (K - 1) / K) < 1e-4:
            text = f"label smoothing is shared among K = {K} classes in one place and K - 1 in the other"
            return "smoothing over K - 1", text
    for column in [term for term in given if f"{term.removesuffix(' p')}[t] p" in right and term not in right]:
        weights = column.removesuffix(" p")
        text = (
            f"each column is multiplied by its own entry of {weights}; all of a row has to be multiplied by the weight "
            f"of its label, {weights}[t][:, None]"
        )
        return BY_COLUMN, text
    if given.get("onehot(t)", 0.0) * right.get("onehot(t)", 0.0) < 0.0:
        return "one-hot added", "the one-hot targets have to be subtracted, not added"
    if {"p", "1", "onehot(t)"} <= set(right) and "1" not in given:
        return without_uniform_part(given, right, K)
    return by_difference(given, right)


def without_uniform_part(given: Terms, right: Terms, K: int) -> Named:
    """Return what is forgotten of smoothed targets: all of the smoothing, or what each class gets of it."""
    size = given.get("p", 0.0)
    if set(given) == {"p", "onehot(t)"} and abs(size - right["p"]) < 1e-5 * abs(size):
        true, true_alone = -given["onehot(t)"] / size, -right["onehot(t)"] / size
        if abs(true - 1.0) < 1e-5:
            return "smoothing forgotten", "it is the gradient without label smoothing"
        each = -right["1"] / size
        if min(abs(true - one) for one in (true_alone, true_alone + each)) < 1e-5:
            whole = abs(true - true_alone) < 1e-5
            which, share = ("every class", "e / K") if whole else ("each other class", "e / (K - 1)")
            text = (
                f"the uniform part of the smoothed targets is missing: {which} gets {share} = {each:.4g} of the "
                f"smoothing e (K = {K} classes), and it is not subtracted from p; the 1 - e of the true class is there"
            )
            return UNIFORM_PART, text
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
