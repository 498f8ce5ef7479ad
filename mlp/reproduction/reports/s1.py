"""s1: batch normalization first, then residual learning, then weight decay.

Schedule E. The shortcut around reduction blocks is average pooling; the sum is taken after BN, before the activation.
"""

from typing import Any

from mlp.reproduction.reports.common import BN, BN_38, PLAIN_08, PLAIN_38, RC_POOL, SHORT_SGD, VGG08, VGG38
from mlp.reproduction.reports.row import METRICS, Exhibit, NamedRun, Number, Published, Row

DERIVED_TESTS = "tests/reproduction/derived/test_s1_rows.py"
RESIDUAL = VGG38 | BN | RC_POOL
DECAYED = RESIDUAL | {"weight_decay": 1e-3}


def published(
    train: tuple[float, float], val: tuple[float, float], test: tuple[float, float] | None = None
) -> Published:
    """(accuracy, loss) of training, validation and test."""
    names = ("train", "val", "test")
    numbers: dict[str, Any] = {}
    for name, pair in zip(names, (train, val, test), strict=True):
        if pair is not None:
            numbers |= {f"{name}_acc": Number(pair[0]), f"{name}_loss": Number(pair[1])}
    return Published(**numbers)


VGG08_BN = NamedRun("VGG08 BN", VGG08 | BN, published((0.602, 1.392), (0.541, 1.673)))
VGG38_BN = NamedRun("VGG38 BN", VGG38 | BN, published((0.572, 1.503), (0.48, 1.947)))
BN_RC = NamedRun("VGG38 BN+RC", RESIDUAL, published((0.862, 0.438), (0.619, 1.739)))
FINAL = NamedRun("VGG38 BN+RC, wd 1e-3", DECAYED)

BATCHES = (
    NamedRun("batch 100", BN_38.settings),
    NamedRun("batch 256", VGG38 | BN | {"batch_size": 256}),
    NamedRun("batch 512", VGG38 | BN | {"batch_size": 512}),
    NamedRun("batch 1024", VGG38 | BN | {"batch_size": 1024}, Published(train_acc=Number(0.595))),
)
RATES = (
    NamedRun("lr 1e-3", BN_38.settings),
    NamedRun("lr 5e-3", VGG38 | BN | {"learning_rate": 5e-3}),
    NamedRun("lr 3e-2", VGG38 | BN | {"learning_rate": 3e-2}),
)
EXPONENTIAL = NamedRun("exponential 0.96", VGG38 | BN | {"schedule": "exponential", "schedule_factor": 0.96})
DECAYS = (
    NamedRun("wd 0", RESIDUAL),
    NamedRun("wd 1e-4", RESIDUAL | {"weight_decay": 1e-4}),
    NamedRun("wd 1e-3", DECAYED),
    NamedRun("wd 1e-2", RESIDUAL | {"weight_decay": 1e-2}),
)


def final(number: int, seed: int, *pairs: tuple[float, float]) -> Row:
    """The final model with one seed, a line of Table 2."""
    run = NamedRun(f"{FINAL.label}, seed {seed}", DECAYED, published(*pairs))
    return Row(f"s1-{number}", f"Final model, seed {seed}", (run,), (seed,), ("s1-tab2",))


ROWS = (
    Row("s1-1", "Curves of VGG08 and VGG38", (PLAIN_08, PLAIN_38), exhibits=("s1-fig1",), finding="VGG38 stays flat"),
    Row(
        "s1-2",
        "Gradient flow of VGG08 and VGG38",
        (PLAIN_08, PLAIN_38),
        exhibits=("s1-fig2",),
        finding="VGG38 vanishes at the last convolution but one; VGG08 is largest at the first",
    ),
    Row("s1-3", "VGG08 BN", (VGG08_BN,), exhibits=("s1-tab1", "s1-fig5")),
    Row("s1-4", "VGG38 BN", (VGG38_BN,), exhibits=("s1-tab1", "s1-fig5")),
    Row(
        "s1-5",
        "Gradient flow of VGG38 BN",
        (VGG38_BN,),
        exhibits=("s1-fig4",),
        finding="reaches the input, in peaks: up at BN, down at convolutions",
    ),
    Row("s1-6", "Curves of VGG08 BN and VGG38 BN", (VGG08_BN, VGG38_BN), exhibits=("s1-fig5",)),
    Row(
        "s1-7",
        "Batch sizes for VGG38 BN",
        BATCHES,
        exhibits=("s1-fig6a", "s1-7-tab"),
        finding="training accuracy grows with the batch, run time falls",
        note="Only the ends, 100 and 1024, are published; the sizes between are ours.",
    ),
    Row(
        "s1-8",
        "Learning rates for VGG38 BN",
        RATES,
        exhibits=("s1-fig6b",),
        finding="a larger rate lowers the training accuracy",
    ),
    Row(
        "s1-9",
        "Exponential schedule for VGG38 BN",
        (EXPONENTIAL,),
        exhibits=("s1-fig6b",),
        finding="no gain",
        note="The rate is multiplied by 0.96 after every epoch.",
    ),
    Row("s1-10", "VGG38 BN+RC, pooled shortcuts", (BN_RC,), exhibits=("s1-tab1", "s1-fig7")),
    Row(
        "s1-11",
        "Curves with BN and with BN+RC",
        (VGG38_BN, BN_RC),
        exhibits=("s1-fig7",),
        finding="about 29 points of training accuracy apart",
    ),
    Row(
        "s1-12",
        "Gradient flow of VGG38 BN+RC",
        (BN_RC,),
        exhibits=("s1-fig8",),
        finding="bn_1, where the sum is, smaller than with BN alone; falls with depth",
    ),
    Row(
        "s1-13",
        "Weight decays for VGG38 BN+RC",
        DECAYS,
        exhibits=("s1-fig9",),
        finding="no overfitting at 1e-3; 1e-2 is unstable",
        note="The range is published, 1e-4 to 1e-2; the steps are ours.",
    ),
    final(14, 0, (0.874, 0.435), (0.663, 1.286), (0.655, 1.312)),
    final(15, 256, (0.859, 0.487), (0.648, 1.343), (0.646, 1.360)),
    final(16, 512, (0.871, 0.451), (0.670, 1.273), (0.657, 1.321)),
    final(17, 1024, (0.838, 0.552), (0.658, 1.300), (0.647, 1.316)),
    Row(
        "s1-18",
        "Final model over four seeds",
        (
            NamedRun(
                f"{FINAL.label}, four seeds",
                DECAYED,
                Published(
                    train_acc=Number(0.861, 0.0142), test_acc=Number(0.651, 0.0048), test_loss=Number(1.327, 0.0191)
                ),
            ),
        ),
        (0, 256, 512, 1024),
        ("s1-fig10",),
        taken="seeds",
        note="The standard deviation divides by the number of seeds.",
    ),
    Row("s1-19", "BN's backward formulas; the gradient of a W is 1/a of that of W", test=f"{DERIVED_TESTS} -k s1_19"),
    Row("s1-20", "Residual sums, forward and backward, unrolled", test=f"{DERIVED_TESTS} -k s1_20"),
    Row(
        "s1-21",
        "Shortcut around reduction blocks: 1 x 1 convolution or pooling",
        (
            NamedRun("BN+RC, average pooling", RESIDUAL),
            NamedRun("BN+RC, 1x1 convolution, stride 2", RESIDUAL | {"reduction_shortcut": "projection"}),
        ),
        exhibits=("s1-21-tab", "s1-21-fig"),
        note="Rejected in the report without numbers. Pooling is s1-10's run.",
    ),
    Row(
        "s1-22",
        "Dropout instead of weight decay",
        (
            NamedRun("BN+RC, no penalty", RESIDUAL),
            NamedRun("BN+RC, dropout 0.1", RESIDUAL | {"dropout": 0.1}),
            NamedRun("BN+RC, wd 1e-3", DECAYED),
        ),
        exhibits=("s1-22-tab", "s1-22-fig"),
        note="Rejected in the report without numbers; p = 0.1 after every BN is our choice, because s3 saw nets "
        "collapse at 0.2.",
    ),
    Row(
        "s1-23",
        "Why deeper nets are worse: shattered gradients",
        exhibits=("s1-23-fig1", "s1-23-fig2", "s1-23-fig3", "s1-23-fig4"),
        note="Networks that are not trained, and dense ones against the laws of Balduzzi et al. 2017.",
        probes=("gradient_correlation",),
    ),
    Row(
        "s1-24",
        "What BN does: smoothing, or less covariate shift",
        tuple(run for run in SHORT_SGD if run.label != "VGG38, SGD"),
        seeds=(0, 1, 2),
        exhibits=("s1-24-fig",),
        note="Covariate shift as Santurkar et al. 2018 define it; two epochs at lr 0.1, our choice. See s2-20.",
        probes=("smoothness",),
    ),
    Row("s1-25", "DenseNet, ResNet's three ways to match dimensions, BN, careful initialization"),
)

EXHIBITS = (
    Exhibit("s1-fig1", "Curves of VGG08 and VGG38", "curves"),
    Exhibit("s1-fig2", "Gradient flow of VGG08 and VGG38", "gradient_flow"),
    Exhibit("s1-fig4", "Gradient flow of VGG38 BN", "gradient_flow"),
    Exhibit("s1-fig5", "Curves of VGG08 BN and VGG38 BN", "curves"),
    Exhibit("s1-fig6a", "Batch sizes for VGG38 BN", "curves", ("train_acc",)),
    Exhibit("s1-fig6b", "Learning rates and an exponential schedule for VGG38 BN", "curves", ("train_acc",)),
    Exhibit("s1-fig7", "Curves with BN and with BN+RC", "curves"),
    Exhibit("s1-fig8", "Gradient flow of VGG38 BN+RC", "gradient_flow"),
    Exhibit("s1-fig9", "Weight decays for VGG38 BN+RC", "curves", ("val_loss", "val_acc")),
    Exhibit("s1-fig10", "The final model over four seeds", "seeds", METRICS),
    Exhibit("s1-tab1", "BN and BN+RC", "table"),
    Exhibit("s1-tab2", "The final model, seed by seed", "table", METRICS),
    Exhibit(
        "s1-7-tab", "Batch sizes for VGG38 BN: accuracy and run time", "table", ("train_acc", "val_acc", "seconds")
    ),
    Exhibit("s1-21-tab", "Shortcuts around reduction blocks", "table"),
    Exhibit("s1-21-fig", "Shortcuts around reduction blocks", "curves"),
    Exhibit("s1-22-tab", "Dropout instead of weight decay", "table", METRICS),
    Exhibit("s1-22-fig", "Dropout instead of weight decay", "curves"),
    Exhibit("s1-23-fig1", "Gradients of different images, default first weights", "profiles"),
    Exhibit("s1-23-fig2", "Gradients of different images, He's first weights", "profiles_he"),
    Exhibit("s1-23-fig3", "Correlation of gradients at the image against the depth", "depths"),
    Exhibit("s1-23-fig4", "Correlation of gradients in dense networks", "laws"),
    Exhibit("s1-24-fig", "Internal covariate shift of each layer", "shift"),
)
