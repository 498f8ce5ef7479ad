# ruff: noqa
# mypy: ignore-errors
"""Mistakes as students make them, written before the diagnoses were read; then used to mend them."""

from student_code.base import *


# ---------------------------------------------------------------- affine
@mistake(
    "The bias gradient is averaged over the batch; it must be the sum.", r"mean|averag|batch size|1/N|divid|sum", (5, 4)
)
class AffineBiasMean(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = x.T @ g, g.mean(0)
        return g @ self.weight.data.T


@mistake(
    "L2 penalty is added to the weight gradient",
    r"penalt|weight decay|L2|regulari|added|multiple of the (weight|parameter)",
    (5, 4),
)
class AffineWeightPenalty(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = x.T @ g + 0.01 * self.weight.data, g.sum(0)
        return g @ self.weight.data.T


@mistake("weight gradient is transposed (square weight)", r"transpos", (5, 4))
class AffineWeightT:
    def __init__(self):
        self.W, self.b = rnd(4, 4), rnd(4)

    def forward(self, x):
        self.x = x
        return x.dot(self.W) + self.b

    def backward(self, dout):
        self.dW, self.db = dout.T.dot(self.x), dout.sum(axis=0)
        return dout.dot(self.W.T)


@mistake(
    "uses only the last sample for the weight gradient (overwritten in a loop: = instead of +=)",
    r"last|one sample|overwrit|\+=|only (the )?sample|some samples|accumulat",
    (5, 4),
)
class AffineLoopOverwrites(Affine):
    def backward(self, g):
        x = self.take()
        for n in range(len(x)):
            self.weight.grad = np.outer(x[n], g[n])
        self.bias.grad = g.sum(0)
        return g @ self.weight.data.T


@mistake(
    "the bias is not added in forward although its gradient is computed",
    r"bias[^.]*(forward|not used|never|no effect|do(es)? not depend)|not (added|used)|forward[^.]*bias|zero|does not depend",
    (5, 4),
)
class AffineForgetsBias(Affine):
    def forward(self, x, training=False):
        self.keep(x)
        return x @ self.weight.data


@mistake(
    "affine + ReLU: mask taken from the output gradient instead of the output",
    r"mask|grad_outputs|upstream|linear|pre-?activation|corner",
    (6, 4),
)
class AffineReluMaskFromG(Affine):
    def forward(self, x, training=False):
        z = x @ self.weight.data + self.bias.data
        self.keep(x, z)
        return np.maximum(z, 0)

    def branches(self, x):
        return x @ self.weight.data + self.bias.data > 0

    def backward(self, g):
        x, z = self.take()
        g = g * (g > 0)
        self.weight.grad, self.bias.grad = x.T @ g, g.sum(0)
        return g @ self.weight.data.T


@mistake(
    "affine + ReLU: ReLU mask forgotten for the weights' gradients",
    r"mask|ReLU|activation|weight[^.]*(relu|derivative)|derivative",
    (6, 4),
)
class AffineReluWeightNoMask(Affine):
    def forward(self, x, training=False):
        z = x @ self.weight.data + self.bias.data
        self.keep(x, z)
        return np.maximum(z, 0)

    def branches(self, x):
        return x @ self.weight.data + self.bias.data > 0

    def backward(self, g):
        x, z = self.take()
        self.weight.grad, self.bias.grad = x.T @ g, g.sum(0)
        return (g * (z > 0)) @ self.weight.data.T


@mistake(
    "weight gradient divided by the number of input features",
    r"input|feature|D_?in|divid|times too small|0\.25|1/4|factor|mean",
    (5, 4),
)
class AffineWeightMeanFeatures(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = x.T @ g / x.shape[1], g.sum(0)
        return g @ self.weight.data.T


@mistake(
    "gradients accumulate over calls: += on parameter.grad",
    r"accumulat|add(s|ed)? (up|to)|twice|previous|\+=|second (call|backward)|zero(ed)?",
    (5, 4),
)
class AffineAccumulates:
    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(3)
        self.dW, self.db = np.zeros((4, 3)), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(0)
        return dout @ self.W.T


# ---------------------------------------------------------------- conv
@mistake("padding is not cropped rightly: dx is cut at the wrong end", r"pad|crop|shift|cut|offset", (2, 6, 5, 2))
class ConvCropShifted(Conv):
    p = 1

    def crop(self, d):
        return d[:, 2:, 2:]


@mistake(
    "dW uses unpadded... window offset by one (x padded with p, window read from i+1)",
    r"window|offset|shift|pad|one (row|pixel)|index",
    (2, 6, 5, 2),
)
class ConvWeightWindowShift(Conv):
    p = 1

    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        big = np.pad(xp, ((0, 0), (0, 1), (0, 1), (0, 0)))
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", big[:, i + 1 : i + 1 + k, j + 1 : j + 1 + k], g[:, i, j])
                dxp[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


@mistake(
    "the kernel is flipped for dW (convolution instead of correlation)", r"flip|turn|rotat|revers|180", (2, 6, 5, 2)
)
class ConvWeightFlipped(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.weight.grad = self.weight.grad[::-1, ::-1].copy()
        return dx


@mistake("overlapping windows: = instead of += in dx", r"overlap|\+=|overwrit|add(ed)? up|accumulat", (2, 6, 5, 2))
class ConvDxAssign(Conv):
    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
                dxp[:, i : i + k, j : j + k] = np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


@mistake(
    "only the first image of the batch goes into dW",
    r"first (image|sample)|one (image|sample)|only (the )?(first|sample)|sample 0|samples",
    (3, 6, 5, 2),
)
class ConvFirstImage(Conv):
    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("hwc,f->hwcf", xp[0, i : i + k, j : j + k], g[0, i, j])
                dxp[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


@mistake(
    "loop in backward stops one row too early (range(H - 1))",
    r"last row|row|range|edge|border|never|missing|H - 1|one (row|output) (short|too)",
    (2, 6, 5, 2),
)
class ConvLastRowForgotten(Conv):
    def backward(self, g):
        g = g.copy()
        gb = g.copy()
        g[:, -1] = 0
        dx = super().backward(g)
        self.bias.grad = gb.sum((0, 1, 2))
        return dx


@mistake(
    "bias gradient is summed over the batch only at one pixel / mean over pixels",
    r"mean|averag|divid|H W|H \* W|pixel|number of|sum",
    (2, 6, 5, 2),
)
class ConvBiasMeanPixels(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = g.mean((1, 2)).sum(0)
        return dx


@mistake(
    "input gradient goes through the kernel with in and out channels exchanged (square channels)",
    r"channel|transpos|exchang|swap",
    (2, 5, 5, 3),
)
class ConvChannelsSwapped(Conv):
    ci = 3

    def backward(self, g):
        xp = self.take()
        k, (N, H, W, F) = self.k, g.shape
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
                dxp[:, i : i + k, j : j + k] += np.einsum("hwcf,nc->nhwf", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


@mistake(
    "im2col reshape in wrong order: the columns' layout of dW is (C, k, k) reshaped as (k, k, C)",
    r"reshap|order|layout|transpos|ax[ie]s|permut",
    (2, 5, 5, 2),
)
class ConvReshapeOrder(Conv):
    def backward(self, g):
        dx = super().backward(g)
        dw = self.weight.grad.transpose(2, 0, 1, 3).reshape(self.weight.data.shape)
        self.weight.grad = dw.copy()
        return dx


@mistake(
    "stride: the gradient is not spread out for stride 2: dx computed as if stride 1 at the outputs only for dx",
    r"stride",
    (2, 7, 7, 2),
)
class ConvStrideDxOnly(Conv):
    s = 2

    def backward(self, g):
        xp = self.take()
        s, k, (N, H, W, F) = self.s, self.k, g.shape
        dxp, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(H):
            for j in range(W):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i * s : i * s + k, j * s : j * s + k], g[:, i, j])
                dxp[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return self.crop(dxp)


# ---------------------------------------------------------------- batch norm and friends
@mistake("the gradient through the mean is missing", r"mean", (6, 4))
class BNNoMeanPath(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        g = g * self.gamma.data
        if not training:
            return g / std
        return (g - xh * (g * xh).mean(ax)) / std


@mistake("gamma is forgotten in dx", r"gamma", (6, 4))
class BNGammaForgotten(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        if not training:
            return g / std
        return (g - g.mean(ax) - xh * (g * xh).mean(ax)) / std


@mistake(
    "divides by var instead of std in forward (no root): a forward done wrong with a right gradient",
    r"root|sqrt|variance[^.]*(instead|not)|standard deviation|unit variance|std",
    (6, 4),
)
class BNNoRoot(BN):
    def forward(self, x, training=False):
        if training:
            mu, var = x.mean(0), x.var(0)
            self.move(mu, var)
        else:
            mu, var = self.running_mean.copy(), self.running_var.copy()
        v = var + self.eps
        xh = (x - mu) / v
        self.keep(x, mu, v, xh, training)
        return self.gamma.data * xh + self.beta.data

    def backward(self, g):
        x, mu, v, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        if not training:
            return g / v
        N = len(x)
        dvar = (g * (x - mu)).sum(0) * -1 / v**2
        dx = g / v + dvar * 2 * (x - mu) / N
        return dx - (g / v).sum(0) / N


@mistake("the running variance is updated with the standard deviation", r"running[^.]*(var|std|root|deviation)", (6, 4))
class BNRunningStd(BN):
    def move(self, mu, var):
        super().move(mu, np.sqrt(var + self.eps))


@mistake(
    "momentum the wrong way round: running = (1-m) running + m batch with m = 0.9",
    r"momentum|running[^.]*(fast|0\.9|0\.1|exchang|round|weight)",
    (6, 4),
)
class BNMomentumSwapped(BN):
    def move(self, mu, var):
        m = self.momentum
        self.running_mean[...] = (1 - m) * self.running_mean + m * mu
        self.running_var[...] = (1 - m) * self.running_var + m * var


@mistake(
    "uses batch statistics in evaluation",
    r"evaluation[^.]*(batch|running)|running[^.]*(evaluation|never used|not used)|batch statist|samples? (of the batch )?(mix|depend|influence)",
    (6, 4),
)
class BNEvalUsesBatch(BN):
    def forward(self, x, training=False):
        mu, var = x.mean(0), x.var(0)
        if training:
            self.move(mu, var)
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(x, mu, std, xh, True)
        return self.gamma.data * xh + self.beta.data


@mistake(
    "running statistics also move in evaluation",
    r"running[^.]*(evaluation|move|chang)|evaluation[^.]*(move|chang|updat)",
    (6, 4),
)
class BNMovesInEval(BN):
    def forward(self, x, training=False):
        out = super().forward(x, training)
        if not training:
            self.move(x.mean(0), x.var(0))
        return out


@mistake(
    "images: statistics per channel in forward, but gamma's gradient summed over the batch axis only then averaged over pixels",
    r"gamma[^.]*(mean|averag|sum|divid)|mean|averag|H W|pixels|divid",
    (3, 4, 3, 4),
)
class BNGammaMeanPixels(BN):
    def backward(self, g):
        kept = self._kept
        dx = super().backward(g)
        xh = kept[3] if isinstance(kept, tuple) else None
        self.gamma.grad = (g * xh).sum(0).mean((0, 1))
        return dx


@mistake(
    "images: divides by N in backward instead of N H W",
    r"N H W|H W|number of|N \* H|divid|batch size|times",
    (3, 4, 3, 4),
)
class BNDividesByN(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        ax = self.axes(x)
        self.beta.grad, self.gamma.grad = g.sum(ax), (g * xh).sum(ax)
        g = g * self.gamma.data
        if not training:
            return g / std
        N = len(x)
        return (g - g.sum(ax) / N - xh * (g * xh).sum(ax) / N) / std


@mistake(
    "layer norm normalizes over the batch axis in forward (batch norm!): samples mix",
    r"batch|sample|axis|axes",
    (4, 5),
    hint="LayerNorm",
)
class LayerNormOverBatch(LN):
    def forward(self, x, training=False):
        mu, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
        std = np.sqrt(var + self.eps)
        xh = (x - mu) / std
        self.keep(xh, std)
        return xh * self.gamma.data + self.beta.data

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(0, keepdims=True) - xh * (g * xh).mean(0, keepdims=True)) / std


@mistake("layer norm: eps outside the root in backward, or: std without eps in backward", r"eps", (4, 5))
class LNBackwardNoEps(LN):
    eps = 1e-2

    def forward(self, x, training=False):
        self.x = x
        return super().forward(x, training)

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        std = self.x.std(-1, keepdims=True)
        return (g - g.mean(-1, keepdims=True) - xh * (g * xh).mean(-1, keepdims=True)) / std


@mistake(
    "RMS norm: path through the rms is missing a factor 1/D (sum instead of mean)",
    r"mean|sum|1/D|number of|features|divid|times",
    (4, 5),
)
class RMSNormSum(Layer):
    def __init__(self):
        self.gamma = Parameter(rnd(5) + 1)

    def forward(self, x, training=False):
        r = np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        self.keep(x, r)
        return x / r * self.gamma.data

    def backward(self, g):
        x, r = self.take()
        y = x / r
        self.gamma.grad = (g * y).sum(0)
        g = g * self.gamma.data
        return (g - y * (g * y).sum(-1, keepdims=True)) / r


@mistake(
    "gamma initialised right but dgamma uses x instead of x_hat",
    r"x_hat|normali[sz]ed|x hat|(instead of|not) .*x|gamma",
    (6, 4),
)
class BNGammaWithX(BN):
    def backward(self, g):
        kept = self._kept
        dx = super().backward(g)
        self.gamma.grad = (g * kept[0]).sum(0)
        return dx


@mistake("beta and gamma gradients exchanged", r"exchang|swap|each other|gamma[^.]*beta|beta[^.]*gamma", (6, 4))
class BNGradsSwapped(BN):
    def backward(self, g):
        dx = super().backward(g)
        a, b = self.gamma.grad.copy(), self.beta.grad.copy()
        self.gamma.grad, self.beta.grad = b, a
        return dx


# ---------------------------------------------------------------- pooling
@mistake(
    "average pooling hands each input the whole gradient: the division by k*k is missing",
    r"k k|k ?\* ?k|divi|window|1/4|averag|4 times|mean",
    (2, 4, 6, 2),
)
class AvgPoolNoDivision(Pool):
    def reduce(self, w):
        return w.mean((1, 2))

    def spread(self, w, g):
        return np.ones_like(w) * g[:, None, None]


@mistake(
    "max pooling: the gradient goes to the position of the minimum / first element",
    r"largest|max(imum)?|first|position|which",
    (2, 4, 6, 2),
)
class MaxPoolFirst(Pool):
    def spread(self, w, g):
        d = np.zeros_like(w)
        d[:, 0, 0] = g
        return d


@mistake(
    "overlapping max pooling (k 3, stride 2): overwritten instead of added", r"overlap|\+=|overwrit|add", (2, 5, 7, 2)
)
class MaxPoolOverlapAssign(Pool):
    k, s = 3, 2

    def backward(self, g):
        x = self.take()
        k, s = self.k, self.s
        dx = np.zeros_like(x)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                d = self.spread(x[:, i * s : i * s + k, j * s : j * s + k], g[:, i, j])
                dx[:, i * s : i * s + k, j * s : j * s + k] = d
        return dx


@mistake("max pooling takes argmax over channels too", r"channel", (2, 4, 4, 3))
class MaxPoolOverChannels(Pool):
    def spread(self, w, g):
        d = np.zeros_like(w)
        for n in range(len(w)):
            i, j, c = np.unravel_index(w[n].argmax(), w[n].shape)
            d[n, i, j] = g[n]
        return d


@mistake(
    "global average pooling: divided by H only / forgets to divide by H W",
    r"H W|H ?\* ?W|divi|number of (pixels|positions)|area|times|spatial",
    (2, 4, 3, 2),
)
class GlobalPoolForgetsArea(Layer):
    def forward(self, x, training=False):
        self.keep(x.shape)
        return x.mean((1, 2))

    def backward(self, g):
        shape = self.take()
        return np.broadcast_to(g[:, None, None], shape) / shape[1]


# ---------------------------------------------------------------- activations
@mistake(
    "sigmoid derivative s(1-s) taken at x instead of at s: x(1-x)",
    r"x ?\(1|output|sigmoid|y ?\(1|of the inputs?",
    (4, 6),
)
class SigmoidAtX(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return 1 / (1 + np.exp(-np.clip(x, -30, 30)))

    def backward(self, g):
        x = self.take()
        return g * x * (1 - x)


@mistake("tanh derivative is 1 - y^2, here 1 - y", r"squar|1 ?- ?y|y\^2|y ?\*\*", (4, 6))
class TanhNoSquare(Layer):
    def forward(self, x, training=False):
        y = np.tanh(x)
        self.keep(y)
        return y

    def backward(self, g):
        return g * (1 - self.take())


@mistake(
    "ELU: derivative for x<0 is alpha exp(x), here alpha (exp(x) - 1), i.e. y",
    r"exp|y \+|\+ alpha|x < 0|negative",
    (4, 6),
)
class ELUNegative(Layer):
    a = 0.7

    def forward(self, x, training=False):
        y = np.where(x > 0, x, self.a * (np.exp(np.minimum(x, 0)) - 1))
        self.keep(x, y)
        return y

    def backward(self, g):
        x, y = self.take()
        return g * np.where(x > 0, 1, y)

    def branches(self, x):
        return x > 0


@mistake("ReLU ignores the upstream gradient", r"upstream|grad_outputs|chain rule", (4, 6))
class ReluNoUpstream(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.maximum(x, 0)

    def backward(self, g):
        return (self.take() > 0).astype(float)

    def branches(self, x):
        return x > 0


@mistake(
    "swish: only sigmoid part (x treated as a constant factor): product rule incomplete",
    r"product|term|missing|sigmoid",
    (4, 6),
)
class SwishHalf(Layer):
    def forward(self, x, training=False):
        s = 1 / (1 + np.exp(-x))
        self.keep(x, s)
        return x * s

    def backward(self, g):
        x, s = self.take()
        return g * s


@mistake("upstream gradient used twice", r"twice|upstream|squar|grad_outputs", (4, 6))
class TanhUpstreamTwice(Layer):
    def forward(self, x, training=False):
        y = np.tanh(x)
        self.keep(y)
        return y

    def backward(self, g):
        return g * g * (1 - self.take() ** 2)


@mistake(
    "softmax layer: only the diagonal of the Jacobian",
    r"diagonal|Jacobian|off-?diagonal|other (outputs|classes|inputs)|sum|term",
    (4, 5),
)
class SoftmaxDiagonal(Layer):
    def forward(self, x, training=False):
        p = softmax(x)
        self.keep(p)
        return p

    def backward(self, g):
        p = self.take()
        return g * p * (1 - p)


@mistake("sigmoid overflows for large negative numbers", r"overflow|large|inf|nan", (4, 6))
class ExpOverflow(Layer):
    def forward(self, x, training=False):
        e = np.exp(x)
        s = e / (1 + e)
        self.keep(s)
        return s

    def backward(self, g):
        s = self.take()
        return g * s * (1 - s)


@mistake(
    "Leaky ReLU: slope applied on the wrong side in forward and backward? backward only",
    r"x (<|>)=? 0|slope|side|negative|positive|branch|exchang|swap",
    (4, 6),
)
class LeakySides(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.where(x > 0, x, 0.1 * x)

    def backward(self, g):
        return np.where(self.take() > 0, 0.1, 1.0) * g

    def branches(self, x):
        return x > 0


# ---------------------------------------------------------------- dropout, residual
@mistake(
    "dropout: the mask is not scaled by 1/(1-p) in backward", r"1 ?/ ?\(1 ?- ?p\)|scal|divi|1 - p|keep|factor", (8, 6)
)
class DropoutNoScaleBackward(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=False):
        if not training:
            self.keep(None)
            return x
        m = self.rng.random(x.shape) > self.p
        self.keep(m)
        return x * m / (1 - self.p)

    def backward(self, g):
        m = self.take()
        return g if m is None else g * m


@mistake(
    "dropout: no scaling at all (neither in training nor in evaluation): means differ",
    r"mean|expect|scal|1 - p|evaluation",
    (8, 6),
)
class DropoutNoScale(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=False):
        if not training:
            self.keep(None)
            return x
        m = self.rng.random(x.shape) > self.p
        self.keep(m)
        return x * m

    def backward(self, g):
        m = self.take()
        return g if m is None else g * m


@mistake("dropout still drops in evaluation", r"evaluation|training", (8, 6))
class DropoutInEval(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, training=False):
        m = (self.rng.random(x.shape) > self.p) / (1 - self.p)
        self.keep(m)
        return x * m

    def backward(self, g):
        return g * self.take()


@mistake(
    "residual: skip path forgotten in backward",
    r"skip|residual|shortcut|\+ grad_outputs|identity|path|upstream",
    (5, 4),
)
class ResidualNoSkip(Affine):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x, training=False):
        return super().forward(x, training) + x


@mistake("in-place change of the upstream gradient", r"in place|grad_outputs|chang|upstream", (4, 6))
class ReluInPlaceG(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.maximum(x, 0)

    def backward(self, g):
        g[self.take() < 0] = 0
        return g

    def branches(self, x):
        return x > 0


# ---------------------------------------------------------------- losses
@mistake("CE: division by N forgotten in the gradient", r"1/N|batch|N\b|mean|divi", loss=(5, 7))
class CENoN(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return softmax(z) - onehot(t, z.shape[1])


@mistake(
    "CE: gradient with respect to the probabilities (-1/p), not the logits", r"probabilit|logit|softmax", loss=(5, 7)
)
class CEProbGrad(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        p = softmax(z)
        return -onehot(t, z.shape[1]) / p / len(t)


@mistake("CE: softmax over the batch axis in backward", r"ax[ie]s|batch|sample|softmax", loss=(5, 7))
class CEWrongAxis(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (softmax(z, 0) - onehot(t, z.shape[1])) / len(t)


@mistake("MSE: factor 2 forgotten", r"\b2\b|half|twice|factor", loss=(5, 3), targets="numbers")
class MSENo2(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(((y - t) ** 2).mean())

    def backward(self):
        y, t = self.take()
        return (y - t) / y.size


@mistake("MSE: sign is wrong (t - y)", r"sign|minus|opposite|negative|-1", loss=(5, 3), targets="numbers")
class MSESign(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(((y - t) ** 2).mean())

    def backward(self):
        y, t = self.take()
        return 2 * (t - y) / y.size


@mistake("label smoothing over K-1 in backward, K in forward", r"K ?- ?1|smooth", loss=(5, 7))
class CESmoothK1(Loss):
    s = 0.1

    def q(self, z, t, K):
        return (1 - self.s) * onehot(t, z.shape[1]) + self.s / K

    def forward(self, z, t):
        self._kept = (z, t)
        return float(-(self.q(z, t, z.shape[1]) * np.log(softmax(z))).sum() / len(t))

    def backward(self):
        z, t = self.take()
        return (softmax(z) - self.q(z, t, z.shape[1] - 1)) / len(t)


# ---------------------------------------------------------------- rules
@mistake(
    "gradient descent goes uphill",
    r"sign|uphill|ascent|minus|plus|wrong (way|direction)|added|subtract",
    formula="gradient_descent",
)
class SGDUphill(RuleBase):
    def step(self, k, w, g):
        w += self.lr * g


@mistake("momentum: velocity starts fresh every step", r"velocity|rememb|zero|carried|state|start", formula="momentum")
class MomentumForgets(RuleBase):
    def step(self, k, w, g):
        v = np.zeros_like(w)
        v = self.momentum * v + g
        w -= self.lr * v


@mistake("momentum: v = mu v + (1 - mu) g", r"1 - mu|1 ?- ?momentum|dampen|averag|mean|0\.1", formula="momentum")
class MomentumDampened(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v += (1 - self.momentum) * g
        w -= self.lr * v


@mistake("adam: no bias correction", r"bias correction|correct", formula="adam")
class AdamNoCorrection(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= 0.9
        m += 0.1 * g
        v *= 0.999
        v += 0.001 * g * g
        w -= self.lr * m / (np.sqrt(v) + self.eps)


@mistake(
    "adam: step counter incremented per parameter / too late: t starts at 2? uses t+1",
    r"\bt\b|step|count",
    formula="adam",
)
class AdamCountsLate(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        t = self.t + 1
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        w -= self.lr * m / (1 - self.beta1**t) / (np.sqrt(v / (1 - self.beta2**t)) + self.eps)


@mistake("adagrad: root is forgotten", r"root|sqrt", formula="adagrad")
class AdagradNoRoot(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s += g * g
        w -= self.lr * g / (s + self.eps)


@mistake("rmsprop accumulates like adagrad: no decay", r"decay|forget|sum|adagrad|grow", formula="rmsprop")
class RMSPropSums(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s += g * g
        w -= self.lr * g / (np.sqrt(s) + self.eps)
