"""Wrong answers to the exercises of the lessons, as students give them: a check must refuse each and help.

(lesson, exercise): [(what stands in the solution, what a student wrote instead, words of the check's answer)]
"""

SOFTMAX = "np.exp(z / T) / np.exp(z / T).sum(axis=1, keepdims=True)"

WRONG_ANSWERS = {
    ("00", 1): [
        ("np.round(255.0 * (x * std + mean))", "255.0 * (x * std + mean)", "did you round"),
        ("x * std + mean", "(x + mean) * std", "reverse order"),
    ],
    ("00", 2): [(" + 32", "", "bias")],
    ("00", 3): [("(guesses[targets == k] == k)", "((guesses == k) & (targets == k))", "weighted by the size")],
    ("01", 1): [("(N * E) * (N * D)", "N * E * D", "entries"), ("1 / N", "1 / D", "are not 0")],
    ("01", 2): [("grad_outputs * b, grad_outputs * a", "grad_outputs * a, grad_outputs * b", "FAILED")],
    ("01", 3): [("/ (N * T)", "/ N", "the gradient is 3 times"), ("softmax(z / T)", SOFTMAX, "finite")],
    ("01", 4): [("(g @ W.T) * (1.0 - h**2)", "g @ W.T", "dL/dW of layer 0 is off by")],
    ("02", 1): [
        ("np.maximum(x, 0.0) + np.log1p(np.exp(-abs(x)))", "np.log(1.0 + np.exp(x))", "overflows"),
        (" * 0.5  # the sigmoid", "", "2 times what it should be"),
    ],
    ("02", 2): [
        ("grad_outputs * np.minimum(x, 0.0)", "grad_outputs * x", "slope"),
        ("return x > 0", "return x > 9", "branches"),
    ],
    ("02", 3): [("grad_outputs.sum(axis=0)  #", "grad_outputs.mean(axis=0)  #", "mean over the batch")],
    ("02", 4): [("grad_outputs - y * (grad_outputs * y)", "grad_outputs - (grad_outputs * y)", "FAILED")],
    ("03", 1): [
        ("// stride + 1", "// stride", "you say 31"),
        ("padding_that_keeps = 1", "padding_that_keeps = 0", "become 30"),
    ],
    ("03", 2): [("@ kernel[u, v]", "@ kernel[-1 - u, v]", "u = 0, v = 0")],
    ("03", 3): [("+= windows", "= windows", "FAILED")],
    ("03", 4): [("g[0, OH // 2, OW // 2]", "g[0, OH // 2 - 1, OW // 2]", "rows and columns")],
    ("04", 1): [
        ("x - x.mean(axis=1, keepdims=True)", "x - x.mean(axis=0, keepdims=True)", "should have mean 0"),
        (" - x_hat * along", "", "variance"),
    ],
    ("04", 2): [
        ("(conv.bias.data - norm.running_mean)", "conv.bias.data", "the bias is wrong"),
        ("conv.weight.data * scale", "conv.weight.data", "the kernel is not"),
    ],
    ("04", 3): [
        ("outputs_times = 1", "outputs_times = 10", "outputs"),
        ("1 / 10", "10", "gradient of the weights is not 10"),
    ],
    ("04", 4): [
        ("with mlp.layers.frozen_buffers(model):", "if True:", "running statistics have moved"),
        ("right / len(images)", "right / (batch_size * -(-len(images) // batch_size))", "batch size must not matter"),
    ],
    ("05", 1): [("2.0 / np", "1.0 / np", "Too small"), ("eigvalsh(H).max()", "eigvalsh(H).min()", "Too large")],
    ("05", 2): [("np.sign(gradient)", "gradient", "FAILED")],
    ("05", 3): [("epochs(all_epochs - warm_epochs)", "epochs(all_epochs)", "How many steps are left")],
    ("05", 4): [("4.0 * loss", "2.0 * loss", "(3) makes a loss of")],
    ("06", 1): [
        ("(1 + slope**2) / 2 * gain", "gain / 2", "was measured"),
        ("gain_for_relu = 2.0", "gain_for_relu = 1.0", "0.7"),
    ],
    ("06", 2): [("return model.initialize(seed)", "return model", "drawn again")],
    ("06", 3): [("math.log(factor)) + 1", "math.log(factor))", "one layer before")],
    ("06", 4): [
        ("h * g / (g + eps)", "h * g / eps", "Adam moves by"),
        ("half_gradient = 1e-8", "half_gradient = 1.0", "not half"),
    ],
    ("07", 1): [("self.body.backward(grad_outputs) + grad_outputs", "self.body.backward(grad_outputs)", "FAILED")],
    ("07", 2): [("math.comb(blocks, k) * j**k", "j**k", "add up to 1")],
    ("07", 3): [('"norm_1.gamma"', '"norm_0.gamma"', "that of norm_1")],
    ("07", 4): [("+ 1", "", "is left, not <")],
    ("08", 1): [("8 * p", "4 * p", "standard errors")],
    ("08", 2): [("10 ** rng.uniform(-4, -1)", "rng.uniform(1e-4, 1e-1)", "a third of the draws")],
    ("08", 3): [(".max(axis=1)", ".max(axis=0)", "you say")],
    ("08", 4): [(" - error", "", "look again at [0.1]")],
    ("09", 1): [("s + y * (1.0 - s)", "s", "product rule")],
    ("09", 2): [("(1.0 - p) + p / n", "p / n", "times as fast"), ("limit = 10.0", "limit = 9.0", "let n become large")],
    ("09", 3): [("* C * F", "* C", "you say")],
    ("09", 4): [("statistics.median(ratios)", "statistics.median(a) / statistics.median(b)", "their median is not 2")],
    ("10", 1): [("not all(math.isfinite(norm) for norm in norms) or ", "", "[nan, 1.0, 1.0] should give")],
    ("10", 2): [("inputs.max(", "inputs.mean(", "all ten channels live")],
    ("10", 3): [("> 0.01 *", "> 1e9 *", "you found []")],
    ("10", 4): [('"D": "exploding gradients"', '"D": "dead units"', "look again at D")],
    ("11", 1): [("d * own / (drawn + 1e-10)", "d * own", "have lengths")],
    ("11", 2): [("return max(changes)", "return min(changes)", "for all three together")],
    ("11", 3): [("beta / factor**2", "beta / factor", "beta is")],
    ("11", 4): [("level = loss[0] + 1", "level = 1", "for a loss of 3 + 4 x")],
    ("12", 1): [
        ("gradients / np.linalg.norm(gradients, axis=1, keepdims=True)", "gradients", "the mean is 1.000, not 2")
    ],
    ("12", 2): [("1 + alpha**2 / 2", "1 + alpha / 2", "a block with random masks leaves")],
    ("12", 3): [(".all(axis=1)", ".any(axis=1)", "you get")],
    ("12", 4): [("+ 1", "", "one layer before it")],
}
