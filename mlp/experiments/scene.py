"""What a run on a hyperspectral scene writes in addition: three scores of the test pixels, and maps.

With n[r, c] pixels of class r that were taken for class c, n of all, and row and column sums n[r, .] and n[., c]:

    OA      overall accuracy      sum over c of n[c, c] / n
    AA      average accuracy      mean over the classes of n[c, c] / n[c, .]: small classes count as much as large ones
    kappa   (OA - p) / (1 - p)    p = sum over c of n[c, .] n[., c] / n^2, the OA of guessing with these sums
"""

from typing import Any

import numpy as np

from mlp import plotting
from mlp.data import SCENES, Batches, ImageSet, Scene, all_patches, find_data_dir
from mlp.experiments.inference import confusion
from mlp.experiments.loading import load_run, run_forward
from mlp.experiments.run_folder import RunFolder
from mlp.files import write_arrays, write_figure
from mlp.typing import Array, PathLike

MAP_BATCH = 256  # patches at a time


def scores(counts: Array) -> dict[str, float]:
    """Return OA, AA and kappa of a confusion matrix (K, K); classes without pixels are left out of AA."""
    n, rows, columns = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)  # (K,) each
    right = np.diag(counts)
    overall = right.sum() / n
    average = (right[rows > 0] / rows[rows > 0]).mean()
    by_chance = (rows * columns).sum() / n**2
    kappa = (overall - by_chance) / (1.0 - by_chance) if by_chance < 1 else float("nan")
    return {"overall_accuracy": float(overall), "average_accuracy": float(average), "kappa": float(kappa)}


def class_map(folder: RunFolder, data_dir: PathLike | None = None, *, trust_code: bool = False) -> tuple[Scene, Array]:
    """Return the scene of a run, and the class that its model gives to each pixel, (H, W), 1 .. K."""
    run = load_run(folder.path, data_dir=data_dir, trust_code=trust_code)
    scene = SCENES[run.config.dataset](find_data_dir(data_dir))
    batches = Batches(all_patches(scene), MAP_BATCH, dtype=run.config.dtype)
    _, logits = run_forward(run.config, run.model, batches.epoch(0))
    return scene, (logits.argmax(axis=1) + 1).astype(np.uint8).reshape(scene.classes.shape)


def write_scene(folder: RunFolder, title: str, test: ImageSet, data_dir: PathLike | None) -> dict[str, float]:
    """Write class_map.npz and class_map.png into the folder of a run that has ended; return the test pixels' scores."""
    scene, predicted = class_map(folder, data_dir, trust_code=True)  # the run has just used this code
    arrays = {"predicted": predicted, "classes": scene.classes, "class_names": np.array(scene.class_names)}
    write_arrays(folder / "class_map.npz", arrays)
    write_figure(folder / "class_map.png", plotting.scene_maps(scene, predicted, title))
    patches: Any = test.images
    guesses = predicted[patches.rows, patches.columns].astype(np.int64) - 1
    found = scores(confusion(test.labels, guesses, test.num_classes))
    print(f"OA {found['overall_accuracy']:.2%}, AA {found['average_accuracy']:.2%}, kappa {found['kappa']:.4f}")
    return found
