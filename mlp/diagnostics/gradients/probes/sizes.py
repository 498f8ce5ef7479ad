"""Numbers explained in a layer's own sizes: 0.8333 = (N - 1) / N, 12 = H W, 0.9 = momentum."""

from collections.abc import Mapping

CLOSE = 1e-5


def sizes_of(shape: tuple[int, ...], *, channels_first: bool = False) -> dict[str, float]:
    """Return the numbers of values that a shape offers, by their usual names."""
    if len(shape) == 4:
        N, H, W, C = (shape[0], *shape[2:], shape[1]) if channels_first else shape
        named = {"N": N, "H W": H * W, "N H W": N * H * W, "C": C, "H": H, "W": W, "H W C": H * W * C}
    else:
        named = {"N": shape[0], "D": shape[-1]} if len(shape) > 1 else {"N": shape[0]}
    return {name: float(value) for name, value in named.items() if value > 1}


def in_sizes(value: float, sizes: Mapping[str, float]) -> str:
    """Return a number in terms of sizes, " = (N - 1) / N", or "" if it is none of the usual ones."""
    for name, size in sizes.items():
        product = f"({name})" if " " in name else name
        forms = {
            f"1 / {product}": 1.0 / size,
            name: size,
            f"({name} - 1) / {product}": (size - 1.0) / size,
            f"{product} / ({name} - 1)": size / (size - 1.0) if size > 1 else 0.0,
        }
        for text, number in forms.items():
            if number and abs(value - number) < CLOSE * number:
                return f" = {text}"
    for one, first in sizes.items():
        for other, second in sizes.items():
            if one != other and abs(value - first / second) < CLOSE * value:
                return f" = {one} / ({other})"
    return ""
