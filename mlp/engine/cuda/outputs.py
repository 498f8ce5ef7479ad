"""The ops of the CUDA engine where a loss takes over: the head of a network, and taps in its middle."""

from typing import Any

from mlp.engine.cuda.gpu import Gpu, Step
from mlp.engine.cuda.ops import LaunchedOp
from mlp.engine.graph import Value
from mlp.layers import Affine
from mlp.losses import SoftmaxCrossEntropy


class TapOp(LaunchedOp):
    """Shows the outputs of a branch to the loss and takes their gradient from it; without a branch it shows nothing.

    No op reads its own output.
    """

    def __init__(self, tap: Any, branch: Any) -> None:
        super().__init__(branch, (1,))
        self.tap = tap

    def forward(self, plan: Any) -> list[Step]:
        return [(lambda: self.tap.keep(self.inputs[0].data)) if self.inputs else self.tap.look]

    def backward(self, plan: Any) -> list[Step]:
        target, _ = plan.claim(self.inputs[0])  # the first: nobody else reads this value

        def take() -> None:
            gradient = self.tap.take_gradient()
            target[...] = 0.0 if gradient is None else gradient

        return [take]


class HeadOp(LaunchedOp):
    """Global average pooling, affine map and softmax cross-entropy, with their gradients: the end of a network."""

    def __init__(self, value: Value, affine: Affine, loss: SoftmaxCrossEntropy) -> None:
        super().__init__([value], (affine.out_features,), has_parameters=True)
        self.affine, self.loss = affine, loss

    @staticmethod
    def knows(gpu: Gpu, affine: Affine) -> bool:
        """Whether the numbers of an image fit into the shared memory that every kernel may use."""
        return 4 * (affine.in_features + affine.out_features + 32) <= min(gpu.shared_limit, 48 * 1024)

    def prepare(self, plan: Any) -> None:
        N, C, K = plan.images, self.affine.in_features, self.affine.out_features
        self.pooled, self.losses, self.right = (plan.gpu.empty(shape) for shape in ((N, C), (N,), (N,)))
        self.grad_logits = plan.gpu.empty((N, K)) if plan.training else None

    def forward(self, plan: Any) -> list[Step]:
        x, layer, N = self.inputs[0].data, self.affine, plan.images
        C, K, pixels = layer.in_features, layer.out_features, x.size // (N * layer.in_features)
        bias = layer.bias.data if layer.bias is not None else None
        outputs = (self.pooled, self.output.data, self.grad_logits, self.losses, self.right)
        sizes = (pixels, C, K, float(self.loss.label_smoothing), 1.0 / N)
        args = (x, layer.weight.data, bias, plan.targets, *outputs, *sizes)
        return [
            plan.gpu.launch("head_forward", (N,), 128, args, 4 * (C + K + 32)),
            plan.gpu.launch("batch_metrics", (1,), 128, (self.losses, self.right, plan.state, plan.log, N), 128),
        ]

    def backward(self, plan: Any) -> list[Step]:
        (value,), layer, N = self.inputs, self.affine, plan.images
        C, K = layer.in_features, layer.out_features
        bias = layer.bias.grad if layer.bias is not None else None
        args = (self.pooled, self.grad_logits, plan.state, layer.weight.grad, bias, N, C, K)
        steps = [plan.gpu.launch("head_weight_gradient", (-(-(C + 1) * K // 128),), 128, args)]
        if value.needs_grad:
            target, _ = plan.claim(value)  # the first: nobody else reads this value
            inputs = (self.grad_logits, layer.weight.data, target, target.size // (N * C), C, K)
            steps.append(plan.gpu.launch("head_input_gradient", (N,), 256, inputs, 4 * C))
        return steps
