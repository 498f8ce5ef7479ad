"""The names that the reports' figures give to the parameters of `vgg`."""

import re


def report_label(name: str) -> str:
    """Return the label that the reports' figures give to a parameter of `vgg`.

    stage_0.block_1.conv_0.weight -> block_0_1_conv_0; input.norm_0.gamma -> input_conv_bn_0 (whatever the norm: the
    name does not say); stage_2.reduction.conv_1.weight -> reduction_block_2_conv_1; head.affine.weight ->
    logit_linear_layer; stage_2.reduction.shortcut.conv_0.weight -> reduction_block_2_shortcut_conv_0.
    Names of other models come back with "_" for ".", without ".weight".
    """
    name = re.sub(r"\.(weight|gamma)$", "", name)
    name = re.sub(r"^input\.", "input_conv.", name)
    name = re.sub(r"^stage_(\d+)\.block_(\d+)\.", r"block_\1_\2.", name)
    name = re.sub(r"^stage_(\d+)\.reduction\.", r"reduction_block_\1.", name)
    name = re.sub(r"^head\.affine", "logit_linear_layer", name)
    return re.sub(r"\bnorm_(\d+)", r"bn_\1", name).replace(".", "_")
