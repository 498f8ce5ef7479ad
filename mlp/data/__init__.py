"""Data: image sets, where they come from, and batches of them.

train, valid, test = load_dataset("cifar100")                  # or "synthetic", which needs no files
batches = Batches(train, batch_size=100, augment=True, shuffle=True, seed=0)
for x, targets in batches.epoch(0): ...                        # x (n, 32, 32, 3) float32, targets (n,)
"""

from mlp.data.augmentation import crop_and_flip, draw_augmentation
from mlp.data.batches import Batches
from mlp.data.cifar import load_cifar100
from mlp.data.datasets import DATASETS, find_data_dir, load_dataset
from mlp.data.image_set import ImageSet
from mlp.data.normalization import NORMALIZATIONS, normalize
from mlp.data.prefetch import prefetch
from mlp.data.splits import SPLITS, split_indices
from mlp.data.synthetic import synthetic

__all__ = [
    "DATASETS",
    "NORMALIZATIONS",
    "SPLITS",
    "Batches",
    "ImageSet",
    "crop_and_flip",
    "draw_augmentation",
    "find_data_dir",
    "load_cifar100",
    "load_dataset",
    "normalize",
    "prefetch",
    "split_indices",
    "synthetic",
]
