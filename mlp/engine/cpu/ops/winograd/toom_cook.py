"""The three matrices of Winograd's F(m, r), computed from the points at which polynomials are evaluated.

We want m outputs of a filter with r taps, 3 or 5, with n = m + r - 1 multiplications:

    y_i = sum over u of g_u d_(i+u)          i = 0 .. m-1          d (n,), g (r,), y (m,)                          (1)

For a polynomial p of degree below n write D(p) = sum over j of p_j d_j: its coefficients, each times an input. With
g(x) = g_0 + g_1 x + .. + g_(r-1) x^(r-1) the outputs are y_i = D(x^i g(x)). By Lagrange, p follows from its values at
n - 1 points a_k and from its highest coefficient, "its value at infinity":

    p(x) = sum over k of p(a_k) L_k(x) / N_k + p_(n-1) L(x)                                                        (2)

    L(x) = product over j of (x - a_j)      L_k(x) = L(x) / (x - a_k)      N_k = L_k(a_k)

(Both sides agree at all a_k, and so do their highest coefficients.) Put p = x^i g(x) into (2) and apply D:

    y_i = sum over k of  a_k^i  [g(a_k) / N_k]  D(L_k)  +  [g_(r-1) if i = m - 1]  D(L)                            (3)

which is y = A^T [(G g) * (B^T d)], with a row for each point, infinity last:

    A^T[i,k] = a_k^i       G[k,u] = a_k^u / N_k       B^T[k] = coefficients of L_k
    A^T[m-1,inf] = 1       G[inf,r-1] = 1             B^T[inf] = coefficients of L

The points. Sums of large terms that nearly cancel lose digits, and a_k^i is large (or tiny) unless |a_k| is near 1. So
the points lie around 1; with a there are -a, 1/a or -1/a, whose terms have the same sizes in the opposite order. The
denominators are powers of two, so that A and B^T are exact in float32. Measured for random inputs in float32, the error
of the outputs, as a part of their standard deviation: 8e-8 for the sum (1) itself, 3e-7 for m = 4, 5e-7 for m = 6,
1.8e-6 for m = 8 (3, -1/3 in place of 1/4, -4: 2.1e-6; 3, -3: 3.2e-6; 1/4, -1/4: 4.2e-6).

Balancing. A row of G may be multiplied by a number if the row of B^T, or the column of A^T, is divided by it. Here the
largest number of each row of B^T and of each column of A^T is brought near 1. The factors are powers of two, so no
digit changes; but numbers between the steps get sizes like those of inputs and outputs, and nothing underflows early.
"""

import math
from fractions import Fraction
from functools import cache

import numpy as np

from mlp.typing import Array, DType

TILES = {3: (4, 6, 8), 5: (4, 6)}  # r: the m to choose from
POINTS = [Fraction(a) for a in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "1/4", "-4")]  # F(m, r) takes m + r - 2


def choose_tile(rows: int, taps: int) -> int:
    """Return the m for which so many output rows take the fewest multiplications; if several do, the smallest."""
    return min(TILES[taps], key=lambda m: (-(-rows // m) * (m + taps - 1), m))


@cache
def matrices(m: int, taps: int) -> tuple[list[list[Fraction]], list[list[Fraction]], list[list[Fraction]]]:
    """Return B^T (n, n), G (n, r) and A^T (m, n) of F(m, r), balanced, as exact fractions."""
    points = POINTS[: m + taps - 2]
    B, G, A = [], [], []  # a row for each point
    for k, a in enumerate(points):
        others = points[:k] + points[k + 1 :]
        N = math.prod(a - b for b in others)
        B.append([*polynomial(others), Fraction(0)])
        G.append([a**u / N for u in range(taps)])
        A.append([a**i for i in range(m)])
    B.append(polynomial(points))
    G.append([Fraction(u == taps - 1) for u in range(taps)])
    A.append([Fraction(i == m - 1) for i in range(m)])
    for k in range(m + taps - 1):
        b, a = power_of_two_near(B[k]), power_of_two_near(A[k])
        B[k], G[k], A[k] = [x / b for x in B[k]], [x * a * b for x in G[k]], [x / a for x in A[k]]
    return B, G, [list(column) for column in zip(*A, strict=True)]


def polynomial(roots: list[Fraction]) -> list[Fraction]:
    """Return the coefficients of the product of all (x - root), the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(root * c for c in coefficients), Fraction(0)]
        coefficients = [x - y for x, y in zip(shifted, scaled, strict=True)]
    return coefficients


def power_of_two_near(row: list[Fraction]) -> Fraction:
    """Return the power of two nearest to the largest absolute value in a row."""
    return Fraction(2) ** round(math.log2(max(abs(x) for x in row)))


def as_arrays(m: int, taps: int, dtype: DType) -> tuple[Array, Array, Array]:
    """Return B^T, G and A^T of F(m, r) as arrays."""
    B, G, A = (np.array(matrix, np.float64).astype(dtype) for matrix in matrices(m, taps))
    return B, G, A
