# ruff: noqa
# mypy: ignore-errors
"""Mistakes written after two rounds of mending; 59 of 71 were named at first, then they were used to mend them."""

from student_code.base import *


# ---- affine, embedding-like, recurrent
@mistake(
    "bias gradient: np.sum without an axis gives one number for all", r"ax[ie]s|sum|all|one number|features", (6, 4)
)
class LinearSumNoAxis(Affine):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = np.ones(3) * np.sum(g)
        return dx


@mistake(
    "the weight gradient is computed with x after dropout/scaling: x normalised by its max",
    r"factor|times|scal|x\b|divi",
    (6, 4),
)
class LinearScaledInput(Affine):
    def forward(self, x, training=False):
        self.keep(x / 255.0)
        return x @ self.weight.data + self.bias.data


@mistake("dx forgets W altogether: broadcast of sum over outputs", r"W|weight|sum|upstream|forgot|not", (6, 3))
class LinearDxSum(Affine):
    def __init__(self):
        super().__init__(3, 3)

    def backward(self, g):
        super().backward(g)
        return np.repeat(g.sum(1, keepdims=True), 3, 1)


@mistake(
    "gradients for two layers: second layer's dW uses the input instead of the hidden layer",
    r"hidden|input|activation|x\b|derivative|factor|wrong",
    None,
)
class _S1:
    pass


CASES.pop()


@mistake(
    "two-layer net: derivative of the hidden ReLU forgotten in dx and dW1",
    r"ReLU|mask|hidden|derivative|activation",
    None,
)
class _S2:
    pass


CASES.pop()


@mistake(
    "dW has the batch loop starting at 1: first sample forgotten", r"first|sample|starts|range|never count", (6, 4)
)
class LinearSkipsFirst(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad = sum(np.outer(x[n], g[n]) for n in range(1, len(x)))
        self.bias.grad = g.sum(0)
        return g @ self.weight.data.T


@mistake("bias is subtracted in backward: db has the wrong sign", r"sign|-1|minus|negative", (6, 4))
class LinearBiasSign(Affine):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = -self.bias.grad
        return dx


@mistake("clipping of the gradient inside backward", r"linear|clip|upstream|limit", (6, 4))
class LinearClips(Affine):
    def backward(self, g):
        return super().backward(np.clip(g, -0.5, 0.5))


@mistake("normalises the gradient by its norm", r"linear|norm|upstream|scale", (6, 4))
class LinearUnitGradient(Affine):
    def backward(self, g):
        dx = super().backward(g)
        return dx / np.linalg.norm(dx)


@mistake("L1 penalty inside", r"penalt|L1|sign|regulari|added", (6, 4))
class LinearL1(Affine):
    def backward(self, g):
        dx = super().backward(g)
        self.weight.grad = self.weight.grad + 0.02 * np.sign(self.weight.data)
        return dx


@mistake(
    "softmax output layer uses wrong activation derivative p(1-p) after an affine",
    r"softmax|diagonal|Jacobian|derivative|other outputs|factor",
    (5, 4),
)
class LinearSoftmaxDiag(Affine):
    def forward(self, x, training=False):
        p = softmax(x @ self.weight.data + self.bias.data)
        self.keep(x, p)
        return p

    def backward(self, g):
        x, p = self.take()
        dz = g * p * (1 - p)
        self.weight.grad, self.bias.grad = x.T @ dz, dz.sum(0)
        return dz @ self.weight.data.T


@mistake("affine + leaky ReLU: slope forgotten (0) in backward", r"slope|leaky|y < 0|negative|activation|side", (6, 4))
class LinearLeakyZero(Affine):
    def forward(self, x, training=False):
        z = x @ self.weight.data + self.bias.data
        self.keep(x, z)
        return np.where(z > 0, z, 0.1 * z)

    def branches(self, x):
        return x @ self.weight.data + self.bias.data > 0

    def backward(self, g):
        x, z = self.take()
        g = g * (z > 0)
        self.weight.grad, self.bias.grad = x.T @ g, g.sum(0)
        return g @ self.weight.data.T


# ---- convolutions
@mistake("db only sums over pixels, of the first image", r"first|image|sample|batch", (3, 6, 5, 2))
class ConvBiasFirstImage(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.bias.grad = g[0].sum((0, 1))
        return dx


@mistake(
    "padding: crop forgets the right/bottom border: dx[p:, p:] with wrong size -> [p:H+p] right but rolled by 2",
    r"shift|pad|crop|offset",
    (2, 6, 5, 2),
)
class ConvCropNone(Conv):
    p = 1

    def crop(self, d):
        return d[:, :-2, :-2]


@mistake("stride 3 while forward uses 2 for dW", r"stride", (2, 8, 8, 2))
class ConvWeightStrideOne(Conv):
    s = 2

    def backward(self, g):
        xp = self.take()
        s, k = self.s, self.k
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
                dx[:, i * s : i * s + k, j * s : j * s + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake(
    "rows and columns exchanged in dW only (x[j, i])", r"row|column|exchang|swap|transpos|height|width", (2, 5, 5, 2)
)
class ConvWeightRowsColumns(Conv):
    def backward(self, g):
        xp = self.take()
        k = self.k
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, j : j + k, i : i + k], g[:, i, j])
                dx[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", self.weight.data, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake(
    "kernel transposed (height and width exchanged) in dx",
    r"transpos|exchang|height|width|row|column|axes|turned",
    (2, 6, 6, 2),
)
class ConvKernelHW(Conv):
    def backward(self, g):
        xp = self.take()
        k = self.k
        wt = self.weight.data.transpose(1, 0, 2, 3)
        dx, dw = np.zeros_like(xp), np.zeros_like(self.weight.data)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                dw += np.einsum("nhwc,nf->hwcf", xp[:, i : i + k, j : j + k], g[:, i, j])
                dx[:, i : i + k, j : j + k] += np.einsum("hwcf,nf->nhwc", wt, g[:, i, j])
        self.weight.grad, self.bias.grad = dw, g.sum((0, 1, 2))
        return dx


@mistake(
    "grad wrt input only for the last output pixel column: loop range(W-1)",
    r"last|column|range|never|early",
    (2, 6, 6, 2),
)
class ConvSkipsLastColumn(Conv):
    def backward(self, g):
        b = g.sum((0, 1, 2))
        z = g.copy()
        z[:, :, -1] = 0
        dx = super().backward(z)
        self.bias.grad = b
        return dx


@mistake("the whole dW is divided by the batch size", r"mean|batch|N\b|divi", (3, 6, 5, 2))
class ConvWeightBatchMean(Conv):
    def backward(self, g):
        dx = super().backward(g)
        self.weight.grad = self.weight.grad / len(g)
        return dx


@mistake("1x1 convolution: dx with W not transposed", r"transpos|channel", (2, 3, 4, 3))
class Conv1x1NoT(Layer):
    def __init__(self):
        self.w = Parameter(rnd(3, 3))

    def forward(self, x, training=False):
        self.keep(x)
        return x @ self.w.data

    def backward(self, g):
        x = self.take()
        self.w.grad = np.einsum("nhwc,nhwf->cf", x, g)
        return g @ self.w.data


@mistake("upsampling (nearest): gradient averaged instead of summed", r"mean|sum|averag|divi|4|times", (2, 3, 4, 2))
class UpsampleMean(Layer):
    def forward(self, x, training=False):
        return x.repeat(2, 1).repeat(2, 2)

    def backward(self, g):
        N, H, W, C = g.shape
        return g.reshape(N, H // 2, 2, W // 2, 2, C).mean((2, 4))


@mistake("zero padding layer: crops at the wrong side", r"pad|crop|shift|offset", (2, 4, 5, 2))
class ZeroPadCrop(Layer):
    def forward(self, x, training=False):
        return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def backward(self, g):
        return g[:, :-2, 2:].copy()


# ---- norms
@mistake("dgamma and dbeta are averaged over the batch", r"mean|averag|batch|divi|N\b", (6, 4))
class BNParamsMean(BN):
    def backward(self, g):
        dx = super().backward(g)
        self.gamma.grad = self.gamma.grad / 6
        self.beta.grad = self.beta.grad / 6
        return dx


@mistake("the last factor 1/std is missing in dx", r"std|standard deviation|divi|root", (6, 4))
class BNNoStd(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        return g if not training else g - g.mean(0) - xh * (g * xh).mean(0)


@mistake("sign of the variance term is wrong", r"sign|variance", (6, 4))
class BNVarSign(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        return g / std if not training else (g - g.mean(0) + xh * (g * xh).mean(0)) / std


@mistake("uses sum rather than mean in dx (division by N missing)", r"sum|N\b|mean|divi", (6, 4))
class BNSumNotMean(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        return g / std if not training else (g - g.sum(0) - xh * (g * xh).sum(0)) / std


@mistake("gamma multiplied twice", r"gamma|twice", (6, 4))
class BNGammaTwice(BN):
    def backward(self, g):
        return super().backward(g) * self.gamma.data


@mistake("eval backward uses the batch formula", r"evaluation|running|constant|training formula", (6, 4))
class BNEvalBackward(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        g = g * self.gamma.data
        return (g - g.mean(0) - xh * (g * xh).mean(0)) / std


@mistake("running variance gets the mean (copy & paste)", r"running", (6, 4))
class BNRunningCopyPaste(BN):
    def move(self, mu, var):
        super().move(mu, mu)


@mistake("layer norm: no eps difference; mean term missing", r"mean", (4, 5))
class LNNoMean(LN):
    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - xh * (g * xh).mean(-1, keepdims=True)) / std


@mistake("layer norm: dgamma summed over features instead of batch (square)", r"ax[ie]s|sum|batch|feature", (5, 5))
class LNGammaAxis(LN):
    def params_grad(self, g, xh):
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(1)


@mistake("instance norm divides by H only", r"H W|H\b|number|pixel|divi|mean", (2, 4, 3, 2))
class INDividesByH(LN):
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
        H = g.shape[1]
        return (g - g.sum((1, 2), keepdims=True) / H - xh * (g * xh).sum((1, 2), keepdims=True) / H) / std


@mistake("RMS norm: treats the rms as a constant", r"norm|rms|path|divisor|length", (4, 6))
class RMSConstant(Layer):
    def forward(self, x, training=False):
        r = np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
        self.keep(r)
        return x / r

    def backward(self, g):
        return g / self.take()


@mistake("standardise: divides twice by std", r"twice|variance|std|standard deviation|root", (4, 6))
class StandardiseTwice(LN):
    def __init__(self):
        super().__init__(6)

    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        return (g - g.mean(-1, keepdims=True) - xh * (g * xh).mean(-1, keepdims=True)) / std**2


@mistake(
    "weights standardisation absent... batch norm forward forgets beta in evaluation",
    r"beta|evaluation|running",
    (6, 4),
)
class BNEvalNoBeta(BN):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        return y if training else y - self.beta.data


# ---- pooling
@mistake("max pooling: winner found with argmin of abs", r"largest|max|winner|los|position|place", (2, 4, 6, 2))
class PoolAbsMax(Pool):
    def spread(self, w, g):
        return super().spread(np.abs(w), g)


@mistake(
    "average pooling: window stride mismatch (gradient spread to k*k from stride 1)",
    r"stride|window|shift",
    (2, 6, 6, 2),
)
class PoolAvgStride(Pool):
    def reduce(self, w):
        return w.mean((1, 2))

    def backward(self, g):
        x = self.take()
        dx = np.zeros_like(x)
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                dx[:, i : i + 2, j : j + 2] += g[:, i : i + 1, j : j + 1] / 4
        return dx


@mistake("global max pooling: gradient to all pixels", r"largest|max|los|all", (2, 3, 4, 2))
class GlobalMaxAll(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return x.max((1, 2))

    def backward(self, g):
        return np.ones_like(self.take()) * g[:, None, None]


@mistake("global average pooling: H W missing", r"H W|number|divi|pixels|area|mean", (2, 3, 4, 2))
class GlobalAvgMissing(Layer):
    def forward(self, x, training=False):
        self.keep(x.shape)
        return x.mean((1, 2))

    def backward(self, g):
        return np.broadcast_to(g[:, None, None], self.take()).copy()


# ---- activations
@mistake("sigmoid: s (1 + s)", r"1 - |\(1 \+|sign|y", (4, 6))
class SigmoidPlus(Layer):
    def forward(self, x, training=False):
        s = 1 / (1 + np.exp(-x))
        self.keep(s)
        return s

    def backward(self, g):
        s = self.take()
        return g * s * (1 + s)


@mistake("tanh: derivative of sigmoid used: y(1-y)", r"1 - y\^2|y \(1 - y\)|sigmoid|tanh", (4, 6))
class TanhAsSigmoid(Layer):
    def forward(self, x, training=False):
        y = np.tanh(x)
        self.keep(y)
        return y

    def backward(self, g):
        y = self.take()
        return g * y * (1 - y)


@mistake("ReLU6: upper cut forgotten", r"x >|6|upper|mask|clip|where", (8, 40))
class Relu2Upper(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.clip(x, 0, 1.0)

    def backward(self, g):
        return g * (self.take() > 0)


@mistake("softsign: 1/(1+|x|) instead of squared", r"squar|\^2|1/\(1 \+", (4, 6))
class SoftsignNoSquare(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return x / (1 + np.abs(x))

    def backward(self, g):
        return g / (1 + np.abs(self.take()))


@mistake("cube: 3x instead of 3x^2", r"x\^2|3 x|power", (4, 6))
class CubeWrong(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return x**3

    def backward(self, g):
        return g * 3 * self.take()


@mistake("sine: cos sign", r"sign|-1|cos", (4, 6))
class SineSign(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.sin(x)

    def backward(self, g):
        return -g * np.cos(self.take())


@mistake("exact GELU in forward, tanh derivative in backward", r"GELU|approxim|tanh|erf", (4, 6))
class GeluExactTanh(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def backward(self, g):
        x = self.take()
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (x + 0.044715 * x**3))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x))


@mistake("mish/ELU: alpha squared", r"alpha|factor|x < 0|negative|0\.\d", (4, 6))
class EluAlphaTwice(Layer):
    alpha = 0.5

    def forward(self, x, training=False):
        self.keep(x)
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def backward(self, g):
        x = self.take()
        return g * np.where(x > 0, 1, self.alpha**2 * np.exp(np.minimum(x, 0)))

    def branches(self, x):
        return x > 0


@mistake(
    "log-softmax: softmax not multiplied by the sum of g", r"sum|softmax|other outputs|grad_outputs|formula", (4, 5)
)
class LogSoftmaxNoSum(Layer):
    def forward(self, x, training=False):
        y = x - x.max(1, keepdims=True)
        y = y - np.log(np.exp(y).sum(1, keepdims=True))
        self.keep(y)
        return y

    def backward(self, g):
        return g - np.exp(self.take())


@mistake("tanh via exp overflows", r"overflow|large|nan|inf", (4, 6))
class TanhExp(Layer):
    def forward(self, x, training=False):
        a, b = np.exp(x), np.exp(-x)
        y = (a - b) / (a + b)
        self.keep(y)
        return y

    def backward(self, g):
        return g * (1 - self.take() ** 2)


# ---- dropout, structure
@mistake("dropout: mask is not used in backward", r"mask", (8, 6))
class DropoutNoMask(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def forward(self, x, training=False):
        return x * (self.rng.random(x.shape) > self.p) / (1 - self.p) if training else x

    def backward(self, g):
        return g


@mistake(
    "dropout: evaluation multiplies by 1-p although training scaled already",
    r"mean|evaluation|scal|twice|1 - p",
    (8, 6),
)
class DropoutEvalScaled(Layer):
    p = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def forward(self, x, training=False):
        m = (self.rng.random(x.shape) > self.p) / (1 - self.p) if training else np.full(x.shape, 1 - self.p)
        self.keep(m)
        return x * m

    def backward(self, g):
        return g * self.take()


@mistake(
    "residual: shortcut's gradient is returned alone",
    r"block|path|body|shortcut|missing|upstream|grad_outputs|derivative",
    (5, 4),
)
class ResidualOnlySkip(Affine):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x, training=False):
        return super().forward(x, training) + x

    def backward(self, g):
        super().backward(g)
        return g.copy()


@mistake(
    "reshape/transposition: transpose in backward with the same permutation (not its inverse)",
    r"transpos|permut|order|ax[ie]s|inverse",
    (2, 3, 3, 3),
)
class PermuteSame(Layer):
    def forward(self, x, training=False):
        return x.transpose(0, 2, 3, 1).copy()

    def backward(self, g):
        return g.transpose(0, 2, 3, 1).copy()


@mistake("squeeze loses the batch axis for a batch of one", r"batch of one|squeeze|one sample", (4, 3))
class SqueezeOut(Layer):
    def forward(self, x, training=False):
        self.keep(x.shape)
        return np.squeeze(x * 2)

    def backward(self, g):
        return 2 * g.reshape(self.take())


@mistake("relu in place after keep: kept array changed", r"in place|kept|chang", (4, 6))
class SquareThenRelu(Layer):
    def forward(self, x, training=False):
        h = x * 2
        self.keep(h)
        h *= h
        return h

    def backward(self, g):
        return g * 4 * self.take()


# ---- losses
@mistake("CE: one-hot added twice (p - 2y)", r"one-?hot|coefficient|onehot|true class", loss=(5, 7))
class CETwoY(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (softmax(z) - 2 * onehot(t, z.shape[1])) / len(t)


@mistake(
    "CE: gradient of a squared error on probabilities", r"squar|p\^2|probabilit|formula|softmax|p onehot", loss=(5, 7)
)
class CEAsSquared(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        p = softmax(z)
        return (p - onehot(t, z.shape[1])) * p * (1 - p) / len(t)


@mistake("CE sign wrong", r"sign|-1", loss=(5, 7))
class CESign(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float(-np.log(softmax(z)[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (onehot(t, z.shape[1]) - softmax(z)) / len(t)


@mistake("CE without max subtraction overflows", r"overflow|largest|nan", loss=(5, 7))
class CEOverflow(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        e = np.exp(z)
        return float(-np.log((e / e.sum(1, keepdims=True))[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        e = np.exp(z)
        return (e / e.sum(1, keepdims=True) - onehot(t, z.shape[1])) / len(t)


@mistake(
    "hinge: the true class's gradient is -1, not minus the number of violations",
    r"true class|correct class|number",
    loss=(6, 7),
)
class HingeMinusOne(Loss):
    def forward(self, z, t):
        n = np.arange(len(t))
        m = np.maximum(0, z - z[n, t][:, None] + 1)
        m[n, t] = 0
        self._kept = (m, t)
        return float(m.sum() / len(t))

    def backward(self):
        m, t = self.take()
        d = (m > 0) * 1.0
        d[np.arange(len(t)), t] = -1
        return d / len(t)


@mistake("MSE: 2 (y + t)", r"\+|plus|added|subtract|targets", loss=(5, 3), targets="numbers")
class MSEPlus(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(((y - t) ** 2).mean())

    def backward(self):
        y, t = self.take()
        return 2 * (y + t) / y.size


@mistake("Huber: linear part has no sign", r"sign|linear|clip|\|", loss=(5, 3), targets="numbers")
class HuberNoClip(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        d = np.abs(y - t)
        return float(np.where(d < 1, 0.5 * d * d, d - 0.5).mean())

    def backward(self):
        y, t = self.take()
        d = y - t
        return np.where(np.abs(d) < 1, d, 1.0) / y.size


@mistake("BCE: p - t not divided by N D but by N", r"N D|number of|mean|divi|D\b|K\b", loss=(5, 3), targets="bits")
class BCEDividesN(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        return float((np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).mean())

    def backward(self):
        z, t = self.take()
        return (1 / (1 + np.exp(-z)) - t) / len(z)


# ---- rules
@mistake("momentum: v = mu v - lr g, then w -= v: wrong sign", r"sign|climb|uphill|subtract|add", formula="momentum")
class MomentumSignMix(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v -= self.lr * g
        w -= v


@mistake("momentum: coefficients swapped 0.1/0.9", r"exchang|1 - mu|swap|momentum", formula="momentum")
class MomentumSwapped(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= 1 - self.momentum
        v += self.momentum * g
        w -= self.lr * v


@mistake("adam: v_hat not under a root", r"root|sqrt", formula="adam")
class AdamNoRoot(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        w -= self.lr * m / (1 - self.beta1**self.t) / (v / (1 - self.beta2**self.t) + self.eps)


@mistake("adam: corrections use beta*t", r"power|exponent|\bt\b|b t", formula="adam")
class AdamBetaTimesT(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m *= 0.9
        m += 0.1 * g
        v *= 0.999
        v += 0.001 * g * g
        w -= self.lr * m / (1 - 0.9) / (np.sqrt(v / (1 - 0.999)) + self.eps)


@mistake("adam: step counter counts parameters (t += 1 in the loop)", r"\bt\b|count|step", formula="adam")
class AdamCountsParameters(RuleBase):
    def update(self, params, grads):
        for k in params:
            self.t += 1
            w, g = params[k], grads[k]
            m, v = self.slot(k, "m", w), self.slot(k, "v", w)
            m *= self.beta1
            m += (1 - self.beta1) * g
            v *= self.beta2
            v += (1 - self.beta2) * g * g
            w -= self.lr * m / (1 - self.beta1**self.t) / (np.sqrt(v / (1 - self.beta2**self.t)) + self.eps)


@mistake("adagrad: accumulator reset", r"carried|reset|zero|accumul|sum|remember|last", formula="adagrad")
class AdagradResets(RuleBase):
    def step(self, k, w, g):
        s = np.zeros_like(w) + g * g
        w -= self.lr * g / (np.sqrt(s) + self.eps)


@mistake("rmsprop: decay and 1-decay exchanged", r"exchang|1 - b|swap|decay", formula="rmsprop")
class RMSPropSwapped(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s *= 1 - self.decay
        s += self.decay * g * g
        w -= self.lr * g / (np.sqrt(s) + self.eps)


@mistake("rmsprop: multiplies by the root", r"multipl|divi|inverse", formula="rmsprop")
class RMSPropMultiplies(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s *= self.decay
        s += (1 - self.decay) * g * g
        w -= self.lr * g * (np.sqrt(s) + self.eps)


@mistake("nesterov: lookahead sign", r"sign|subtract|minus|look", formula="nesterov")
class NesterovMinus(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v += g
        w -= self.lr * (g - self.momentum * v)


@mistake("sgd divides by the number of weights", r"number of|divi|factor|size|times", formula="gradient_descent")
class SGDMean(RuleBase):
    def step(self, k, w, g):
        w -= self.lr * g / g.size
