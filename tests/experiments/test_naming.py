"""Where `train` puts a run for which no folder was named."""

import pytest

from mlp.experiments.settings.naming import default_folder


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, "runs/vgg08"),
        ({"model": "vgg38"}, "runs/vgg38"),
        ({"model": "vgg8"}, "runs/vgg08"),
        ({"residual": True, "norm": "batch", "model": "vgg38"}, "runs/vgg38_norm-batch_residual"),
        ({"norm": "none", "learning_rate": 1e-3}, "runs/vgg08"),  # the defaults, in full
        ({"epochs": 3, "device": "cuda:0", "engine": "numpy", "seed": 1}, "runs/vgg08_seed-1"),
        ({"model": "/a/net.py:deep", "augment": False}, "runs/deep_augment-False"),
        ({"dataset": "npz:/data/own.npz"}, "runs/vgg08_dataset-own.npz"),
        ({"dataset": "synthetic"}, "runs/vgg08_dataset-synthetic"),
    ],
)
def test_the_default_folder_says_what_differs_from_the_defaults(given, folder):
    assert default_folder(given) == folder
