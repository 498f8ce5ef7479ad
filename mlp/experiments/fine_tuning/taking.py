"""Which weights of a source fit a network: decided by name and shape, layer by layer.

A layer is taken as a whole, with its running statistics, or it begins anew: if the kernels of a convolution do not fit,
its bias alone is of no use. Reasons why a layer begins anew:

    other shapes    another number of classes, channels or filters
    other classes   the last layer (and every companion) has as many outputs, but they stand for other classes; this is
                    seen only if the classes of both have names
    not there       the source has no layer of that name

Counters, such as dropout's, are not weights: they start at 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlp.backend import get_array_module
from mlp.errors import CheckpointError, excerpt
from mlp.experiments.fine_tuning.source import Source, read_source
from mlp.interop import VARIANCE, torch_names, what_is_wrong, without_prefixes
from mlp.layers import Layer
from mlp.layers.parameter import join
from mlp.models.deep_supervision import COMPANIONS, without_companions
from mlp.typing import Array, PathLike

MOST_SHOWN = 4  # layers that are named; the others are counted


@dataclass(frozen=True)
class Slot:
    """An array of a network, and the one of a source that belongs there.

    Attributes:
        layer: the path of its layer. name: its name in this layer. mine: the network's array.
        there: its name in the source. array: the source's, laid out as `mine`; None if it has none.
    """

    layer: str
    name: str
    mine: Array
    there: str
    array: Array | None


@dataclass
class Taken:
    """What a network took from a source; print it.

    Attributes:
        source: where from. layers: paths of the layers that were taken. anew: {path: why not} of the other layers.
        left: names of arrays for which the network has no layer. numbers: of weights: (taken, in all).
    """

    source: Source
    layers: list[str] = field(default_factory=list)
    anew: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    numbers: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        taken, whole = self.numbers
        lines = [
            f"weights of {self.source.name}: {len(self.layers)} of {len(self.layers) + len(self.anew)} layers taken, "
            f"{taken:,} of {whole:,} weights"
        ]
        lines += [f"  begins anew: {path or 'the model'}: {why}" for path, why in list(self.anew.items())[:MOST_SHOWN]]
        if len(self.anew) > MOST_SHOWN:
            lines.append(f"  and {len(self.anew) - MOST_SHOWN} more layers begin anew")
        if self.left:
            more = f" and {len(self.left) - MOST_SHOWN} more" if len(self.left) > MOST_SHOWN else ""
            lines.append(
                f"  not used: {excerpt(', '.join(self.left[:MOST_SHOWN]))}{more}: the network has no such layers"
            )
        return "\n".join(lines)


def init_from(model: Layer, source: PathLike | Source, class_names: Sequence[str] | None = None) -> Taken:
    """Copy those weights of a run or a file that fit into a model.

    Args:
        model: layers for which nothing fits stay as they are.
        source: the folder of a run, a checkpoint, a .safetensors file, or what `read_source` made of one.
        class_names: of the model; if the source is known to have other classes, its last layer is not taken.

    Returns:
        A Taken, to be printed.

    Raises:
        CheckpointError: nothing fits, or a weight is infinite or NaN; the model stays as it was.
    """
    source = source if isinstance(source, Source) else read_source(source)
    model.set_paths()
    arrays = source.arrays
    if source.as_in_torch:
        names = [join(path, there) for path, layer in model.named_layers() for _, there, _ in torch_names(layer)]
        arrays = without_prefixes(arrays, names)
    groups: dict[str, list[Slot]] = {}
    for slot in slots_of(model, arrays, as_in_torch=source.as_in_torch):
        groups.setdefault(slot.layer, []).append(slot)
    known = class_names is not None and source.class_names is not None
    others = known and list(class_names or ()) != source.class_names
    last = classifiers(model) if others else set()
    taken, chosen = Taken(source), []
    for path, slots in groups.items():
        why = reason_against(slots, is_for_others=path in last)
        if why:
            taken.anew[path] = why
        else:
            taken.layers.append(path)
            chosen += slots
    used = {slot.there for group in groups.values() for slot in group}
    taken.left = [name for name, array in arrays.items() if array.dtype.kind == "f" and name not in used]
    if not chosen:
        raise CheckpointError(nothing_fits(taken))
    check_values(chosen, source)
    for slot in chosen:
        slot.mine[...] = get_array_module(slot.mine).asarray(slot.array, dtype=slot.mine.dtype)
    buffers = {id(array) for _, array in model.named_buffers()}
    weights = sum(slot.mine.size for slot in chosen if id(slot.mine) not in buffers)
    taken.numbers = (weights, model.num_parameters)
    return taken


def slots_of(model: Layer, arrays: Mapping[str, Array], *, as_in_torch: bool) -> Iterator[Slot]:
    """Yield a Slot for each array of floating-point numbers of a model."""
    for path, layer in model.named_layers():
        own = {name: parameter.data for name, parameter in layer.own_parameters()}
        own |= {name: getattr(layer, name) for name in layer.buffer_names}
        torch = {name: (there, axes) for name, there, axes in torch_names(layer)} if as_in_torch else {}
        for name, mine in own.items():
            if mine.dtype.kind != "f":
                continue
            there, axes = torch.get(name, (name, None))
            array = arrays.get(join(path, there))
            if array is not None and axes is not None and array.ndim == len(axes):
                array = array.transpose(np.argsort(axes))
            yield Slot(path, name, mine, join(path, there), array)


def classifiers(model: Layer) -> set[str]:
    """Return the paths of the layers whose outputs are classes: the last one with weights, and all companions."""
    network = [path for path, layer in without_companions(model).named_layers() if layer.own_parameters()]
    companions = [path for path, layer in model.named_layers() if path.startswith(f"{COMPANIONS}.")]
    return {*network[-1:], *companions}


def reason_against(slots: Sequence[Slot], *, is_for_others: bool) -> str:
    """Return why a layer is not taken; "" if it is."""
    missing = [slot for slot in slots if slot.array is None]
    if len(missing) == len(slots):
        return f"there is no {missing[0].there}"
    if missing:
        return f"there is no {', '.join(slot.there for slot in missing)}, and a layer is taken as a whole"
    shapes = [(slot.name, slot.array.shape, slot.mine.shape) for slot in slots if slot.array is not None]
    wrong = [f"{name} {there} there, {here} here" for name, there, here in shapes if there != here]
    if wrong:
        return "; ".join(wrong)
    return "its outputs were other classes" if is_for_others else ""


def check_values(slots: Sequence[Slot], source: Source) -> None:
    """Raise CheckpointError if one of the arrays to take is not made of finite numbers."""
    for slot in slots:
        lowest = 0.0 if slot.name == VARIANCE else None
        if slot.array is not None and (problem := what_is_wrong(slot.array, slot.mine.dtype, lowest=lowest)):
            raise CheckpointError(f"{source.name}: {slot.there} {problem}")


def nothing_fits(taken: Taken) -> str:
    """Return the message for a source of which no layer fits."""
    path, why = next(iter(taken.anew.items()))
    there = excerpt(", ".join(list(taken.source.arrays)[:3])) or "nothing"
    return (
        f"nothing in {taken.source.name} fits this network: it holds {there} ...; of the network's layers, "
        f"{path or 'the first'} cannot take it ({why}). Weights fit where names and shapes are the same: --model and "
        "its flags must be those of the run"
    )
