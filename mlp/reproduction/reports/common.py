"""Settings that several reports share: what differs from RunConfig's defaults, which are the reports' protocol D."""

from typing import Any

from mlp.reproduction.reports.row import NamedRun

VGG08: dict[str, Any] = {"model": "vgg08"}
VGG38: dict[str, Any] = {"model": "vgg38"}
BN: dict[str, Any] = {"norm": "batch"}
AFTER: dict[str, Any] = {"norm": "batch", "norm_position": "after"}
RC: dict[str, Any] = {"residual": True}  # around the processing blocks only, as in s0
RC_POOL: dict[str, Any] = {"residual": True, "reduction_shortcut": "avgpool"}  # around all blocks, as in s1 and s4
SCHEDULE_I: dict[str, Any] = {"schedule_unit": "step"}  # the cosine counts steps: its horizon is `epochs` of them

DENSE: dict[str, Any] = {"dense": True}
MULTI_SCALE: dict[str, Any] = {"multi_scale": True}
COMPANIONS: dict[str, Any] = {"companions": "blocks"}

# For measuring smoothness: two epochs at a constant rate, with the rule of Santurkar et al. 2018, and with ours.
SGD: dict[str, Any] = {"learning_rule": "gradient_descent", "learning_rate": 0.1, "schedule": "constant", "epochs": 2}
ADAM: dict[str, Any] = {"schedule": "constant", "epochs": 2}

PLAIN_08 = NamedRun("VGG08", VGG08)
PLAIN_38 = NamedRun("VGG38", VGG38)
BN_38 = NamedRun("VGG38 BN", VGG38 | BN)
BN_08 = NamedRun("VGG08 BN", VGG08 | BN)
BN_RC_38 = NamedRun("VGG38 BN+RC", VGG38 | BN | RC_POOL)
COMPANIONS_38 = (
    NamedRun("VGG38, companions at blocks", VGG38 | COMPANIONS),
    NamedRun("VGG38, companions at stages", VGG38 | {"companions": "stages"}),
)
SMOOTHED = (PLAIN_08, BN_08, PLAIN_38, BN_38, BN_RC_38)


# The same, trained for two epochs: "VGG08 BN, SGD".
SHORT_SGD, SHORT_ADAM = (
    tuple(NamedRun(f"{run.label}, {name}", {**run.settings, **rule}) for run in SMOOTHED)
    for name, rule in (("SGD", SGD), ("Adam", ADAM))
)
