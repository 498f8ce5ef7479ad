"""Other choices that Lion can make, see `families.Signs`, and what each of them means."""

from mlp.diagnostics.rules.choices.velocity import Choice

LION: tuple[Choice, ...] = (
    ("sign forgotten", "the step is made with the mix itself, and must be made with its sign", {"sign": False}),
    (
        "mean too early",
        "the mean is brought up to date before the step; the step takes the old one: b1 m_old + (1 - b1) g",
        {"late": True},
    ),
    (
        "mean in place of the mix",
        "the step takes the sign of the mean m; it must mix in g: b1 m + (1 - b1) g",
        {"mix": "m"},
    ),
    ("mean in place of the mix", "the step takes the sign of g alone: b1 m + (1 - b1) g", {"mix": "g"}),
    ("one beta for both", "the mean is updated with b1; it has its own b2", {"mean": "b1 m + (1 - b1) g"}),
    ("one beta for both", "the mix is made with b2; it has its own b1", {"mix": "b2 m + (1 - b2) g"}),
    (
        "betas exchanged",
        "b1 and b2 are exchanged: b1 belongs to the mix, b2 to the mean",
        {"mix": "b2 m + (1 - b2) g", "mean": "b1 m + (1 - b1) g"},
    ),
    ("weights exchanged", "b1 and 1 - b1 are exchanged in the mix", {"mix": "(1 - b1) m + b1 g"}),
    ("weights exchanged", "b2 and 1 - b2 are exchanged in the mean", {"mean": "(1 - b2) m + b2 g"}),
    ("1 - b forgotten", "the gradient comes into the mean without 1 - b2", {"mean": "b2 m + g"}),
)
