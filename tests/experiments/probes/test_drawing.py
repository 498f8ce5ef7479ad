"""Tables of landscapes."""

import numpy as np

from mlp.experiments.probes.drawing import summary_rows


def test_a_grid_without_the_network_itself_has_no_loss_there():
    """Three points between two runs are at -0.5, 0.5 and 1.5."""
    ones = np.ones((1, 3))
    stored = {"x": np.array([-0.5, 0.5, 1.5]), "y": np.zeros(1), "loss": ones, "accuracy": ones, "visited": ones > 0}
    assert summary_rows({"a": stored})[1] == ["a", "-", "-", "1", "-", "-"]
    stored |= {"x": np.array([-1.0, 0.0, 1.0]), "loss": np.array([[3.0, 1.0, 3.0]])}
    assert summary_rows({"a": stored})[1] == ["a", "1.0000", "100.0%", "3", "0.500", "-"]
