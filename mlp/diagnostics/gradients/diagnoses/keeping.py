"""Does a layer called Dropout drop the share of the values that its setting says?

The setting may be the probability that a value is dropped, or that it is kept: its name or the text of the class says
which. If neither does, nothing is reported.
"""

import inspect
import re
from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import Probe

SETTINGS = (
    *("p", "rate", "drop", "prob", "probability", "ratio", "p_drop", "drop_p", "drop_prob", "drop_rate"),
    *("dropout", "dropout_prob", "dropout_rate", "dropout_ratio"),
)
RUNS = 20
SIGMAS = 5.0


def kept_and_dropped(probe: Probe) -> Iterator[Diagnosis]:
    """Yield the diagnosis of a dropout that keeps the share that it must drop."""
    layer, owner = probe.layer, probe.owner
    found = [(name, value) for name, value in vars(owner).items() if name in SETTINGS and isinstance(value, float)]
    if len(found) != 1 or not 0.0 < found[0][1] < 1.0 or not says_drop(type(owner), found[0][0]):
        return
    name, p = found[0]
    x = np.ones(probe.x.shape)
    shares = np.concatenate([(np.array(layer.forward(x, training=True)) != 0.0).ravel() for _ in range(RUNS)])
    kept, deviation = float(shares.mean()), float(np.sqrt(p * (1.0 - p) / shares.size))
    if abs(kept - p) < SIGMAS * deviation and abs(kept - (1.0 - p)) > 2.0 * SIGMAS * deviation:
        text = (
            f"{kept:.2f} of the values are kept where {name} = {p:g}: {name} is the probability with which a value is "
            f"dropped, so keep it with 1 - {name} (mask = random > {name}), and scale by 1 / (1 - {name})"
        )
        yield Diagnosis("keeps what it must drop", "outputs", "training", text)


def says_drop(cls: type, name: str) -> bool:
    """Return whether the name of the setting, or else the text of the class, says that it is what is dropped."""
    try:
        text = inspect.getsource(cls).lower()
    except (OSError, TypeError):
        text = ""
    text = re.sub(r"self\.keep\(|self\.kept", "", text)
    if re.search(r"keep|kept|retain|surviv|remain", text):
        return False
    if name != "p" and ("drop" in name or name == "rate"):
        return True
    words = re.sub(r"class \w+|inverted dropout", "", text)
    return bool(re.search(r"drop(ped|ping|s)?\b|silenc|zeroed|switched off|set to (0|zero)", words))
