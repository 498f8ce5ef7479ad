"""s0: VGG08 and VGG38 with batch normalization, residual connections and two learning rates.

Schedule I everywhere: the learning rate swings between its two ends all through the run. Residual connections are
around the processing blocks only. VGG08 has none, so they change nothing there.
"""

from typing import Any

from mlp.reproduction.reports.common import BN, RC, RC_POOL, SCHEDULE_I, VGG08, VGG38
from mlp.reproduction.reports.row import METRICS, Exhibit, NamedRun, Number, Published, Row, percent

DERIVED_TESTS = "tests/reproduction/derived/test_s0_rows.py"
ONLY_POOLED = "VGG08 has no processing block: RC here means average pooling around its reduction blocks. "


def published(parameters: int, train_loss: float, train_acc: float, val_loss: float, val_acc: float) -> Published:
    """A line of Table 1: parameters in thousands, accuracies in percent."""
    return Published(
        train_loss=Number(train_loss),
        train_acc=percent(train_acc),
        val_loss=Number(val_loss),
        val_acc=percent(val_acc),
        parameters=1000 * parameters,
    )


def with_rate(rate: float, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of all parts together, with schedule I and a learning rate."""
    settings = dict(SCHEDULE_I)
    for part in parts:
        settings |= part
    return settings | {"learning_rate": rate}


VGG08_PLAIN = NamedRun("VGG08", with_rate(1e-3, VGG08), published(60, 1.74, 51.59, 1.95, 46.84))
VGG38_PLAIN = NamedRun("VGG38", with_rate(1e-3, VGG38), published(336, 4.61, 1.0, 4.61, 1.0))
VGG38_BN = NamedRun("VGG38 BN, lr 1e-3", with_rate(1e-3, VGG38, BN), published(339, 1.67, 52.61, 1.94, 47.28))
VGG38_RC = NamedRun("VGG38 RC, lr 1e-3", with_rate(1e-3, VGG38, RC), published(336, 1.33, 61.52, 1.84, 52.32))
VGG38_BN_RC = NamedRun("VGG38 BN+RC, lr 1e-3", with_rate(1e-3, VGG38, BN, RC), published(339, 1.26, 62.99, 1.73, 53.76))
VGG38_BN_2 = NamedRun("VGG38 BN, lr 1e-2", with_rate(1e-2, VGG38, BN), published(339, 1.70, 52.28, 1.99, 46.72))
BEST = NamedRun("VGG38 BN+RC, lr 1e-2", with_rate(1e-2, VGG38, BN, RC), published(339, 0.97, 70.80, 1.48, 61.72))
TABLE_1 = (VGG08_PLAIN, VGG38_PLAIN, VGG38_BN, VGG38_RC, VGG38_BN_RC, VGG38_BN_2, BEST)

VGG08_BN_RC = NamedRun("VGG08 BN+RC, lr 1e-3", with_rate(1e-3, VGG08, BN, RC_POOL))
SWEEP = (
    *(
        NamedRun(f"VGG08 BN+RC, lr {rate}", with_rate(float(rate), VGG08, BN, RC_POOL))
        for rate in ("1e-4", "5e-4", "1e-3", "5e-3", "5e-2")
    ),
    *(NamedRun(f"VGG38 BN+RC, lr {rate}", with_rate(float(rate), VGG38, BN, RC)) for rate in ("1e-4", "5e-4")),
    VGG38_BN_RC,
    NamedRun("VGG38 BN+RC, lr 5e-3", with_rate(5e-3, VGG38, BN, RC)),
    BEST,
    NamedRun("VGG38 BN+RC, lr 5e-2", with_rate(5e-2, VGG38, BN, RC)),
)


def given(number: int, run: NamedRun, *exhibits: str, note: str = "") -> Row:
    """A row of Table 1."""
    title = run.label.replace(", lr", ", learning rate")
    return Row(f"s0-{number}", title, (run,), exhibits=("s0-tab1", *exhibits), note=note)


ROWS = (
    given(1, VGG08_PLAIN, "s0-fig1"),
    given(2, VGG38_PLAIN, "s0-fig1", note='Printed as "00.01", a fraction among percentages: it means 1 %, chance.'),
    given(3, VGG38_BN),
    given(4, VGG38_RC),
    given(5, VGG38_BN_RC, note="Published out of line with the other rows: its verdict says little."),
    given(6, VGG38_BN_2),
    given(7, BEST, note="The report's best model."),
    Row("s0-8", "Training curves of VGG08 and VGG38", (VGG08_PLAIN, VGG38_PLAIN), exhibits=("s0-fig1",)),
    Row("s0-9", "Gradient flow of VGG08", (VGG08_PLAIN,), exhibits=("s0-fig2",), finding="not zero, back to the input"),
    Row(
        "s0-10",
        "Gradient flow of VGG38",
        (VGG38_PLAIN,),
        exhibits=("s0-fig3",),
        finding="above zero only near the output",
    ),
    Row(
        "s0-11",
        "Curves of the best model",
        (BEST,),
        exhibits=("s0-fig4",),
        finding="validation error fluctuates, and settles after epoch 80",
    ),
    Row(
        "s0-12",
        "Gradient flow of the best model",
        (BEST,),
        exhibits=("s0-fig5",),
        finding="gammas of BN clearly above zero, convolutions near zero on the linear axis",
    ),
    Row("s0-13", "Table 1 as a whole", TABLE_1, exhibits=("s0-tab1",)),
    Row(
        "s0-14",
        "Batch normalization in training and inference",
        note="Described with averaged batch statistics; the system kept running averages (momentum 0.1). Both divide "
        "by m - 1 for the variance at inference.",
        test=f"{DERIVED_TESTS} -k s0_14",
    ),
    Row("s0-15", "Gradient of a residual block: 1 + dF/dx", test=f"{DERIVED_TESTS} -k s0_15"),
    Row(
        "s0-16",
        "RC overfits more than BN, and BN reduces it",
        (VGG38_BN, VGG38_RC, VGG38_BN_RC),
        exhibits=("s0-16-tab",),
        note="The gaps between training and validation, of Table 1.",
        test=f"{DERIVED_TESTS} -k s0_16",
    ),
    Row(
        "s0-17",
        "VGG08 with BN, RC and both",
        (
            NamedRun("VGG08 BN, lr 1e-3", with_rate(1e-3, VGG08, BN)),
            NamedRun("VGG08 RC, lr 1e-3", with_rate(1e-3, VGG08, RC_POOL)),
            VGG08_BN_RC,
        ),
        exhibits=("s0-17-tab",),
        note=f"{ONLY_POOLED}Shortcuts around processing blocks alone would change nothing.",
    ),
    Row(
        "s0-18",
        "Learning rates for the best VGG08 and VGG38",
        SWEEP,
        exhibits=("s0-18-tab", "s0-18-fig"),
        note=f"The settings are ours: BN+RC for both. {ONLY_POOLED}1e-3 and 1e-2 are other rows' runs.",
    ),
    Row(
        "s0-19",
        "Gradients of VGG38 BN against the learning rate",
        (
            *(NamedRun(f"VGG38 BN, lr {rate}", with_rate(float(rate), VGG38, BN)) for rate in ("1e-4", "5e-4")),
            VGG38_BN,
            NamedRun("VGG38 BN, lr 5e-3", with_rate(5e-3, VGG38, BN)),
        ),
        exhibits=("s0-19-fig",),
        note="The question was whether a larger rate goes with smaller gradients. 1e-3 is another row's run.",
        test=f"{DERIVED_TESTS} -k s0_19",
    ),
    Row(
        "s0-20",
        "Shortcut around down-sampling: strided identity or projection, VGG38 RC",
        (
            NamedRun("VGG38 RC, strided", with_rate(1e-3, VGG38, RC, {"reduction_shortcut": "strided"})),
            NamedRun("VGG38 RC, projection", with_rate(1e-3, VGG38, RC, {"reduction_shortcut": "projection"})),
        ),
        exhibits=("s0-20-tab", "s0-20-fig"),
        note="The width is the same everywhere, so zero padding of channels is empty: the option without parameters is "
        "every second pixel. The projection is a 1 x 1 convolution with stride 2.",
    ),
    Row(
        "s0-21",
        "A deeper net, RC with and without BN",
        (
            NamedRun("VGG56 RC, lr 1e-3", with_rate(1e-3, {"model": "vgg56"}, RC)),
            NamedRun("VGG56 BN+RC, lr 1e-3", with_rate(1e-3, {"model": "vgg56"}, BN, RC)),
        ),
        exhibits=("s0-21-tab", "s0-21-fig"),
        note='The settings are ours: "more layers" is 8 blocks a stage.',
    ),
    Row(
        "s0-22",
        "Instance normalization instead of BN",
        (
            NamedRun("VGG38 IN, lr 1e-3", with_rate(1e-3, VGG38, {"norm": "instance"})),
            NamedRun("VGG38 IN+RC, lr 1e-3", with_rate(1e-3, VGG38, {"norm": "instance"}, RC)),
        ),
        exhibits=("s0-22-tab",),
        note="The settings are ours: those of s0-3 and s0-5 in all else.",
    ),
    Row(
        "s0-23",
        "BN, ResNet (20 and 56 layers, bottlenecks, 1000 layers), DenseNet, initialization, input normalization",
    ),
)

GAP_METRICS = ("train_loss", "val_loss", "gap_loss", "train_acc", "val_acc", "gap_acc")
EXHIBITS = (
    Exhibit("s0-tab1", "Parameters, losses and accuracies of seven networks", "table"),
    Exhibit("s0-fig1", "Training curves of VGG08 and VGG38", "curves"),
    Exhibit("s0-fig2", "Gradient flow of VGG08", "gradient_flow"),
    Exhibit("s0-fig3", "Gradient flow of VGG38", "gradient_flow"),
    Exhibit("s0-fig4", "Training curves of the best model", "curves"),
    Exhibit("s0-fig5", "Gradient flow of the best model", "gradient_flow"),
    Exhibit("s0-16-tab", "Overfitting: training against validation", "table", GAP_METRICS),
    Exhibit("s0-17-tab", "VGG08 with BN, RC and both", "table"),
    Exhibit("s0-18-tab", "Learning rates for BN+RC", "table"),
    Exhibit("s0-18-fig", "Learning rates for BN+RC", "curves", ("train_acc", "val_acc")),
    Exhibit("s0-19-fig", "Gradient flow of VGG38 BN at several learning rates", "gradient_flow", log=True),
    Exhibit("s0-20-tab", "Shortcuts around down-sampling", "table", (*METRICS[:4], "seconds", "peak_memory_mb")),
    Exhibit("s0-20-fig", "Shortcuts around down-sampling", "curves"),
    Exhibit("s0-21-tab", "A deeper net: training against validation", "table", GAP_METRICS),
    Exhibit("s0-21-fig", "A deeper net, RC with and without BN", "curves"),
    Exhibit("s0-22-tab", "Instance normalization", "table"),
)
