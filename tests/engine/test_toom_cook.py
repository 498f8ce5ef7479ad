"""The matrices of F(m, r): exact as fractions, and in floats with the rounding that the module tells."""

from fractions import Fraction

import numpy as np
import pytest

from mlp.engine.cpu.ops.winograd.toom_cook import TILES, as_arrays, choose_tile, matrices

ROUNDING = {
    (3, 4): 4e-7,
    (3, 6): 7e-7,
    (3, 8): 2.5e-6,
    (5, 4): 6e-7,
    (5, 6): 2.5e-6,
}  # float32: part of the outputs' standard deviation
CASES = [(r, m) for r, tiles in TILES.items() for m in tiles]


@pytest.mark.parametrize(("r", "m"), CASES)
def test_exact_in_fractions(r, m):
    rng = np.random.default_rng(0)
    d, g = ([Fraction(int(x), 7) for x in rng.integers(-9, 10, n)] for n in (m + r - 1, r))
    B, G, A = (np.array(matrix) for matrix in matrices(m, r))
    expected = [sum(g[u] * d[i + u] for u in range(r)) for i in range(m)]
    assert list(A @ ((G @ g) * (B @ d))) == expected


@pytest.mark.parametrize(("r", "m"), CASES)
def test_inputs_and_outputs_meet_exact_numbers(r, m):
    B, _, A = matrices(m, r)
    for matrix, array in zip((B, A), np.array(as_arrays(m, r, np.float32), dtype=object)[[0, 2]], strict=True):
        assert [[Fraction(float(x)) for x in row] for row in array] == matrix


@pytest.mark.parametrize(("dtype", "part"), [(np.float32, 1.0), (np.float64, 2.0**-28)])
@pytest.mark.parametrize(("r", "m"), CASES)
def test_rounding(r, m, dtype, part):
    rng = np.random.default_rng(1)
    d, g = rng.standard_normal((m + r - 1, 200, 96)), rng.standard_normal((r, 96, 8))
    d, g = d.astype(dtype).astype(np.longdouble), g.astype(dtype).astype(np.longdouble)
    exact = np.stack([sum(d[i + u] @ g[u] for u in range(r)) for i in range(m)])
    B, G, A = as_arrays(m, r, dtype)
    V, U = np.tensordot(B, d.astype(dtype), 1), np.tensordot(G, g.astype(dtype), 1)
    y = np.tensordot(A, V @ U, 1)
    assert y.dtype == dtype
    assert np.std(y - exact) < part * ROUNDING[r, m] * np.std(exact)


def test_the_tile_with_the_fewest_products():
    assert [choose_tile(rows, 3) for rows in (3, 4, 6, 7, 8, 12, 14, 16, 28, 32)] == [4, 4, 6, 8, 8, 6, 8, 8, 6, 8]
    assert [choose_tile(rows, 5) for rows in (3, 4, 6, 8, 16, 32)] == [4, 4, 6, 4, 6, 6]
