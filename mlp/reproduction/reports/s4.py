"""s4: residual learning without batch normalization in the blocks, and a search for its settings.

Schedule E. "Residual" is shortcuts around all blocks, average pooling around the reduction blocks; BN is in the input
block only, as in every network. Values are means over five seeds at the last epoch.
"""

from typing import Any

from mlp.experiments.config import DATASET_SETTINGS
from mlp.reproduction.reports.common import BN, COMPANIONS_38, MULTI_SCALE, PLAIN_08, PLAIN_38, RC_POOL, VGG08, VGG38
from mlp.reproduction.reports.row import METRICS, Exhibit, NamedRun, Published, Row, percent

DERIVED_TESTS = "tests/reproduction/derived/test_s4_rows.py"
SEEDS = (0, 2045458, 186285, 2122020, 11132)
RESIDUAL = VGG38 | RC_POOL
SSRN: dict[str, Any] = {
    "model": "ssrn",
    "dataset": "indian_pines",
    **DATASET_SETTINGS["indian_pines"],
    "learning_rule": "rmsprop",
    "learning_rate": 3e-4,
    "batch_size": 16,
    "epochs": 200,
}


def published(
    train: tuple[float, float], val: tuple[float, float], test: tuple[float, float] | None = None
) -> Published:
    """(mean, standard deviation) of accuracies in percent."""
    return Published(
        train_acc=percent(*train), val_acc=percent(*val), test_acc=None if test is None else percent(*test)
    )


def residual(label: str, settings: dict[str, Any], *pairs: tuple[float, float]) -> NamedRun:
    """The residual VGG38 with some settings."""
    return NamedRun(label, RESIDUAL | settings, published(*pairs))


DEFAULT = residual("residual VGG38", {}, (77.2, 0.6), (56.1, 0.5))
BEST = residual("wd 5e-4, batch 50", {"weight_decay": 5e-4, "batch_size": 50}, (73.1, 1.4), (60.0, 1.0), (59.8, 1.1))


def table_row(number: int, tables: tuple[int, ...], run: NamedRun, note: str = "") -> Row:
    """A line of one or two tables."""
    exhibits = tuple(f"s4-tab{table}" for table in tables)
    title = run.label if run is DEFAULT else f"Residual VGG38, {run.label}"
    return Row(f"s4-{number}", title, (run,), SEEDS, exhibits, "seeds", note=note)


ROWS = (
    Row("s4-1", "Loss curves of VGG08 and VGG38", (PLAIN_08, PLAIN_38), exhibits=("s4-fig1",)),
    Row(
        "s4-2",
        "Gradient flow of VGG08 and VGG38",
        (PLAIN_08, PLAIN_38),
        exhibits=("s4-fig2",),
        finding="VGG38 is zero after a few epochs",
    ),
    table_row(3, (1,), DEFAULT),
    Row(
        "s4-4",
        "Loss curves of VGG08, VGG38 and residual VGG38",
        (PLAIN_08, PLAIN_38, DEFAULT),
        exhibits=("s4-fig4",),
        finding="the residual one overfits",
    ),
    Row("s4-5", "Gradient flow of residual VGG38", (DEFAULT,), exhibits=("s4-fig5",), finding="in a sane range"),
    table_row(6, (2,), residual("lr 0.01", {"learning_rate": 0.01}, (1.0, 0.0), (1.1, 0.2))),
    table_row(7, (2,), residual("lr 0.0001", {"learning_rate": 0.0001}, (50.1, 0.2), (44.9, 0.2))),
    table_row(
        8,
        (2,),
        residual("lr 0.00001", {"learning_rate": 0.00001}, (22.2, 0.4), (22.1, 0.8)),
        "Below the schedule's last learning rate, 2e-5: the rate rises.",
    ),
    table_row(9, (3,), residual("wd 0.01", {"weight_decay": 0.01}, (33.4, 1.2), (32.8, 1.4))),
    table_row(10, (3, 5), residual("wd 0.001", {"weight_decay": 0.001}, (70.4, 0.8), (58.9, 0.6))),
    table_row(11, (3, 5), residual("wd 0.0001", {"weight_decay": 0.0001}, (80.3, 0.5), (58.4, 0.7))),
    table_row(12, (3,), residual("wd 0.00001", {"weight_decay": 0.00001}, (78.2, 0.6), (57.1, 0.2))),
    table_row(13, (4,), residual("batch 25", {"batch_size": 25}, (66.6, 1.7), (55.0, 1.0))),
    table_row(14, (4,), residual("batch 50", {"batch_size": 50}, (73.0, 0.8), (56.9, 0.9))),
    table_row(15, (4,), residual("batch 200", {"batch_size": 200}, (78.1, 0.7), (55.7, 0.9))),
    table_row(16, (4,), residual("batch 500", {"batch_size": 500}, (72.7, 0.5), (53.2, 1.0))),
    table_row(
        17,
        (5,),
        residual("wd 0.001, batch 50", {"weight_decay": 0.001, "batch_size": 50}, (1.0, 0.0), (0.6, 0.0)),
        "In the report it collapsed.",
    ),
    table_row(18, (5, 6), BEST, "The report's best model."),
    table_row(19, (5,), residual("wd 5e-4, batch 100", {"weight_decay": 5e-4}, (76.0, 0.9), (59.6, 0.6))),
    table_row(
        20, (5,), residual("wd 1e-4, batch 50", {"weight_decay": 1e-4, "batch_size": 50}, (78.5, 0.6), (58.8, 1.1))
    ),
    Row(
        "s4-21",
        "Accuracy curves of the default and the best settings",
        (NamedRun("default", RESIDUAL), NamedRun("best", BEST.settings)),
        exhibits=("s4-fig6",),
    ),
    Row(
        "s4-22",
        "Loss curves of residual VGG08 and residual VGG38",
        (NamedRun("residual VGG08", VGG08 | RC_POOL), DEFAULT),
        exhibits=("s4-fig7",),
        finding="the deeper one is lower",
    ),
    Row("s4-23", "The residual block, of both kinds", test=f"{DERIVED_TESTS} -k s4_23"),
    Row(
        "s4-24",
        "Multi-scale residual network",
        (
            DEFAULT,
            NamedRun("multi-scale VGG38", RESIDUAL | MULTI_SCALE),
            NamedRun("residual VGG38 BN", RESIDUAL | BN),
            NamedRun("multi-scale VGG38 BN", RESIDUAL | BN | MULTI_SCALE),
        ),
        exhibits=("s4-24-tab", "s4-24-fig"),
        note="Processing blocks with 3 x 3 and 5 x 5 convolutions side by side, of as many weights as before.",
    ),
    Row(
        "s4-25",
        "Spectral-spatial residual network",
        (NamedRun("SSRN", SSRN),),
        exhibits=("s4-25-tab", "s4-25-fig"),
        note="On the hyperspectral scene Indian Pines, 2,055 pixels for training. Its authors give 99.19 +- 0.26 % of "
        "the 7,169 test pixels over ten runs. Patches of test pixels overlap those of training pixels, so the numbers "
        "are optimistic; --split blocks keeps them apart. The folder of the run has a map of classes.",
    ),
    Row(
        "s4-26",
        "Deeply-supervised VGG38",
        (PLAIN_38, *COMPANIONS_38),
        exhibits=("s4-26-tab", "s4-26-fig"),
        note="With batch normalization too: x-2.",
    ),
    Row("s4-27", "BN, ResNet"),
)

LOSSES, ACCURACIES = ("train_loss", "val_loss"), ("train_acc", "val_acc")
EXHIBITS = (
    Exhibit("s4-fig1", "Loss curves of VGG08 and VGG38", "curves", LOSSES),
    Exhibit("s4-fig2", "Gradient flow of VGG08 and VGG38", "gradient_flow"),
    Exhibit("s4-fig4", "Loss curves of VGG08, VGG38 and residual VGG38", "curves", LOSSES),
    Exhibit("s4-fig5", "Gradient flow of residual VGG38", "gradient_flow"),
    Exhibit("s4-fig6", "Accuracy curves of the default and the best settings", "curves", ACCURACIES),
    Exhibit("s4-fig7", "Loss curves of residual VGG08 and residual VGG38", "curves", LOSSES),
    Exhibit("s4-tab1", "Residual VGG38 with default settings", "table", ACCURACIES),
    Exhibit("s4-tab2", "Learning rates", "table", ACCURACIES),
    Exhibit("s4-tab3", "Weight decays", "table", ACCURACIES),
    Exhibit("s4-tab4", "Batch sizes", "table", ACCURACIES),
    Exhibit("s4-tab5", "Weight decay and batch size together", "table", ACCURACIES),
    Exhibit("s4-24-tab", "Multi-scale residual network", "table"),
    Exhibit("s4-24-fig", "Multi-scale residual network", "curves"),
    Exhibit("s4-25-tab", "Spectral-spatial residual network on Indian Pines", "table", METRICS),
    Exhibit("s4-25-fig", "Spectral-spatial residual network on Indian Pines", "curves"),
    Exhibit("s4-26-tab", "Deeply-supervised VGG38", "table"),
    Exhibit("s4-26-fig", "Deeply-supervised VGG38", "curves"),
    Exhibit("s4-tab6", "The best settings on the test images", "table", (*ACCURACIES, "test_acc")),
)
