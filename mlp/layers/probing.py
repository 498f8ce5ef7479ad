"""Looking at a model without changing it: for gradient checks, landscapes and finding the layer that broke."""

from contextlib import contextmanager


@contextmanager
def frozen_buffers(model):
    """Within this context forward passes leave no trace: the model's buffers are put back at its end.

    Probes (gradient checks, landscape plots) run training-mode forward passes that are no training steps.
    """
    saved = [(array, array.copy()) for _, array in model.named_buffers()]
    try:
        yield model
    finally:
        for array, values in saved:
            array[...] = values


@contextmanager
def observed(model, see):
    """Within this context `see(layer, inputs, outputs)` is called after each forward of a layer without children."""
    leaves = [layer for _, layer in model.named_layers() if not layer.children()]

    def watch(layer):
        plain = layer.forward

        def forward(x, training=False):
            y = plain(x, training)
            see(layer, x, y)
            return y

        layer.forward = forward

    for layer in leaves:
        watch(layer)
    try:
        yield model
    finally:
        for layer in leaves:
            del layer.forward
