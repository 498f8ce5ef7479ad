"""Ready models: trees of layers with names."""

from mlp.models.report_labels import report_label
from mlp.models.ssrn import ssrn
from mlp.models.vgg import vgg

__all__ = ["report_label", "ssrn", "vgg"]
