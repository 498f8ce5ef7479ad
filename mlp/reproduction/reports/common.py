"""Settings that several reports share. Each is what differs from RunConfig's defaults, the reports' protocol D."""

from typing import Any

from mlp.reproduction.reports.row import NamedRun

VGG08: dict[str, Any] = {"model": "vgg08"}
VGG38: dict[str, Any] = {"model": "vgg38"}
BN: dict[str, Any] = {"norm": "batch"}
AFTER: dict[str, Any] = {"norm": "batch", "norm_position": "after"}
RC: dict[str, Any] = {"residual": True}  # around the processing blocks only, as in s0
RC_POOL: dict[str, Any] = {"residual": True, "reduction_shortcut": "avgpool"}  # around all blocks, as in s1 and s4
SCHEDULE_I: dict[str, Any] = {"schedule_unit": "step"}  # the cosine counts steps: its horizon is `epochs` of them

PLAIN_08 = NamedRun("VGG08", VGG08)
PLAIN_38 = NamedRun("VGG38", VGG38)
BN_38 = NamedRun("VGG38 BN", VGG38 | BN)
