# ruff: noqa
# mypy: ignore-errors
"""More mistakes, written before the diagnoses were read; 60 of 72 were named at first, then they were used to mend them."""

from student_code.base import *


# ---------------------------------------------------------------- affine and friends
@mistake("dx uses W instead of W^T (square)", r"transpos", (5, 4))
class DenseNoTranspose:
    def __init__(self):
        self.W, self.b = rnd(4, 4), rnd(4)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W


@mistake(
    "weight gradient is averaged over the batch although the loss does that already",
    r"mean|averag|batch|divi|N\b",
    (6, 4),
)
class DenseWeightMean(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = x.T @ g / len(x), g.sum(0)
        return g @ self.weight.data.T


@mistake("bias gradient keeps only the first sample", r"first|one sample|sample 0|sum|only", (6, 4))
class DenseBiasFirst(Affine):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = g[0].copy()
        return dx


@mistake(
    "bias gradient = sum times N? summed over the batch and features and broadcast",
    r"ax[ie]s|sum|features|all|broadcast",
    (6, 4),
)
class DenseBiasSumAll(Affine):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = np.full(3, g.sum())
        return dx


@mistake(
    "weights updated before dx is computed (an update in backward)",
    r"chang|updat|weights? (move|are)|backward (change|moves|update)|in place",
    (5, 4),
)
class DenseUpdatesItself:
    lr = 0.1

    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        self.W -= self.lr * self.dW
        self.b -= self.lr * self.db
        return dout @ self.W.T


@mistake(
    "dW with tanh derivative missing: affine + tanh, dW = x.T @ g", r"tanh|activation|derivative|1 - y|weight", (5, 4)
)
class DenseTanhNoDeriv(Affine):
    def forward(self, x, training=False):
        y = np.tanh(x @ self.weight.data + self.bias.data)
        self.keep(x, y)
        return y

    def backward(self, g):
        x, y = self.take()
        dz = g * (1 - y * y)
        self.weight.grad, self.bias.grad = x.T @ g, dz.sum(0)
        return dz @ self.weight.data.T


@mistake(
    "relu derivative applied twice / to output of leaky; affine+sigmoid: derivative with z instead of s(z)",
    r"sigmoid|output|z\b|derivative|pre-?activation|activation",
    (5, 4),
)
class DenseSigmoidAtZ(Affine):
    def forward(self, x, training=False):
        z = x @ self.weight.data + self.bias.data
        self.keep(x, z)
        return 1 / (1 + np.exp(-z))

    def backward(self, g):
        x, z = self.take()
        dz = g * z * (1 - z)
        self.weight.grad, self.bias.grad = x.T @ dz, dz.sum(0)
        return dz @ self.weight.data.T


@mistake(
    "regularization: lambda*W^2 (not 2 lambda W) or decay in bias as well",
    r"penalt|decay|L2|regulari|added|multiple",
    (5, 4),
)
class DenseDecayBoth:
    def __init__(self, reg=1e-3):
        self.reg, self.W, self.b = reg, rnd(4, 3), rnd(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d + self.reg * self.W
        self.db = d.sum(0) + self.reg * self.b
        return d @ self.W.T


@mistake(
    "einsum over wrong letters: dW = sum over outputs of all g times x",
    r"sum|output|same|column|ax[ie]s|broadcast|all",
    (5, 4),
)
class DenseEinsumWrong(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad = np.einsum("ni,nk->i", x, g)[:, None] * np.ones((1, 3))
        self.bias.grad = g.sum(0)
        return g @ self.weight.data.T


@mistake("embedding: repeated indices are overwritten instead of added (np.add.at)", r"", None)
class _Skip:
    pass


CASES.pop()


# ---------------------------------------------------------------- conv
@mistake("padding forgotten in backward: windows read from the unpadded x", r"pad", (2, 6, 5, 2))
class ConvUnpaddedWindows(Conv):
    p = 1

    def backward(self, g):
        xp = self.take()
        x = self.crop(xp)
        k, (N, H, W, F) = self.k, g.shape
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for i in range(x.shape[1] - k + 1):
            for j in range(x.shape[2] - k + 1):
                dw += np.einsum("nhwc,nf->hwcf", x[:, i : i + k, j : j + k], g[:, i, j])
                dx[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake("kernel flipped for dx (once too often or not at all)", r"flip|turn|rotat|revers|180|mirror", (2, 6, 5, 2))
class ConvDxFlipped(Conv):
    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        wf = self.weight.data[::-1, ::-1]
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
                dx[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", wf, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake(
    "dW divided by the number of output positions", r"H W|positions|pixels|mean|averag|divi|number of", (2, 6, 5, 2)
)
class ConvWeightMean(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.weight.grad = self.weight.grad / (g.shape[1] * g.shape[2])
        return dx


@mistake(
    "bias gradient summed over the batch axis and rows only, then first column",
    r"ax[ie]s|sum|column|only|pixel",
    (2, 6, 5, 2),
)
class ConvBiasRows(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = g[:, :, 0].sum((0, 1))
        return dx


@mistake(
    "only one channel of the input gets a gradient (loop over output channels overwrites)",
    r"channel|filter|last|overwrit|\+=|only",
    (2, 6, 5, 2),
)
class ConvLastFilter(Conv):
    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
        for f in range(F):
            dx = np.zeros_like(xp)
            for i in range(H):
                for j in range(W):
                    dx[:, i : i + k, j : j + k] += (
                        self.weight.data[None, :, :, :, f] * g[:, i, j, f][:, None, None, None]
                    )
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake(
    "H and W output sizes are exchanged in backward's loops (non-square): last columns never visited",
    r"row|column|height|width|H and W|exchang|swap|range|never|edge",
    (2, 7, 5, 2),
)
class ConvLoopMinHW(Conv):
    def backward(self, g):
        b = g.sum((0, 1, 2))
        m = min(g.shape[1:3])
        z = np.zeros_like(g)
        z[:, :m, :m] = g[:, :m, :m]
        dx = super().backward(z)
        self.bias.grad = b
        return dx


@mistake("dilation is ignored in backward", r"dilat", (2, 7, 7, 2))
class DilatedConvForgets(Layer):
    k, d = 2, 2

    def __init__(self):
        self.weight = Parameter(rnd(2, 2, 2, 3))

    def forward(self, x, training=False):
        H, W, d = x.shape[1] - 2, x.shape[2] - 2, self.d
        self.keep(x)
        return sum(
            x[:, a * d : a * d + H, b * d : b * d + W] @ self.weight.data[a, b] for a in range(2) for b in range(2)
        )

    def backward(self, g):
        x = self.take()
        H, W = g.shape[1:3]
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for a in range(2):
            for b in range(2):
                dw[a, b] = np.einsum("nhwc,nhwf->cf", x[:, a : a + H, b : b + W], g)
                dx[:, a : a + H, b : b + W] += g @ self.weight.data[a, b].T
        self.weight.grad = dw
        return dx


@mistake("depthwise: the channels are summed in dW", r"channel|sum|mix", (2, 5, 6, 3))
class DepthwiseSumsChannels(Layer):
    def __init__(self):
        self.weight = Parameter(rnd(3, 3, 3))

    def forward(self, x, training=False):
        H, W = x.shape[1] - 2, x.shape[2] - 2
        self.keep(x)
        return sum(x[:, a : a + H, b : b + W] * self.weight.data[a, b] for a in range(3) for b in range(3))

    def backward(self, g):
        x = self.take()
        H, W = g.shape[1:3]
        dx, dw = np.zeros_like(x), np.zeros_like(self.weight.data)
        for a in range(3):
            for b in range(3):
                dw[a, b] = (x[:, a : a + H, b : b + W] * g).sum()
                dx[:, a : a + H, b : b + W] += g * self.weight.data[a, b]
        self.weight.grad = dw
        return dx


@mistake("the stride is applied to rows only, columns forget it", r"stride", (2, 7, 7, 2))
class ConvStrideColumns(Conv):
    s = 2

    def backward(self, g):
        xp = self.take()
        s, k, (N, H, W, F) = self.s, self.k, g.shape
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i * s : i * s + k, j : j + k], g[:, i, j])
                dx[:, i * s : i * s + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


# ---------------------------------------------------------------- norms
@mistake("path through the variance missing", r"variance", (6, 4))
class BNNoVarPath(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        g = g * self.gamma.data
        return g / std if not training else (g - g.mean(ax)) / std


@mistake(
    "neither path: dx = gamma g / std in training, too (evaluation formula)",
    r"mean and (the )?variance|evaluation formula|constants|both|depend",
    (6, 4),
)
class BNEvalFormula(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        return g * self.gamma.data / std


@mistake("staged backward: dvar with power -1/2 instead of -3/2", r"variance|-3/2|3/2|power|root", (6, 4))
class BNPowerWrong(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        if not training:
            return g / std
        N, v = len(x), std**2
        dvar = (g * (x - mu)).sum(0) * -0.5 * v**-0.5
        dmu = -(g / std).sum(0)
        return g / std + dvar * 2 * (x - mu) / N + dmu / N


@mistake("the running mean is not updated at all", r"running[^.]*(never|not|move|updat)", (6, 4))
class BNNeverMoves(BN):
    def move(self, mu, var):
        pass


@mistake(
    "the running variance overwritten by the batch's (no averaging)",
    r"running[^.]*(overwrit|last batch|replac|averag|old|forget)",
    (6, 4),
)
class BNRunningReplaced(BN):
    def move(self, mu, var):
        self.running_mean[...] = mu
        self.running_var[...] = var


@mistake(
    "evaluation uses the running variance as if it were the standard deviation",
    r"root|sqrt|std|standard deviation|variance",
    (6, 4),
)
class BNEvalNoRoot(BN):
    def forward(self, x, training=False):
        if training:
            return super().forward(x, training)
        mu, std = self.running_mean.copy(), self.running_var + self.eps
        xh = (x - mu) / std
        self.keep(x, mu, std, xh, training)
        return self.gamma.data * xh + self.beta.data


@mistake(
    "images: statistics per position (axis 0 only) - batch norm over (N) not (N,H,W)",
    r"ax[ie]s|N, H, W|per (pixel|position)|over the batch|position",
    (3, 4, 3, 4),
    hint="BatchNorm",
)
class BatchNormPerPixel(BN):
    def axes(self, x):
        return (0,)

    def __init__(self):
        super().__init__(4)
        self.running_mean, self.running_var = np.zeros((4, 3, 4), np.float32), np.ones((4, 3, 4), np.float32)

    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = (0, 1, 2)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        g = g * self.gamma.data
        return g / std if not training else (g - g.mean(0) - xh * (g * xh).mean(0)) / std


@mistake(
    "layer norm: means in backward run over the batch axis (copied from batch norm)",
    r"ax[ie]s|batch|sample|features",
    (4, 5),
)
class LNBackwardOverBatch(LN):
    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(0) - xh * (g * xh).mean(0)) / std


@mistake(
    "layer norm: keepdims forgotten, the means are broadcast along the wrong axis (square batch)",
    r"keepdims|ax[ie]s|broadcast|sample",
    (5, 5),
)
class LNNoKeepdims(LN):
    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(-1) - xh * (g * xh).mean(-1)) / std


@mistake(
    "instance norm statistic over (1,2), backward's means over (0,1,2)", r"ax[ie]s|batch|sample|image|mix", (3, 4, 3, 2)
)
class InstanceNormBatchMeans(LN):
    def __init__(self):
        super().__init__(2)

    def forward(self, x, training=False):
        mu, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(xh, std)
        return xh * self.gamma.data + self.beta.data

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean((0, 1, 2), keepdims=True) - xh * (g * xh).mean((0, 1, 2), keepdims=True)) / std


@mistake("group norm with the wrong number of groups in backward (whole sample)", r"group", (3, 2, 3, 4))
class GroupNormOneGroup(LN):
    def __init__(self):
        super().__init__(4)

    def forward(self, x, training=False):
        N, H, W, C = x.shape
        xg = x.reshape(N, H, W, 2, 2)
        mu, var = xg.mean((1, 2, 4), keepdims=True), xg.var((1, 2, 4), keepdims=True)
        std = np.sqrt(var + self.eps)
        xh = (xg - mu) / std
        self.keep(xh.reshape(x.shape), np.broadcast_to(std, xg.shape).reshape(x.shape))
        return xh.reshape(x.shape) * self.gamma.data + self.beta.data

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        ax = (1, 2, 3)
        return (g - g.mean(ax, keepdims=True) - xh * (g * xh).mean(ax, keepdims=True)) / std


@mistake(
    "layer norm: unbiased variance in forward, gradient right for it: forward differs from a layer norm",
    r"N ?- ?1|D ?- ?1|unbiased|ddof|biased",
    (4, 5),
    hint="LayerNorm",
)
class LayerNormUnbiased(LN):
    def forward(self, x, training=False):
        mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True, ddof=1)
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(xh, std)
        return xh * self.gamma.data + self.beta.data

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        D = g.shape[-1]
        return (g - g.mean(-1, keepdims=True) - xh * (g * xh).sum(-1, keepdims=True) / (D - 1)) / std


@mistake("layer norm: eps outside the root in forward, backward consistent", r"eps", (4, 5), hint="LayerNorm")
class LayerNormEpsOutside(LN):
    eps = 1e-3

    def forward(self, x, training=False):
        mu = x.mean(-1, keepdims=True)
        s = x.std(-1, keepdims=True)
        xh = (x - mu) / (s + self.eps)
        self.keep(x - mu, s, xh)
        return xh * self.gamma.data + self.beta.data

    def backward(self, g):
        xc, s, xh = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(-1, keepdims=True)) / (s + self.eps) - xc / s * (g * xc).mean(-1, keepdims=True) / (
            s + self.eps
        ) ** 2


@mistake(
    "weight normalisation g*v/|v|: the path through |v| is missing in the gradient of v",
    r"norm|length|\|v\||path",
    (5, 4),
)
class WeightNormNoPath(Layer):
    def __init__(self):
        self.v, self.s = Parameter(rnd(4, 3)), Parameter(rnd(3) + 1)

    def forward(self, x, training=False):
        n = np.sqrt((self.v.data**2).sum(0))
        self.keep(x, n)
        return x @ (self.v.data / n * self.s.data)

    def backward(self, g):
        x, n = self.take()
        dw = x.T @ g
        self.s.grad = (dw * self.v.data / n).sum(0)
        self.v.grad = dw * self.s.data / n
        return g @ (self.v.data / n * self.s.data).T


# ---------------------------------------------------------------- pooling
@mistake("average pooling divides by k, not k*k", r"k k|k ?\* ?k|window|twice|2 times|factor|divi", (2, 4, 6, 2))
class AvgPoolDividesByK(Pool):
    def reduce(self, w):
        return w.mean((1, 2))

    def spread(self, w, g):
        return np.ones_like(w) * g[:, None, None] / self.k


@mistake("max pool gives the gradient to all inputs of the window", r"largest|max|all|every|whole window", (2, 4, 6, 2))
class MaxPoolAll(Pool):
    def spread(self, w, g):
        return np.ones_like(w) * g[:, None, None]


@mistake("max pool routes to argmin", r"largest|max|smallest|min|position|place", (2, 4, 6, 2))
class MaxPoolArgmin(Pool):
    def spread(self, w, g):
        return super().spread(-w, g)


@mistake(
    "max pool multiplies the gradient with the value (mask holds values)", r"value|times|multipl|mask|x\b", (2, 4, 6, 2)
)
class MaxPoolTimesValue(Pool):
    def spread(self, w, g):
        return super().spread(w, g) * w


@mistake(
    "max over window taken with axis=1 only in backward (row of maxima)",
    r"ax[ie]s|row|column|more than one|max|twice|several",
    (2, 4, 6, 2),
)
class MaxPoolRowMax(Pool):
    def spread(self, w, g):
        return (w == w.max(1, keepdims=True)) * g[:, None, None]


@mistake("flatten: backward reshapes in another order (Fortran)", r"reshap|order|ax[ie]s|transpos|permut", (2, 3, 4, 2))
class FlattenOrder(Layer):
    def forward(self, x, training=False):
        self.keep(x.shape)
        return x.reshape(len(x), -1)

    def backward(self, g):
        return g.reshape(self.take(), order="F")


# ---------------------------------------------------------------- activations
@mistake("sigmoid: derivative without upstream", r"upstream|grad_outputs|chain rule", (4, 6))
class SigmoidNoG:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, g):
        return self.y * (1 - self.y)


@mistake("tanh derivative at x: 1 - x^2", r"output|1 - (y|tanh)|x\^2|of x|inputs?", (4, 6))
class TanhAtX(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.tanh(x)

    def backward(self, g):
        return g * (1 - self.take() ** 2)


@mistake("relu mask from upstream (guided backprop) rather than input", r"upstream|grad_outputs|linear|mask", (4, 6))
class ReluGuided(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.maximum(x, 0)

    def backward(self, g):
        return g * (g > 0)

    def branches(self, x):
        return x > 0


@mistake("relu inverted mask", r"x (<|>)=? 0|mask|round|branch|negative|positive", (4, 6))
class ReluInverted(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.maximum(x, 0)

    def backward(self, g):
        return g * (self.take() <= 0)

    def branches(self, x):
        return x > 0


@mistake("ELU forgets alpha in backward", r"alpha|factor|x < 0|negative", (4, 6))
class ELUNoAlpha(Layer):
    alpha = 0.6

    def forward(self, x, training=False):
        self.keep(x)
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def backward(self, g):
        x = self.take()
        return g * np.where(x > 0, 1, np.exp(np.minimum(x, 0)))

    def branches(self, x):
        return x > 0


@mistake("SELU: lambda forgotten for x > 0 in backward", r"lambda|scale|x > 0|positive|factor", (4, 6))
class SELUNoScale(Layer):
    scale, alpha = 1.0507, 1.6733

    def forward(self, x, training=False):
        self.keep(x)
        return self.scale * np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def backward(self, g):
        x = self.take()
        return g * np.where(x > 0, 1, self.scale * self.alpha * np.exp(np.minimum(x, 0)))

    def branches(self, x):
        return x > 0


@mistake("swish product rule: s + x s (1 - s) with x forgotten: s + s(1-s)", r"product|x\b|missing|factor|term", (4, 6))
class SwishXForgotten(Layer):
    def forward(self, x, training=False):
        s = 1 / (1 + np.exp(-x))
        self.keep(x, s)
        return x * s

    def backward(self, g):
        x, s = self.take()
        return g * (s + s * (1 - s))


@mistake("PReLU slope gradient is not summed over the batch but averaged", r"mean|averag|sum|batch|divi", (5, 4))
class PReluMean(Layer):
    def __init__(self):
        self.a = Parameter(np.full(4, 0.25, np.float32))

    def forward(self, x, training=False):
        self.keep(x)
        return np.where(x > 0, x, self.a.data * x)

    def backward(self, g):
        x = self.take()
        self.a.grad = np.where(x > 0, 0, g * x).mean(0)
        return np.where(x > 0, g, self.a.data * g)

    def branches(self, x):
        return x > 0


@mistake("softmax with the sum over the batch in backward", r"ax[ie]s|batch|sample", (4, 5))
class SoftmaxBatchSum(Layer):
    def forward(self, x, training=False):
        p = softmax(x)
        self.keep(p)
        return p

    def backward(self, g):
        p = self.take()
        return p * (g - (g * p).sum(0, keepdims=True))


@mistake("softmax without max subtraction overflows", r"overflow|large|nan|inf", (4, 5))
class SoftmaxOverflow(Layer):
    def forward(self, x, training=False):
        e = np.exp(x)
        p = e / e.sum(1, keepdims=True)
        self.keep(p)
        return p

    def backward(self, g):
        p = self.take()
        return p * (g - (g * p).sum(1, keepdims=True))


@mistake("hard tanh (clip) passes gradient everywhere", r"\bclip|mask|saturat|outside|bound|branch|where", (4, 6))
class HardTanhAll(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.clip(x, -0.5, 0.5)

    def backward(self, g):
        return g

    def branches(self, x):
        return np.stack([x > 0.5, x < -0.5])


@mistake(
    "maxout/relu at exactly zero: not a fault... softplus derivative is exp(x) only",
    r"exp|sigmoid|1 \+|divi|denominator",
    (4, 6),
)
class SoftplusExp(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.logaddexp(0, x)

    def backward(self, g):
        return g * np.exp(self.take())


# ---------------------------------------------------------------- dropout, containers
@mistake("dropout draws a new mask in backward", r"mask|again|new|random|same", (8, 6))
class DropoutNewMask(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=False):
        self.keep(training)
        return x * (self.rng.random(x.shape) > self.p) / (1 - self.p) if training else x

    def backward(self, g):
        return g * (self.rng.random(g.shape) > self.p) / (1 - self.p) if self.take() else g


@mistake("dropout divides by p instead of 1-p", r"1 - p|divi|keep|mean|expect|scale", (8, 6))
class DropoutDividesByP(Layer):
    p = 0.3

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=False):
        m = (self.rng.random(x.shape) > self.p) / self.p if training else np.ones(x.shape)
        self.keep(m)
        return x * m

    def backward(self, g):
        return g * self.take()


@mistake("dropout never drops (mask is computed but the inputs are returned)", r"", None)
class _Skip2:
    pass


CASES.pop()


@mistake("residual: gradient through the block only is added twice", r"twice|2|factor|skip|block|branch|added", (5, 4))
class ResidualTwice(Affine):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x, training=False):
        return super().forward(x, training) + x

    def backward(self, g):
        return super().backward(g) * 2 + g


@mistake(
    "gate: y = a * b (halves of x), gradients of the halves exchanged", r"exchang|swap|order|half|halves|concat", (4, 6)
)
class GLUSwapped(Layer):
    def forward(self, x, training=False):
        a, b = np.split(x, 2, 1)
        self.keep(a, b)
        return a * b

    def backward(self, g):
        a, b = self.take()
        return np.concatenate([g * a, g * b], 1)


@mistake("forward scales its input in place", r"in place|chang|inputs?", (4, 6))
class ScaleInPlace(Layer):
    def forward(self, x, training=False):
        x *= 2.0
        return x

    def backward(self, g):
        return 2 * g


# ---------------------------------------------------------------- losses
@mistake("CE: minus one-hot forgotten (gradient is p / N)", r"one-?hot|true class|correct class|target", loss=(5, 7))
class CENoOneHot(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return softmax(z) / len(t)


@mistake("CE: divides by N*K", r"\bK\b|classes|number of|divi|N K", loss=(5, 7))
class CEDividesNK(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (softmax(z) - onehot(t, z.shape[1])) / z.size


@mistake("CE: loss overflows: log(0) = -inf for confident wrong logits", r"overflow|large|log|inf|nan", loss=(5, 7))
class CELogZero(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (softmax(z) - onehot(t, z.shape[1])) / len(t)


@mistake(
    "MSE: loss is a sum over features / mean over batch, gradient divided by N D",
    r"mean|sum|N D|D\b|number of|divi|times",
    loss=(5, 3),
    targets="numbers",
)
class MSESumMean(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(((y - t) ** 2).sum(1).mean())

    def backward(self):
        y, t = self.take()
        return 2 * (y - t) / y.size


@mistake(
    "MAE: gradient is the difference, not its sign",
    r"sign|absolute|difference|size|magnitude",
    loss=(5, 3),
    targets="numbers",
)
class MAENoSign(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(np.abs(y - t).mean())

    def backward(self):
        y, t = self.take()
        return (y - t) / y.size


@mistake(
    "BCE with logits: gradient (p - t) p (1 - p) as for a squared error",
    r"p ?\(1 ?- ?p\)|sigmoid|derivative|cancel|twice|factor|logit",
    loss=(5, 3),
    targets="bits",
)
class BCESigmoidTwice(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float((np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).mean())

    def backward(self):
        z, t = self.take()
        p = 1 / (1 + np.exp(-z))
        return (p - t) * p * (1 - p) / z.size


@mistake(
    "hinge: margin mask includes the true class in the count (true class not zeroed in backward)",
    r"true class|correct class|target",
    loss=(5, 7),
)
class HingeCountsTrue(Loss):
    def forward(self, z, t):
        n = np.arange(len(t))
        m = np.maximum(0, z - z[n, t][:, None] + 1)
        self._kept = (m.copy(), t)
        m[n, t] = 0
        return float(m.sum() / len(t))

    def backward(self):
        m, t = self.take()
        d = (m > 0).astype(float)
        n = np.arange(len(t))
        d[n, t] = -d.sum(1)
        return d / len(t)


# ---------------------------------------------------------------- rules
@mistake(
    "learning rate is applied twice (velocity contains lr, update multiplies again)",
    r"learning rate[^.]*(twice|again|squared|two)|twice",
    formula="momentum",
)
class MomentumRateTwice(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v += self.lr * g
        w -= self.lr * v


@mistake("momentum: plus instead of minus for the momentum part", r"sign|minus|momentum", formula="momentum")
class MomentumMinus(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= -self.momentum
        v += g
        w -= self.lr * v


@mistake("nesterov is plain momentum", r"momentum|look|ahead|mu v|Nesterov", formula="nesterov")
class NesterovPlain(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v += g
        w -= self.lr * v


@mistake("adam: beta1 and beta2 exchanged", r"beta|exchang|swap", formula="adam")
class AdamBetasSwapped(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= self.beta2
        m += (1 - self.beta2) * g
        v *= self.beta1
        v += (1 - self.beta1) * g * g
        w -= self.lr * m / (1 - self.beta2**self.t) / (np.sqrt(v / (1 - self.beta1**self.t)) + self.eps)


@mistake("adam: second moment not squared / uses m^2", r"squar|g\^2|m\b", formula="adam")
class AdamMSquared(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * m * m
        w -= self.lr * m / (1 - self.beta1**self.t) / (np.sqrt(v / (1 - self.beta2**self.t)) + self.eps)


@mistake("adam: steps use t = 0 first? corrects only v", r"bias correction|correct", formula="adam")
class AdamCorrectsOnlyV(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        w -= self.lr * m / (np.sqrt(v / (1 - self.beta2**self.t)) + self.eps)


@mistake(
    "rmsprop: one accumulator for all parameters/numbers (mean of g^2 over the array)",
    r"mean|each (weight|number)|one (number|value)|all weights|shared|element",
    formula="rmsprop",
)
class RMSPropScalar(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s *= self.decay
        s += (1 - self.decay) * (g * g).mean()
        w -= self.lr * g / (np.sqrt(s) + self.eps)


@mistake("adagrad: divides before accumulating (old s)", r"before|old|first|order|current|this step", formula="adagrad")
class AdagradOldSum(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        w -= self.lr * g / (np.sqrt(s) + 1e-2)
        s += g * g


@mistake("gradient descent divides by sign (sign descent)", r"sign|size|magnitude", formula="gradient_descent")
class SignDescent(RuleBase):
    def step(self, k, w, g):
        w -= self.lr * np.sign(g)


@mistake("weight decay added with wrong sign / always", r"decay|penalt|weights?", formula="gradient_descent")
class SGDHiddenDecay(RuleBase):
    def step(self, k, w, g):
        w -= self.lr * (g + 0.01 * w)
