"""The uses of a value in forward: a gradient is a sum over them, and one of them may be left out or counted wrongly."""
