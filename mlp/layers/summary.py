"""The table that `model.summary()` returns."""

from dataclasses import dataclass


@dataclass
class LayerCard:
    """One row of a summary: what one layer does to one image, and what that costs."""

    path: str
    kind: str
    output_shape: tuple  # without the batch axis
    parameters: int
    multiply_adds: int  # for one image, forward
    kept_bytes: int  # for one image: what forward keeps for backward


def format_summary(cards, itemsize, batch_size):
    """Return the rows of `cards` (LayerCards in forward order) as a text table with totals.

    Memory counts what training needs: the activations kept for backward, for a batch, and the weights with their
    gradients.
    """
    rows = [("layer", "type", "output", "parameters", "multiply-adds", "kept")]
    for card in cards:
        shape = " x ".join(str(size) for size in card.output_shape)
        row = (card.path, card.kind, shape, f"{card.parameters:,}", f"{card.multiply_adds:,}")
        rows.append((*row, format_bytes(card.kept_bytes * batch_size)))
    parameters = sum(card.parameters for card in cards)
    multiply_adds = sum(card.multiply_adds for card in cards)
    kept = sum(card.kept_bytes for card in cards) * batch_size
    rows.append(("total", "", "", f"{parameters:,}", f"{multiply_adds:,}", format_bytes(kept)))
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
        f"weights and gradients: {format_bytes(2 * parameters * itemsize)}."
    )
    return "\n".join(lines)


def format_bytes(count):
    """Return a byte count for people: "13.1 MB"."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1000
    return f"{count:.2f} GB"
