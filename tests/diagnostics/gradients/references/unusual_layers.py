"""Right layers in the styles of many hands, for checks that must pass, and with one change must not."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class Conv2D:
    """NHWC, filters (kh, kw, C, F)."""

    def __init__(self, cin, cout, k, strides=(1, 1), padding=0):
        r = np.random.RandomState(1)
        self.filters = r.randn(*k, cin, cout) * 0.3
        self.bias = r.randn(cout)
        self.strides, self.padding = strides, padding

    def forward(self, x):
        p = self.padding
        self.xp = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        kh, kw, _, f = self.filters.shape
        sh, sw = self.strides
        n, h, w, _ = self.xp.shape
        oh = (h - kh) // sh + 1
        ow = (w - kw) // sw + 1
        y = np.zeros((n, oh, ow, f))
        for a in range(oh):
            for b in range(ow):
                win = self.xp[:, a * sh : a * sh + kh, b * sw : b * sw + kw, :]
                y[:, a, b, :] = np.tensordot(win, self.filters, axes=3) + self.bias
        return y

    def backward(self, g):
        kh, kw, _, f = self.filters.shape
        sh, sw = self.strides
        self.dfilters = np.zeros_like(self.filters)
        dxp = np.zeros_like(self.xp)
        for a in range(g.shape[1]):
            for b in range(g.shape[2]):
                win = self.xp[:, a * sh : a * sh + kh, b * sw : b * sw + kw, :]
                self.dfilters += np.tensordot(win, g[:, a, b, :], axes=(0, 0))
                dxp[:, a * sh : a * sh + kh, b * sw : b * sw + kw, :] += np.tensordot(
                    g[:, a, b, :], self.filters, axes=(1, 3)
                )
        self.dbias = g.sum(axis=(0, 1, 2))
        p = self.padding
        return dxp[:, p : dxp.shape[1] - p, p : dxp.shape[2] - p, :]


class Deconv2d:
    """Transposed convolution (N, C, H, W), weight (C, F, k, k)."""

    def __init__(self, c, f, k, stride):
        r = np.random.RandomState(1)
        self.W = r.randn(c, f, k, k) * 0.3
        self.b = r.randn(f)
        self.k, self.stride = k, stride

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        s, k = self.stride, self.k
        y = np.zeros((n, self.W.shape[1], (h - 1) * s + k, (w - 1) * s + k))
        for i in range(h):
            for j in range(w):
                y[:, :, i * s : i * s + k, j * s : j * s + k] += np.einsum("nc,cfkl->nfkl", x[:, :, i, j], self.W)
        return y + self.b[None, :, None, None]

    def backward(self, dy):
        s, k = self.stride, self.k
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        self.db = dy.sum(axis=(0, 2, 3))
        for i in range(dx.shape[2]):
            for j in range(dx.shape[3]):
                win = dy[:, :, i * s : i * s + k, j * s : j * s + k]
                dx[:, :, i, j] = np.einsum("nfkl,cfkl->nc", win, self.W)
                self.dW += np.einsum("nc,nfkl->cfkl", self.x[:, :, i, j], win)
        return dx


class CausalConv1d:
    """x (N, C, T); pads in front only; dilation."""

    def __init__(self, cin, cout, kernel_size, dilation=1):
        r = np.random.RandomState(3)
        self.weight = r.randn(cout, cin, kernel_size) * 0.4
        self.bias = r.randn(cout)
        self.dilation = dilation

    def forward(self, x):
        K, d = self.weight.shape[2], self.dilation
        self.pad = (K - 1) * d
        T = x.shape[2]
        self.xp = np.pad(x, ((0, 0), (0, 0), (self.pad, 0)))
        out = np.zeros((x.shape[0], self.weight.shape[0], T))
        for k in range(K):
            out += np.einsum("nct,fc->nft", self.xp[:, :, k * d : k * d + T], self.weight[:, :, k])
        return out + self.bias[:, None]

    def backward(self, dout):
        K, d, T = self.weight.shape[2], self.dilation, dout.shape[2]
        self.dweight = np.zeros_like(self.weight)
        dxp = np.zeros_like(self.xp)
        for k in range(K):
            self.dweight[:, :, k] = np.einsum("nft,nct->fc", dout, self.xp[:, :, k * d : k * d + T])
            dxp[:, :, k * d : k * d + T] += np.einsum("nft,fc->nct", dout, self.weight[:, :, k])
        self.dbias = dout.sum(axis=(0, 2))
        return dxp[:, :, self.pad :]


class MaxPool:
    """x (N, C, H, W), windows size x size moved by stride."""

    def __init__(self, size=2, stride=2):
        self.size, self.stride = size, stride

    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        k, s = self.size, self.stride
        OH, OW = 1 + (H - k) // s, 1 + (W - k) // s
        out = np.empty((N, C, OH, OW))
        for i in range(OH):
            for j in range(OW):
                out[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].max(axis=(2, 3))
        self.out = out
        return out

    def backward(self, dout):
        k, s = self.size, self.stride
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                win = self.x[:, :, i * s : i * s + k, j * s : j * s + k]
                mask = win == self.out[:, :, i, j][:, :, None, None]
                mask = mask / mask.sum(axis=(2, 3), keepdims=True)
                dx[:, :, i * s : i * s + k, j * s : j * s + k] += mask * dout[:, :, i, j][:, :, None, None]
        return dx


class GlobalAvgPool2d:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        N, C, H, W = self.shape
        return np.ones(self.shape) * dout[:, :, None, None] / (H * W)


class SelfAttention:
    """Single head with biases; x (N, T, D)."""

    def __init__(self, d_in, d_out):
        r = np.random.RandomState(5)
        self.Wq, self.Wk, self.Wv = (r.randn(d_in, d_out) * 0.5 for _ in range(3))
        self.bq, self.bk, self.bv = (r.randn(d_out) for _ in range(3))

    def forward(self, x):
        self.x = x
        self.q = x @ self.Wq + self.bq
        self.k = x @ self.Wk + self.bk
        self.v = x @ self.Wv + self.bv
        self.scale = 1 / np.sqrt(self.q.shape[-1])
        s = np.einsum("nid,njd->nij", self.q, self.k) * self.scale
        s = s - s.max(axis=-1, keepdims=True)
        e = np.exp(s)
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.p @ self.v

    def backward(self, dy):
        dv = self.p.transpose(0, 2, 1) @ dy
        dp = dy @ self.v.transpose(0, 2, 1)
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True)) * self.scale
        dq, dk = ds @ self.k, ds.transpose(0, 2, 1) @ self.q
        dx = 0
        for n, g in (("q", dq), ("k", dk), ("v", dv)):
            setattr(self, "dW" + n, np.einsum("nti,ntj->ij", self.x, g))
            setattr(self, "db" + n, g.sum(axis=(0, 1)))
            dx = dx + g @ getattr(self, "W" + n).T
        return dx


class CausalMultiHeadAttention:
    """Fused qkv (D, 3D), heads contiguous, x (N, T, D)."""

    def __init__(self, dim, n_heads):
        r = np.random.RandomState(6)
        self.n_heads = n_heads
        self.W_qkv = r.randn(dim, 3 * dim) * 0.4
        self.W_out = r.randn(dim, dim) * 0.4

    def forward(self, x):
        N, T, D = x.shape
        h = self.n_heads
        self.x = x
        q, k, v = np.split(x @ self.W_qkv, 3, axis=-1)
        self.q, self.k, self.v = [a.reshape(N, T, h, D // h).transpose(0, 2, 1, 3) for a in (q, k, v)]
        scores = self.q @ self.k.transpose(0, 1, 3, 2) / np.sqrt(D // h)
        mask = np.tril(np.ones((T, T), dtype=bool))
        scores = np.where(mask, scores, -1e30)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        self.att = e / e.sum(-1, keepdims=True)
        self.merged = (self.att @ self.v).transpose(0, 2, 1, 3).reshape(N, T, D)
        return self.merged @ self.W_out

    def backward(self, dy):
        N, T, D = dy.shape
        h = self.n_heads
        self.dW_out = self.merged.reshape(-1, D).T @ dy.reshape(-1, D)
        dm = (dy @ self.W_out.T).reshape(N, T, h, D // h).transpose(0, 2, 1, 3)
        datt = dm @ self.v.transpose(0, 1, 3, 2)
        dv = self.att.transpose(0, 1, 3, 2) @ dm
        ds = self.att * (datt - (datt * self.att).sum(-1, keepdims=True)) / np.sqrt(D // h)
        dq, dk = ds @ self.k, ds.transpose(0, 1, 3, 2) @ self.q
        dqkv = np.concatenate([a.transpose(0, 2, 1, 3).reshape(N, T, D) for a in (dq, dk, dv)], axis=-1)
        self.dW_qkv = np.einsum("nti,ntj->ij", self.x, dqkv)
        return dqkv @ self.W_qkv.T


class VanillaRNN:
    """All states (N, T, H)."""

    def __init__(self, n_in, n_hid):
        r = np.random.RandomState(2)
        self.U, self.W, self.b = r.randn(n_in, n_hid) * 0.5, r.randn(n_hid, n_hid) * 0.5, r.randn(n_hid)

    def forward(self, x):
        N, T, _ = x.shape
        self.x = x
        self.hs = np.zeros((T + 1, N, len(self.b)))
        for t in range(T):
            self.hs[t + 1] = np.tanh(x[:, t] @ self.U + self.hs[t] @ self.W + self.b)
        return self.hs[1:].transpose(1, 0, 2).copy()

    def backward(self, dh):
        T = dh.shape[1]
        self.dU, self.dW, self.db = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.b)
        dx, dn = np.zeros_like(self.x), 0
        for t in reversed(range(T)):
            dz = (dh[:, t] + dn) * (1 - self.hs[t + 1] ** 2)
            self.dU += self.x[:, t].T @ dz
            self.dW += self.hs[t].T @ dz
            self.db += dz.sum(0)
            dx[:, t] = dz @ self.U.T
            dn = dz @ self.W.T
        return dx


class LSTM:
    """Gates one by one on [x, h]; returns the last h."""

    def __init__(self, D, H):
        r = np.random.RandomState(4)
        self.H = H
        self.p = {"W" + g: r.randn(D + H, H) * 0.4 for g in "ifoc"}
        self.p.update({"b" + g: r.randn(H) for g in "ifoc"})
        self.g = {}

    def forward(self, x):
        N, T, D = x.shape
        h, c = np.zeros((N, self.H)), np.zeros((N, self.H))
        self.steps, self.D, self.T = [], D, T
        for t in range(T):
            z = np.concatenate([x[:, t], h], axis=1)
            i, f, o = (sigmoid(z @ self.p["W" + k] + self.p["b" + k]) for k in "ifo")
            n = np.tanh(z @ self.p["Wc"] + self.p["bc"])
            c_old = c
            c = f * c_old + i * n
            h = o * np.tanh(c)
            self.steps.append((z, i, f, o, n, c_old, c))
        return h

    def backward(self, dh):
        self.g = {k: np.zeros_like(v) for k, v in self.p.items()}
        dc = 0
        dx = np.zeros((len(dh), self.T, self.D))
        for t in reversed(range(self.T)):
            z, i, f, o, n, c_old, c = self.steps[t]
            tc = np.tanh(c)
            dc = dc + dh * o * (1 - tc**2)
            pre = {
                "o": dh * tc * o * (1 - o),
                "f": dc * c_old * f * (1 - f),
                "i": dc * n * i * (1 - i),
                "c": dc * i * (1 - n**2),
            }
            dz = 0
            for k, d in pre.items():
                self.g["W" + k] += z.T @ d
                self.g["b" + k] += d.sum(0)
                dz = dz + d @ self.p["W" + k].T
            dx[:, t], dh = dz[:, : self.D], dz[:, self.D :]
            dc = dc * f
        return dx


class GRUCell:
    """h' = (1 - z) n + z h; x (N, T, D), all states."""

    def __init__(self, D, H):
        r = np.random.RandomState(7)
        self.H = H
        for g in "zrn":
            setattr(self, "W" + g, r.randn(D, H) * 0.4)
            setattr(self, "U" + g, r.randn(H, H) * 0.4)
            setattr(self, "b" + g, r.randn(H))

    def forward(self, x):
        N, T, D = x.shape
        h = np.zeros((N, self.H))
        self.x, self.steps, hs = x, [], []
        for t in range(T):
            z = sigmoid(x[:, t] @ self.Wz + h @ self.Uz + self.bz)
            r = sigmoid(x[:, t] @ self.Wr + h @ self.Ur + self.br)
            n = np.tanh(x[:, t] @ self.Wn + (r * h) @ self.Un + self.bn)
            self.steps.append((h, z, r, n))
            h = (1 - z) * n + z * h
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dhs):
        for g in "zrn":
            for k in ("W", "U", "b"):
                setattr(self, "d" + k + g, np.zeros_like(getattr(self, k + g)))
        dx, dh = np.zeros_like(self.x), 0
        for t in reversed(range(dhs.shape[1])):
            h, z, r, n = self.steps[t]
            x = self.x[:, t]
            dh = dh + dhs[:, t]
            dn = dh * (1 - z) * (1 - n**2)
            dz = dh * (h - n) * z * (1 - z)
            drh = dn @ self.Un.T
            dr = drh * h * r * (1 - r)
            new = dh * z + drh * r
            for g, d in (("z", dz), ("r", dr), ("n", dn)):
                setattr(self, "dW" + g, getattr(self, "dW" + g) + x.T @ d)
                setattr(self, "db" + g, getattr(self, "db" + g) + d.sum(0))
                hin = r * h if g == "n" else h
                setattr(self, "dU" + g, getattr(self, "dU" + g) + hin.T @ d)
                dx[:, t] += d @ getattr(self, "W" + g).T
            dh = new + dz @ self.Uz.T + dr @ self.Ur.T
        return dx


class SinusoidalPositionalEncoding:
    """Halves: sines first, then cosines; table made once."""

    def __init__(self, dim, max_len=50):
        pos = np.arange(max_len)[:, None]
        freq = np.exp(-np.log(10000.0) * np.arange(0, dim, 2) / dim)
        self.table = np.concatenate([np.sin(pos * freq), np.cos(pos * freq)], axis=1)

    def forward(self, x):
        return x + self.table[: x.shape[1]]

    def backward(self, g):
        return g


class BilinearUpsample:
    def __init__(self, factor):
        self.factor = factor

    def weights(self, n):
        out = n * self.factor
        pos = np.clip((np.arange(out) + 0.5) / self.factor - 0.5, 0, n - 1)
        lo = np.floor(pos).astype(int)
        hi = np.minimum(lo + 1, n - 1)
        M = np.zeros((out, n))
        M[np.arange(out), lo] += 1 - (pos - lo)
        M[np.arange(out), hi] += pos - lo
        return M

    def forward(self, x):
        self.A, self.B = self.weights(x.shape[2]), self.weights(x.shape[3])
        return np.einsum("ih,nchw,jw->ncij", self.A, x, self.B)

    def backward(self, g):
        return np.einsum("ih,ncij,jw->nchw", self.A, g, self.B)


class PixelShuffle:
    def __init__(self, r):
        self.r = r

    def forward(self, x):
        N, C, H, W = x.shape
        r = self.r
        self.shape = x.shape
        return x.reshape(N, C // r**2, r, r, H, W).transpose(0, 1, 4, 2, 5, 3).reshape(N, C // r**2, H * r, W * r)

    def backward(self, g):
        N, C, H, W = self.shape
        r = self.r
        return g.reshape(N, C // r**2, H, r, W, r).transpose(0, 1, 3, 5, 2, 4).reshape(self.shape)


class ZeroPad2d:
    def __init__(self, pad):
        self.pad = pad

    def forward(self, x):
        p = self.pad
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def backward(self, g):
        p = self.pad
        return g[:, :, p:-p, p:-p]


class Affine:
    """W (out, in)."""

    def __init__(self, a, b):
        r = np.random.RandomState(0)
        self.W, self.b = r.randn(b, a), r.randn(b)

    def forward(self, x):
        self.x = x.reshape(len(x), -1)
        self.shape = x.shape
        return self.x @ self.W.T + self.b

    def backward(self, g):
        self.dW, self.db = g.T @ self.x, g.sum(0)
        return (g @ self.W).reshape(self.shape)


class Highway:
    def __init__(self, d):
        r = np.random.RandomState(0)
        self.Wh, self.bh, self.Wt, self.bt = r.randn(d, d), r.randn(d), r.randn(d, d), r.randn(d)

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.Wh + self.bh)
        self.t = 1 / (1 + np.exp(-(x @ self.Wt + self.bt)))
        return self.t * self.h + (1 - self.t) * x

    def backward(self, g):
        dh = g * self.t * (1 - self.h**2)
        dt = g * (self.h - self.x) * self.t * (1 - self.t)
        self.dWh, self.dbh, self.dWt, self.dbt = self.x.T @ dh, dh.sum(0), self.x.T @ dt, dt.sum(0)
        return g * (1 - self.t) + dh @ self.Wh.T + dt @ self.Wt.T


class SEBlock:
    """x (N, C, H, W)."""

    def __init__(self, c, m):
        r = np.random.RandomState(0)
        self.W1, self.b1, self.W2, self.b2 = r.randn(c, m), r.randn(m), r.randn(m, c), r.randn(c)

    def forward(self, x):
        self.x = x
        self.s = x.mean(axis=(2, 3))
        self.a = np.maximum(0, self.s @ self.W1 + self.b1)
        self.g = 1 / (1 + np.exp(-(self.a @ self.W2 + self.b2)))
        return x * self.g[:, :, None, None]

    def backward(self, dy):
        dg = (dy * self.x).sum(axis=(2, 3)) * self.g * (1 - self.g)
        self.dW2, self.db2 = self.a.T @ dg, dg.sum(0)
        da = (dg @ self.W2.T) * (self.a > 0)
        self.dW1, self.db1 = self.s.T @ da, da.sum(0)
        ds = da @ self.W1.T
        return dy * self.g[:, :, None, None] + ds[:, :, None, None] / (self.x.shape[2] * self.x.shape[3])


class LayerNorm:
    """Over all of a sample's features."""

    def __init__(self, shape, eps=1e-5):
        self.gamma, self.beta, self.eps = np.ones(shape), np.zeros(shape), eps

    def forward(self, x):
        self.ax = tuple(range(1, x.ndim))
        mu = x.mean(axis=self.ax, keepdims=True)
        self.std = np.sqrt(((x - mu) ** 2).mean(axis=self.ax, keepdims=True) + self.eps)
        self.xh = (x - mu) / self.std
        return self.gamma * self.xh + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.xh).sum(0), g.sum(0)
        d = g * self.gamma
        return (
            d - d.mean(axis=self.ax, keepdims=True) - self.xh * (d * self.xh).mean(axis=self.ax, keepdims=True)
        ) / self.std


class GroupNorm:
    """NHWC; interleaved: channel c belongs to group c % G."""

    def __init__(self, groups, channels):
        self.groups = groups
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)

    def forward(self, x):
        N, H, W, C = x.shape
        r = x.reshape(N, H, W, C // self.groups, self.groups)
        mu = r.mean(axis=(1, 2, 3), keepdims=True)
        self.sd = np.sqrt(r.var(axis=(1, 2, 3), keepdims=True) + 1e-5)
        self.n = (r - mu) / self.sd
        return self.n.reshape(x.shape) * self.gamma + self.beta

    def backward(self, g):
        self.dgamma = (g * self.n.reshape(g.shape)).sum((0, 1, 2))
        self.dbeta = g.sum((0, 1, 2))
        u = (g * self.gamma).reshape(self.n.shape)
        m = {"axis": (1, 2, 3), "keepdims": True}
        return ((u - u.mean(**m) - self.n * (u * self.n).mean(**m)) / self.sd).reshape(g.shape)


class RMSNorm:
    def __init__(self, d, eps=1e-6):
        self.g, self.eps = np.ones(d), eps

    def forward(self, x):
        self.x = x
        self.inv = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps)
        return x * self.inv * self.g

    def backward(self, dy):
        d = self.x.shape[-1]
        self.dg = (dy * self.x * self.inv).reshape(-1, d).sum(0)
        u = dy * self.g
        return u * self.inv - self.x * self.inv**3 * (u * self.x).sum(-1, keepdims=True) / d


class GELU:
    def forward(self, x):
        self.x = x
        self.u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + np.tanh(self.u))

    def backward(self, g):
        x, t = self.x, np.tanh(self.u)
        du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


class Mish:
    def forward(self, x):
        self.x = x
        self.sp = np.log1p(np.exp(x))
        return x * np.tanh(self.sp)

    def backward(self, g):
        t = np.tanh(self.sp)
        s = 1 / (1 + np.exp(-self.x))
        return g * (t + self.x * (1 - t**2) * s)


class GLU:
    def forward(self, x):
        self.a, b = np.split(x, 2, axis=1)
        self.s = 1 / (1 + np.exp(-b))
        return self.a * self.s

    def backward(self, g):
        return np.concatenate([g * self.s, g * self.a * self.s * (1 - self.s)], axis=1)


class DenseBlock:
    def __init__(self, n, k):
        r = np.random.RandomState(0)
        self.W1, self.W2 = r.randn(n, k), r.randn(n + k, k)
        self.n, self.k = n, k

    def forward(self, x):
        self.x = x
        self.h1 = np.maximum(0, x @ self.W1)
        self.c1 = np.hstack([x, self.h1])
        self.h2 = np.maximum(0, self.c1 @ self.W2)
        return np.hstack([self.c1, self.h2])

    def backward(self, g):
        n, k = self.n, self.k
        dc1, dh2 = g[:, : n + k], g[:, n + k :]
        da2 = dh2 * (self.h2 > 0)
        self.dW2 = self.c1.T @ da2
        dc1 = dc1 + da2 @ self.W2.T
        dx, dh1 = dc1[:, :n], dc1[:, n:]
        da1 = dh1 * (self.h1 > 0)
        self.dW1 = self.x.T @ da1
        return dx + da1 @ self.W1.T


class Maxout:
    """x (N, D) to (N, H): the largest of P pieces."""

    def __init__(self, d, h, pieces):
        r = np.random.RandomState(0)
        self.W, self.b = r.randn(pieces, d, h), r.randn(pieces, h)

    def forward(self, x):
        self.x = x
        z = np.einsum("nd,pdh->pnh", x, self.W) + self.b[:, None]
        self.best = z.argmax(axis=0)
        return z.max(axis=0)

    def backward(self, g):
        dz = np.array([g * (self.best == p) for p in range(len(self.W))])
        self.dW = np.einsum("nd,pnh->pdh", self.x, dz)
        self.db = dz.sum(axis=1)
        return np.einsum("pnh,pdh->nd", dz, self.W)


class Bilinear:
    """Two halves of x (N, 2 D): y_k = a^T W_k b."""

    def __init__(self, d, k):
        self.d = d
        self.W = np.random.RandomState(0).randn(k, d, d)

    def forward(self, x):
        self.a, self.c = x[:, : self.d], x[:, self.d :]
        return np.einsum("ni,kij,nj->nk", self.a, self.W, self.c)

    def backward(self, g):
        self.dW = np.einsum("nk,ni,nj->kij", g, self.a, self.c)
        da = np.einsum("nk,kij,nj->ni", g, self.W, self.c)
        dc = np.einsum("nk,kij,ni->nj", g, self.W, self.a)
        return np.concatenate([da, dc], axis=1)


class InstanceNorm1d:
    """x (N, C, L)."""

    def __init__(self, c):
        self.gamma, self.beta = np.ones((1, c, 1)), np.zeros((1, c, 1))

    def forward(self, x):
        self.m = x.mean(2, keepdims=True)
        self.v = x.var(2, keepdims=True)
        self.x = x
        self.s = 1.0 / np.sqrt(self.v + 1e-5)
        return self.gamma * (x - self.m) * self.s + self.beta

    def backward(self, g):
        L = g.shape[2]
        xc = self.x - self.m
        self.dgamma = (g * xc * self.s).sum(axis=(0, 2), keepdims=True)
        self.dbeta = g.sum(axis=(0, 2), keepdims=True)
        d = g * self.gamma
        dvar = (d * xc).sum(2, keepdims=True) * -0.5 * self.s**3
        dmean = -(d * self.s).sum(2, keepdims=True)
        return d * self.s + dvar * 2 * xc / L + dmean / L


class CrossAttention:
    """Two inputs in one: the first 2 steps of x (N, T, D) ask, the others answer."""

    def __init__(self, d):
        r = np.random.RandomState(0)
        self.Wq, self.Wk, self.Wv = r.randn(d, d), r.randn(d, d), r.randn(d, d)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = x[:, :2] @ self.Wq, x[:, 2:] @ self.Wk, x[:, 2:] @ self.Wv
        s = self.q @ self.k.transpose(0, 2, 1) / np.sqrt(self.q.shape[-1])
        e = np.exp(s - s.max(-1, keepdims=True))
        self.a = e / e.sum(-1, keepdims=True)
        return self.a @ self.v

    def backward(self, g):
        da, dv = g @ self.v.transpose(0, 2, 1), self.a.transpose(0, 2, 1) @ g
        ds = self.a * (da - (da * self.a).sum(-1, keepdims=True)) / np.sqrt(self.q.shape[-1])
        dq, dk = ds @ self.k, ds.transpose(0, 2, 1) @ self.q
        d = self.x.shape[-1]
        self.dWq = self.x[:, :2].reshape(-1, d).T @ dq.reshape(-1, d)
        self.dWk = self.x[:, 2:].reshape(-1, d).T @ dk.reshape(-1, d)
        self.dWv = self.x[:, 2:].reshape(-1, d).T @ dv.reshape(-1, d)
        return np.concatenate([dq @ self.Wq.T, dk @ self.Wk.T + dv @ self.Wv.T], axis=1)
