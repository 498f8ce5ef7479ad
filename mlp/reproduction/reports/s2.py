"""s2: does batch normalization smooth the loss? Learning rates and batch sizes for VGG38 BN.

Schedule E; values are means of the last five epochs, the spread is theirs, not that of seeds.
"""

from mlp.reproduction.reports.common import BN, BN_38, BN_RC_38, PLAIN_08, PLAIN_38, SHORT_ADAM, SHORT_SGD, VGG38
from mlp.reproduction.reports.row import Exhibit, NamedRun, Number, Published, Row

DERIVED_TESTS = "tests/reproduction/derived/test_s2_rows.py"


def thousandths(value: float, spread: int) -> Number:
    """A number printed as 1.815(3): the spread counts thousandths."""
    return Number(value, spread / 1000.0)


def rate(value: float, *numbers: tuple[float, int]) -> NamedRun:
    """VGG38 BN with a learning rate, a line of Table 1: loss and accuracy of training, then of validation."""
    train_loss, train_acc, val_loss, val_acc = (thousandths(*number) for number in numbers)
    published = Published(train_loss, train_acc, val_loss, val_acc)
    return NamedRun(f"lr {value:g}", VGG38 | BN | {"learning_rate": value}, published)


def batch(size: int, val_acc: tuple[float, int] | None = None) -> NamedRun:
    """VGG38 BN at learning rate 0.05 with batches of a size."""
    settings = VGG38 | BN | {"learning_rate": 0.05, "batch_size": size}
    return NamedRun(f"batch {size}", settings, Published(val_acc=thousandths(*val_acc) if val_acc else None))


RATES = (
    rate(0.0001, (1.815, 3), (0.493, 2), (2.311, 1), (0.402, 1)),
    rate(0.0005, (1.371, 2), (0.599, 2), (1.953, 1), (0.477, 1)),
    rate(0.001, (1.601, 1), (0.547, 2), (1.974, 2), (0.455, 1)),
    rate(0.005, (1.737, 1), (0.518, 1), (2.056, 3), (0.448, 1)),
    rate(0.01, (1.603, 3), (0.547, 3), (1.943, 1), (0.479, 1)),
    rate(0.05, (2.096, 3), (0.411, 2), (2.331, 1), (0.367, 2)),
)
AT_EPOCH_100 = {
    0.001: "validation accuracy 45.44 % at epoch 100",
    0.01: "validation accuracy 47.84 % at epoch 100",
    0.05: "41.33 % and 37.24 % at epoch 100",
}
BATCHES = (
    batch(50, (0.180, 1)),
    batch(100, (0.368, 1)),
    batch(150, (0.365, 2)),
    batch(200, (0.372, 1)),
    batch(400, (0.427, 2)),
    batch(800, (0.438, 2)),
)
AROUND = (PLAIN_08, PLAIN_38, BN_38, BN_RC_38)  # whose loss is drawn


def table_row(number: int, table: str, figure: str, run: NamedRun, finding: str) -> Row:
    """A line of Table 1 or 2, which is a curve of Figure 3 too."""
    return Row(f"s2-{number}", f"VGG38 BN, {run.label}", (run,), (0,), (table, figure), "last5", finding)


ROWS = (
    Row(
        "s2-1",
        "Gradient flow of VGG38 and VGG08",
        (PLAIN_38, PLAIN_08),
        exhibits=("s2-fig1ab",),
        finding="VGG38 falls to 1e-20",
        note="Augmentation is stated here; all reports used it.",
    ),
    Row(
        "s2-2",
        "Curves of VGG08 and VGG38",
        (PLAIN_08, PLAIN_38),
        exhibits=("s2-fig1cd",),
        finding="VGG38 at about 1 % training accuracy",
    ),
    Row("s2-3", "Gradient flow of VGG38 BN", (BN_38,), exhibits=("s2-fig2",), finding="between 1e-4 and 1e-1"),
    *(
        table_row(4 + i, "s2-tab1", "s2-fig3ab", run, AT_EPOCH_100.get(run.settings["learning_rate"], ""))
        for i, run in enumerate(RATES)
    ),
    Row("s2-10", "Curves at six learning rates", RATES, exhibits=("s2-fig3ab",), taken="last5"),
    *(
        table_row(
            11 + i,
            "s2-tab2",
            "s2-fig3cd",
            run,
            "51.88 % and 41.89 % at epoch 100" if run.settings["batch_size"] == 400 else "",
        )
        for i, run in enumerate(BATCHES)
    ),
    Row("s2-17", "Curves at six batch sizes, lr 0.05", BATCHES, exhibits=("s2-fig3cd",), taken="last5"),
    Row("s2-18", "The BN transform", test=f"{DERIVED_TESTS} -k s2_18"),
    Row("s2-19", "The architecture of VGG38", test=f"{DERIVED_TESTS} -k s2_19"),
    Row(
        "s2-20",
        "Loss and gradient change more slowly with BN",
        SHORT_SGD + SHORT_ADAM,
        seeds=(0, 1, 2),
        exhibits=("s2-20-fig1", "s2-20-fig2"),
        note="Measured as by Santurkar et al. 2018, along the gradient; two epochs at a constant rate, SGD 0.1 or "
        "Adam 1e-3. Absolute ranges say nothing without |g| and the loss: a network that does not learn is smooth.",
        probes=("smoothness",),
    ),
    Row(
        "s2-21",
        "Batches that are too large, lr 0.05",
        (BATCHES[-1], batch(1600), batch(3200)),
        exhibits=("s2-21-tab", "s2-21-fig"),
        taken="last5",
        note="The sizes are ours: 800 is s2-16's run, then twice and four times as much.",
    ),
    Row(
        "s2-22",
        "The loss around VGG38 with and without BN, drawn",
        AROUND,
        exhibits=("s2-22-fig1", "s2-22-fig2", "s2-22-fig3", "s2-22-fig4"),
        note="Filter-normalized directions of Li et al. 2018. In evaluation the running statistics do not follow the "
        "weights, so walls around networks with BN are steep; with the statistics of the batch they are gentle.",
        probes=("landscape",),
    ),
    Row(
        "s2-23",
        "The same against the batch size",
        BATCHES,
        exhibits=("s2-23-fig1", "s2-23-fig2"),
        note="The runs of s2-11 to s2-16, all along the same directions.",
        probes=("landscape",),
    ),
    Row("s2-24", "ResNet, DenseNet, stochastic depth, batch renormalization, L2 with BN, when gradients vanish"),
)

ACCURACIES = ("train_acc", "val_acc")
EXHIBITS = (
    Exhibit("s2-fig1ab", "Gradient flow of VGG38 and VGG08", "gradient_flow", log=True),
    Exhibit("s2-fig1cd", "Curves of VGG08 and VGG38", "curves"),
    Exhibit("s2-fig2", "Gradient flow of VGG38 BN", "gradient_flow", log=True),
    Exhibit("s2-tab1", "Learning rates for VGG38 BN", "table"),
    Exhibit("s2-tab2", "Batch sizes for VGG38 BN, lr 0.05", "table", ACCURACIES),
    Exhibit("s2-fig3ab", "Learning rates for VGG38 BN", "curves", ACCURACIES),
    Exhibit("s2-fig3cd", "Batch sizes for VGG38 BN, lr 0.05", "curves", ACCURACIES),
    Exhibit("s2-21-tab", "Batches that are too large", "table"),
    Exhibit("s2-21-fig", "Batches that are too large", "curves", ACCURACIES),
    Exhibit("s2-20-fig1", "How well the gradient predicts what is near, SGD", "smoothness", only="SGD"),
    Exhibit("s2-20-fig2", "How well the gradient predicts what is near, Adam", "smoothness", only="Adam"),
    Exhibit("s2-22-fig1", "The loss around networks, as in evaluation", "contours"),
    Exhibit("s2-22-fig2", "The loss around networks, with the statistics of the batch", "contours_batch"),
    Exhibit("s2-22-fig3", "The loss around networks, seen from aside", "surfaces"),
    Exhibit("s2-22-fig4", "The loss along one direction", "loss_lines"),
    Exhibit("s2-23-fig1", "The loss around VGG38 BN at six batch sizes", "contours"),
    Exhibit("s2-23-fig2", "The loss along one direction at six batch sizes", "loss_lines"),
)
