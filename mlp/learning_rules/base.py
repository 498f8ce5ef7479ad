"""What every learning rule is: from the gradient of all weights, how to change them.

    w  all weights in one flat array (P,)      g  their gradient (P,)      h  learning rate

A rule sees the model as these long vectors (see `mlp.layers.parameter`), so its formula is written once, and not in a
loop over layers. It also owns its moments, vectors of the same length that remember past gradients.

Coupled L2 regularization adds a penalty (d/2) |w|^2 to the loss, and so d w to the gradient, before anything else:

    g <- g + d w            d: weight_decay

The reported loss leaves the penalty out, as PyTorch does. Weights change in place, and only in `update`.
"""

from mlp.backend import device_of, get_array_module, to_numpy
from mlp.errors import CheckpointError, ConfigurationError, MlpError
from mlp.layers.parameter import FlatParameters


class LearningRule:
    """Base class of all learning rules.

    Args:
        learning_rate: h > 0; the training loop sets it before each step.
        weight_decay: d >= 0, coupled L2 on all parameters.

    Raises:
        ConfigurationError: a value out of its range.
    """

    moment_names = ()  # vectors that the rule remembers from step to step

    def __init__(self, learning_rate, weight_decay=0.0):
        self.learning_rate = positive("learning_rate", learning_rate)
        if not weight_decay >= 0:
            raise ConfigurationError(f"weight_decay must be 0 or greater, got {weight_decay}")
        self.weight_decay = float(weight_decay)
        self.flat = None
        self.steps = 0  # updates so far
        self.moments = {}

    def initialize(self, parameters):
        """Take charge of a model's parameters: gather them into one flat array, set step and moments to zero."""
        self.flat = FlatParameters.gather(parameters)
        self.steps = 0
        zeros_like = get_array_module(self.flat.data).zeros_like
        self.moments = {name: zeros_like(self.flat.data) for name in self.moment_names}

    def update(self):
        """Change all parameters by one step along their gradients.

        Raises:
            MlpError: initialize was not called, or the model was moved or converted since.
        """
        if self.flat is None or not self.flat.whole:
            raise MlpError(
                f"{type(self).__name__}: call rule.initialize(model.parameters()) before update, "
                "and again after model.to() or model.astype()."
            )
        self.steps += 1
        gradient = self.flat.grad
        if self.weight_decay:
            gradient = gradient + self.weight_decay * self.flat.data
        self.flat.data -= self.change(gradient)

    def change(self, gradient):
        """Return what to subtract from the weights, (P,), and bring the moments up to date.

        `self.steps` counts this update already: it is 1 in the first.
        """
        raise NotImplementedError

    def state_dict(self):
        """Return what a later run needs to go on exactly: step count and moments, as NumPy arrays."""
        return {"steps": self.steps, **{name: to_numpy(m).copy() for name, m in self.moments.items()}}

    def load_state_dict(self, state):
        """Go on from a `state_dict`; call initialize first."""
        expected = {"steps", *self.moments}
        if set(state) != expected:
            raise CheckpointError(f"{type(self).__name__} needs {sorted(expected)}, the state has {sorted(state)}")
        self.steps = int(state["steps"])
        for name, moment in self.moments.items():
            moment[...] = get_array_module(moment).asarray(state[name], dtype=moment.dtype)

    def __repr__(self):
        where = "" if self.flat is None else f", {self.flat.data.size:,} weights on {device_of(self.flat.data)}"
        return f"{type(self).__name__}(learning_rate={self.learning_rate}{where})"


def positive(name, value):
    """Return `value` as a float; ConfigurationError unless it is greater than 0 and finite."""
    if not 0 < value < float("inf"):
        raise ConfigurationError(f"{name} must be greater than 0, got {value}")
    return float(value)


def fraction(name, value):
    """Return `value` as a float; ConfigurationError unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise ConfigurationError(f"{name} must lie in 0 <= {name} < 1, got {value}")
    return float(value)
