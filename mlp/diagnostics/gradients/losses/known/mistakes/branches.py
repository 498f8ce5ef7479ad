"""The usual mistakes in losses that are made of two parts: Huber, quantile."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Wrong
from mlp.diagnostics.gradients.losses.known.values.differences import at_d, huber, of_d, quantile, sizes

HUBER: tuple[Wrong, ...] = (
    Wrong(
        "delta forgotten",
        "in the linear part, |d| > delta, the gradient is delta sign(d): the factor delta is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, np.sign(d))),
    ),
    Wrong(
        "limit of 1",
        "it goes over to the linear part at 1, and must do so at delta",
        of_d(lambda d, s: huber(d, {"delta": 1.0})),
    ),
    Wrong(
        "limit of 1",
        "it goes over to the linear part at 1, and must do so at delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= 1.0, d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "sign lost in the linear part",
        "the linear part lost the sign: its gradient is delta sign(d), not delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"])),
    ),
    Wrong(
        "parts exchanged",
        "the two parts are exchanged: d belongs where |d| <= delta, delta sign(d) where |d| > delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) > s["delta"], d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "linear part forgotten",
        "it is d everywhere: where |d| > delta the gradient is delta sign(d)",
        gradient=at_d(lambda d, s: d),
    ),
    Wrong(
        "linear part has no gradient",
        "where |d| > delta the gradient is 0, and must be delta sign(d)",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, 0.0)),
    ),
    Wrong(
        "factor 2 in the quadratic part",
        "where |d| <= delta it is 2 d: the loss has d^2/2 there, whose derivative is d",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 2.0 * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "factor 1/2 in the quadratic part",
        "where |d| <= delta it is d/2: the loss has d^2/2 there, whose derivative is d",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "delta times d in the linear part",
        "in the linear part, |d| > delta, the gradient is delta sign(d), not delta d: the sign is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"] * d)),
    ),
    Wrong(
        "delta twice",
        "in the linear part, |d| > delta, the gradient is delta sign(d), not delta^2 sign(d)",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"] ** 2 * np.sign(d))),
    ),
    Wrong(
        "delta not divided out",
        "the quadratic part is d^2 / (2 delta): its gradient is d / delta, the division by delta is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], s["delta"] * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d|, and must be delta (|d| - delta/2), so that both parts meet at |d| = delta",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * np.abs(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is |d| - delta/2, and must be delta (|d| - delta/2): the factor delta is missing",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, np.abs(d) - 0.5 * s["delta"])),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d| - delta/2, and must be delta (|d| - delta/2) = delta |d| - delta^2/2",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * (np.abs(d) - 0.5))),
    ),
    Wrong(
        "half forgotten",
        "the quadratic part is d^2, and must be d^2/2, so that both parts meet at |d| = delta",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d * d, s["delta"] * (np.abs(d) - 0.5 * s["delta"]))),
    ),
    Wrong(
        "parts exchanged",
        "the two parts are exchanged: d^2/2 belongs where |d| <= delta",
        of_d(lambda d, s: np.where(np.abs(d) > s["delta"], 0.5 * d * d, s["delta"] * (np.abs(d) - 0.5 * s["delta"]))),
    ),
)
QUANTILE: tuple[Wrong, ...] = (
    Wrong(
        "sides exchanged",
        "the two sides are exchanged: where the target is larger the gradient is -q, elsewhere 1 - q",
        of_d(lambda d, s: quantile(d, {"q": 1.0 - s["q"]})),
    ),
    Wrong(
        "sides exchanged",
        "where the target is larger the gradient is -q, elsewhere 1 - q; here it is 1 - q and -q",
        gradient=at_d(lambda d, s: np.where(d < 0.0, 1.0 - s["q"], -s["q"])),
    ),
    Wrong(
        "sign of one side",
        "where the target is larger the gradient is -q, not q: the sign of that side is wrong",
        gradient=at_d(lambda d, s: np.where(d < 0.0, s["q"], 1.0 - s["q"])),
    ),
    Wrong(
        "sign of one side",
        "where the output is larger the gradient is 1 - q, not q - 1: the sign of that side is wrong",
        gradient=at_d(lambda d, s: np.where(d < 0.0, -s["q"], s["q"] - 1.0)),
    ),
    Wrong(
        "q on both sides",
        "both sides have the weight q: where the output is larger it must be 1 - q",
        of_d(lambda d, s: s["q"] * np.abs(d)),
    ),
    Wrong(
        "one side alone",
        "where the output is larger the gradient is 0, and must be 1 - q",
        of_d(lambda d, s: np.maximum(-s["q"] * d, 0.0)),
    ),
    Wrong(
        "one side alone",
        "where the target is larger the gradient is 0, and must be -q",
        of_d(lambda d, s: np.maximum((1.0 - s["q"]) * d, 0.0)),
    ),
    Wrong("sides not asked for", "q has no effect: it is the gradient of the absolute error", of_d(sizes)),
)
