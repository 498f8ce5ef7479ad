"""Gradients, steps and units: why the loss stays where it is, or goes to infinity."""

import math

import numpy as np

from mlp.diagnostics.symptoms.findings import Finding, Observations
from mlp.typing import Array

VANISHING, EXPLODING = 1e-6, 1e4  # |dL/dy| at the first layer, divided by that at the last
DEAD = 0.5  # of the units of a layer, and of the numbers in a gradient that are zero
LARGE_STEP, LEAP = 0.3, 1.5  # |change| / |weights|, and the highest loss divided by the first


def vanishing_gradients(seen: Observations) -> Finding | None:
    """The gradient dies on its way from the last layer to the first, and the network does not learn.

    (Adam makes up for a factor of a million, as long as it is the same in every step.)
    """
    table = seen.start["gradient_signal"]
    signal = table["l2"][0]  # (layers,)
    if seen.learns or not signal[0] <= VANISHING * signal[-1]:
        return None
    return Finding("vanishing gradients", describe_gradient(table.names, signal))


def exploding_gradients(seen: Observations) -> Finding | None:
    """The gradient grows on its way from the last layer to the first, or numbers overflow before it arrives."""
    table = seen.start["gradient_signal"]
    signal = table["l2"][0]  # (layers,)
    if not np.isfinite(signal).all():
        evidence = f"already in the first batch numbers overflow: {seen.failure or 'the gradient is not finite.'}"
        return Finding("exploding gradients", evidence)
    if signal[0] < EXPLODING * signal[-1]:
        return None
    return Finding("exploding gradients", describe_gradient(table.names, signal))


def describe_gradient(names: list[str], signal: Array) -> str:
    """Return the size of the gradient at both ends as a sentence."""
    return (
        f"before any step |dL/dy| is {signal[-1]:.1e} at the last layer, {names[-1]!r}, and {signal[0]:.1e} at the "
        f"first, {names[0]!r}."
    )


def learning_rate_too_large(seen: Observations) -> Finding | None:
    """Steps as large as the weights, and a loss that leaps up."""
    tables = [table for table in (seen.start.get("update_ratio"), seen.history.tables.get("update_ratio")) if table]
    ratios = [np.median(row) for table in tables for row in table["update_ratio"]]  # of the weight tensors
    ratio, first, peak = max(ratios, default=math.inf), seen.losses[0], max(seen.losses)
    if not ratio >= LARGE_STEP or not (peak > LEAP * first or seen.failure):
        return None
    leap = f"the loss leaped from {first:.3g} to {peak:.3g}" + (" and on to infinity" if seen.failure else "")
    evidence = f"a step changed the weights by {ratio:.0%} of their size (0.1 to 1 % is usual), and {leap}."
    return Finding("learning rate too large", evidence)


def dead_units(seen: Observations) -> Finding | None:
    """Half of a layer's units are below the kink for every image, and half of the gradient of some weights is zero."""
    activations, flow = seen.history.tables.get("activations"), seen.history.gradient_flow
    if activations is None or flow is None:
        return None
    dead, zeros = activations["dead"][-1], flow["zeros"][-1]  # (layers,), (weight tensors,)
    worst = int(np.nanargmax(dead)) if np.isfinite(dead).any() else 0
    if not dead[worst] >= DEAD or zeros.max() < DEAD:
        return None
    still = flow.names[int(zeros.argmax())]
    evidence = (
        f"{dead[worst]:.0%} of the units of {activations.names[worst]!r} give nothing for any image of a batch, and "
        f"{zeros.max():.0%} of the gradient of {still!r} is exactly zero."
    )
    return Finding("dead units", evidence)


def no_learning(seen: Observations) -> Finding:
    """The loss stays at chance, and nothing says why."""
    evidence = (
        f"after {len(seen.losses)} steps the loss is {seen.last_loss:.3f}, where a network that knows nothing has "
        f"log {seen.classes} = {seen.chance:.3f}; signals, gradients, steps and labels look sound."
    )
    return Finding("no learning", evidence)
