"""Taps: the branch becomes ops like any other, and its outputs go to the tap, where the loss looks at them.

The loss runs between forward and backward, for the whole batch: it finds the outputs in the array of the plan, and
leaves dL/db with the tap. Each thread copies its part of that into the gradient of the branch's outputs.
"""

from mlp.engine.cpu.op import BlockedOp, Phase, lowers
from mlp.layers import Tap
from mlp.models.deep_supervision import DeeplySupervised


@lowers(DeeplySupervised)
def lower_deeply_supervised(layer, value, plan):
    return plan.lower(layer.network, value)


@lowers(Tap)
def lower_tap(layer, value, plan):
    plan.add(TapOp(layer, [plan.lower(layer.branch, value)] if plan.training else []))
    return value


class TapOp(BlockedOp):
    """Shows the outputs of a branch to the loss, and takes their gradient from it; without a branch it shows nothing.

    Its own output is read by nobody.
    """

    name = "tap"
    inputs_needed = True

    def __init__(self, tap, branch):
        super().__init__(branch, (1,))
        self.tap = tap

    def prepare(self):
        if self.inputs:
            self.tap.keep(self.inputs[0].data.array)  # filled before the loss looks at it
        else:
            self.tap.look()

    def backward_phases(self):
        return [Phase(self.backward, self.blocks)]

    def backward(self, t, lo, hi):
        given = self.tap.grad_branch
        self.inputs[0].grad.part(t, lo, hi)[...] = 0.0 if given is None else given[lo:hi]
