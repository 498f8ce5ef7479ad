"""What every learning rule is: from the gradient of all weights, how to change them.

    w  all weights in one flat array (P,)      g  their gradient (P,)      h  learning rate

A rule sees the model as these long vectors (see `FlatParameters`), so its formula is written once, and not in a
loop over layers. It also owns its moments, vectors of the same length that remember past gradients.

Before the formula of a rule come three things that all rules can do, in this order:

    clipping                  g <- max(-c, min(c, g))               clip_value: c, each number by itself
                              g <- g min(1, c / (|g| + 1e-6))       clip_norm: c, the whole gradient keeps its direction
    coupled weight decay      g <- g + d w                          weight_decay: d
    decoupled weight decay    w <- w - h d w                        decoupled_weight_decay: d

Coupled decay adds the gradient of a penalty (d/2) |w|^2 (L2); the reported loss leaves the penalty out, as PyTorch
does. A rule that divides by the size of the gradient, as Adam does, divides the penalty as well. Decoupled decay goes
around the rule and shrinks all weights alike (Loshchilov and Hutter, Decoupled weight decay regularization, 2019).
`no_decay` leaves parameters out of both by their names: r"(gamma|beta|bias)$" spares norms and biases.

Weights change in place, and only in `update`; p.grad stays as backward wrote it. A rule changes the parameters that it
was given: `rule.initialize(model.layers["4"].parameters())` before fit leaves all others as they are.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from mlp.backend import device_of, get_array_module, to_numpy
from mlp.checks import NamesElsewhere, NoShallowCopy, check_strings, not_negative, positive, quick_pattern, shown
from mlp.errors import CheckpointError, ConfigurationError, MlpError, ShapeError
from mlp.layers.parameter import FlatParameters, Parameter
from mlp.typing import Array

OTHER_SETTINGS = {  # what other libraries call a setting -> what to write here
    "lr": "learning_rate",
    "params": "nothing: the Trainer gives the rule the parameters of its model",
    "betas": "beta1 and beta2",
    "alpha": "decay",
    "rho": "decay",
    "epsilon": "eps",
    "momentum": "the rule Momentum",
    "nesterov": "the rule Nesterov",
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
}


class LearningRule(NoShallowCopy, NamesElsewhere):
    """Base class of all learning rules.

    Args:
        learning_rate: h > 0; a schedule, if the Trainer has one, sets it before each step.
        weight_decay, decoupled_weight_decay: d of the two kinds of decay; 0 for none.
        no_decay: a regular expression with few groups and repeats (see `mlp.checks.quick_pattern`); a parameter does
            not decay if the expression is found in its dotted name.
        clip_norm, clip_value: bounds for the gradient; None for none.
        other: settings that do not exist; the error says what they are called here.

    Raises:
        ConfigurationError: a value out of its range, or a setting that the rule does not have.
    """

    names_elsewhere: ClassVar = {
        "step": "write rule.update(), once rule.initialize(model.parameters()) was called; a Trainer does both",
        "zero_grad": "leave it out, backward overwrites the gradients",
        "minimize": "write mlp.training.Trainer(model, loss, rule).fit(batches, epochs=10)",
        "apply_gradients": "write rule.update(), once rule.initialize(model.parameters()) was called",
        "lr": "write rule.learning_rate",
        "param_groups": "write rule.learning_rate; no_decay='bias' names weights that do not decay",
        "flat": "call super().__init__(learning_rate) in its __init__",
    }
    moment_names: tuple[str, ...] = ()  # vectors that the rule remembers from step to step

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float = 0.0,
        decoupled_weight_decay: float = 0.0,
        no_decay: str | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        **other: Any,
    ) -> None:
        for name in other:
            ours = OTHER_SETTINGS.get(name, "its settings as the class names them")
            raise ConfigurationError(f"{type(self).__name__} has no setting {name}: write {ours}")
        self.learning_rate = positive("learning_rate", learning_rate)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.decoupled_weight_decay = not_negative("decoupled_weight_decay", decoupled_weight_decay)
        self.no_decay = None if no_decay is None else quick_pattern("no_decay", no_decay)
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else positive("clip_value", clip_value)
        self.flat: Any = None  # FlatParameters, from initialize on
        self.decays: Any = 1.0  # for each weight 1 if it decays, else 0: (P,); or 1.0 for all
        self.steps = 0  # updates so far
        self.moments: dict[str, Array] = {}

    def initialize(self, parameters: Iterable[Parameter]) -> None:
        """Take charge of a model's parameters: gather them into one flat array, set step and moments to zero.

        Raises:
            ConfigurationError: these are no parameters, or have no names where `no_decay` needs them, or the rule has
                two moments of one name.
            ShapeError: no parameters, or several dtypes.
        """
        found = list(parameters) if isinstance(parameters, Iterable) else [None]
        if not all(isinstance(parameter, Parameter) for parameter in found):
            raise ConfigurationError(
                f"a rule takes the parameters of a model: rule.initialize(model.parameters()); got {shown(parameters)}"
            )
        check_strings(f"{type(self).__name__}.moment_names", self.moment_names)
        if len({"steps", *self.moment_names}) < 1 + len(self.moment_names):
            raise ConfigurationError(
                f"{type(self).__name__}: moment_names must differ from each other and from 'steps', the number of "
                f"updates that is saved with them, got {', '.join(self.moment_names)}"
            )
        if self.no_decay is not None and not all(parameter.name for parameter in found):
            raise ConfigurationError("no_decay goes by the parameters' names: call model.set_paths() before initialize")
        self.flat = FlatParameters.gather(found)
        self.steps = 0
        zeros_like = get_array_module(self.flat.data).zeros_like
        self.moments = {name: zeros_like(self.flat.data) for name in self.moment_names}
        if self.no_decay is not None:
            self.decays = zeros_like(self.flat.data)
            for parameter, start in zip(self.flat.parameters, self.flat.offsets, strict=True):
                if not re.search(self.no_decay, parameter.name):
                    self.decays[start : start + parameter.data.size] = 1.0

    def gather_again(self) -> None:
        """Take the same parameters again, after they were moved, converted or copied; steps and moments stay."""
        state = self.state_dict()
        self.initialize(self.flat.parameters)
        self.load_state_dict(state)

    def without_parameters(self) -> Self:
        """Return a copy with the same settings that has no parameters yet: `initialize` gives it some."""
        return copy.deepcopy(self, {id(self.flat): None})  # its memo says: the copy of flat is None

    def update(self) -> None:
        """Change all parameters by one step against their gradients.

        Raises:
            MlpError: initialize was not called, or the model was moved or converted since, or this is a copy.
        """
        if self.flat is None or not self.flat.whole:
            raise MlpError(
                f"{type(self).__name__}: call rule.initialize(model.parameters()) before update, and again after "
                "model.to() or model.astype() or a copy; a Trainer, or engine.bind, does it and keeps the moments."
            )
        self.steps += 1
        weights, gradient = self.flat.data, self.clip(self.flat.grad)
        if self.weight_decay:
            gradient = gradient + (self.weight_decay * self.decays) * weights
        if self.decoupled_weight_decay:
            weights -= (self.learning_rate * self.decoupled_weight_decay * self.decays) * weights
        change = self.change(gradient)
        if np.shape(change) != weights.shape:
            raise ShapeError(
                f"{type(self).__name__}.change must return what to subtract from the weights, an array "
                f"{weights.shape}, got {shown(change) if np.shape(change) == () else np.shape(change)}"
            )
        weights -= change

    def clip(self, gradient: Array) -> Array:
        """Return the gradient within the bounds, (P,)."""
        xp = get_array_module(gradient)
        if self.clip_value is not None:
            gradient = xp.clip(gradient, -self.clip_value, self.clip_value)
        if self.clip_norm is not None:
            gradient = gradient * min(1.0, self.clip_norm / (norm_of(gradient) + 1e-6))
        return gradient

    def change(self, gradient: Array) -> Array:
        """Return what to subtract from the weights, (P,), and bring the moments up to date.

        `self.steps` counts this update already: it is 1 in the first.
        """
        raise NotImplementedError(f"{type(self).__name__} has no change method")

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to continue exactly: step count and moments, as NumPy arrays."""
        return {"steps": self.steps, **{name: to_numpy(m).copy() for name, m in self.moments.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; call initialize first.

        Raises:
            CheckpointError: the state is of another rule or another model; nothing is copied then.
        """
        expected = {"steps", *self.moments}
        if set(state) != expected:
            raise CheckpointError(f"{type(self).__name__} needs {sorted(expected)}, the state has {sorted(state)}")
        for name, moment in self.moments.items():
            if np.shape(state[name]) != moment.shape:
                raise CheckpointError(
                    f"{type(self).__name__} has {name} of shape {moment.shape}, the state {np.shape(state[name])}"
                )
        self.steps = int(state["steps"])
        for name, moment in self.moments.items():
            moment[...] = get_array_module(moment).asarray(state[name], dtype=moment.dtype)

    def __repr__(self) -> str:
        where = "" if self.flat is None else f", {self.flat.data.size:,} weights on {device_of(self.flat.data)}"
        return f"{type(self).__name__}(learning_rate={self.learning_rate}{where})"


def norm_of(gradient: Array) -> float:
    """Return |g|, even if the squares of its numbers are too large for their dtype."""
    xp = get_array_module(gradient)
    with np.errstate(over="ignore"):
        norm = float(xp.linalg.norm(gradient))
    if norm != float("inf"):
        return norm
    largest = float(xp.abs(gradient).max())
    if largest == norm:  # one of the numbers is infinite
        return norm
    return largest * float(xp.linalg.norm(gradient / largest))
