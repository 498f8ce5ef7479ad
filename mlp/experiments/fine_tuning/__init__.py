"""Fine-tuning: a network that begins with the weights of another run, for other classes or other images.

    source    reading weights from the folder of a run or from a file, and the settings that a new run takes from it
    taking    which weights fit a network, layer by layer, and why others do not

mlp train --init-from runs/best --dataset folder:flowers --learning-rate 1e-4

taken = init_from(model, "runs/best", class_names=train.class_names)
print(taken)
"""

from mlp.experiments.fine_tuning.source import Source, first_weights, read_source
from mlp.experiments.fine_tuning.taking import Taken, init_from

__all__ = ["Source", "Taken", "first_weights", "init_from", "read_source"]
