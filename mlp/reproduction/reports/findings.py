"""What the reports found, as claims about runs; `mlp.reproduction.findings` says whether our runs show them.

A finding is a sentence and the comparisons that it rests on. "s0-3" names the first run of row s0-3, "s1-1: VGG38" the
one with that label.
"""

from dataclasses import dataclass

CHANCE = "chance"
RELATIONS = ("above", "below", "at")


@dataclass(frozen=True)
class Claim:
    """A comparison of two numbers.

    Attributes:
        metric: "val_acc", "train_acc", or "gap_acc", training minus validation.
        run: what is compared, see above.
        relation: one of RELATIONS; "at" goes with CHANCE only, and means no better than chance.
        other: another run, or CHANCE.
    """

    metric: str
    run: str
    relation: str
    other: str = CHANCE


@dataclass(frozen=True)
class Finding:
    """A sentence that a report could have written, and its Claims."""

    statement: str
    claims: tuple[Claim, ...]


def finding(statement: str, *claims: tuple[str, ...]) -> Finding:
    """A Finding from tuples (metric, run, relation[, other])."""
    return Finding(statement, tuple(Claim(*claim) for claim in claims))


FINDINGS = (
    finding(
        "VGG08 learns, and a plain VGG38 stays at chance.",
        ("val_acc", "s0-1", "above"),
        ("val_acc", "s0-2", "at"),
        ("val_acc", "s1-1: VGG08", "above"),
        ("val_acc", "s1-1: VGG38", "at"),
    ),
    finding(
        "Batch normalization or residual connections make VGG38 train.",
        ("val_acc", "s0-3", "above"),
        ("val_acc", "s0-4", "above"),
        ("val_acc", "s1-4", "above"),
        ("val_acc", "s4-3", "above"),
    ),
    finding(
        "Both together are better than either.",
        ("val_acc", "s0-5", "above", "s0-3"),
        ("val_acc", "s0-5", "above", "s0-4"),
        ("val_acc", "s1-10", "above", "s1-4"),
        ("val_acc", "s1-10", "above", "s4-3"),
    ),
    finding("With both, a learning rate ten times as large is better.", ("val_acc", "s0-7", "above", "s0-5")),
    finding(
        "Shortcuts around the reduction blocks help.",
        ("val_acc", "x-3: average pooling", "above", "x-3: no shortcut"),
        ("val_acc", "x-3: strided identity (A)", "above", "x-3: no shortcut"),
        ("val_acc", "x-3: projection (B)", "above", "x-3: no shortcut"),
    ),
    finding(
        "Batch normalization after the activation trains better than before it.",
        ("train_acc", "s3-6", "above", "s3-5"),
        ("val_acc", "s3-6", "above", "s3-5"),
    ),
    finding(
        "Dropout after every batch normalization collapses.", ("val_acc", "s3-10", "at"), ("val_acc", "s3-11", "at")
    ),
    finding(
        "Too large a learning rate kills residual connections without batch normalization.", ("val_acc", "s4-6", "at")
    ),
    finding(
        "Weight decay closes the gap between training and validation.",
        ("gap_acc", "s1-14", "below", "s1-10"),
        ("gap_acc", "s3-8", "below", "s3-6"),
        ("gap_acc", "s4-10", "below", "s4-3"),
    ),
    finding("Residual connections with weight decay 1e-3 and batches of 50 collapse.", ("val_acc", "s4-17", "at")),
    finding(
        "A VGG38 that concatenates learns without batch normalization, where a plain one does not.",
        ("val_acc", "x-1: dense VGG38", "above"),
        ("val_acc", "x-1: VGG38", "at"),
    ),
    finding(
        "With batch normalization it is better than VGG38 BN.",
        ("val_acc", "x-1: dense VGG38 BN", "above", "x-1: VGG38 BN"),
    ),
    finding(
        "Companions after every block make a plain VGG38 learn.",
        ("val_acc", "x-2: VGG38, companions at blocks", "above"),
    ),
    finding(
        "Companions after the first two stages do not: thirteen convolutions come before the first one.",
        ("val_acc", "x-2: VGG38, companions at stages", "at"),
    ),
    finding(
        "Multi-scale blocks learn like the blocks they replace, with and without batch normalization.",
        ("val_acc", "s4-24: multi-scale VGG38", "above"),
        ("val_acc", "s4-24: multi-scale VGG38 BN", "above"),
    ),
    finding("A spectral-spatial network classifies Indian Pines.", ("val_acc", "s4-25", "above")),
    # s0 adds that batch normalization reduces it: true of its losses, but the gaps of its accuracies are equal.
    finding("Residual connections overfit more than batch normalization.", ("gap_acc", "s0-4", "above", "s0-3")),
)
