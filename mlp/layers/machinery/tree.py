"""A model as a tree of named layers: what can be said of it without knowing a formula.

Every layer is a node. Its children are the layers it is made of, and each node has parameters of its own, which are
trained, and buffers, which are saved with them but not trained. The dotted name of anything is the way to it from the
root: "stage_0.block_1.conv_0.weight".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module, move, to_numpy
from mlp.checks import NamesElsewhere, NoShallowCopy, float_type
from mlp.layers.machinery.checks import check_state
from mlp.layers.machinery.lost_parts import check_buffers, check_first_use, check_nothing_lost, named_once
from mlp.layers.parameter import Parameter, join
from mlp.rng import generator
from mlp.typing import Array, DType

Node = TypeVar("Node", bound="Tree[Any]")  # of what the tree is made: layers


def filled(array: Array, values: Array) -> Array:
    """Return `array` with other values, in place; a NumPy number, which cannot change, becomes another number."""
    converted = get_array_module(array).asarray(values, dtype=array.dtype)
    if isinstance(array, np.generic):
        return converted[()]
    array[...] = converted
    return array


WITH_TRAINER = "write mlp.training.Trainer(model, loss, rule).fit(batches, epochs=10)"
ELSEWHERE = {
    "train": "write model.forward(x, training=True) in training; a Trainer does",
    "eval": "model.forward(x) evaluates unless you write training=True",
    "fit": WITH_TRAINER,
    "compile": WITH_TRAINER,
    "predict": "write model.forward(x).argmax(axis=1), or mlp.load_run(FOLDER).predict(images) for the model of a run",
    "evaluate": "write trainer.evaluate(batches)",
    "cuda": "write model.to('cuda:0')",
    "cpu": "write model.to('cpu')",
    "float": "write model.astype(np.float32)",
    "double": "write model.astype(np.float64)",
    "half": "weights are float32 or float64: model.astype(np.float32)",
    "zero_grad": "leave it out, backward overwrites the gradients",
    "add": "give all layers at once: Sequential(Flatten(), Affine(64, 10))",
    "append": "give all layers at once: Sequential(Flatten(), Affine(64, 10))",
    "modules": "write model.named_layers()",
    "named_modules": "write model.named_layers()",
    "get_weights": "write model.state_dict()",
    "set_weights": "write model.load_state_dict(weights)",
    "save": "write mlp.training.save_checkpoint(path, trainer), or mlp.interop.save_safetensors(model, path)",
}


class Tree(NoShallowCopy, NamesElsewhere, Generic[Node]):
    """The base of `Layer`.

    Attributes that are a `Parameter` or a node are found automatically, in the order of their assignment.
    """

    names_elsewhere = ELSEWHERE
    path = ""  # dotted place in the model, set by `set_paths`
    buffer_names: tuple[str, ...] = ()  # attributes that are saved with the weights but not trained

    # --- names ----------------------------------------------------------------------------------------------------

    def children(self) -> list[tuple[str, Node]]:
        """Return the layers this one is made of, as (name, layer) pairs in forward order."""
        return [(name, cast(Node, value)) for name, value in vars(self).items() if isinstance(value, Tree)]

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters of this layer alone, as (name, parameter) pairs."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]

    def named_layers(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Yield (dotted path, layer) for this layer and all layers below it, in forward order."""
        yield path, cast(Node, self)
        for name, child in self.children():
            yield from child.named_layers(join(path, name))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter) in forward order, weight before bias, gamma before beta."""
        for path, layer in self.named_layers():
            for name, parameter in layer.own_parameters():
                yield join(path, name), parameter

    def parameters(self) -> list[Parameter]:
        """Return the list of all parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Yield (dotted name, array) for everything that is saved but not trained (running statistics)."""
        for path, layer in self.named_layers():
            for name in layer.buffer_names:
                yield join(path, name), getattr(layer, name)

    def set_paths(self) -> Self:
        """Tell every layer and parameter its dotted path.

        Raises:
            ConfigurationError: one layer or parameter is used in two places (each needs its own, because a layer keeps
                the values of one forward pass). Two arrays have the same name. Or a list or dict holds layers or
                parameters that are found nowhere else, and so would never be trained.
        """
        used: dict[int, str] = {}
        for path, layer in self.named_layers():
            check_first_use(used, layer, path)
            layer.path = path
            for name, parameter in layer.own_parameters():
                check_first_use(used, parameter, join(path, name))
                parameter.name = join(path, name)
        for _, layer in self.named_layers():
            check_nothing_lost(layer.label(), vars(layer), (Tree, Parameter), used.keys())
            check_buffers(layer.label(), layer)
        self.named_arrays()  # an error if two have the same name
        return self

    def label(self) -> str:
        """Return the class and path of this layer, for messages: "Conv2d 'stage_0.block_1.conv_0'"."""
        return f"{type(self).__name__} {self.path!r}" if self.path else type(self).__name__

    def reset_parameters(self, rng: Generator) -> None:
        """Draw the parameters of this layer alone from the generator `rng`; layers with weights override it."""

    def initialize(self, seed: int) -> Self:
        """Draw all weights anew: those of each layer are a function of the seed and the layer's path alone."""
        self.set_paths()
        for path, layer in self.named_layers():
            layer.reset_parameters(generator(seed, "init", path))
        return self

    @property
    def num_parameters(self) -> int:
        """The number of weights."""
        return sum(parameter.data.size for parameter in self.parameters())

    def named_arrays(self) -> dict[str, Array]:
        """Return all parameters' data and all buffers, not copied, by dotted name; an error if two have the same."""
        parameters = ((name, parameter.data) for name, parameter in self.named_parameters())
        return named_once([*parameters, *self.named_buffers()])

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers as NumPy arrays, by dotted name."""
        return {name: to_numpy(array).copy() for name, array in self.named_arrays().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy the arrays of a `state_dict` into this model.

        Raises:
            ShapeError: names, shapes or kinds of numbers differ; nothing is copied then.
        """
        check_state(self.named_arrays(), state)
        for name, parameter in self.named_parameters():
            filled(parameter.data, state[name])
        for path, layer in self.named_layers():
            for name in layer.buffer_names:
                setattr(layer, name, filled(getattr(layer, name), state[join(path, name)]))

    def astype(self, dtype: DType) -> Self:
        """Convert all parameters and floating-point buffers to `dtype`, in place; returns the model.

        Raises:
            ConfigurationError: no floating-point type.
        """
        wanted = float_type(dtype)
        return self._convert(lambda array: array.astype(wanted))

    def to(self, device: str) -> Self:
        """Move all parameters and floating-point buffers to "cpu" or "cuda:N", in place; returns the model.

        Raises:
            DeviceError: an unknown device, or one that cannot be used.
        """
        return self._convert(lambda array: move(array, device))

    def _convert(self, function: Callable[[Array], Array]) -> Self:
        for _, layer in self.named_layers():
            for _, parameter in layer.own_parameters():
                converted = function(parameter.data)
                if converted is not parameter.data:  # it is there already: nothing changes
                    parameter.replace(converted)
            for name in layer.buffer_names:
                buffer = getattr(layer, name)
                if buffer.dtype.kind == "f":  # counters stay whole numbers, on the host
                    setattr(layer, name, function(buffer))
        return self
