"""s3: batch normalization before or after the activation, then weight decay, dropout and batch sizes.

Schedule E. From s3-6 on BN stands after the activation. Nothing residual.
"""

from typing import Any

from mlp.reproduction.reports.common import AFTER, BN_38, PLAIN_08, PLAIN_38, VGG38
from mlp.reproduction.reports.row import METRICS, Exhibit, NamedRun, Number, Published, Row, percent

DERIVED_TESTS = "tests/reproduction/derived/test_s3_rows.py"
BASE = VGG38 | AFTER


def published(accuracies: tuple[float, float, float], losses: tuple[float, float, float]) -> Published:
    """Training, validation and test: accuracies in percent, and losses."""
    train_acc, val_acc, test_acc = (percent(value) for value in accuracies)
    train_loss, val_loss, test_loss = (Number(value) for value in losses)
    return Published(train_loss, train_acc, val_loss, val_acc, test_loss, test_acc)


def after(label: str, settings: dict[str, Any], *numbers: tuple[float, float, float]) -> NamedRun:
    """VGG38 with BN after the activation, and some settings."""
    return NamedRun(f"BN after, {label}", BASE | settings, published(*numbers))


VGG38_CHANCE = NamedRun("VGG38", PLAIN_38.settings, Published(test_acc=percent(1.0), test_loss=Number(4.609)))
BEFORE_LRELU = NamedRun("BN before LReLU", BN_38.settings, published((55.5, 47.2, 47.4), (1.571, 1.952, 1.968)))
AFTER_LRELU = NamedRun("BN after LReLU", BASE, published((64.1, 50.7, 51.9), (1.211, 1.861, 1.852)))
WD_3 = after("wd 1e-3", {"weight_decay": 1e-3}, (62.9, 54.1, 52.7), (1.278, 1.692, 1.707))
WD_5 = after("wd 5e-3", {"weight_decay": 5e-3}, (46.7, 42.4, 43.0), (1.963, 2.084, 2.089))
DROPOUT_5 = after("dropout 0.5", {"dropout": 0.5}, (0.7, 0.5, 0.5), (4.608, 4.610, 4.611))
DROPOUT_2 = after("dropout 0.2", {"dropout": 0.2}, (0.9, 0.6, 0.5), (4.605, 4.607, 4.610))
BATCH_80 = after("batch 80", {"batch_size": 80}, (61.7, 51.3, 51.5), (1.318, 1.843, 1.850))
BATCH_50 = after("batch 50", {"batch_size": 50}, (62.1, 51.6, 52.2), (1.305, 1.811, 1.785))
WD_BATCH_50 = after(
    "wd 1e-3, batch 50", {"weight_decay": 1e-3, "batch_size": 50}, (53.1, 49.4, 50.0), (1.696, 1.853, 1.828)
)
WD_BATCH_80 = after(
    "wd 1e-3, batch 80", {"weight_decay": 1e-3, "batch_size": 80}, (59.4, 52.0, 51.7), (1.435, 1.741, 1.777)
)


def table_row(number: int, table: int, run: NamedRun, note: str = "") -> Row:
    """A line of a table."""
    return Row(f"s3-{number}", run.label, (run,), exhibits=(f"s3-tab{table}",), note=note)


ROWS = (
    Row("s3-1", "Curves of VGG08 and VGG38", (PLAIN_08, VGG38_CHANCE), exhibits=("s3-fig1",)),
    Row("s3-2", "Gradient flow of VGG38", (PLAIN_38,), exhibits=("s3-fig2",), finding="about zero everywhere"),
    Row("s3-3", "Gradient flow without and with BN", (PLAIN_38, BN_38), exhibits=("s3-fig4",)),
    Row(
        "s3-4",
        "Curves of VGG38 without and with BN",
        (
            VGG38_CHANCE,
            NamedRun("VGG38 BN", BN_38.settings, Published(test_acc=percent(47.43), test_loss=Number(1.968))),
        ),
        exhibits=("s3-fig5",),
        finding="converged at about epoch 80",
    ),
    table_row(5, 1, BEFORE_LRELU),
    table_row(6, 1, AFTER_LRELU, "The base of all later rows."),
    Row(
        "s3-7",
        "BN before and after the activation: gradient flow and curves",
        (BEFORE_LRELU, AFTER_LRELU),
        exhibits=("s3-fig6", "s3-fig7"),
    ),
    table_row(8, 2, WD_3, "The report's final model."),
    table_row(9, 2, WD_5),
    table_row(10, 3, DROPOUT_5, "Dropout after every BN: in the report the network collapsed to chance."),
    table_row(11, 3, DROPOUT_2, "Dropout after every BN, with the same end."),
    table_row(12, 4, BATCH_80),
    table_row(13, 4, BATCH_50),
    table_row(14, 5, WD_BATCH_50),
    table_row(15, 5, WD_BATCH_80),
    Row(
        "s3-16",
        "The base with other seeds",
        (NamedRun(AFTER_LRELU.label, BASE),),
        (0, 1, 2),
        ("s3-16-fig",),
        taken="seeds",
        finding="similar results",
        note="The report's seeds are not listed; 1 and 2 are ours.",
    ),
    Row(
        "s3-17",
        "Curves without and with weight decay",
        (AFTER_LRELU, WD_3),
        exhibits=("s3-fig8",),
        note="Cited in the report, but not in its text.",
    ),
    Row(
        "s3-18",
        "Group normalization",
        (NamedRun("GN after, 8 groups", BASE | {"norm": "group", "norm_groups": 8}),),
        exhibits=("s3-18-tab",),
        note="The settings are ours: in BN's place in s3-6, channels in 8 groups.",
    ),
    Row(
        "s3-19",
        "Other learning rules",
        (
            NamedRun("momentum, lr 0.05", BASE | {"learning_rule": "momentum", "learning_rate": 0.05}),
            NamedRun("Nesterov, lr 0.05", BASE | {"learning_rule": "nesterov", "learning_rate": 0.05}),
            NamedRun("RMSProp, lr 1e-3", BASE | {"learning_rule": "rmsprop"}),
            NamedRun("AdamW, lr 1e-3", BASE | {"learning_rule": "adamw"}),
        ),
        exhibits=("s3-19-tab", "s3-19-fig"),
        note="The settings are ours, based on s3-6: each rule with its usual learning rate, AdamW with decay 0.01.",
    ),
    Row(
        "s3-20",
        "Dropout before BN shifts the variance between training and evaluation",
        test=f"{DERIVED_TESTS} -k s3_20",
    ),
    Row(
        "s3-21",
        "ResNet, DenseNet (under the title of deeply-supervised nets), sharp and flat minima, what BN regularizes",
    ),
)

EXHIBITS = (
    Exhibit("s3-fig1", "Curves of VGG08 and VGG38", "curves"),
    Exhibit("s3-fig2", "Gradient flow of VGG38", "gradient_flow"),
    Exhibit("s3-fig4", "Gradient flow of VGG38 without and with BN", "gradient_flow"),
    Exhibit("s3-fig5", "Curves of VGG38 without and with BN", "curves"),
    Exhibit("s3-fig6", "Gradient flow with BN before and after the activation", "gradient_flow"),
    Exhibit("s3-fig7", "Curves with BN before and after the activation", "curves"),
    Exhibit("s3-fig8", "Curves without and with weight decay", "curves"),
    Exhibit("s3-tab1", "BN before and after the activation", "table", METRICS),
    Exhibit("s3-tab2", "Weight decay", "table", METRICS),
    Exhibit("s3-tab3", "Dropout after every BN", "table", METRICS),
    Exhibit("s3-tab4", "Batch sizes", "table", METRICS),
    Exhibit("s3-tab5", "Weight decay and batch size together", "table", METRICS),
    Exhibit("s3-16-fig", "The base over three seeds", "seeds", METRICS),
    Exhibit("s3-18-tab", "Group normalization", "table", METRICS),
    Exhibit("s3-19-tab", "Other learning rules", "table", METRICS),
    Exhibit("s3-19-fig", "Other learning rules", "curves"),
)
