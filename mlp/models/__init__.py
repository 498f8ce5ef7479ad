"""Ready models: trees of layers with names."""

from mlp.checks import names_elsewhere
from mlp.models.report_labels import report_label
from mlp.models.ssrn import ssrn
from mlp.models.vgg import vgg

__all__ = ["report_label", "ssrn", "vgg"]

__getattr__ = names_elsewhere(
    __name__,
    {
        "VGG": "vgg(depth=38)",
        "vgg08": "vgg(depth=8)",
        "vgg38": "vgg(depth=38)",
        "Sequential": "mlp.layers.Sequential",
        "Model": "mlp.layers.Layer",
    },
)
