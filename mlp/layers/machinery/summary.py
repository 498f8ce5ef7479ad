"""The table that `model.summary()` returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlp.layers.machinery.probing import observed
from mlp.typing import Array, Shape


@dataclass
class LayerCard:
    """One row of a summary: what one layer does to one image, and what that costs."""

    path: str
    kind: str
    output_shape: Shape  # without the batch axis
    parameters: int
    multiply_adds: int  # for one image, forward
    kept_bytes: int  # for one image: what forward keeps for backward
    column_bytes: int  # for one block of a batch: its largest matrix of columns (im2col)


def card_of(layer: Any, x: Array, y: Array, kept: Sequence[Any], batch_size: int) -> LayerCard:
    """Return the card of a layer that turned the one-image batch `x` into `y`, and kept `kept` for backward."""
    shape = y.shape[1:]
    return LayerCard(
        path=layer.path,
        kind=type(layer).__name__,
        output_shape=shape,
        parameters=sum(parameter.data.size for _, parameter in layer.own_parameters()),
        multiply_adds=layer.multiply_adds(shape),
        kept_bytes=sum(value.nbytes for value in kept if hasattr(value, "nbytes")),
        column_bytes=layer.column_bytes(x, batch_size),
    )


def cards_of(model: Any, x: Array, batch_size: int) -> list[LayerCard]:
    """Run the one-image batch `x` through a model; return the cards of the layers that are not made of others.

    A layer made of others that also has parameters of its own has a card for these.
    """
    cards = []

    def see(layer: Any, inputs: Array, outputs: Array) -> None:
        cards.append(card_of(layer, inputs, outputs, layer.kept, batch_size))

    with observed(model, see):
        model.forward(x)
    for path, layer in model.named_layers():
        layer.forget()
        own = sum(parameter.data.size for _, parameter in layer.own_parameters())
        if layer.children() and own:
            cards.append(LayerCard(path, type(layer).__name__, (), own, 0, 0, 0))
    return cards


def format_summary(cards: Sequence[LayerCard], itemsize: int, batch_size: int) -> str:
    """Return the rows of `cards` (LayerCards in forward order) as a text table with totals.

    Memory counts what training with the textbook's layers needs:

        kept      what each layer keeps from forward to backward, for the whole batch; all of it is there at once
        columns   the largest matrix of columns that a convolution builds at once, for one block of images (see
                  `mlp.layers.convolution`); it is gone before the next layer begins, so the total is the largest

    and the weights with their gradients.
    """
    rows: list[tuple[str, ...]] = [("layer", "type", "output", "parameters", "multiply-adds", "kept", "columns")]
    for card in cards:
        shape = " x ".join(str(size) for size in card.output_shape)
        row: tuple[str, ...] = (card.path, card.kind, shape, f"{card.parameters:,}", f"{card.multiply_adds:,}")
        rows.append((*row, format_bytes(card.kept_bytes * batch_size), format_bytes(card.column_bytes)))
    parameters = sum(card.parameters for card in cards)
    multiply_adds = sum(card.multiply_adds for card in cards)
    kept = sum(card.kept_bytes for card in cards) * batch_size
    columns = max((card.column_bytes for card in cards), default=0)
    total = (f"{parameters:,}", f"{multiply_adds:,}", format_bytes(kept), format_bytes(columns))
    rows.append(("total", "", "", *total))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
        lines.append("  ".join(left + right).rstrip())
    rule = "-" * max(len(line) for line in lines)
    lines.insert(1, rule)
    lines.insert(-1, rule)
    lines.append(
        f"multiply-adds: one image, forward. kept: activations that backward needs, {batch_size} images. "
        "columns: the largest matrix of im2col, one at a time. "
        f"weights and gradients: {format_bytes(2 * parameters * itemsize)}."
    )
    return "\n".join(lines)


def format_bytes(count: float) -> str:
    """Return a byte count for people: "13.1 MB"."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1000
    return f"{count:.2f} GB"
