"""Data: image sets, where they come from, and batches of them.

train, valid, test = load_dataset("cifar100")                  # or "synthetic", which needs no files; "npz:own.npz"
batches = Batches(train, batch_size=100, augment=True, shuffle=True, seed=0)
for x, targets in batches.epoch(0): ...                        # x (n, 32, 32, 3) float32, targets (n,)
"""

from mlp.checks import names_elsewhere
from mlp.data.augmentation import crop_and_flip, draw_augmentation
from mlp.data.batches import MEANS, Batches, mean_over, pairs
from mlp.data.datasets import (
    DATASET_FORMS,
    DATASETS,
    LABELS,
    SCENES,
    check_dataset,
    check_split,
    load_dataset,
    usual_split,
)
from mlp.data.download.fetch import SOURCES, download_dataset
from mlp.data.formats.cifar.archive import load_cifar10, load_cifar100
from mlp.data.formats.hyperspectral import Scene, load_indian_pines
from mlp.data.formats.image_folder import load_folder
from mlp.data.formats.mnist import load_mnist
from mlp.data.formats.npz import load_npz
from mlp.data.formats.sources import find_data_dir
from mlp.data.image_set import ImageSet
from mlp.data.lessons import lesson_images
from mlp.data.normalization import NORMALIZATIONS, normalize
from mlp.data.patches import PatchSet, all_patches, labelled_patches
from mlp.data.pictures import FITS
from mlp.data.prefetch import prefetch
from mlp.data.splits import SCENE_SPLITS, SPLITS, split_indices
from mlp.data.synthetic import synthetic

__all__ = [
    "DATASETS",
    "DATASET_FORMS",
    "FITS",
    "LABELS",
    "MEANS",
    "NORMALIZATIONS",
    "SCENES",
    "SCENE_SPLITS",
    "SOURCES",
    "SPLITS",
    "Batches",
    "ImageSet",
    "PatchSet",
    "Scene",
    "all_patches",
    "check_dataset",
    "check_split",
    "crop_and_flip",
    "download_dataset",
    "draw_augmentation",
    "find_data_dir",
    "labelled_patches",
    "lesson_images",
    "load_cifar10",
    "load_cifar100",
    "load_dataset",
    "load_folder",
    "load_indian_pines",
    "load_mnist",
    "load_npz",
    "mean_over",
    "normalize",
    "pairs",
    "prefetch",
    "split_indices",
    "synthetic",
    "usual_split",
]

__getattr__ = names_elsewhere(
    __name__,
    {
        "DataLoader": "Batches",
        "DataProvider": "Batches",
        "CIFAR100DataProvider": 'load_dataset("cifar100"), and Batches',
        "CIFAR100": 'load_dataset("cifar100")',
        "CIFAR10": 'load_dataset("cifar10")',
        "MNIST": 'load_dataset("mnist")',
        "ImageFolder": "load_folder",
        "Dataset": "ImageSet",
    },
)
