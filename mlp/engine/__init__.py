"""How the mathematics of the textbook is run. `textbook` runs the layers as they are written."""

from mlp.engine.gradient_statistics import GradientStatistics
from mlp.engine.textbook import TextbookEngine
from mlp.errors import ConfigurationError

ENGINES = ("auto", "textbook")


def make_engine(name="auto"):
    """Return a new engine by name; "auto" picks the fastest one there is for the model's device.

    Raises:
        ConfigurationError: an unknown name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"engine must be one of {', '.join(ENGINES)}, got {name!r}")
    return TextbookEngine()


__all__ = ["ENGINES", "GradientStatistics", "TextbookEngine", "make_engine"]
