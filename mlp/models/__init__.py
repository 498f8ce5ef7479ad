"""Ready models: trees of layers with names."""

from mlp.models.vgg import report_label, vgg

__all__ = ["report_label", "vgg"]
