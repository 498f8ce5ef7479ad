"""The gallery of planted bugs: layers, losses and learning rules that are wrong in one line.

    from mlp.diagnostics.gradients.gallery import BUGS

    for bug in BUGS:
        print(bug.family, bug.name, bug.wrong)      # "affine", "WeightGradientAveraged", what is wrong
        print(bug.check())                          # the report, with the diagnosis

They are there for three reasons. A checker that never fails proves nothing: each of them must be caught. A diagnosis
that is never tested is a guess: the tests ask for `bug.expected` as the first one. And a wrong layer is an exercise:
read `bug.check()` without its source, say what is wrong, then look.
"""

from mlp.diagnostics.gradients.gallery import (
    activations,
    affine,
    batch_norm,
    concat,
    convolution,
    deep_supervision,
    dropout,
    loss_values,
    pooling,
    protocol,
    residual,
    rules,
    softmax_cross_entropy,
)
from mlp.diagnostics.gradients.gallery.kinds import (
    absolute,
    class_losses,
    exchanged,
    formulas,
    kept_lines,
    known_losses,
    linear_maps,
    loss_terms,
    misnamed,
    misnamed_norms,
    one_line,
    other_forwards,
    rule_choices,
    slices_and_paths,
)
from mlp.diagnostics.gradients.gallery.planted import PlantedBug

BUG_FAMILIES = (
    affine,
    convolution,
    pooling,
    batch_norm,
    activations,
    dropout,
    softmax_cross_entropy,
    residual,
    concat,
    deep_supervision,
    rules,
    protocol,
    formulas,
    linear_maps,
    loss_terms,
    known_losses,
    class_losses,
    rule_choices,
    kept_lines,
    absolute,
    exchanged,
    one_line,
    slices_and_paths,
    misnamed,
    misnamed_norms,
    other_forwards,
    loss_values,
)
BUGS: list[PlantedBug] = [bug for family in BUG_FAMILIES for bug in family.BUGS]

__all__ = ["BUGS", "BUG_FAMILIES", "PlantedBug"]
