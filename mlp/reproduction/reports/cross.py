"""x: experiments that follow from several reports. Their settings are ours: VGG38, schedule E, learning rate 1e-3."""

from mlp.reproduction.reports.common import (
    BN,
    BN_38,
    COMPANIONS,
    COMPANIONS_38,
    DENSE,
    PLAIN_08,
    PLAIN_38,
    RC,
    SCHEDULE_I,
    SHORT_ADAM,
    SHORT_SGD,
    VGG08,
    VGG38,
)
from mlp.reproduction.reports.row import METRICS, Exhibit, NamedRun, Row
from mlp.reproduction.reports.s1 import EXPONENTIAL


def shortcut(label: str, name: str) -> NamedRun:
    """VGG38 BN+RC with a shortcut around the reduction blocks."""
    return NamedRun(label, VGG38 | BN | RC | {"reduction_shortcut": name})


ROWS = (
    Row(
        "x-1",
        "VGG38 that concatenates, as DenseNet does",
        (
            PLAIN_38,
            NamedRun("dense VGG38", VGG38 | DENSE),
            BN_38,
            NamedRun("dense VGG38 BN", VGG38 | BN | DENSE),
            NamedRun("VGG38 BN+RC", VGG38 | BN | RC),
        ),
        exhibits=("x-1-tab", "x-1-fig1", "x-1-fig2"),
        note="Reviewed in s0, s1, s2 and s3. Every block adds 8 channels: as many weights as VGG38, and 7 convolutions "
        "from the image to the head on the shortest way.",
    ),
    Row(
        "x-2",
        "Deeply-supervised VGG38",
        (
            PLAIN_38,
            *COMPANIONS_38,
            BN_38,
            NamedRun("VGG38 BN, companions at blocks", VGG38 | BN | COMPANIONS),
        ),
        exhibits=("x-2-tab", "x-2-fig1", "x-2-fig2"),
        note="Reviewed in s4; s3 has its title. Loss and accuracy are those of the output alone; the weight of the "
        "companions falls from 0.1 to 0. Gradient flow is that of the whole objective.",
    ),
    Row(
        "x-3",
        "Shortcuts around reduction blocks",
        (
            shortcut("no shortcut", "none"),
            shortcut("average pooling", "avgpool"),
            shortcut("strided identity (A)", "strided"),
            shortcut("projection (B)", "projection"),
            shortcut("projection everywhere (C)", "projection_everywhere"),
        ),
        exhibits=("x-3-tab", "x-3-fig"),
        note="VGG38 BN+RC; from s0-20, s1-10, s1-21 and s4-23. A, B and C are the names of the paper on ResNet.",
    ),
    Row(
        "x-4",
        "Normalizations",
        (
            NamedRun("batch", BN_38.settings),
            NamedRun("layer", VGG38 | {"norm": "layer"}),
            NamedRun("instance", VGG38 | {"norm": "instance"}),
            NamedRun("group, 8 groups", VGG38 | {"norm": "group", "norm_groups": 8}),
        ),
        exhibits=("x-4-tab", "x-4-fig"),
        note="VGG38, before the activation; from s0-22, s3-18 and s2-24.",
    ),
    Row(
        "x-5",
        "Schedules E, I and exponential 0.96 on the same nets",
        (
            NamedRun("VGG08, E", PLAIN_08.settings),
            NamedRun("VGG08, I", VGG08 | SCHEDULE_I),
            NamedRun("VGG08, exponential 0.96", VGG08 | {"schedule": "exponential", "schedule_factor": 0.96}),
            NamedRun("VGG38 BN, E", BN_38.settings),
            NamedRun("VGG38 BN, I", VGG38 | BN | SCHEDULE_I),
            NamedRun("VGG38 BN, exponential 0.96", EXPONENTIAL.settings),
        ),
        exhibits=("x-5-tab", "x-5-fig"),
        note="E: the cosine counts epochs and falls once. I: it counts steps and swings between its ends.",
    ),
    Row(
        "x-6",
        "The loss around a network, and how well a gradient predicts it",
        SHORT_SGD + SHORT_ADAM,
        seeds=(0, 1, 2),
        exhibits=("x-6-fig",),
        note="From s2-20, s2-22, s2-23 and s1-24, whose figures `reproduce.py report x-6` puts on one page.",
        probes=("smoothness",),
    ),
)

EXHIBITS = (
    Exhibit("x-1-tab", "VGG38 that concatenates", "table", METRICS),
    Exhibit("x-1-fig1", "VGG38 that concatenates", "curves"),
    Exhibit("x-1-fig2", "Gradient flow of VGG38 that concatenates", "gradient_flow", log=True),
    Exhibit("x-2-tab", "Deeply-supervised VGG38", "table", METRICS),
    Exhibit("x-2-fig1", "Deeply-supervised VGG38", "curves"),
    Exhibit("x-2-fig2", "Gradient flow of deeply-supervised VGG38", "gradient_flow", log=True),
    Exhibit("x-3-tab", "Shortcuts around reduction blocks", "table", METRICS),
    Exhibit("x-3-fig", "Shortcuts around reduction blocks", "curves"),
    Exhibit("x-4-tab", "Normalizations", "table", METRICS),
    Exhibit("x-4-fig", "Normalizations", "curves"),
    Exhibit("x-5-tab", "Learning-rate schedules", "table", METRICS),
    Exhibit("x-6-fig", "What batch normalization does to the loss: all measurements", "summary"),
    Exhibit("x-5-fig", "Learning-rate schedules", "curves", ("train_acc", "val_acc", "learning_rate")),
)
