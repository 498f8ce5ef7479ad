# ruff: noqa
# mypy: ignore-errors
"""Right layers, losses and rules in unusual forms: none of them may raise an alarm."""

from student_code.base import *


# ------------------------------------------------- affine in all styles
@right((5, 4))
class PlainDense:
    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(3)

    def forward(self, x):
        self.x = x
        return x.dot(self.W) + self.b

    def backward(self, dout):
        self.dW = self.x.T.dot(dout)
        self.db = np.sum(dout, axis=0)
        return dout.dot(self.W.T)


@right((5, 4))
class DictDense:
    def __init__(self):
        self.params = {"W": rnd(4, 3), "b": rnd(3)}
        self.grads = {}

    def forward(self, x):
        self.cache = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"], self.grads["b"] = self.cache.T @ dout, dout.sum(0)
        return dout @ self.params["W"].T


@right((5, 4))
class CourseDense:
    def __init__(self):
        self.weights, self.biases = rnd(4, 3), rnd(3)

    def fprop(self, inputs):
        return inputs.dot(self.weights) + self.biases

    def bprop(self, inputs, outputs, grads_wrt_outputs):
        return grads_wrt_outputs.dot(self.weights.T)

    def grads_wrt_params(self, inputs, grads_wrt_outputs):
        return [inputs.T.dot(grads_wrt_outputs), grads_wrt_outputs.sum(0)]

    @property
    def params(self):
        return [self.weights, self.biases]


@right((5, 4))
class OutputDense:
    def __init__(self):
        self.W = rnd(4, 3)
        self.dW = None

    def forward(self, x):
        self.input = x
        self.output = x @ self.W

    def backward(self, dvalues):
        self.dW = self.input.T @ dvalues
        self.dinputs = dvalues @ self.W.T


@right((5, 4))
class CallDense:
    def __init__(self):
        self.w, self.b = rnd(4, 3), rnd(3)

    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, g):
        self.grad_w, self.grad_b = self.x.T @ g, g.sum(0)
        return g @ self.w.T


@right((5, 4))
class StaticSigmoid:
    @staticmethod
    def forward(x):
        return 1 / (1 + np.exp(-x))

    @staticmethod
    def backward(x, g):
        s = 1 / (1 + np.exp(-x))
        return g * s * (1 - s)


@right((5, 4))
class CacheTuple:
    def __init__(self):
        self.w, self.b = rnd(4, 3), rnd(3)

    def forward(self, x):
        return x @ self.w + self.b, (x, self.w)

    def backward(self, dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.sum(0)


@right((5, 4))
class ReturnsTuple:
    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        return g @ self.W.T, self.x.T @ g, g.sum(0)


@right((5, 4))
class ReturnsDict:
    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        return g @ self.W.T, {"W": self.x.T @ g, "b": g.sum(0)}


@right((5, 4))
class KeyedDW:
    def __init__(self):
        self.params, self.grads = {"W": rnd(4, 3), "b": rnd(3)}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, g):
        self.grads = {"dW": self.x.T @ g, "db": g.sum(0)}
        return g @ self.params["W"].T


@right((5, 4))
class Nested:
    def __init__(self):
        self.params = {"l1": {"W": rnd(4, 6), "b": rnd(6)}, "l2": {"W": rnd(6, 3)}}
        self.grads = {"l1": {}, "l2": {}}

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.params["l1"]["W"] + self.params["l1"]["b"])
        return self.h @ self.params["l2"]["W"]

    def backward(self, g):
        self.grads["l2"]["W"] = self.h.T @ g
        d = g @ self.params["l2"]["W"].T * (1 - self.h**2)
        self.grads["l1"] = {"W": self.x.T @ d, "b": d.sum(0)}
        return d @ self.params["l1"]["W"].T


@right((5, 4))
class LazyDense:
    def __init__(self):
        self.W = None

    def forward(self, x):
        if self.W is None:
            self.W = np.random.randn(x.shape[1], 3) * 0.1
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.dW = self.x.T @ g
        return g @ self.W.T


@right((5, 4))
class Float32Inside(Layer):
    def __init__(self):
        self.W = Parameter(rnd(4, 2))

    def forward(self, x, training=False):
        self.keep(x)
        out = np.zeros((len(x), 2), np.float32)
        for n in range(len(x)):
            out[n] = x[n] @ self.W.data
        return out

    def backward(self, g):
        x = self.take()
        self.W.grad = x.T @ g
        return g @ self.W.data.T


@right((5, 4))
class BackwardFloat32:
    def __init__(self):
        self.W = rnd(4, 2)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.dW = (self.x.T @ g).astype(np.float32)
        return (g @ self.W.T).astype(np.float32)


@right((5, 4))
class ModeDropoutLess:
    def __init__(self):
        self.W = rnd(4, 3)
        self.training = True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.W_grad = self.x.T @ g
        return g @ self.W.T


@right((5, 4))
class RowVectorBias:
    def __init__(self):
        self.W, self.b = rnd(4, 3), rnd(1, 3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW, self.db = self.x.T @ g, g.sum(0, keepdims=True)
        return g @ self.W.T


@right((5, 4))
class OutIn:
    """weights (out, in) as PyTorch keeps them"""

    def __init__(self):
        self.weight, self.bias = rnd(3, 4), rnd(3)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, g):
        self.weight_grad, self.bias_grad = g.T @ self.x, g.sum(0)
        return g @ self.weight


@right((5, 4))
class GradsList:
    def __init__(self):
        self.params = [rnd(4, 3), rnd(3)]
        self.grads = [None, None]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, g):
        self.grads[0], self.grads[1] = self.x.T @ g, g.sum(0)
        return g @ self.params[0].T


@right((5, 4))
class LoopDense(Layer):
    def __init__(self):
        self.W = Parameter(rnd(4, 3))

    def forward(self, x, training=False):
        self.keep(x)
        return np.stack([[sum(x[n, i] * self.W.data[i, o] for i in range(4)) for o in range(3)] for n in range(len(x))])

    def backward(self, g):
        x = self.take()
        self.W.grad = np.einsum("ni,no->io", x, g)
        return np.einsum("no,io->ni", g, self.W.data)


@right((3, 4, 5))
class BatchedDense(Affine):
    def backward(self, g):
        x = self.take()
        self.weight.grad, self.bias.grad = np.einsum("bti,bto->io", x, g), g.sum((0, 1))
        return g @ self.weight.data.T

    def __init__(self):
        super().__init__(5, 3)


# ------------------------------------------------- conv, pool, norm
@right((2, 6, 5, 2))
class ConvLoops(Conv):
    pass


@right((2, 7, 6, 2))
class ConvStridePad(Conv):
    s, p = 2, 1


@right((2, 5, 4, 2))
class ConvDot(Conv):
    k = 1


@right((2, 3, 6, 5))
class ConvChannelsFirst:
    def __init__(self):
        self.W, self.b = rnd(4, 3, 3, 3), rnd(4)

    def forward(self, x):
        self.x = x
        v = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
        return np.einsum("nchwij,fcij->nfhw", v, self.W) + self.b[:, None, None]

    def backward(self, g):
        v = np.lib.stride_tricks.sliding_window_view(self.x, (3, 3), (2, 3))
        self.dW = np.einsum("nchwij,nfhw->fcij", v, g)
        self.db = g.sum((0, 2, 3))
        dx = np.zeros_like(self.x)
        for i in range(3):
            for j in range(3):
                dx[:, :, i : i + g.shape[2], j : j + g.shape[3]] += np.einsum("nfhw,fc->nchw", g, self.W[:, :, i, j])
        return dx


@right((2, 4, 6, 2))
class PoolMaxRight(Pool):
    pass


@right((2, 5, 7, 2))
class PoolMaxOverlap(Pool):
    k, s = 3, 2


@right((2, 4, 6, 2))
class PoolMaxShares(Pool):
    def spread(self, w, g):
        m = w == w.max((1, 2), keepdims=True)
        return m / m.sum((1, 2), keepdims=True) * g[:, None, None]


@right((2, 4, 6, 2))
class PoolAvg(Pool):
    def reduce(self, w):
        return w.mean((1, 2))

    def spread(self, w, g):
        return np.ones_like(w) * g[:, None, None] / 4


@right((2, 4, 5, 3))
class GlobalAvg:
    def forward(self, x):
        self.s = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, g):
        return np.ones(self.s) * g[:, None, None, :] / (self.s[1] * self.s[2])


@right((6, 4))
class BatchNormRight(BN):
    pass


@right((3, 4, 3, 4))
class BatchNormImages(BN):
    pass


@right((6, 4))
class BatchNormStaged(BN):
    def backward(self, g):
        x, mu, std, xh, training = self.take()
        N = len(x)
        self.beta.grad, self.gamma.grad = g.sum(0), (g * xh).sum(0)
        dxh = g * self.gamma.data
        if not training:
            return dxh / std
        xmu, iv = x - mu, 1 / std
        div = (dxh * xmu).sum(0)
        dxmu1 = dxh * iv
        dsq = -1 / std**2 * div
        dvar = 0.5 / std * dsq
        dxmu2 = 2 * xmu * dvar / N
        dx1 = dxmu1 + dxmu2
        return dx1 - dx1.sum(0) / N


@right((6, 4))
class BatchNormPlainMode:
    def __init__(self):
        self.gamma, self.beta = np.ones(4), np.zeros(4)
        self.running_mean, self.running_var, self.momentum = np.zeros(4), np.ones(4), 0.9

    def forward(self, x, mode="train"):
        if mode == "train":
            mu, var = x.mean(0), x.var(0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mu
            self.running_var = 0.9 * self.running_var + 0.1 * var
        else:
            mu, var = self.running_mean, self.running_var
        self.mode, self.std = mode, np.sqrt(var + 1e-5)
        self.xh = (x - mu) / self.std
        return self.gamma * self.xh + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.xh).sum(0), g.sum(0)
        g = g * self.gamma
        return g / self.std if self.mode != "train" else (g - g.mean(0) - self.xh * (g * self.xh).mean(0)) / self.std


@right((6, 4))
class BatchNormUnbiasedRunning(BN):
    def move(self, mu, var):
        super().move(mu, var * 6 / 5)


@right((6, 4))
class BatchNormTorchMomentum(BN):
    momentum = 0.1

    def move(self, mu, var):
        m = self.momentum
        self.running_mean[...] = (1 - m) * self.running_mean + m * mu
        self.running_var[...] = (1 - m) * self.running_var + m * var


@right((6, 4))
class BatchNormCumulative(BN):
    def __init__(self):
        super().__init__()
        self.n = 0

    def move(self, mu, var):
        self.n += 1
        self.running_mean[...] += (mu - self.running_mean) / self.n
        self.running_var[...] += (var - self.running_var) / self.n


@right((4, 5))
class LayerNormRight(LN):
    pass


@right((3, 4, 5))
class LayerNorm3d(LN):
    pass


@right((4, 5))
class LayerNormTwoStep(LN):
    def backward(self, g):
        xh, std = self.take()
        self.params_grad(g, xh)
        g = g * self.gamma.data
        D = g.shape[-1]
        return (D * g - g.sum(-1, keepdims=True) - xh * (g * xh).sum(-1, keepdims=True)) / (D * std)


@right((4, 5))
class RMSNormRight(Layer):
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
        return (g - y * (g * y).mean(-1, keepdims=True)) / r


@right((4, 5))
class L2Norm(Layer):
    def forward(self, x, training=False):
        r = np.linalg.norm(x, axis=1, keepdims=True)
        self.keep(x / r, r)
        return x / r

    def backward(self, g):
        y, r = self.take()
        return (g - y * (g * y).sum(1, keepdims=True)) / r


# ------------------------------------------------- activations etc.
@right((4, 6))
class ReluCopy:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, g):
        d = g.copy()
        d[self.mask] = 0
        return d


@right((4, 6))
class SoftplusStable(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, g):
        x = self.take()
        return g * np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


@right((4, 6))
class GeluTanh(Layer):
    c = math.sqrt(2 / math.pi)

    def forward(self, x, training=False):
        t = np.tanh(self.c * (x + 0.044715 * x**3))
        self.keep(x, t)
        return 0.5 * x * (1 + t)

    def backward(self, g):
        x, t = self.take()
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * self.c * (1 + 3 * 0.044715 * x**2))


@right((4, 6))
class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, g):
        return 2 * self.x * g


@right((4, 6))
class HardSigmoid(Layer):
    def forward(self, x, training=False):
        self.keep(x)
        return np.clip(0.2 * x + 0.5, 0, 1)

    def backward(self, g):
        x = self.take()
        return g * 0.2 * ((x > -2.5) & (x < 2.5))


@right((4, 5))
class SoftmaxJacobian:
    def forward(self, x):
        self.p = softmax(x)
        return self.p

    def backward(self, g):
        return np.stack([(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(self.p, g)])


@right((4, 5))
class LogSoftmax:
    def forward(self, x):
        self.y = x - x.max(1, keepdims=True)
        self.y = self.y - np.log(np.exp(self.y).sum(1, keepdims=True))
        return self.y

    def backward(self, g):
        return g - np.exp(self.y) * g.sum(1, keepdims=True)


@right((8, 6))
class DropoutInverted(Layer):
    p = 0.3

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x, training=False):
        m = (self.rng.random(x.shape) > self.p) / (1 - self.p) if training else np.ones(x.shape)
        self.keep(m)
        return x * m

    def backward(self, g):
        return g * self.take()


@right((8, 6))
class DropoutClassic(Layer):
    """not inverted: scales in evaluation"""

    p = 0.3

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x, training=False):
        m = (self.rng.random(x.shape) > self.p) if training else np.full(x.shape, 1 - self.p)
        self.keep(m)
        return x * m

    def backward(self, g):
        return g * self.take()


@right((8, 6))
class DropoutGlobal:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x, train=True):
        if train:
            self.mask = np.random.rand(*x.shape) < self.p
            return x * self.mask / self.p
        self.mask = None
        return x

    def backward(self, g):
        return g if self.mask is None else g * self.mask / self.p


@right((5, 4))
class ResidualRight(Affine):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x, training=False):
        return super().forward(x, training) + x

    def backward(self, g):
        return super().backward(g) + g


@right((2, 3, 4, 2))
class FlattenRight:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, g):
        return g.reshape(self.shape)


@right((4, 6))
class GLU:
    def forward(self, x):
        self.a, self.b = np.split(x, 2, 1)
        self.s = 1 / (1 + np.exp(-self.b))
        return self.a * self.s

    def backward(self, g):
        return np.hstack([g * self.s, g * self.a * self.s * (1 - self.s)])


@right((3, 4, 5))
class SelfAttention:
    def forward(self, x):
        self.x = x
        self.p = softmax(x @ x.transpose(0, 2, 1) / 5**0.5, 2)
        return self.p @ x

    def backward(self, g):
        dp = g @ self.x.transpose(0, 2, 1)
        ds = self.p * (dp - (dp * self.p).sum(2, keepdims=True)) / 5**0.5
        return self.p.transpose(0, 2, 1) @ g + ds @ self.x + ds.transpose(0, 2, 1) @ self.x


# ------------------------------------------------- losses
@right(loss=(5, 7))
class CERight(Loss):
    def forward(self, z, t):
        self._kept = (z, t)
        m = z.max(1, keepdims=True)
        return float((np.log(np.exp(z - m).sum(1)) + m[:, 0] - z[np.arange(len(t)), t]).mean())

    def backward(self):
        z, t = self.take()
        return (softmax(z) - onehot(t, z.shape[1])) / len(t)


@right(loss=(5, 7))
class CECourse:
    def __call__(self, outputs, targets):
        p = softmax(outputs)
        return -np.mean(np.log(p[np.arange(len(targets)), targets] + 1e-12))

    def grad(self, outputs, targets):
        p = softmax(outputs)
        p[np.arange(len(targets)), targets] -= 1
        return p / len(targets)


@right(loss=(5, 7))
class CESum:
    """summed, not averaged: legal when both agree"""

    def forward(self, z, t):
        self.p, self.t = softmax(z), t
        return -np.log(self.p[np.arange(len(t)), t] + 1e-300).sum()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(d)), self.t] -= 1
        return d


@right(loss=(5, 3), targets="numbers")
class MSEHalf(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(0.5 * ((y - t) ** 2).sum() / len(y))

    def backward(self):
        y, t = self.take()
        return (y - t) / len(y)


@right(loss=(5, 3), targets="numbers")
class MAERight(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        return float(np.abs(y - t).mean())

    def backward(self):
        y, t = self.take()
        return np.sign(y - t) / y.size


@right(loss=(5, 3), targets="numbers")
class Huber(Loss):
    def forward(self, y, t):
        self._kept = (y, t)
        d = np.abs(y - t)
        return float(np.where(d < 1, 0.5 * d * d, d - 0.5).mean())

    def backward(self):
        y, t = self.take()
        return np.clip(y - t, -1, 1) / y.size


@right(loss=(5, 7))
class HingeRight(Loss):
    def forward(self, z, t):
        n = np.arange(len(t))
        m = np.maximum(0, z - z[n, t][:, None] + 1)
        m[n, t] = 0
        self._kept = (m, t)
        return float(m.sum() / len(t))

    def backward(self):
        m, t = self.take()
        d = (m > 0) * 1.0
        d[np.arange(len(t)), t] = -d.sum(1)
        return d / len(t)


@right(loss=(5, 7))
class FocalLike(Loss):
    def forward(self, z, t):
        p = softmax(z)
        q = p[np.arange(len(t)), t] + 1e-12
        self._kept = (p, q, t)
        return float((-((1 - q) ** 2) * np.log(q)).mean())

    def backward(self):
        p, q, t = self.take()
        dq = 2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q
        d = -p * (q * dq)[:, None]
        d[np.arange(len(t)), t] += q * dq
        return d / len(t)


# ------------------------------------------------- rules
@right(formula="gradient_descent")
class SGDDict(RuleBase):
    def step(self, k, w, g):
        w -= self.lr * g


@right(formula="gradient_descent")
class SGDCourse:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def initialise(self, params):
        self.params = params

    def reset(self):
        pass

    def update_params(self, grads_wrt_params):
        for p, g in zip(self.params, grads_wrt_params):
            p -= self.learning_rate * g


@right(formula="momentum")
class MomentumLrInside(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        v *= self.momentum
        v -= self.lr * g
        w += v


@right(formula="momentum")
def momentum_function(w, dw, config=None):
    config = config or {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


@right(formula="nesterov")
class NesterovCourse(RuleBase):
    def step(self, k, w, g):
        v = self.slot(k, "v", w)
        prev = v.copy()
        v *= self.momentum
        v -= self.lr * g
        w += -self.momentum * prev + (1 + self.momentum) * v


@right(formula="adam")
class AdamEfficient(RuleBase):
    def step(self, k, w, g):
        m, v = self.slot(k, "m", w), self.slot(k, "v", w)
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        w -= self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t) * m / (np.sqrt(v) + self.eps)


@right(formula="adam")
def adam_function(w, dw, config=None):
    if config is None:
        config = {}
    for k, d in (("learning_rate", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("epsilon", 1e-8), ("t", 0)):
        config.setdefault(k, d)
    m, v = config.setdefault("m", np.zeros_like(w)), config.setdefault("v", np.zeros_like(w))
    config["t"] += 1
    b1, b2, t = config["beta1"], config["beta2"], config["t"]
    m = config["m"] = b1 * m + (1 - b1) * dw
    v = config["v"] = b2 * v + (1 - b2) * dw**2
    return w - config["learning_rate"] * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + config["epsilon"]), config


@right(formula="adam")
class AdamReturns:
    def __init__(self, lr=0.01):
        self.lr, self.m, self.v, self.t = lr, None, None, 0

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = {k: 0 * a for k, a in params.items()}, {k: 0 * a for k, a in params.items()}
        self.t += 1
        out = {}
        for k in params:
            self.m[k] = 0.9 * self.m[k] + 0.1 * grads[k]
            self.v[k] = 0.999 * self.v[k] + 0.001 * grads[k] ** 2
            out[k] = params[k] - self.lr * self.m[k] / (1 - 0.9**self.t) / (
                np.sqrt(self.v[k] / (1 - 0.999**self.t)) + 1e-8
            )
        return out


@right(formula="adagrad")
class AdagradDict(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s += g**2
        w -= self.lr * g / np.sqrt(s + 1e-8)


@right(formula="rmsprop")
class RMSPropDict(RuleBase):
    def step(self, k, w, g):
        s = self.slot(k, "s", w)
        s *= self.decay
        s += (1 - self.decay) * g**2
        w -= self.lr * g / (np.sqrt(s) + self.eps)
