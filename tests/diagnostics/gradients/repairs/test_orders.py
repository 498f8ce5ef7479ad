"""Which lines of a function may change places: only those that have to do with each other."""

import ast

import pytest

from mlp.diagnostics.gradients.repairs.order.order_matters import Names, same_arrays
from mlp.diagnostics.gradients.repairs.order.orders import orders

START = """
def step(self, params, state):
    for p, m in zip(params, self.m):
        pass
    v, w = self.v[0], self.w[0]
"""


@pytest.mark.parametrize(
    ("one", "other", "matters"),
    [
        ("var = sq - mean**2", "mean = rho * mean + g", True),
        ("sq = rho * sq + g**2", "mean = rho * mean + g", False),
        ("state['m'] = b * state['m']", "c = 1 - b ** state['t']", False),
        ("state['m'] = b * state['m']", "state = dict(state)", True),
        ("self.t += 1", "c = 1 - b**self.t", True),
        ("self.t += 1", "self.begin()", True),
        ("self.t += 1", "c = np.sqrt(self.eps)", False),
        ("v *= b", "c = self.v[0]", True),  # two names for the same array
        ("v = b * v", "c = self.v[0]", False),
        ("v *= b", "c = self.w[0]", False),
        ("m += g", "c = self.m[1]", True),
        ("np.add(v, g, out=v)", "c = v + 1", True),
        ("a = np.add(v, g)", "c = v + 1", False),
    ],
)
def test_the_order_of_two_lines_matters(one, other, matters):
    alias = same_arrays(ast.parse(START).body[0])
    first, second = (Names.of(ast.parse(line).body[0], alias) for line in (one, other))
    assert first.meet(second) == second.meet(first) == matters


def test_the_nearest_place_comes_first_also_in_a_long_function():
    settings = "\n".join(f"    s{i} = {i}" for i in range(20))
    tree = ast.parse(f"def f(mean, sq, g):\n{settings}\n    a = mean\n    var = sq - mean\n    mean = mean + g\n").body[
        0
    ]
    texts = [text for slot, places in orders(tree) for text, _ in places if slot.statement == "mean = mean + g"]
    assert texts == [
        f"this line comes too late: it belongs before `{line}`" for line in ("var = sq - mean", "a = mean")
    ]
