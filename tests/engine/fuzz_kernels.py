"""Random networks of few layers through the emulated kernels, against the textbook in float64.

    python tests/engine/fuzz_kernels.py --seconds 600 --seed 1

Shapes, channels, precision, the number of multiprocessors and the order of the warps are drawn. Every array lies
between guards, fresh memory and shared memory hold NaN, and whatever is written or read beyond its place shows. A case
is named by its number: the same seed draws the same cases.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

import numpy as np
from cuda_emulation import H200, EmulatedModule, EmulationError, PoisonedNumpy
from test_cuda_layers import by_kernels, by_the_textbook, conv, prepared, random

from mlp.diagnostics import compare_gradients
from mlp.engine.cuda.convolution import ConvolutionOp
from mlp.engine.cuda.gpu import PRECISIONS, Gpu
from mlp.engine.cuda.ops import AveragePoolOp, PointwiseOp
from mlp.engine.cuda.source import joined_source
from mlp.layers import AvgPool2d, BatchNorm, LeakyReLU

TOLERANCE = {"float32": 1e-4, "tf32": 5e-2}  # norms of few numbers enlarge roundings; a mistake is of size 1
LARGEST = 300_000  # N H W C F: about a second in emulation
CHANNELS = (8, 16, 24, 32, 40, 48, 64, 96)


@dataclass
class Case:
    """A network of a convolution and what follows it, and how it is run."""

    number: int
    shape: tuple[int, int, int, int]
    F: int
    bias: bool
    first: bool  # it reads the images, of any number of channels, and no gradient goes back to them
    then: str  # what follows: "", "norm", "norm, activation", "pool"
    precision: str
    multiprocessors: int
    order: int

    def layers(self):
        layers = [conv(self.shape[-1], self.F, self.bias)]
        if "norm" in self.then:
            layers.append(BatchNorm(self.F))
        if "activation" in self.then:
            layers.append(LeakyReLU(0.7))  # a small slope makes much of a rounding around zero
        return [*layers, AvgPool2d(2)] if self.then == "pool" else layers

    def ops(self):
        return [ConvolutionOp, *({"": [], "pool": [AveragePoolOp]}.get(self.then, [PointwiseOp]))]


def draw(rng, number, channels=CHANNELS):
    """Return a case that is not too large."""
    while True:
        N, H, W = (int(n) for n in rng.integers(1, (8, 20, 20)))
        if rng.random() < 0.15:
            N, H, W = 1, int(rng.integers(1, 4)), int(rng.integers(60, 129))  # long rows
        first = bool(rng.random() < 0.25)
        C = int(rng.integers(1, 13)) if first else int(rng.choice(channels))
        F = int(rng.choice(channels))
        then = str(rng.choice(["", "norm", "norm, activation", "pool"]))
        rest = (str(rng.choice(PRECISIONS)), int(rng.choice([1, 2, 3, 17, H200])), int(rng.integers(0, 5)))
        bias = bool(rng.random() < 0.5)
        if N * H * W * C * F > LARGEST or (then == "pool" and min(H, W) < 2) or ("norm" in then and N * H * W < 2):
            continue
        return Case(number, (N, H, W, C), F, bias, first, then, *rest)


def problem(case, module):
    """Run a case; return what is wrong with its results in a sentence, or None."""
    gpu = Gpu("cuda:0", case.precision, PoisonedNumpy(), module)
    gpu.multiprocessors = case.multiprocessors
    module.set_order(case.order)
    x, tap = random(case.shape), not case.first
    plain = prepared(case.layers, tap).astype(np.float64)
    upstream = random(plain.forward(x.astype(np.float64), True).shape, seed=1) - np.float32(0.3)
    expected = by_the_textbook(case.layers, x, upstream, True, tap)
    try:
        found = by_kernels(gpu, case.layers, x, upstream, True, tap, case.ops())
    except EmulationError as error:
        return str(error)
    finally:
        module.set_order(0)
    largest = max(np.linalg.norm(array) for array in expected.values())
    vanishing = {name for name, array in expected.items() if np.linalg.norm(array) < 1e-9 * largest}  # zero on paper
    both = [{k: a.astype(np.float64) for k, a in arrays.items() if k not in vanishing} for arrays in (found, expected)]
    wrong = {name: error for name, error in compare_gradients(*both).items() if not error < TOLERANCE[case.precision]}
    return ", ".join(f"{name} is off by {error:.1e}" for name, error in wrong.items()) or None


def fuzz(module, seconds, seed=0, channels=CHANNELS, most=None):
    """Run cases for so many seconds, at most `most`; return (their number, [(case, what is wrong)])."""
    rng, end, number, found = np.random.default_rng(seed), time.monotonic() + seconds, 0, []
    while time.monotonic() < end and number != most:
        case = draw(rng, number, channels)
        wrong = problem(case, module)
        if wrong:
            found.append((case, wrong))
        number += 1
    return number, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        number, found = fuzz(EmulatedModule(joined_source(), folder), options.seconds, options.seed)
    for case, wrong in found:
        print(f"{wrong}: {asdict(case)}")
    print(f"{number} cases, {len(found)} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
