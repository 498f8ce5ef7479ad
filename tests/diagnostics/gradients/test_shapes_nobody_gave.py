"""FILE.py:NAME without --input-shape: a shape that backward takes, too, is found, and a right solution passes."""

import pytest

from mlp.diagnostics.gradients.own_file import check_file

FILE = """
import numpy as np


def weightnorm_forward(x, v, g, b):
    length = np.sqrt((v**2).sum(axis=0))
    unit = v / length
    return x @ (g * unit) + b, (x, unit, length, g)


def weightnorm_backward(dout, cache):
    x, unit, length, g = cache
    dw = x.T @ dout
    dg = (dw * unit).sum(axis=0)
    return dout @ (g * unit).T, (g / length) * (dw - unit * dg), dg, dout.sum(axis=0)


def wrong_backward(dout, cache):
    dx, dv, dg, db = weightnorm_backward(dout, cache)
    return dx, dv, 2 * dg, db


def shuffle_forward(x):
    N, C, H, W = x.shape
    return x[:, ::-1], None


def shuffle_backward(dout, cache):
    return dout[:, ::-1]


class Maxout:
    def __init__(self):
        self.W = np.random.RandomState(0).randn(4, 3, 2)

    def forward(self, x):
        z = np.tensordot(x, self.W, axes=1)
        self.x, self.best = x, z.argmax(axis=2)
        return z.max(axis=2)

    def backward(self, dout):
        dz = dout[:, :, None] * (np.arange(2) == self.best[:, :, None])
        self.dW = np.einsum("nd,nkp->dkp", self.x, dz)
        return np.einsum("nkp,dkp->nd", dz, self.W)


class ScaledChannels:
    def __init__(self):
        self.params, self.grads = {"scale": np.linspace(0.5, 1.5, 4)}, {}

    def forward(self, x):
        self.x = x
        return x * self.params["scale"][:, None, None]

    def backward(self, dout):
        self.grads["scale"] = (dout * self.x).sum((0, 2, 3))
        return dout * self.params["scale"][:, None, None]


class Pinball:
    def __init__(self):
        self.taus = np.array([0.1, 0.5, 0.9])

    def forward(self, z, t):
        self.e = t - z
        return float(np.mean(np.maximum(self.taus * self.e, (self.taus - 1) * self.e)))

    def backward(self):
        return np.where(self.e > 0, -self.taus, 1 - self.taus) / self.e.size


class Entropic:
    def forward(self, z, q):
        self.z, self.q = z, q
        return float((np.logaddexp(0, z) * (1 + q * q)).mean())

    def backward(self):
        return (1 + self.q**2) / (1 + np.exp(-self.z)) / self.z.size
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "solutions.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("weightnorm_forward,weightnorm_backward", "(5, 4)"),
        ("shuffle_forward,shuffle_backward", "(2, 3, 6, 5)"),
        ("Maxout", "(4, 4)"),
        ("ScaledChannels", "(2, 4, 6, 5)"),
        ("Pinball", "(5, 3)"),
        ("Entropic", "(5, 7)"),  # neither its name nor that of q says that it is a loss: its backward takes nothing
    ],
)
def test_a_right_solution_passes(file, name, shape):
    report = check_file(f"{file}:{name}")
    assert report.passed and shape in " ".join([report.title, *report.remarks]), report


def test_a_wrong_backward_fails_there(file):
    report = check_file(f"{file}:weightnorm_forward,wrong_backward")
    assert not report.passed and [row.array for row in report.rows if not row.passed] == ["g", "g"]
