"""Taps: a branch becomes ops like any other, and its outputs go to the tap, where the loss reads them.

The loss runs between forward and backward, for the whole batch: it reads the outputs in the plan's array and leaves
dL/db, their gradient, with the tap. Each thread copies its part of that into the gradient of the branch's outputs.
"""

from typing import Any

from mlp.engine.cpu.op import BlockedOp, Phase, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Tap


@lowers(Tap)
def lower_tap(layer: Any, value: Value, plan: Plan) -> Value:
    plan.add(TapOp(layer, [plan.lower(layer.branch, value)] if plan.training else []))
    return value


class TapOp(BlockedOp):
    """Shows the outputs of a branch to the loss and takes their gradient from it; without a branch it shows nothing.

    No op reads its own output.
    """

    name = "tap"
    inputs_needed = True

    def __init__(self, tap: Any, branch: Any) -> None:
        super().__init__(branch, (1,))
        self.tap = tap

    def prepare(self) -> None:
        if self.inputs:
            self.tap.keep(self.inputs[0].data.array)  # filled before the loss looks at it
        else:
            self.tap.look()

    def forward_phases(self) -> list[Phase]:
        return []

    def backward(self, t: int, lo: int, hi: int) -> None:
        given = self.tap.grad_branch
        self.inputs[0].grad.part(t, lo, hi)[...] = 0.0 if given is None else given[lo:hi]
