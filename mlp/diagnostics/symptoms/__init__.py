"""Symptoms: what is measured inside a network that does not train, and what it points to.

    vanishing gradients               |dL/dy| at the first layer is 10^-6 of that at the last or less; no learning
    exploding gradients               it is 10^4 times that, or more
    dead units                        half of a layer's units or more give nothing for any image, and get no gradient
    running statistics in training    the outputs of a batch norm do not have mean beta and standard deviation gamma
    batch statistics in evaluation    the output for an image depends on the other images of its batch
    learning rate too large           a step changes the weights by 30 % of their size or more, and the loss leaps up
    labels without relation ...       images with the same label are no more alike than images drawn at random
    labels off by one                 validation images are given the label beside theirs

(L2 norms; dL/dy is the gradient that arrives at the outputs of a layer.) Each symptom is a function of `Observations`
that returns a `Finding`, or None. These limits are far from what sound networks show, and far from what networks with
planted mistakes show: see tests/diagnostics/test_examination.py.
"""

from mlp.diagnostics.symptoms.batch_norm import batch_statistics_in_evaluation, running_statistics_in_training
from mlp.diagnostics.symptoms.findings import REMEDIES, Finding, Observations
from mlp.diagnostics.symptoms.labels import ClassRelation, class_relation, labels_off_by_one, unrelated_labels
from mlp.diagnostics.symptoms.learning import (
    dead_units,
    exploding_gradients,
    learning_rate_too_large,
    no_learning,
    vanishing_gradients,
)

__all__ = [
    "REMEDIES",
    "ClassRelation",
    "Finding",
    "Observations",
    "batch_statistics_in_evaluation",
    "class_relation",
    "dead_units",
    "exploding_gradients",
    "labels_off_by_one",
    "learning_rate_too_large",
    "no_learning",
    "running_statistics_in_training",
    "unrelated_labels",
    "vanishing_gradients",
]
