"""The table of layers whose formulas are known: the words of their names, what they compute, usual mistakes."""

from mlp.diagnostics.gradients.references.attention import attention, wrong_attention
from mlp.diagnostics.gradients.references.graphs import GRAPH_CONVOLUTION
from mlp.diagnostics.gradients.references.images.moved import (
    affine,
    between_groups,
    bilinear,
    excited,
    flattened,
    highway,
    separable,
    shuffled,
    unshuffled,
    wider,
    wrong_padding,
    wrong_shuffling,
)
from mlp.diagnostics.gradients.references.images.pools import mistaken_pools, pools
from mlp.diagnostics.gradients.references.images.upsampling import upsampled, wrong_upsampling
from mlp.diagnostics.gradients.references.images.windows import (
    all_convolutions,
    transposed_convolutions,
    wrong_convolutions,
    wrong_transposed_convolutions,
)
from mlp.diagnostics.gradients.references.masked_means import MASKED_MEAN
from mlp.diagnostics.gradients.references.normalization import of_neighbours, wrong_neighbours
from mlp.diagnostics.gradients.references.products import (
    cosines,
    gated,
    leaky,
    maxout,
    of_unit_length,
    with_normed_weights,
    wrong_cosine,
    wrong_gated,
    wrong_leaky,
    wrong_maxout,
    wrong_unit_length,
)
from mlp.diagnostics.gradients.references.recurrent import recurrent, wrong_directions
from mlp.diagnostics.gradients.references.sequences import POSITIONAL, embedded, rotated, wrong_embedding
from mlp.diagnostics.gradients.references.subject import NamedLayer

SIZES = "n values, windows of k, stride s and padding p give floor((n + 2 p - k) / s) + 1 outputs"
NAMED_LAYERS = (
    NamedLayer(
        "a transposed convolution",
        r"(conv\w*transposed?|transposed?conv\w*|deconv\w*|transposed?)",
        r"conv\w*",
        transposed_convolutions,
        "input i adds its value times the kernel to the outputs from i * stride on, then comes the bias",
        sure=True,
        sizes="n inputs give (n - 1) s - 2 p + k outputs",
        mistakes=wrong_transposed_convolutions,
    ),
    NamedLayer(
        "a separable convolution",
        r"separable",
        r"depthwise|conv\w*",
        separable,
        "one kernel for each channel, then a matrix from channels to channels, plus the bias",
    ),
    NamedLayer(
        "a convolution",
        r"(conv|convolution|convolutional|correlation|convnd)",
        r"depthwise|pointwise|grouped|group|dilated|atrous|causal",
        all_convolutions,
        "output i is the sum of kernel times inputs from i * stride on, plus the bias",
        sure=True,
        sizes=SIZES,
        mistakes=wrong_convolutions,
    ),
    NamedLayer(
        "a pooling",
        r"(max|avg|average|mean|min|sum|lp|l|global|gap)?(pool|pooling|maxpool|maxpooling|avgpool|avgpooling)|over",
        r"max|avg|average|mean|min|sum|lp|l|power|global|adaptive|spatial|masked|time|temporal|non|overlapping",
        pools,
        "output i is the largest (or the mean, or the p-norm (sum |x|^p)^(1/p)) of the values from i * stride on",
        sure=True,
        sizes=SIZES,
        mistakes=mistaken_pools,
    ),
    MASKED_MEAN,
    GRAPH_CONVOLUTION,
    NamedLayer(
        "an attention layer",
        r"(\w*attention|mha|attn)",
        r"multi|head|multihead|self|causal|masked|scaled|dot|product|single|qkv|cross|heads|grouped|query|queries",
        attention,
        "softmax(q k^T / sqrt(d)) v for each head, d being the size of one head",
        mistakes=wrong_attention,
    ),
    *(
        NamedLayer(
            f"{'an' if key != 'gru' else 'a'} {title}",
            rf"(bi)?{key}",
            r"bi|bidirectional|cell|step|vanilla|elman|unit|network|sequence",
            recurrent,
            rule,
            mistakes=wrong_directions,
        )
        for key, title, rule in (
            (
                "lstm",
                "LSTM",
                "c' = f c + i g and h' = o tanh(c'), f, i and o being sigmoids and g a tanh of x W + h U + b",
            ),
            ("gru", "GRU", "h' = (1 - z) n + z h, n = tanh(x W + (r h) U + b), z and r being sigmoids"),
            ("(rnn|recurrent)", "RNN", "h' = tanh(x W + h U + b), h being the state of the step before"),
        )
    ),
    NamedLayer(
        "an upsampling",
        r"(up|upsamplex?|upsampling|upsampler|upscale|upsamplenearest|unpool)",
        r"nearest|neighbou?r|bilinear|linear|sample|sampling",
        upsampled,
        "every pixel becomes a block of s x s pixels; a (bi)linear one gives weighted means of the nearest pixels",
        sure=True,
        mistakes=wrong_upsampling,
    ),
    NamedLayer(
        "a space to depth",
        r"(spacetodepth|pixelunshuffle|unshuffle)",
        r"pixel",
        unshuffled,
        "a block of r x r pixels becomes r * r channels of one pixel, row by row",
        mistakes=wrong_shuffling,
    ),
    NamedLayer(
        "a channel shuffle", r"channelshuffle", r"groups?", between_groups, "(G, C // G) becomes (C // G, G)", sure=True
    ),
    NamedLayer(
        "a pixel shuffle",
        r"(pixelshuffle|shuffle|depthtospace)",
        r"pixel|subpixel",
        shuffled,
        "the r * r channels of a pixel become a block of r x r pixels, row by row",
        mistakes=wrong_shuffling,
    ),
    NamedLayer(
        "a padding",
        r"(zeropad|pad|padding|zeropadding|reflectionpad|reflectpad)",
        r"zeros?|reflect|reflection|replication|replicate|edge|circular|symmetric|constant|periodic",
        wider,
        "p values more at both ends of each axis of the image",
        sure=True,
        mistakes=wrong_padding,
    ),
    NamedLayer("a flattening", r"(flatten|flattening)", r"images?", flattened, "(N, ...) as (N, D)", sure=True),
    NamedLayer(
        "a rotary encoding",
        r"(rotary|rope|ro)",
        r"rotary|positional|position|embedding|encoding|pe",
        rotated,
        "the pair (a, b) becomes (a cos - b sin, a sin + b cos), the angle of step t being t / 10000^(2 i / d)",
        sure=True,
    ),
    POSITIONAL,
    NamedLayer(
        "an embedding",
        r"embedding",
        r"word|words|token|tokens|lookup|table|scaled|padding|index",
        embedded,
        "index i gives row i of the table",
        mistakes=wrong_embedding,
    ),
    NamedLayer(
        "a PReLU",
        r"prelu",
        r"parametric|shared",
        leaky,
        "x where x > 0, and the learned slope times x where x < 0",
        sure=True,
        mistakes=wrong_leaky,
    ),
    NamedLayer("a maxout", r"maxout", r"unit|network", maxout, "the largest of several x W + b", mistakes=wrong_maxout),
    NamedLayer("a bilinear layer", r"bilinear", r"form|product|interaction", bilinear, "y_k = a^T W_k b + bias_k"),
    NamedLayer(
        "a local response normalization",
        r"(lrn|response|localresponsenorm)",
        r"local|norm|normali[sz]ation|cross|across",
        of_neighbours,
        "x / (k + alpha s)^beta (or alpha / n for alpha), s being the sum of x^2 over the n channels around",
        mistakes=wrong_neighbours,
    ),
    NamedLayer(
        "a cosine layer",
        r"cosine",
        r"similarity|linear|normali[sz]ed|classifier|dense|head|norm",
        cosines,
        "x w / (|x| |w|) for each row of x and the weights of each output",
        mistakes=wrong_cosine,
    ),
    NamedLayer(
        "a layer with weight normalization",
        r"(weight|weightnorm|weightnormali[sz]ed|wn)",
        r"norm|normed|normali[sz](ed|ation)|linear|affine|dense|fc",
        with_normed_weights,
        "x (g v / |v|) + b, |v| being the length of the weights of each output alone, and g one gain for each",
        sure=True,
    ),
    NamedLayer(
        "a normalization to length 1",
        r"(norm|normali[sz](e|er|ed|ation)|scalenorm)",
        r"l|unit|length|rows?|vectors?|scale",
        of_unit_length,
        "x / |x|, |x| being the root of the sum of squares of each sample",
        mistakes=wrong_unit_length,
    ),
    NamedLayer(
        "an affine layer",
        r"(affine|linear|dense|fc|fullyconnected)",
        r"fully|connected|temporal|time|distributed|per|step|token|position|wise",
        affine,
        "x W + b",
        sure=True,
        activated=True,
    ),
    *(
        NamedLayer(
            f"a {title}",
            word,
            r"gated|linear|unit|ffn|mlp|block",
            gated,
            f"one part of the features (or one x W) times the gate {gate} of the other one",
            sure=True,
            mistakes=wrong_gated,
        )
        for word, title, gate in (
            ("glu", "gated linear unit", "sigmoid(b)"),
            ("swiglu", "SwiGLU", "b sigmoid(b)"),
            ("geglu", "GEGLU", "gelu(b), with its 0.5,"),
            ("reglu", "ReGLU", "max(b, 0)"),
        )
    ),
    NamedLayer(
        "a highway layer", r"highway", r"network|unit|block", highway, "t h + (1 - t) x with t = sigmoid(x W + b)"
    ),
    NamedLayer(
        "a squeeze and excitation",
        r"(se|squeeze|squeezeexcite|squeezeexcitation|seblock|excitation)",
        r"squeeze|excite|excitation|block|and",
        excited,
        "x times sigmoid(relu(m W1 + b1) W2 + b2), m being the mean of each channel",
    ),
)
